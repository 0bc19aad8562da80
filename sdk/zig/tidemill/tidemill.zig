//! Tidemill plugins in Zig.
//!
//! A plugin is a struct. The root source file declares `pub const panic = tidemill.panic;` and
//! `comptime { tidemill.calculation(Plugin); }` or `tidemill.aggregation(Plugin)`, which in a WebAssembly module generate the exports of
//! contract 0.2 (exports.zig) and natively nothing; `tidemill.testing` drives the struct from tests.
//!
//! Invariants: nothing here has a clock, randomness or an order that depends on addresses; memory does not grow with the number of
//! calls; what a call hands out is valid until that call returns.

const batch = @import("batch.zig");
const exports = @import("exports.zig");
const host = @import("host.zig");
const state = @import("state.zig");
const types = @import("types.zig");

pub const Time = types.Time;
pub const Port = types.Port;
pub const Kind = types.Kind;
pub const Quality = types.Quality;
pub const quality = types.quality;
pub const Error = types.Error;
pub const problem = types.problem;
pub const wrongParameter = types.wrongParameter;

pub const Row = batch.Row;
pub const Run = batch.Run;
pub const Batch = batch.Batch;
pub const Window = batch.Window;
pub const Output = @import("output.zig").Output;
pub const Params = @import("params.zig").Params;

pub const allocator = state.allocator;
pub const Groups = state.Groups;
pub const Writer = state.Writer;
pub const Reader = state.Reader;

pub const log = host.log;
pub const kv = host.kv;
pub const fail = host.fail;
pub const panic = host.panic;

pub const calculation = exports.calculation;
pub const aggregation = exports.aggregation;
pub const testing = @import("testing.zig");
