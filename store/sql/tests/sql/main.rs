//! What users see of SQL, on a real replica. One file per subject, one binary for all.

mod aggregates;
mod determinism;
mod formats;
mod limits;
mod names;
mod pivot;
mod pushdown;
mod refusals;
mod samples;
mod world;
