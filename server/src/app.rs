//! What every request handler works with.

use std::sync::Arc;
use std::time::Duration;

use tidemill_journal::{Catalog, Env, Journal, Metered};
use tidemill_runtime::Runtime;
use tidemill_store_sql::SqlEngine;
use tokio::sync::{Mutex, Semaphore, watch};

use crate::NodeConfig;
use crate::ingest::resolve::Resolver;
use crate::ledger::Ledger;
use crate::live::Channels;
use crate::metrics::Metrics;
use crate::planner::Planner;
use crate::replicas::Replicas;

/// The parts of a running node.
pub(crate) struct App {
    pub(crate) config: NodeConfig,
    pub(crate) env: Arc<dyn Env>,
    pub(crate) journal: Arc<dyn Journal>,
    /// The same journal, for what was measured.
    pub(crate) meters: Arc<Metered>,
    /// Where it is.
    pub(crate) place: String,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) replicas: Arc<Replicas>,
    pub(crate) planner: Planner,
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) sql: Arc<SqlEngine>,
    /// Turns for queries.
    pub(crate) queries: Arc<Semaphore>,
    /// Turns for plugins that are handed in: each waits in memory until it is compiled.
    pub(crate) installs: Arc<Semaphore>,
    pub(crate) resolver: Resolver,
    /// See [`crate::ingest::write`].
    pub(crate) producers: Vec<Mutex<()>>,
    pub(crate) channels: Channels,
    pub(crate) metrics: Metrics,
    /// When the node started, on the monotonic clock.
    pub(crate) started: Duration,
    pub(crate) stop: watch::Receiver<bool>,
}
