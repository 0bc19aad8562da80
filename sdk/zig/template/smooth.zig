//! smooth: an exponential mean of every series, and whether it is fresh or stale.
//!
//! Deploy it on some series, and each gets two new ones: `value`, the mean, and `state`, a text that says "fresh" when samples come
//! (again) and "stale" when none came for `stale_s` seconds.

const std = @import("std");
const tidemill = @import("tidemill");
const quality = tidemill.quality;

pub const Plugin = struct {
    pub const name = "smooth";
    pub const version = "1.0.0";
    pub const inputs = [_]tidemill.Port{.{ .name = "value" }};
    pub const outputs = [_]tidemill.Port{ .{ .name = "value" }, .{ .name = "state", .kind = .text } };
    const value_port = 0;
    const state_port = 1;

    // Parameters and state are plain fields: the host saves the memory of the plugin and restores it after a crash.

    /// Weight of a new sample, above 0 and at most 1.
    alpha: f64 = 0,
    /// 0: never stale.
    stale_ns: i64 = 0,
    groups: tidemill.Groups(Series) = .{},

    /// What is remembered of a group: here, of one series.
    const Series = struct {
        seen: bool = false,
        stale: bool = false,
        /// The mean so far.
        level: f64 = 0,
        /// Source time of the newest sample taken.
        newest: tidemill.Time = 0,
    };

    /// Takes the parameters by name and type. The SDK refuses what is missing, mistyped or unknown; ranges are checked here.
    pub fn configure(self: *Plugin, params: *tidemill.Params) tidemill.Error!void {
        const alpha = try params.number("alpha");
        const stale_s = try params.numberOr("stale_s", 0);
        if (!(alpha > 0 and alpha <= 1)) return tidemill.wrongParameter("alpha", "must lie above 0 and be at most 1");
        if (!(stale_s >= 0 and stale_s <= 9e9)) return tidemill.wrongParameter("stale_s", "must be 0 or more, and at most 9e9");
        self.alpha = alpha;
        self.stale_ns = @intFromFloat(stale_s * 1e9);
    }

    /// New rows, in the order they arrived.
    pub fn process(self: *Plugin, input: *const tidemill.Batch, out: *tidemill.Output) tidemill.Error!void {
        var rows = input.rows();
        while (rows.next()) |row| {
            const s = self.groups.of(row.group);
            const is_late = s.seen and row.time < s.newest;
            if (quality.isBad(row.quality) or std.math.isNan(row.value) or is_late) continue;

            s.level = if (s.seen) s.level + self.alpha * (row.value - s.level) else row.value;
            s.newest = row.time;
            if (!s.seen or s.stale) out.emitText(row.group, state_port, row.time, "fresh", quality.good);
            s.seen = true;
            s.stale = false;
            out.emit(row.group, value_port, row.time, s.level, row.quality);
        }
    }

    /// Rows before the watermark are not expected any more. The result gets the time at which the series went stale, not the
    /// watermark's: then it does not depend on when the watermark moved.
    pub fn advance(self: *Plugin, watermark: tidemill.Time, out: *tidemill.Output) tidemill.Error!void {
        if (self.stale_ns == 0) return;
        for (0..self.groups.len()) |number| {
            const group: u32 = @intCast(number);
            const s = self.groups.of(group);
            if (!s.seen or s.stale or watermark - s.newest < self.stale_ns) continue;
            s.stale = true;
            out.emitText(group, state_port, s.newest + self.stale_ns, "stale", quality.good);
        }
    }
};

pub const panic = tidemill.panic;
comptime {
    tidemill.calculation(Plugin);
}
