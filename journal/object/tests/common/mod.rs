//! A simulated world: one thread, a clock that jumps to the next thing to do, processes that can be paused and killed,
//! and an object store with a bad network in front. Everything follows from one seed.
#![allow(dead_code, reason = "every test file uses its own part of it")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

pub(crate) mod history;
pub(crate) mod network;
pub(crate) mod world;
