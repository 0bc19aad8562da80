//! Memory, state per group, and the bytes in which state moves into another version.

const std = @import("std");
const builtin = @import("builtin");

/// For what a plugin keeps. When memory is out, trap: the host drops the instance and says so in the operator's status.
pub const allocator = if (builtin.cpu.arch.isWasm()) std.heap.wasm_allocator else std.heap.smp_allocator;

/// One `T` per group, in a dense array: groups are numbered without holes, so this is the fastest map there is. A new group starts
/// with `T{}`.
pub fn Groups(comptime T: type) type {
    return struct {
        items: std.ArrayList(T) = .empty,

        const Self = @This();

        /// The item of a group. It is valid until another group is asked for.
        pub inline fn of(self: *Self, group: u32) *T {
            if (group >= self.items.items.len) self.grow(group);
            return &self.items.items[group];
        }

        fn grow(self: *Self, group: u32) void {
            @branchHint(.cold);
            self.items.appendNTimes(allocator, .{}, group + 1 - self.items.items.len) catch @panic("out of memory");
        }

        /// How many groups there are.
        pub fn len(self: *const Self) u32 {
            return @intCast(self.items.items.len);
        }
    };
}

/// Bytes that `save` writes.
pub const Writer = struct {
    bytes: std.ArrayList(u8) = .empty,

    /// A value without pointers.
    pub fn write(self: *Writer, value: anytype) void {
        self.writeBytes(std.mem.asBytes(&value));
    }

    pub fn writeBytes(self: *Writer, bytes: []const u8) void {
        self.bytes.appendSlice(allocator, bytes) catch @panic("out of memory");
    }
};

/// Takes values off a saved state.
pub const Reader = struct {
    /// That are left.
    bytes: []const u8,

    /// Null, and nothing is taken, if there are too few bytes.
    pub fn read(self: *Reader, comptime T: type) ?T {
        if (self.bytes.len < @sizeOf(T)) return null;
        const value = std.mem.bytesToValue(T, self.bytes[0..@sizeOf(T)]);
        self.bytes = self.bytes[@sizeOf(T)..];
        return value;
    }
};
