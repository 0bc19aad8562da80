//! The exports of contract 0.2 under their canonical-ABI names: the only place that knows its bytes.
//!
//! Invariants: lists handed in live in `inputs` until the call returns; results live in variables of `Guest` until the next call, so
//! there is no `cabi_post_…`; when an export returns, nothing of its call is needed any more but the result.

const std = @import("std");
const builtin = @import("builtin");
const batches = @import("batch.zig");
const state = @import("state.zig");
const types = @import("types.zig");
const Output = @import("output.zig").Output;
const Params = @import("params.zig").Params;

const Batch = batches.Batch;
const RunHead = batches.RunHead;
const Text = batches.Text;

const List = extern struct {
    ptr: ?*const anyopaque,
    len: usize,

    fn of(slice: anytype) List {
        return .{ .ptr = slice.ptr, .len = slice.len };
    }
};
const PortBytes = extern struct { name: List, kind: u8 };
const WindowHead = extern struct { group: u32, rows: u32, start: i64, end: i64 };
const About = extern struct { name: List, version: List, inputs: List, outputs: List };
const Failure = extern struct { code: u32, text: List };
const Rows = extern struct { t0: i64, heads: List, dt: List, values: List, qualities: List, texts: List };
/// Of configure, load and aggregate.
const ShortArea = extern struct { failed: u8, body: extern union { failure: Failure, values: List } };
/// Of process and advance.
const BatchArea = extern struct { failed: u8, body: extern union { failure: Failure, rows: Rows } };

var inputs: std.heap.ArenaAllocator = .init(state.allocator);

fn realloc(old: ?[*]const u8, old_size: usize, alignment: usize, size: usize) callconv(.c) [*]u8 {
    const memory = inputs.allocator().alignedAlloc(u8, .@"16", @max(size, 1)) catch @panic("out of memory");
    if (alignment > 16) @trap();
    if (old) |bytes| @memcpy(memory[0..@min(old_size, size)], bytes[0..@min(old_size, size)]);
    return memory.ptr;
}

/// A list that was handed in; an empty one may have any pointer, even null.
fn items(ptr: anytype, len: usize) []const std.meta.Child(std.meta.Child(@TypeOf(ptr))) {
    return if (len == 0) &.{} else ptr.?[0..len];
}

fn contract() callconv(.c) u32 {
    return 2;
}

fn releaseInputs() void {
    _ = inputs.reset(.{ .retain_with_limit = 64 << 10 });
}

fn failure(_: types.Error) Failure {
    const problem = types.lastProblem();
    return .{ .code = problem.code, .text = .of(problem.text) };
}

fn portBytes(comptime ports: []const types.Port) [ports.len]PortBytes {
    var bytes: [ports.len]PortBytes = undefined;
    for (ports, &bytes) |port, *to| to.* = .{ .name = .of(port.name), .kind = @backingInt(port.kind) };
    return bytes;
}

/// Reads the parameters, lets the plugin take them, and refuses what is left.
pub fn configured(plugin: anytype, json: []const u8) types.Error!void {
    var params: Params = .{};
    try params.parse(json);
    if (@hasDecl(@TypeOf(plugin.*), "configure")) try plugin.configure(&params);
    try params.finish();
}

fn Guest(comptime Plugin: type) type {
    return struct {
        var plugin: Plugin = .{};
        var out: Output = .{ .ports = &Plugin.outputs };
        var about: About = undefined;
        var input_ports: [Plugin.inputs.len]PortBytes = undefined;
        var output_ports: [Plugin.outputs.len]PortBytes = undefined;
        var small: ShortArea = undefined;
        var large: BatchArea = undefined;
        var window_values: std.ArrayList(f64) = .empty;
        var writer: state.Writer = .{};
        var states: std.ArrayList(Text) = .empty;
        var saved: List = undefined;

        fn describe() callconv(.c) *const About {
            input_ports = portBytes(&Plugin.inputs);
            output_ports = portBytes(&Plugin.outputs);
            const name: []const u8 = Plugin.name;
            const version: []const u8 = Plugin.version;
            about = .{
                .name = .of(name),
                .version = .of(version),
                .inputs = .of(@as([]const PortBytes, &input_ports)),
                .outputs = .of(@as([]const PortBytes, &output_ports)),
            };
            return &about;
        }

        fn configure(params: ?[*]const u8, len: usize) callconv(.c) *const ShortArea {
            return shortReply(configured(&plugin, items(params, len)), &.{});
        }

        fn process(
            t0: i64,
            heads: ?[*]const RunHead,
            head_count: usize,
            dt: ?[*]const i64,
            dt_count: usize,
            values: ?[*]const f64,
            value_count: usize,
            qualities: ?[*]const u32,
            quality_count: usize,
            texts: ?[*]const Text,
            text_count: usize,
        ) callconv(.c) *const BatchArea {
            const batch: Batch = .{
                .t0 = t0,
                .heads = items(heads, head_count),
                .dt = items(dt, dt_count),
                .values = items(values, value_count),
                .qualities = items(qualities, quality_count),
                .texts = items(texts, text_count),
            };
            out.clear(value_count + value_count / 8);
            return batchReply(plugin.process(&batch, &out));
        }

        fn advance(watermark: i64) callconv(.c) *const BatchArea {
            out.clear(0);
            return batchReply(if (@hasDecl(Plugin, "advance")) plugin.advance(watermark, &out) else {});
        }

        fn aggregate(
            heads: ?[*]const WindowHead,
            head_count: usize,
            dt: ?[*]const i64,
            dt_count: usize,
            values: ?[*]const f64,
            value_count: usize,
            qualities: ?[*]const u32,
            quality_count: usize,
            texts: ?[*]const Text,
            text_count: usize,
        ) callconv(.c) *const ShortArea {
            const columns: batches.Window = .{
                .start = 0,
                .end = 0,
                .dt = items(dt, dt_count),
                .values = items(values, value_count),
                .qualities = items(qualities, quality_count),
                .texts = items(texts, text_count),
            };
            return shortReply(aggregateAll(items(heads, head_count), columns), window_values.items);
        }

        fn aggregateAll(heads: []const WindowHead, columns: batches.Window) types.Error!void {
            const width = Plugin.outputs.len;
            window_values.resize(state.allocator, heads.len * width) catch @panic("out of memory");
            @memset(window_values.items, std.math.nan(f64));
            var row: usize = 0;
            for (heads, 0..) |head, i| {
                const window: batches.Window = .{
                    .group = head.group,
                    .start = head.start,
                    .end = head.end,
                    .dt = columns.dt[row..][0..head.rows],
                    .values = columns.values[row..][0..head.rows],
                    .qualities = if (columns.qualities.len == 0) &.{} else columns.qualities[row..][0..head.rows],
                    .texts = columns.texts,
                };
                try plugin.aggregate(window, window_values.items[i * width ..][0..width]);
                row += head.rows;
            }
        }

        fn save(groups: ?[*]const u32, count: usize) callconv(.c) *const List {
            writer.bytes.clearRetainingCapacity();
            states.resize(state.allocator, count) catch @panic("out of memory");
            for (items(groups, count), states.items) |group, *to| {
                const start = writer.bytes.items.len;
                plugin.save(group, &writer);
                to.len = writer.bytes.items.len - start;
            }
            var start: usize = 0; // only now: the bytes do not move any more
            for (states.items) |*to| {
                to.ptr = writer.bytes.items.ptr + start;
                start += to.len;
            }
            saved = .of(states.items);
            releaseInputs();
            return &saved;
        }

        fn load(groups: ?[*]const u32, count: usize, given: ?[*]const Text, given_count: usize) callconv(.c) *const ShortArea {
            return shortReply(loadAll(items(groups, count), items(given, given_count)), &.{});
        }

        fn loadAll(groups: []const u32, given: []const Text) types.Error!void {
            for (groups, given) |group, text| {
                var reader: state.Reader = .{ .bytes = text.slice() };
                if (text.len > 0) try plugin.load(group, &reader);
            }
        }

        fn shortReply(result: types.Error!void, values: []const f64) *const ShortArea {
            small = if (result)
                .{ .failed = 0, .body = .{ .values = .of(values) } }
            else |problem|
                .{ .failed = 1, .body = .{ .failure = failure(problem) } };
            releaseInputs();
            return &small;
        }

        fn batchReply(result: types.Error!void) *const BatchArea {
            large = if (result) .{ .failed = 0, .body = .{ .rows = rows(out.batch()) } } else |problem| .{ .failed = 1, .body = .{ .failure = failure(problem) } };
            releaseInputs();
            return &large;
        }

        fn rows(batch: Batch) Rows {
            return .{
                .t0 = batch.t0,
                .heads = .of(batch.heads),
                .dt = .of(batch.dt),
                .values = .of(batch.values),
                .qualities = .of(batch.qualities),
                .texts = .of(batch.texts),
            };
        }
    };
}

fn exportCommon(comptime Plugin: type) void {
    if (@sizeOf(PortBytes) != 12 or @sizeOf(WindowHead) != 24 or @sizeOf(ShortArea) != 16 or @sizeOf(BatchArea) != 56)
        @compileError("the structs do not have the layout of the contract");
    @export(&realloc, .{ .name = "cabi_realloc" });
    @export(&contract, .{ .name = "contract" });
    @export(&Guest(Plugin).describe, .{ .name = "describe" });
    @export(&Guest(Plugin).configure, .{ .name = "configure" });
}

/// Exports a calculation: a struct with `name`, `version`, `inputs`, `outputs` and `process`; optional are `configure`, `advance`, and
/// together `save` and `load`, for state that moves into a later version.
pub fn calculation(comptime Plugin: type) void {
    if (!builtin.cpu.arch.isWasm()) return;
    exportCommon(Plugin);
    @export(&Guest(Plugin).process, .{ .name = "process" });
    @export(&Guest(Plugin).advance, .{ .name = "advance" });
    if (@hasDecl(Plugin, "save")) {
        @export(&Guest(Plugin).save, .{ .name = "save" });
        @export(&Guest(Plugin).load, .{ .name = "load" });
    }
}

/// Exports an aggregation: a struct with `name`, `version`, one input in `inputs`, `outputs` and `aggregate`, which writes one value
/// per output port (they are NaN before: no value); `configure` is optional.
pub fn aggregation(comptime Plugin: type) void {
    if (!builtin.cpu.arch.isWasm()) return;
    exportCommon(Plugin);
    @export(&Guest(Plugin).aggregate, .{ .name = "aggregate" });
}
