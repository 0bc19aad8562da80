//! What users see of SQL, on a real replica. One file per subject, one binary for all.

#![expect(clippy::unwrap_used, reason = "what fails a test may panic in its helpers too")]

mod aggregates;
mod determinism;
mod formats;
mod limits;
mod names;
mod pivot;
mod plugin_calls;
mod plugins;
mod probe;
mod pushdown;
mod refusals;
mod samples;
mod world;
