//! SQL over a replica's snapshot, by Apache DataFusion.
//!
//! ```text
//!   text --statement--> plan --table (filter, layout)--> scan (join, column) --> SqlStream --encode--> JSON, CSV, NDJSON
//! ```
//!
//! Tables:
//! - one per measurement: `time`, a column per label, a column per field, `quality`; [`layout`] has the rules for names and types;
//! - `samples`: one row per sample of every series, and `series`: one row per series. A measurement with one of these two
//!   names is found in the schema `m`: `SELECT * FROM m.samples`.
//!
//! Functions: those of the engine, `time_bucket`, and the aggregations of an [`AggregateProvider`]; `plugins` has the rules.
//!
//! Semantics of a measurement's table:
//! - A row stands for one label set at one time. It is there when at least one of the *fields that the query names* has
//!   a value then; a query that names no field sees the times of all of them. `quality` is the worst raw quality among the same values.
//! - Rows come by label set and then by time unless the query orders them.
//! - The same query on the same position gives the same bytes on every replica: a query runs in one partition, so that no
//!   race decides the order of rows or of floating-point additions. (`now()`, `random()` and `uuid()` differ, of course.)
//!
//! Invariants: nothing but queries is accepted and no query reaches a file; errors speak of the user's query, never of
//! the engine's insides. Deliberately not here: time-outs (drop the stream), caching, and writing.

mod catalog;
mod column;
pub mod encode;
mod engine;
mod error;
mod filter;
mod join;
pub mod layout;
mod plugins;
mod scan;
mod series_table;
mod statement;
mod table;

pub use encode::{write_csv, write_json, write_ndjson};
pub use engine::{SqlEngine, SqlLimits, SqlStream};
pub use error::{SqlError, SqlErrorKind};
pub use plugins::{AggregateGuest, AggregateInfo, AggregateProvider, AggregateWindows, Interrupt};
