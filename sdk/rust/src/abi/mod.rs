//! The canonical ABI of `sdk/wit/plugin.wit`, by hand.
//!
//! The host calls the exports of the core module directly. Arguments are flat numbers; a list is (pointer, length), allocated by the
//! host with `cabi_realloc` and owned by the guest from then on. A result is a pointer to a return area in the guest's memory:
//!
//! ```text
//! process, advance   align 8   u8 failed @0 | s64 t0 @8, runs @16, dt @24, values @32, qualities @40, texts @48
//!                                           | u32 code @8, text @12
//! configure          align 4   u8 failed @0 | u32 code @4, text @8
//! aggregate          align 4   u8 failed @0 | values @4
//!                                           | u32 code @4, text @8
//! describe           align 4   name @0, version @8, inputs @16, outputs @24                              (lists of (u32 ptr, u32 len, u8 kind))
//! save               align 4   states @0
//! load               align 4   as configure
//! ```
//!
//! Each list is u32 ptr, u32 len. Every slot of these areas is one machine word of wasm32, so an area is an array of `usize` here. On a 64-bit machine the same code
//! runs with wider words, which is how native tests drive it.
//!
//! Invariants:
//! - What a return area points to stays untouched until `cabi_post_…` or the next call.
//! - Everything that came in is freed when the call ends.

mod exports;
pub(crate) mod guest;
pub mod memory;

pub use crate::window::WindowHead;
pub use guest::{AggregationGuest, CONTRACT, CalculationGuest};
