//! The parameters of an operator: a JSON object (RFC 8259) of numbers, strings and booleans.
//!
//! Invariants: every parameter is either taken by the plugin or refused by name, so a typing error is never silent; `null` counts as
//! absent; lists and objects are refused by name; a name stands there only once.

const std = @import("std");
const allocator = @import("state.zig").allocator;
const types = @import("types.zig");
const Error = types.Error;

const Value = union(enum) { number: f64, text: []const u8, flag: bool };
const Entry = struct { name: []const u8, value: Value };

pub const Params = struct {
    entries: std.ArrayList(Entry) = .empty,
    asked: std.ArrayList([]const u8) = .empty,
    /// Texts live as long as the plugin.
    memory: std.heap.ArenaAllocator = .init(allocator),

    /// Reads a JSON object; an empty text is an empty object.
    pub fn parse(self: *Params, json: []const u8) Error!void {
        if (std.mem.trim(u8, json, " \t\r\n").len == 0) return;
        var scanner = std.json.Scanner.initCompleteInput(self.memory.allocator(), json);
        self.readObject(&scanner) catch |reason| switch (reason) {
            error.Problem => return error.Problem,
            error.OutOfMemory => @panic("out of memory"),
            else => return refuse("the JSON is broken at byte {d}", .{scanner.cursor}),
        };
    }

    /// Takes the number `name`.
    pub fn number(self: *Params, name: []const u8) Error!f64 {
        return (try self.take(.number, name)) orelse missing(name, "a number");
    }

    /// Takes the number `name`, or `otherwise` if it is missing.
    pub fn numberOr(self: *Params, name: []const u8, otherwise: f64) Error!f64 {
        return (try self.take(.number, name)) orelse otherwise;
    }

    /// Takes the string `name`; it lives as long as the plugin.
    pub fn text(self: *Params, name: []const u8) Error![]const u8 {
        return (try self.take(.text, name)) orelse missing(name, "a string");
    }

    /// Takes the string `name`, or `otherwise` if it is missing; it lives as long as the plugin.
    pub fn textOr(self: *Params, name: []const u8, otherwise: []const u8) Error![]const u8 {
        return (try self.take(.text, name)) orelse otherwise;
    }

    /// Takes the boolean `name`, or `otherwise` if it is missing.
    pub fn flagOr(self: *Params, name: []const u8, otherwise: bool) Error!bool {
        return (try self.take(.flag, name)) orelse otherwise;
    }

    /// Refuses what nobody has taken.
    pub fn finish(self: *Params) Error!void {
        if (self.entries.items.len == 0) return;
        const name = self.entries.items[0].name;
        if (self.asked.items.len == 0) return types.wrongParameter(name, "is unknown; this plugin takes none");
        const known = std.mem.join(self.memory.allocator(), "`, `", self.asked.items) catch @panic("out of memory");
        return types.problem(1, "parameter `{s}` is unknown; this plugin takes `{s}`", .{ name, known });
    }

    fn take(self: *Params, comptime kind: std.meta.Tag(Value), name: []const u8) Error!?@FieldType(Value, @tagName(kind)) {
        self.asked.append(self.memory.allocator(), name) catch @panic("out of memory");
        for (self.entries.items, 0..) |entry, i| {
            if (!std.mem.eql(u8, entry.name, name)) continue;
            _ = self.entries.orderedRemove(i);
            if (entry.value == kind) return @field(entry.value, @tagName(kind));
            const wanted = switch (kind) {
                .number => "a number",
                .text => "a string",
                .flag => "a boolean",
            };
            return switch (entry.value) {
                .number => |got| types.problem(1, "parameter `{s}` is {d}, but must be {s}", .{ name, got, wanted }),
                .text => types.problem(1, "parameter `{s}` is a string, but must be {s}", .{ name, wanted }),
                .flag => |got| types.problem(1, "parameter `{s}` is {}, but must be {s}", .{ name, got, wanted }),
            };
        }
        return null;
    }

    fn readObject(self: *Params, scanner: *std.json.Scanner) !void {
        if (try scanner.next() != .object_begin) return refuse("a `{{` is missing", .{});
        while (true) {
            const memory = self.memory.allocator();
            const name = switch (try scanner.nextAlloc(memory, .alloc_always)) {
                .allocated_string => |name| name,
                else => break,
            };
            for (self.entries.items) |entry| {
                if (std.mem.eql(u8, entry.name, name)) return refuse("`{s}` is there twice", .{name});
            }
            const value: ?Value = switch (try scanner.nextAlloc(memory, .alloc_always)) {
                .allocated_string => |string| .{ .text = string },
                .allocated_number => |digits| .{ .number = std.fmt.parseFloat(f64, digits) catch std.math.inf(f64) },
                .true => .{ .flag = true },
                .false => .{ .flag = false },
                .null => null,
                else => return refuse("`{s}` is a list or an object; only numbers, strings and booleans can be parameters", .{name}),
            };
            if (value) |known| {
                if (known == .number and !std.math.isFinite(known.number)) return refuse("`{s}` has no JSON value", .{name});
                try self.entries.append(memory, .{ .name = name, .value = known });
            }
        }
        if (try scanner.next() != .end_of_document) return refuse("something follows the object", .{});
    }
};

fn refuse(comptime reason: []const u8, values: anytype) Error {
    return types.problem(1, "the parameters are not a JSON object of plain values: " ++ reason, values);
}

fn missing(name: []const u8, wanted: []const u8) Error {
    return types.problem(1, "parameter `{s}` is missing; give {s}", .{ name, wanted });
}
