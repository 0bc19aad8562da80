//! What a replica is opened with.

use std::path::PathBuf;
use std::time::Duration;

/// Name, place and limits of a replica.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplicaConfig {
    /// The replica's name, for logs and messages.
    pub name: String,
    /// The directory that it alone writes to. Made if it is not there.
    pub dir: PathBuf,
    /// Flush when this many rows are in memory. A row costs 24 bytes, and up to three memtables exist at once.
    pub memtable_rows_max: usize,
    /// Flush what has waited in memory for so long. Bounds what a restart reads from the journal again.
    pub flush_after: Duration,
}

impl ReplicaConfig {
    /// The usual limits: two million rows, one minute.
    pub fn new(name: impl Into<String>, dir: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), dir: dir.into(), memtable_rows_max: 2_000_000, flush_after: Duration::from_secs(60) }
    }
}
