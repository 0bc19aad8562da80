//! Operators: deployed plugins as followers of the journal.
//!
//! Knows nothing of how guests are called (`guest`), nor of which operators there are (`runtime`).

mod aggregation;
pub(crate) mod bytes;
pub(crate) mod calculation;
pub(crate) mod checkpoint;
pub(crate) mod fold;
pub(crate) mod homes;
pub(crate) mod inputs;
pub(crate) mod layout;
pub(crate) mod outputs;
mod refused;
mod sift;
pub(crate) mod spec;
pub(crate) mod stage;
pub(crate) mod start;
pub(crate) mod status;
#[cfg(test)]
mod tests;
pub(crate) mod wait;
pub(crate) mod windows;
