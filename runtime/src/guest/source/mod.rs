//! Where in its author's sources a plugin failed.
//!
//! A module that was built with debug information (DWARF line tables) says which line every instruction comes from. Those tables
//! are as little trusted as the rest of the module, and small ones can be made to unfold without end, so they are read where a
//! plugin is compiled: on a node that is a child process with limits. What is kept is a flat [`SourceMap`] from positions in the
//! module to places; the node reads it when something fails, and looks places up, no more.

mod dwarf;
mod map;
mod trace;

pub(super) use dwarf::read as source_map;
pub(crate) use map::SourceMap;
pub(crate) use trace::Sources;
