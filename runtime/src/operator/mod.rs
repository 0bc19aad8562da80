//! Operators: deployed plugins as followers of the journal.
//!
//! Knows nothing of how guests are called (`guest`), nor of which operators there are (`runtime`).

mod aggregation;
pub(crate) mod bytes;
mod calculation;
pub(crate) mod checkpoint;
pub(crate) mod fold;
mod inputs;
mod outputs;
pub(crate) mod spec;
pub(crate) mod status;
#[cfg(test)]
mod tests;
mod wait;
mod windows;
