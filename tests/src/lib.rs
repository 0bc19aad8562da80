//! What the whole-system tests share: a node as a child process, the command as a tool, an HTTP client, and a live
//! subscriber that resumes, and the example plugin in every language.

pub mod broker;
pub mod client;
pub mod examples;
pub mod live;
pub mod node;
pub mod random;
pub mod tool;

pub use broker::Broker;
pub use client::{Client, Reply};
pub use examples::{Example, LANGUAGES};
pub use live::{Event, LiveReader};
pub use node::{Node, NodeOptions, binary, plugin_file};
pub use random::Random;
pub use tool::tidemill;
