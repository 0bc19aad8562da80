//! What the whole-system tests share: a node as a child process, an HTTP client, and a live subscriber that resumes.

pub mod client;
pub mod live;
pub mod node;

pub use client::{Client, Reply};
pub use live::{Event, LiveReader};
pub use node::{Node, NodeOptions, binary, plugin_file};
