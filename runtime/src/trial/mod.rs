//! Trials: a plugin run by the operator code that nodes run, over a journal with nothing in it but a fixture.
//!
//! - [`Fixture`] is a slice of a journal: series, and records with their rows. Inputs and outputs look the same.
//! - [`Subject`] is a plugin that has been compiled and has answered.
//! - [`run()`] applies a fixture and reads back what the operator has written.
//! - [`difference`] finds where two fixtures differ.
//!
//! Knows nothing of files but the directory that it is given for checkpoints. There is no second implementation of
//! anything here: whatever an operator does on a node, it does here.

mod compare;
mod fixture;
mod history;
mod run;

pub use compare::{Difference, Found, difference};
pub use fixture::{Event, Fixture, FixtureSeries, Row, Step};
pub use run::{Conditions, Outcome, Place, Subject, TrialError, run};
