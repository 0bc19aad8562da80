//! Guests: what a Wasm module must look like, and how it is called, limited, imaged and restored.
//!
//! Knows nothing of journals, series or operators: it speaks of columns, groups and ports.

pub(crate) mod abi;
mod columns;
mod component;
mod engine;
mod error;
mod image;
mod inspect;
mod instance;
mod limits;
mod logs;
mod results;

pub use columns::{About, BatchColumns, OutputBounds, OutputRows, WindowColumns};
pub use engine::engine;
pub use error::CallError;
pub use image::Image;
pub use inspect::{Inspected, PLUGIN_BYTES_MAX, World, inspect};
pub use instance::{Instance, Plugin};
pub use limits::Limits;
pub use logs::{LogLine, Logs};
