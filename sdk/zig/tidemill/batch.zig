//! Rows on their way in, row by row or as columns.
//!
//! Invariant: the runs cover the columns from the front without holes (the host guarantees it).

const types = @import("types.zig");
const Time = types.Time;
const Quality = types.Quality;

/// Bytes of the contract.
pub const Text = extern struct {
    /// Anything, even null, if the text is empty.
    ptr: ?[*]const u8,
    len: usize,

    pub fn of(text: []const u8) Text {
        return .{ .ptr = text.ptr, .len = text.len };
    }

    pub fn slice(self: Text) []const u8 {
        return if (self.len == 0) "" else self.ptr.?[0..self.len];
    }
};

/// Bytes of the contract.
pub const RunHead = extern struct { group: u32, port: u32, rows: u32 };

/// One sample. In a row of a text port `value` is the number of a text: see `Batch.text`.
pub const Row = struct {
    group: u32 = 0,
    port: u32 = 0,
    time: Time,
    value: f64,
    quality: Quality = types.quality.good,
};

/// Consecutive rows of one port of one group, ordered by time: the columns themselves, for fast loops.
pub const Run = struct {
    group: u32,
    port: u32,
    t0: Time,
    /// Row i has the time t0 + dt[i].
    dt: []const i64,
    values: []const f64,
    /// Empty: every row is good.
    qualities: []const Quality,
};

pub const Batch = struct {
    t0: Time = 0,
    heads: []const RunHead,
    dt: []const i64,
    values: []const f64,
    /// Empty: every row is good.
    qualities: []const Quality,
    texts: []const Text = &.{},

    /// `var rows = batch.rows(); while (rows.next()) |row| { … }`
    pub fn rows(self: *const Batch) Rows {
        return .{ .batch = self };
    }

    /// `var runs = batch.runs(); while (runs.next()) |run| { … }`
    pub fn runs(self: *const Batch) Runs {
        return .{ .batch = self };
    }

    /// The text of a row of a text port; valid until the call returns.
    pub fn text(self: *const Batch, row: Row) []const u8 {
        const known = row.value >= 0 and row.value < @as(f64, @floatFromInt(self.texts.len));
        return if (known) self.texts[@intFromFloat(row.value)].slice() else "";
    }
};

pub const Rows = struct {
    batch: *const Batch,
    head: RunHead = undefined,
    run: usize = 0,
    row: usize = 0,
    run_end: usize = 0,

    pub inline fn next(self: *Rows) ?Row {
        const batch = self.batch;
        const i = self.row;
        if (i == batch.values.len) return null;
        while (i == self.run_end) {
            self.head = batch.heads[self.run];
            self.run += 1;
            self.run_end += self.head.rows;
        }
        self.row = i + 1;
        return .{
            .group = self.head.group,
            .port = self.head.port,
            .time = batch.t0 +% batch.dt[i],
            .value = batch.values[i],
            .quality = if (batch.qualities.len == 0) types.quality.good else batch.qualities[i],
        };
    }
};

pub const Runs = struct {
    batch: *const Batch,
    run: usize = 0,
    row: usize = 0,

    pub fn next(self: *Runs) ?Run {
        const batch = self.batch;
        if (self.run == batch.heads.len) return null;
        const head = batch.heads[self.run];
        const row = self.row;
        self.run += 1;
        self.row += head.rows;
        return .{
            .group = head.group,
            .port = head.port,
            .t0 = batch.t0,
            .dt = batch.dt[row..][0..head.rows],
            .values = batch.values[row..][0..head.rows],
            .qualities = if (batch.qualities.len == 0) &.{} else batch.qualities[row..][0..head.rows],
        };
    }
};

/// One closed window of one group, [start, end), with its rows sorted by time: what an aggregation sees.
pub const Window = struct {
    group: u32 = 0,
    start: Time,
    end: Time,
    /// Row i has the time start + dt[i].
    dt: []const i64,
    values: []const f64,
    /// Empty: every row is good.
    qualities: []const Quality = &.{},
    texts: []const Text = &.{},

    pub fn time(self: Window, row: usize) Time {
        return self.start +% self.dt[row];
    }

    pub fn quality(self: Window, row: usize) Quality {
        return if (self.qualities.len == 0) types.quality.good else self.qualities[row];
    }

    /// The text of a row if the input is a text port; valid until the call returns.
    pub fn text(self: Window, row: usize) []const u8 {
        return self.texts[@intFromFloat(self.values[row])].slice();
    }
};
