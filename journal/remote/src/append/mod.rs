//! The client's side of appends: a bounded queue, and a worker that sends it.

mod queue;
mod worker;

pub(crate) use queue::{Queue, Waiting};
pub(crate) use worker::Worker;
