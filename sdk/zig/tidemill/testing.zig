//! Drives a plugin from a native test: rows in, what was emitted out, as readable lines. No host, no WebAssembly.

const std = @import("std");
const batches = @import("batch.zig");
const exports = @import("exports.zig");
const types = @import("types.zig");
const allocator = @import("state.zig").allocator;
const Output = @import("output.zig").Output;

/// A calculation. `var test_plugin: Harness(Plugin) = .{}; try test_plugin.configure("{}");`
pub fn Harness(comptime Plugin: type) type {
    return struct {
        plugin: Plugin = .{},
        out: Output = .{ .ports = &Plugin.outputs },
        lines: std.Io.Writer.Allocating = .init(allocator),

        const Self = @This();

        /// Parameters: a JSON object as in a deployment.
        pub fn configure(self: *Self, params: []const u8) types.Error!void {
            try exports.configured(&self.plugin, params);
        }

        /// Passes rows in one batch, in their order, and returns a line `group port time value quality` per row emitted; texts are in
        /// quotes. `texts` are what rows of text ports refer to. The lines are valid until the next call.
        pub fn process(self: *Self, rows: []const batches.Row, texts: []const []const u8) ![]const u8 {
            var in: Output = .{ .ports = &Plugin.inputs };
            for (rows) |row| in.push(row);
            for (texts) |text| try in.texts.append(allocator, .of(text));
            self.out.clear(rows.len);
            try self.plugin.process(&in.batch(), &self.out);
            return self.emitted();
        }

        /// Moves the watermark.
        pub fn advance(self: *Self, watermark: types.Time) ![]const u8 {
            self.out.clear(0);
            if (@hasDecl(Plugin, "advance")) try self.plugin.advance(watermark, &self.out);
            return self.emitted();
        }

        fn emitted(self: *Self) ![]const u8 {
            self.lines.clearRetainingCapacity();
            const batch = self.out.batch();
            var rows = batch.rows();
            while (rows.next()) |row| {
                const port = Plugin.outputs[row.port];
                try self.lines.writer.print("{d} {s} {d} ", .{ row.group, port.name, row.time });
                switch (port.kind) {
                    .number => try self.lines.writer.print("{d}", .{row.value}),
                    .text => try self.lines.writer.print("\"{s}\"", .{batch.text(row)}),
                }
                try self.lines.writer.print(" {d}\n", .{row.quality});
            }
            return self.lines.written();
        }
    };
}

/// What the last `error.Problem` was about.
pub const lastProblem = types.lastProblem;

/// Expects that the parameters are refused with code 1 and this text.
pub fn expectRefused(comptime Plugin: type, params: []const u8, wanted: []const u8) !void {
    var harness: Harness(Plugin) = .{};
    try std.testing.expectError(error.Problem, harness.configure(params));
    try std.testing.expectEqual(1, types.lastProblem().code);
    try std.testing.expectEqualStrings(wanted, types.lastProblem().text);
}

/// Passes one window of rows to an aggregation; returns one value per output port.
pub fn aggregate(plugin: anytype, window: batches.Window) types.Error![@TypeOf(plugin.*).outputs.len]f64 {
    var values: [@TypeOf(plugin.*).outputs.len]f64 = @splat(std.math.nan(f64));
    try plugin.aggregate(window, &values);
    return values;
}
