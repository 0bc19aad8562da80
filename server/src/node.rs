//! The node: everything that runs in one process, put together.
//!
//! Started bottom up (journal, catalog, ledger, replicas, runtime, HTTP) and stopped top down, so that whatever is
//! running always finds what it stands on.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use tidemill_journal::env::Task;
use tidemill_journal::{Catalog, Env, Journal, Metered, Retention, Share, TOPIC_DATA, TOPIC_QUARANTINE, TopicConfig};
use tidemill_runtime::{Runtime, RuntimeConfig};
use tidemill_store_sql::{SqlEngine, SqlLimits};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Semaphore, watch};

use crate::aggregates::PluginAggregates;
use crate::app::App;
use crate::config::RetentionChange;
use crate::history::ReplicaHistory;
use crate::ingest::resolve::Resolver;
use crate::ingest::write::PRODUCER_LOCKS;
use crate::ledger::Ledger;
use crate::live::Channels;
use crate::metrics::Metrics;
use crate::planner::Planner;
use crate::replicas::{Replicas, Sources};
use crate::stop::stopped;
use crate::{NodeConfig, NodeError, heartbeat, http, journals};

/// How long requests that are under way at a shutdown may take.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// The name under which nodes that follow one journal divide the work of operators.
const WORKERS: &str = "operators";
/// Plugins that are handed in at the same time.
const INSTALLS_MAX: usize = 4;

/// Tasks that end when their stop turns true.
struct Stage {
    stop: watch::Sender<bool>,
    tasks: Vec<Task>,
}

impl Stage {
    fn new() -> Self {
        Self { stop: watch::Sender::new(false), tasks: Vec::new() }
    }

    fn stop(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    async fn end(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            if !task.join().await {
                tracing::error!("a task of the node has panicked");
            }
        }
    }
}

/// A running node.
pub struct Node {
    address: SocketAddr,
    env: Arc<dyn Env>,
    journal: Arc<Metered>,
    http: Stage,
    runtime: Stage,
    replicas: Stage,
    base: Stage,
}

impl Node {
    /// Starts a node. It serves when this returns; replicas may still be catching up.
    ///
    /// # Errors
    /// When the address is taken, the journal is away, damaged, in use or another one than the node follows, or the
    /// configuration contradicts it.
    pub async fn start(config: NodeConfig, env: Arc<dyn Env>) -> Result<Self, NodeError> {
        let listener = bind(config.http).await?;
        let address = listener.local_addr().map_err(|error| cannot_bind(config.http, &error))?;
        create(&config.data)?;
        let (backend, followed) = journals::open_followed(&config, &env).await?;
        let journal = Metered::new(backend, env.clone());
        create_topics(&*journal, &config, &followed.place).await?;
        let (mut http, mut runtime, mut replicas, mut base) = (Stage::new(), Stage::new(), Stage::new(), Stage::new());
        let shared: Arc<dyn Journal> = journal.clone();
        let catalog = Catalog::open(shared.clone()).await?;
        base.tasks.push(env.spawn("catalog", Box::pin(catalog.clone().follow(env.clone(), base.stop()))));
        let node = format!("{:016x}", followed.node);
        let ledger = Ledger::open(config.data.join("ledger"), &node, config.partitions, shared.clone(), env.clone());
        let ledger = ledger.await?;
        base.tasks.push(env.spawn_thread("ledger", Box::pin(ledger.clone().run(base.stop()))));
        let sources = Sources {
            journal: shared.clone(),
            catalog: catalog.clone(),
            env: env.clone(),
            partitions: config.partitions,
            node,
        };
        let directory = config.data.join("replicas");
        create(&directory)?;
        let (all, tasks) = Replicas::start(&directory, config.replicas, &sources, &replicas.stop());
        replicas.tasks = tasks;
        let share = shared.share(TOPIC_DATA, WORKERS).await?;
        let assigned = share.assignments();
        let operators = open_runtime(&config, &sources, &all, share).await?;
        runtime.tasks.push(env.spawn("runtime", Box::pin(operators.clone().run(runtime.stop()))));
        let beats = heartbeat::run(shared.clone(), assigned, env.clone(), runtime.stop());
        runtime.tasks.push(env.spawn("heartbeat", Box::pin(beats)));
        let aggregates = Arc::new(PluginAggregates::new(operators.clone()));
        let app = Arc::new(App {
            planner: Planner::new(all.clone(), env.clone(), shared.identity(), config.partitions),
            resolver: Resolver::new(catalog.clone(), config.partitions),
            producers: (0..PRODUCER_LOCKS).map(|_| Mutex::new(())).collect(),
            channels: Channels::new(catalog.clone()),
            metrics: Metrics::new(),
            sql: Arc::new(SqlEngine::new(SqlLimits::default()).with_aggregates(aggregates)),
            queries: Arc::new(Semaphore::new(config.queries_max.max(1))),
            installs: Arc::new(Semaphore::new(INSTALLS_MAX)),
            started: env.monotonic(),
            stop: http.stop(),
            env: env.clone(),
            journal: shared,
            meters: journal.clone(),
            place: followed.place,
            catalog,
            ledger,
            replicas: all,
            runtime: operators,
            config,
        });
        http.tasks.push(env.spawn("http", Box::pin(serve(listener, app, http.stop()))));
        tracing::info!(%address, "node serves");
        Ok(Self { address, env, journal, http, runtime, replicas, base })
    }

    /// Where HTTP is served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Finishes what is under way, writes what is only in memory, and closes the journal.
    pub async fn shutdown(self) {
        tokio::select! {
            () = self.http.end() => {}
            () = self.env.sleep(DRAIN_MAX) => tracing::warn!("requests under way were cut off"),
        }
        self.runtime.end().await;
        self.replicas.end().await;
        self.base.end().await;
        self.journal.close().await;
        tracing::info!("node has stopped");
    }
}

fn cannot_bind(address: SocketAddr, error: &std::io::Error) -> NodeError {
    NodeError::Bind { address, reason: error.to_string() }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, NodeError> {
    TcpListener::bind(address).await.map_err(|error| cannot_bind(address, &error))
}

fn create(dir: &Path) -> Result<(), NodeError> {
    std::fs::create_dir_all(dir).map_err(|error| NodeError::Io {
        action: "create",
        path: dir.display().to_string(),
        reason: error.to_string(),
    })
}

async fn create_topics(journal: &dyn Journal, config: &NodeConfig, place: &str) -> Result<(), NodeError> {
    let existing = journal.topics().await?;
    let data = existing.iter().find(|topic| topic.name == TOPIC_DATA);
    if let Some(data) = data
        && data.partitions != config.partitions
    {
        return Err(NodeError::Config(format!(
            "the journal in {place} has {} data partitions, {} were asked for: the number cannot change",
            data.partitions, config.partitions
        )));
    }
    let retention = changed(data.map(|data| data.retention).unwrap_or_default(), config.retention);
    let data = TopicConfig { retention, ..TopicConfig::new(TOPIC_DATA, config.partitions) };
    journal.create(data).await?;
    if existing.iter().any(|topic| topic.name == TOPIC_QUARANTINE) {
        return Ok(());
    }
    Ok(journal.create(TopicConfig::new(TOPIC_QUARANTINE, 1)).await?)
}

fn changed(now: Retention, change: RetentionChange) -> Retention {
    Retention { age: change.age.unwrap_or(now.age), bytes: change.bytes.unwrap_or(now.bytes), ..now }
}

async fn open_runtime(
    config: &NodeConfig,
    sources: &Sources,
    replicas: &Arc<Replicas>,
    share: Share,
) -> Result<Arc<Runtime>, NodeError> {
    let history = Arc::new(ReplicaHistory::new(replicas.clone(), sources.env.clone()));
    let runtime = RuntimeConfig {
        node: sources.node.clone(),
        compiler: config.compiler.clone(),
        ..RuntimeConfig::new(config.data.join("runtime"))
    };
    let (journal, catalog, env) = (sources.journal.clone(), sources.catalog.clone(), sources.env.clone());
    Ok(Runtime::open(runtime, journal, config.partitions, catalog, history, share, env).await?)
}

async fn serve(listener: TcpListener, app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let listener = listener.tap_io(|connection| {
        // Small answers must not wait for more to send.
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps its delay");
        }
    });
    let stopped = async move { stopped(&mut stop).await };
    if let Err(error) = axum::serve(listener, http::router(app)).with_graceful_shutdown(stopped).await {
        tracing::error!(%error, "http has stopped");
    }
}
