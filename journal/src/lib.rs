//! The journal: one seam ([`Journal`]) that backends implement, the [`Follower`] that everything downstream is, and the
//! [`Catalog`] that gives records their meaning.
//!
//! Knows nothing of how a backend stores bytes, nor of what a follower does with records.

pub mod catalog;
pub mod conformance;
pub mod cursor;
pub mod env;
mod error;
pub mod follower;
mod ingest_clock;
mod margin;
pub mod metered;
mod seam;
mod share;
mod stretch;

pub use catalog::Catalog;
pub use cursor::Cursor;
pub use env::{Env, SystemEnv};
pub use error::{ErrorKind, JournalError};
pub use follower::{ApplyError, Fold, Follower, Merge, Progress};
pub use ingest_clock::IngestClock;
pub use metered::Metered;
pub use seam::{Batch, Bounds, Journal, Metric, ReadLimits, Receipt, Retention, TopicConfig, TopicPartition};
pub use share::{Assignment, Share};
pub use stretch::Stretch;

/// Name of the topic with samples, edits and heartbeats.
pub const TOPIC_DATA: &str = "data";
/// Name of the configuration topic: series and operators. One partition.
pub const TOPIC_CATALOG: &str = "catalog";
/// Name of the compacted topic with installed plugins, by hash. One partition.
pub const TOPIC_PLUGINS: &str = "plugins";
/// Name of the topic with outputs of operators that run on trial; as many partitions as the data.
pub const TOPIC_SHADOW: &str = "shadow";
/// Name of the topic with records that a follower could not apply. One partition.
pub const TOPIC_QUARANTINE: &str = "quarantine";
