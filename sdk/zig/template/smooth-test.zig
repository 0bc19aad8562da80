//! Native tests of the plugin: rows in, lines `group port time value quality` out. Every number was computed by hand.

const std = @import("std");
const tidemill = @import("tidemill");
const Plugin = @import("smooth.zig").Plugin;
const Row = tidemill.Row;

const bad = 0x8000_0000;
const uncertain = 0x4000_0000;
const second = 1_000_000_000;

fn configured(params: []const u8) !tidemill.testing.Harness(Plugin) {
    var plugin: tidemill.testing.Harness(Plugin) = .{};
    try plugin.configure(params);
    return plugin;
}

fn expectLines(wanted: []const u8, got: []const u8) !void {
    try std.testing.expectEqualStrings(wanted, got);
}

test "every group has its own mean" {
    var plugin = try configured("{\"alpha\": 0.5}");
    try expectLines(
        \\0 state 10 "fresh" 0
        \\0 value 10 8 0
        \\0 value 20 12 1073741824
        \\1 state 10 "fresh" 0
        \\1 value 10 100 0
        \\0 value 30 8 0
        \\
    , try plugin.process(&.{
        .{ .time = 10, .value = 8 },
        .{ .time = 20, .value = 16, .quality = uncertain },
        .{ .group = 1, .time = 10, .value = 100 },
        .{ .time = 30, .value = 4 },
    }, &.{}));
}

test "bad, late and missing values are skipped" {
    var plugin = try configured("{\"alpha\": 0.5}");
    try expectLines("0 state 20 \"fresh\" 0\n0 value 20 8 0\n", try plugin.process(&.{
        .{ .time = 10, .value = 1, .quality = bad },
        .{ .time = 11, .value = std.math.nan(f64) },
        .{ .time = 20, .value = 8 },
    }, &.{}));
    try expectLines("0 value 20 6 0\n", try plugin.process(&.{
        .{ .time = 19, .value = 99 },
        .{ .time = 20, .value = 4 },
    }, &.{}));
}

test "silence makes stale, and a sample fresh again" {
    var plugin = try configured("{\"alpha\": 0.5, \"stale_s\": 2}");
    _ = try plugin.process(&.{ .{ .time = second, .value = 8 }, .{ .group = 1, .time = 3 * second, .value = 8 } }, &.{});
    try expectLines("", try plugin.advance(3 * second - 1));
    try expectLines("0 state 3000000000 \"stale\" 0\n", try plugin.advance(4 * second));
    try expectLines("1 state 5000000000 \"stale\" 0\n", try plugin.advance(9 * second));
    try expectLines(
        "0 state 9000000000 \"fresh\" 0\n0 value 9000000000 6 0\n",
        try plugin.process(&.{.{ .time = 9 * second, .value = 4 }}, &.{}),
    );
}

test "without a limit nothing gets stale" {
    var plugin = try configured("{\"alpha\": 1}");
    _ = try plugin.process(&.{.{ .time = 0, .value = 8 }}, &.{});
    try expectLines("", try plugin.advance(std.math.maxInt(i64)));
}

test "wrong parameters are named" {
    const cases = [_][2][]const u8{
        .{ "{}", "parameter `alpha` is missing; give a number" },
        .{ "{\"alpha\": 0}", "parameter `alpha` must lie above 0 and be at most 1" },
        .{ "{\"alpha\": 1.1}", "parameter `alpha` must lie above 0 and be at most 1" },
        .{ "{\"alpha\": \"1\"}", "parameter `alpha` is a string, but must be a number" },
        .{ "{\"alpha\": 1, \"stale_s\": -1}", "parameter `stale_s` must be 0 or more, and at most 9e9" },
        .{ "{\"alpha\": 1, \"stale\": 1}", "parameter `stale` is unknown; this plugin takes `alpha`, `stale_s`" },
    };
    for (cases) |case| try tidemill.testing.expectRefused(Plugin, case[0], case[1]);
}
