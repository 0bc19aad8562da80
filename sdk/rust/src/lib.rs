//! Write Tidemill plugins in Rust: a calculation is one struct and one function.
//!
//! ```
//! use tidemill_sdk::prelude::*;
//!
//! /// Passes on what is above a limit.
//! #[derive(Default)]
//! struct Above {
//!     limit: f64,
//! }
//!
//! impl Calculation for Above {
//!     const ABOUT: About =
//!         About { name: "above", version: env!("CARGO_PKG_VERSION"), inputs: &[Port::number("value")], outputs: &[Port::number("value")] };
//!
//!     fn configure(&mut self, params: &mut Params) -> Result<(), Problem> {
//!         self.limit = params.number("limit")?;
//!         Ok(())
//!     }
//!
//!     fn process(&mut self, input: &Batch, output: &mut Output) -> Result<(), Problem> {
//!         for row in input.rows().filter(|row| row.value > self.limit) {
//!             output.push(row.group, 0, row.time, row.value, row.quality);
//!         }
//!         Ok(())
//!     }
//! }
//!
//! tidemill_sdk::calculation!(Above);
//!
//! let mut above = tidemill_sdk::testing::Harness::<Above>::new(r#"{"limit": 10}"#)?;
//! let cold = Row::good(0, 0, Time::from_seconds(1), 9.5);
//! let warm = Row::good(0, 0, Time::from_seconds(2), 10.5);
//! assert_eq!(above.process(&[cold, warm])?, [warm]);
//! # Ok::<(), Problem>(())
//! ```
//!
//! The crate has no dependencies, and builds for `wasm32-unknown-unknown` and for the machine you test on. It speaks the canonical ABI
//! of `sdk/wit/plugin.wit` by hand ([`abi`]), so that a plugin is one small core module without generated bindings.
//!
//! Invariants:
//! - A plugin is deterministic: nothing in here offers a clock, randomness, or a map with a random order. Use [`Groups`] or a
//!   `BTreeMap`, never the order of a `HashMap`.
//! - Memory does not grow with the number of calls: inputs are freed after the call, outputs reuse their buffers.
//! - `unsafe` is confined to [`abi`]: its `memory`, and the exported functions that its macros write into a plugin.

pub mod abi;
mod batch;
mod groups;
mod json;
pub mod kv;
pub mod log;
mod output;
mod params;
mod plugin;
mod problem;
mod quality;
pub mod testing;
mod time;
mod window;

pub use batch::{Batch, Row, Run, RunRows};
pub use groups::Groups;
pub use output::Output;
pub use params::Params;
pub use plugin::{About, Aggregation, Calculation, Combining, Durable, Kind, Parts, Port};
pub use problem::Problem;
pub use quality::Quality;
pub use time::Time;
pub use window::{Window, WindowRow};

/// Everything a plugin usually needs.
pub mod prelude {
    pub use crate::{
        About, Aggregation, Batch, Calculation, Combining, Durable, Groups, Output, Params, Parts, Port, Problem,
        Quality, Row, Run, RunRows, Time, Window, WindowRow, kv, log,
    };
}
