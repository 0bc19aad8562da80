//! Rows on their way out.
//!
//! Invariants: rows leave in the order they were emitted; within a run the time does not go back; a text that several rows share
//! stands in the dictionary once, in order of first use; buffers are reused from call to call.

const std = @import("std");
const batches = @import("batch.zig");
const fail = @import("host.zig").fail;
const types = @import("types.zig");
const allocator = @import("state.zig").allocator;

const Row = batches.Row;
const Time = types.Time;
const Quality = types.Quality;

/// Buffers beyond this many rows (1.5 MB) are given back after the call: they would be part of every checkpoint.
const rows_kept_max = 65_536;

pub const Output = struct {
    ports: []const types.Port,
    /// Of the first row; the others are relative to it.
    t0: Time = 0,
    last: i64 = 0,
    heads: std.ArrayList(batches.RunHead) = .empty,
    dt: std.ArrayList(i64) = .empty,
    values: std.ArrayList(f64) = .empty,
    qualities: std.ArrayList(Quality) = .empty,
    has_qualities: bool = false,
    dictionary: std.array_hash_map.String(void) = .empty,
    texts: std.ArrayList(batches.Text) = .empty,
    text_memory: std.heap.ArenaAllocator = .init(allocator),
    rows_expected: usize = 0,

    /// Emits a good number. Rows may come in any order; those of one group and port are cheapest in a row and by time.
    pub inline fn emit(self: *Output, group: u32, port: u32, time: Time, value: f64, quality: Quality) void {
        if (port >= self.ports.len or self.ports[port].kind != .number)
            fail("a number was emitted on a port that is not one of the number outputs of the plugin");
        self.push(.{ .group = group, .port = port, .time = time, .value = value, .quality = quality });
    }

    /// Emits a text; it is copied.
    pub fn emitText(self: *Output, group: u32, port: u32, time: Time, text: []const u8, quality: Quality) void {
        if (port >= self.ports.len or self.ports[port].kind != .text)
            fail("a text was emitted on a port that is not one of the text outputs of the plugin");
        const number: f64 = @floatFromInt(self.numberOf(text) catch @panic("out of memory"));
        self.push(.{ .group = group, .port = port, .time = time, .value = number, .quality = quality });
    }

    /// What was emitted in this call.
    pub fn batch(self: *const Output) batches.Batch {
        return .{
            .t0 = self.t0,
            .heads = self.heads.items,
            .dt = self.dt.items,
            .values = self.values.items,
            .qualities = if (self.has_qualities) self.qualities.items else &.{},
            .texts = self.texts.items,
        };
    }

    /// The host's side, and tests: rows are taken as they are.
    pub inline fn push(self: *Output, row: Row) void {
        if (self.values.items.len == self.values.capacity) self.grow() catch @panic("out of memory");
        if (self.values.items.len == 0) self.t0 = row.time;
        const dt = row.time -% self.t0;
        const heads = self.heads.items;
        if (heads.len == 0 or heads[heads.len - 1].group != row.group or heads[heads.len - 1].port != row.port or dt < self.last)
            self.beginRun(row);
        self.heads.items[self.heads.items.len - 1].rows += 1;
        self.last = dt;
        self.dt.appendAssumeCapacity(dt);
        self.values.appendAssumeCapacity(row.value);
        self.qualities.appendAssumeCapacity(row.quality);
        if (row.quality != types.quality.good) self.has_qualities = true;
    }

    /// Forgets what the last call emitted. The first row of the next one brings room for as many rows as are expected.
    pub fn clear(self: *Output, rows_expected: usize) void {
        const keeps = self.values.capacity <= rows_kept_max;
        inline for (.{ &self.heads, &self.dt, &self.values, &self.qualities }) |column| {
            if (keeps) column.clearRetainingCapacity() else column.clearAndFree(allocator);
        }
        if (self.texts.capacity <= rows_kept_max) {
            self.texts.clearRetainingCapacity();
            self.dictionary.clearRetainingCapacity();
        } else {
            self.texts.clearAndFree(allocator);
            self.dictionary.clearAndFree(allocator);
        }
        _ = self.text_memory.reset(.{ .retain_with_limit = 32 << 10 });
        self.has_qualities = false;
        self.rows_expected = rows_expected;
    }

    fn grow(self: *Output) !void {
        @branchHint(.cold);
        const room = @max(256, self.values.capacity * 2, self.rows_expected);
        try self.dt.ensureTotalCapacityPrecise(allocator, room);
        try self.values.ensureTotalCapacityPrecise(allocator, room);
        try self.qualities.ensureTotalCapacityPrecise(allocator, room);
    }

    fn beginRun(self: *Output, row: Row) void {
        self.heads.append(allocator, .{ .group = row.group, .port = row.port, .rows = 0 }) catch @panic("out of memory");
    }

    fn numberOf(self: *Output, text: []const u8) !usize {
        const entry = try self.dictionary.getOrPut(allocator, text);
        if (!entry.found_existing) {
            entry.key_ptr.* = try self.text_memory.allocator().dupe(u8, text);
            try self.texts.append(allocator, .of(entry.key_ptr.*));
        }
        return entry.index;
    }
};
