//! From a Wasm file to machine code, in a process of its own.
//!
//! A small valid module can take a compiler past ten gigabytes of memory, or keep it busy for an hour. So the node never
//! compiles: it starts a [`child`] with limits on memory and time, which checks, compiles, tries the plugin out and leaves an
//! [`artefact`]; what goes wrong costs the child only. The node maps the result.
//!
//! An artefact is trusted machine code: it lies in a directory of the node's own, and every file is checked against its hash
//! before it is mapped.

pub(crate) mod artefact;
mod child;

use std::path::Path;

pub use child::{Compiler, EXIT_REFUSED, Tried, compile_file, refusal, try_out};
use wasmtime::Engine;

use crate::guest::Plugin;

/// The plugin that [`compile_file`] has left in `dir`; `None` if it is not there, not intact, or of another engine.
/// It is machine code that will be run: `dir` must be one that nobody else writes to.
pub fn open_compiled(engine: &Engine, dir: &Path) -> Option<Plugin> {
    artefact::read(engine, dir).map(|(_, plugin)| plugin)
}
