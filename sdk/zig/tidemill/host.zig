//! What the host offers: log lines, and state by key (`kv`) for what is too large for memory or must outlive a new version.
//!
//! A function that is not called is not imported. Natively, log lines go to standard error and `kv` is a map in memory.

const std = @import("std");
const builtin = @import("builtin");
const Text = @import("batch.zig").Text;
const allocator = @import("state.zig").allocator;

const is_wasm = builtin.cpu.arch.isWasm();

pub const Level = enum(u32) { err = 0, warning = 1, information = 2, debug = 3 };

const imported = struct {
    const Found = extern struct { some: u8, value: Text };

    extern "tidemill:plugin/host@0.2.0" fn log(level: u32, text: [*]const u8, len: usize) void;
    extern "tidemill:plugin/kv@0.2.0" fn get(group: u32, key: [*]const u8, len: usize, found: *Found) void;
    extern "tidemill:plugin/kv@0.2.0" fn set(group: u32, key: [*]const u8, len: usize, value: [*]const u8, value_len: usize) void;
    extern "tidemill:plugin/kv@0.2.0" fn remove(group: u32, key: [*]const u8, len: usize) void;
};

/// Writes a line to the operator's log. A line per row is too much.
pub fn log(level: Level, text: []const u8) void {
    if (is_wasm) imported.log(@backingInt(level), text.ptr, text.len) else std.debug.print("log {t}: {s}\n", .{ level, text });
}

/// State by key, kept by the host. Keys and values are bytes.
pub const kv = if (is_wasm) struct {
    /// The value of a key of a group, if it has one; valid until the call returns.
    pub fn get(group: u32, key: []const u8) ?[]const u8 {
        var found: imported.Found = undefined;
        imported.get(group, key.ptr, key.len, &found);
        return if (found.some != 0) found.value.slice() else null;
    }

    pub fn set(group: u32, key: []const u8, value: []const u8) void {
        imported.set(group, key.ptr, key.len, value.ptr, value.len);
    }

    pub fn remove(group: u32, key: []const u8) void {
        imported.remove(group, key.ptr, key.len);
    }
} else struct {
    var entries: std.StringHashMapUnmanaged([]const u8) = .empty;

    pub fn get(group: u32, key: []const u8) ?[]const u8 {
        return entries.get(nameOf(group, key));
    }

    pub fn set(group: u32, key: []const u8, value: []const u8) void {
        const copy = allocator.dupe(u8, value) catch @panic("out of memory");
        entries.put(allocator, nameOf(group, key), copy) catch @panic("out of memory");
    }

    pub fn remove(group: u32, key: []const u8) void {
        _ = entries.remove(nameOf(group, key));
    }

    fn nameOf(group: u32, key: []const u8) []const u8 {
        return std.fmt.allocPrint(allocator, "{d} {s}", .{ group, key }) catch @panic("out of memory");
    }
};

/// The plugin cannot go on: says why and traps. The host drops the instance and restores the last checkpoint.
pub fn fail(why: []const u8) noreturn {
    log(.err, why);
    @trap();
}

fn failAt(why: []const u8, _: ?usize) noreturn {
    fail(why);
}

/// For the root source file: a panic (an overflow, an index out of bounds) is logged before it traps.
pub const panic = if (is_wasm) std.debug.FullPanic(failAt) else std.debug.FullPanic(std.debug.defaultPanic);
