//! Guests: what a Wasm module must look like, and how it is called, limited, imaged and restored.
//!
//! Knows nothing of journals, series or operators: it speaks of columns, groups and ports.

pub(crate) mod abi;
mod blueprint;
mod calls;
mod columns;
mod component;
mod dirty;
mod engine;
mod error;
mod granted;
mod host;
mod image;
mod inspect;
mod instance;
mod limits;
mod logs;
mod module;
mod plugin;
mod results;
mod source;
mod state;
mod survey;

pub(crate) use blueprint::Blueprint;
pub use blueprint::World;
pub use columns::{About, BatchColumns, Kind, OutputBounds, OutputRows, Port, WindowColumns, Withdrawal};
pub use engine::engine;
pub use error::CallError;
pub use image::{Delta, Image};
pub use inspect::{Inspected, PLUGIN_BYTES_MAX, inspect, survey};
pub use instance::Instance;
pub use limits::Limits;
pub use logs::{LogLine, Logs};
pub use plugin::Plugin;
pub(crate) use source::Sources;
pub use survey::{Import, ModuleFacts, Survey};
