//! The words of the contract: times, qualities, ports, problems.

const std = @import("std");

/// Source time: nanoseconds since the Unix epoch, UTC.
pub const Time = i64;

/// What the rows of a port carry.
pub const Kind = enum(u8) { number = 0, text = 1 };

pub const Port = struct {
    name: []const u8,
    kind: Kind = .number,
};

/// A raw OPC UA StatusCode; 0 is good, the two top bits are the severity.
pub const Quality = u32;

pub const quality = struct {
    pub const good: Quality = 0;

    pub fn isGood(code: Quality) bool {
        return code >> 30 == 0;
    }

    pub fn isBad(code: Quality) bool {
        return code >> 31 != 0;
    }

    /// The one of graver severity; `a` if they are equal.
    pub fn worst(a: Quality, b: Quality) Quality {
        return if (@min(b >> 30, 2) > @min(a >> 30, 2)) b else a;
    }
};

/// A call could not do what it was asked for. Made by `problem` and `wrongParameter`, which keep the reason.
pub const Error = error{Problem};

pub const Problem = struct {
    code: u32,
    text: []const u8,
};

var text_bytes: [400]u8 = undefined;
var last: Problem = .{ .code = 0, .text = "" };

/// `return tidemill.problem(101, "what, where, and what to do", .{});`: a problem with a code of your own (100 and above). What does
/// not fit into 400 bytes is cut.
pub fn problem(code: u32, comptime format: []const u8, values: anytype) Error {
    var writer = std.Io.Writer.fixed(&text_bytes);
    // A text that is too long: what was written so far stays.
    writer.print(format, values) catch {};
    last = .{ .code = code, .text = wholeCharacters(writer.buffered()) };
    return error.Problem;
}

/// "parameter `name` complaint", with code 1.
pub fn wrongParameter(name: []const u8, complaint: []const u8) Error {
    return problem(1, "parameter `{s}` {s}", .{ name, complaint });
}

/// What the last `error.Problem` was about.
pub fn lastProblem() Problem {
    return last;
}

/// Without a character that was cut in the middle.
fn wholeCharacters(bytes: []const u8) []const u8 {
    if (bytes.len < text_bytes.len) return bytes;
    var length = bytes.len;
    while (length > 0 and !std.unicode.utf8ValidateSlice(bytes[0..length])) length -= 1;
    return bytes[0..length];
}
