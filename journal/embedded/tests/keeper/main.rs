//! The keeper: retention with holds, room on the disk, compaction, scrubbing.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "../common/mod.rs"]
mod common;

mod compaction;
mod holds;
mod scrubbing;
mod space;
mod world;
