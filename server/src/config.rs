//! What a node is started with.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

pub use tidemill_journal_embedded::Sync;
use tidemill_runtime::Compiler;

use crate::journals::{JournalUrl, Settings};

/// What of the retention of `data` is to change; the outer `None` leaves it as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RetentionChange {
    /// Keep records younger than this; `Some(None)`: whatever their age.
    pub age: Option<Option<Duration>>,
    /// Keep the newest so many bytes of each partition; `Some(None)`: however many.
    pub bytes: Option<Option<u64>>,
}

/// What other nodes may do with this node's journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JournalAccess {
    /// Nothing.
    Off,
    /// Read.
    Read,
    /// Also append, create topics and trim, as a whole node does that follows it.
    #[default]
    Append,
}

/// Everything a node needs to know.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// The data directory; made if it is not there.
    pub data: PathBuf,
    /// Where HTTP is served; port 0 takes a free one.
    pub http: SocketAddr,
    /// Number of replicas, named `r1`, `r2`, …
    pub replicas: usize,
    /// Partitions of the topic `data`, for a new journal.
    pub partitions: u32,
    /// The journal; `None`: embedded, inside the data directory.
    pub journal: Option<JournalUrl>,
    /// Settings for the journal's backend.
    pub journal_settings: Settings,
    /// When a write is acknowledged, if the journal is embedded.
    pub sync: Sync,
    /// How long samples stay in the journal; a new journal keeps everything.
    pub retention: RetentionChange,
    /// What other nodes may do with the journal.
    pub grpc: JournalAccess,
    /// Largest request body, decompressed.
    pub body_bytes_max: usize,
    /// Longest time a query may take.
    pub query_timeout: Duration,
    /// Queries that run at once; more wait for their turn.
    pub queries_max: usize,
    /// Live subscribers at once; more are refused.
    pub subscribers_max: usize,
    /// How plugins are compiled.
    pub compiler: Compiler,
}

impl NodeConfig {
    /// The usual node in `data`: two replicas, one partition, 127.0.0.1:7300, everything kept, plugins compiled in the process.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            http: SocketAddr::from((Ipv4Addr::LOCALHOST, 7300)),
            replicas: 2,
            partitions: 1,
            journal: None,
            journal_settings: Settings::default(),
            sync: Sync::Always,
            retention: RetentionChange::default(),
            grpc: JournalAccess::default(),
            body_bytes_max: 64 << 20,
            query_timeout: Duration::from_secs(30),
            queries_max: 8,
            subscribers_max: 10_000,
            compiler: Compiler::Here,
        }
    }
}
