//! Parameters, rows and texts in and out, key-value state, saved state and aggregations.

const std = @import("std");
const tidemill = @import("tidemill");
const expect = std.testing.expect;
const expectEqualStrings = std.testing.expectEqualStrings;

/// Input 0: emits the mean of each run. Input 1: emits the text before this one.
const Plugin = struct {
    pub const name = "tally";
    pub const version = "1";
    pub const inputs = [_]tidemill.Port{ .{ .name = "value" }, .{ .name = "text", .kind = .text } };
    pub const outputs = [_]tidemill.Port{ .{ .name = "mean" }, .{ .name = "before", .kind = .text } };

    number: f64 = 0,
    text: []const u8 = "",
    flag: bool = false,
    groups: tidemill.Groups(Tally) = .{},

    const Tally = struct { count: i64 = 0, sum: f64 = 0 };

    pub fn configure(self: *Plugin, params: *tidemill.Params) tidemill.Error!void {
        self.number = try params.numberOr("number", -1);
        self.text = try params.textOr("text", "none");
        self.flag = try params.flagOr("flag", true);
    }

    pub fn process(self: *Plugin, input: *const tidemill.Batch, out: *tidemill.Output) tidemill.Error!void {
        var runs = input.runs();
        while (runs.next()) |run| {
            if (run.port != 0) continue;
            const tally = self.groups.of(run.group);
            for (run.values) |value| tally.sum += value;
            tally.count += @intCast(run.values.len);
            const mean = tally.sum / @as(f64, @floatFromInt(tally.count));
            out.emit(run.group, 0, run.t0 + run.dt[run.dt.len - 1], mean, tidemill.quality.good);
        }
        var rows = input.rows();
        while (rows.next()) |row| {
            if (row.port != 1) continue;
            const text = input.text(row);
            if (std.mem.eql(u8, text, "refuse")) return tidemill.problem(100, "asked to {s}", .{text});
            out.emitText(row.group, 1, row.time, tidemill.kv.get(row.group, "last") orelse "nothing", row.quality);
            if (std.mem.eql(u8, text, "forget")) tidemill.kv.remove(row.group, "last") else tidemill.kv.set(row.group, "last", text);
        }
    }

    pub fn save(self: *Plugin, group: u32, writer: *tidemill.Writer) void {
        writer.write(self.groups.of(group).*);
    }

    pub fn load(self: *Plugin, group: u32, reader: *tidemill.Reader) tidemill.Error!void {
        self.groups.of(group).* = reader.read(Tally) orelse return tidemill.problem(101, "too short", .{});
    }
};

test "plain values are read" {
    var harness: tidemill.testing.Harness(Plugin) = .{};
    try harness.configure("{\"number\" :\t-12.5e-1, \"text\":\"a\\n\\u00e4\\ud83d\\ude00\\\"\\/\", \"flag\":false}\n");
    try expect(harness.plugin.number == -1.25 and !harness.plugin.flag);
    try expectEqualStrings("a\n\u{e4}\u{1f600}\"/", harness.plugin.text);
}

test "null and nothing are absent" {
    for ([_][]const u8{ "", "{}", "{\"number\": null, \"text\": null}" }) |params| {
        var harness: tidemill.testing.Harness(Plugin) = .{};
        try harness.configure(params);
        try expect(harness.plugin.number == -1 and harness.plugin.flag);
        try expectEqualStrings("none", harness.plugin.text);
    }
}

test "what cannot be used is named" {
    const broken = "the parameters are not a JSON object of plain values: ";
    const cases = [_][2][]const u8{
        .{ "{\"number\": \"1\"}", "parameter `number` is a string, but must be a number" },
        .{ "{\"number\": true, \"text\": 1}", "parameter `number` is true, but must be a number" },
        .{ "{\"text\": 1.5}", "parameter `text` is 1.5, but must be a string" },
        .{ "{\"nummer\": 0}", "parameter `nummer` is unknown; this plugin takes `number`, `text`, `flag`" },
        .{ "{\"flag\": {}}", broken ++ "`flag` is a list or an object; only numbers, strings and booleans can be parameters" },
        .{ "{\"flag\": true, \"flag\": true}", broken ++ "`flag` is there twice" },
        .{ "{\"number\": 1e999}", broken ++ "`number` has no JSON value" },
        .{ "{\"number\": .5}", broken ++ "the JSON is broken at byte 11" },
        .{ "{\"flag\": true} 1", broken ++ "the JSON is broken at byte 15" },
        .{ "[]", broken ++ "a `{` is missing" },
    };
    for (cases) |case| try tidemill.testing.expectRefused(Plugin, case[0], case[1]);
}

test "a long problem is cut between characters" {
    const letters: [400][2]u8 = @splat("\u{e4}".*);
    const refusal: tidemill.Error!void = tidemill.wrongParameter(@ptrCast(&letters), "is long");
    try std.testing.expectError(error.Problem, refusal);
    const problem = tidemill.testing.lastProblem();
    try expect(problem.text.len >= 399 and std.unicode.utf8ValidateSlice(problem.text));
}

test "rows, texts and keys pass" {
    var harness: tidemill.testing.Harness(Plugin) = .{};
    try expectEqualStrings(
        \\2 mean 20 1.5 0
        \\2 before 10 "nothing" 0
        \\2 before 15 "open" 7
        \\2 before 16 "shut" 0
        \\2 before 17 "nothing" 0
        \\0 before 5 "nothing" 0
        \\
    , try harness.process(&.{
        .{ .group = 2, .time = 10, .value = 1 },
        .{ .group = 2, .time = 20, .value = 2 },
        .{ .group = 2, .port = 1, .time = 10, .value = 0 },
        .{ .group = 2, .port = 1, .time = 15, .value = 1, .quality = 7 },
        .{ .group = 2, .port = 1, .time = 16, .value = 2 },
        .{ .group = 2, .port = 1, .time = 17, .value = 0 },
        .{ .group = 0, .port = 1, .time = 5, .value = 1 },
    }, &.{ "open", "shut", "forget" }));
    const refused = harness.process(&.{.{ .port = 1, .time = 0, .value = 0 }}, &.{"refuse"});
    try std.testing.expectError(error.Problem, refused);
    try std.testing.expectEqual(100, tidemill.testing.lastProblem().code);
}

test "a saved state can be loaded" {
    var old: Plugin = .{};
    var next: Plugin = .{};
    old.groups.of(5).* = .{ .count = 3, .sum = 6.5 };
    var writer: tidemill.Writer = .{};
    old.save(5, &writer);
    var whole: tidemill.Reader = .{ .bytes = writer.bytes.items };
    try next.load(5, &whole);
    try std.testing.expectEqual(old.groups.of(5).*, next.groups.of(5).*);
    var cut: tidemill.Reader = .{ .bytes = writer.bytes.items[1..] };
    try std.testing.expectError(error.Problem, next.load(5, &cut));
}

test "runs break where time goes back" {
    var out: tidemill.Output = .{ .ports = &.{.{ .name = "value" }} };
    for ([_]i64{ 5, 5, 6, 4, 9 }) |time| out.emit(0, 0, time, 0, tidemill.quality.good);
    const batch = out.batch();
    try expect(batch.heads.len == 2 and batch.heads[0].rows == 3 and batch.heads[1].rows == 2);
    try expect(batch.t0 == 5 and batch.dt[3] == -1 and batch.qualities.len == 0);
}

test "many texts keep the order of first use" {
    var out: tidemill.Output = .{ .ports = &.{.{ .name = "text", .kind = .text }} };
    for (0..3) |_| {
        out.clear(0);
        for (0..3000) |i| {
            var bytes: [32]u8 = undefined;
            const text = try std.fmt.bufPrint(&bytes, "text {d}", .{i % 1000});
            out.emitText(0, 0, @intCast(i), text, tidemill.quality.good);
        }
        const batch = out.batch();
        try expect(batch.texts.len == 1000 and batch.values[2999] == 999);
        try expectEqualStrings("text 500", batch.texts[500].slice());
    }
}

const Most = struct {
    pub const outputs = [_]tidemill.Port{.{ .name = "most" }};

    pub fn aggregate(_: *Most, window: tidemill.Window, values: []f64) tidemill.Error!void {
        for (window.values, 0..) |value, i| {
            if (!tidemill.quality.isBad(window.quality(i)) and !(values[0] >= value)) values[0] = value;
        }
    }
};

test "an aggregation gives a value or none" {
    var most: Most = .{};
    const full = try tidemill.testing.aggregate(&most, .{
        .start = 0,
        .end = 10,
        .dt = &.{ 0, 1, 2 },
        .values = &.{ 1, 9, 3 },
        .qualities = &.{ 0, 0x8000_0000, 0 },
    });
    try std.testing.expectEqual(3, full[0]);
    const empty = try tidemill.testing.aggregate(&most, .{ .start = 0, .end = 10, .dt = &.{}, .values = &.{} });
    try expect(std.math.isNan(empty[0]));
}
