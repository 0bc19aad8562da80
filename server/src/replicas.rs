//! The node's replicas: each is opened, fed by a follower and, when its files are lost or damaged, built anew from the
//! journal's start. All of that happens on a thread of its own, so that no replica waits for another one.
//!
//! ```text
//!   open ──▶ catching up ──▶ serving
//!     │           │             │   directory gone, or rebuild asked for: remove the directory, open again
//!     └──▶ failed ◀─────────────┘   damaged files: wait for a rebuild
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use parking_lot::RwLock;
use tidemill_journal::{Catalog, Env, Follower, Journal, Progress, TOPIC_DATA, TopicPartition};
use tidemill_model::{Offset, Position};
use tidemill_store::{Replica, ReplicaConfig};
use tokio::sync::{Notify, watch};

use crate::stop::stopped;

/// A replica that lags by more records is catching up: it answers only what it provably covers.
const LAG_RECORDS_MAX: u64 = 10_000;
/// Most replicas that a node may have had.
const REPLICAS_MAX: usize = 16;
/// Pause before a replica that cannot even be removed is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// What all replicas are made from.
#[derive(Clone)]
pub(crate) struct Sources {
    /// The journal.
    pub journal: Arc<dyn Journal>,
    /// Its catalog.
    pub catalog: Arc<Catalog>,
    /// The outside world.
    pub env: Arc<dyn Env>,
    /// Partitions of `data`.
    pub partitions: u32,
    /// Tells this node's holds from those of others on the same journal.
    pub node: String,
}

/// A replica that is open.
#[derive(Clone)]
pub(crate) struct Open {
    /// The replica.
    pub replica: Arc<Replica>,
    /// How far its follower is.
    pub progress: Arc<Progress>,
    /// Where the journal ended when it was opened: before that it has holes.
    caught_up_at: Vec<Offset>,
}

/// What a replica is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ReplicaState {
    /// It answers queries.
    Serving,
    /// It is being opened, or far behind.
    CatchingUp,
    /// Its files are damaged; it waits for a rebuild.
    Failed,
}

impl ReplicaState {
    /// The name users see.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ReplicaState::Serving => "serving",
            ReplicaState::CatchingUp => "catching-up",
            ReplicaState::Failed => "failed",
        }
    }
}

impl Open {
    /// Whether everything in `position` is applied.
    pub(crate) fn covers(&self, position: &Position) -> bool {
        let applied = self.progress.offsets();
        applied.len() == position.offsets.len() && applied.iter().zip(&position.offsets).all(|(a, b)| a >= b)
    }

    /// Whether it is near the journal's end and has no holes.
    pub(crate) fn is_serving(&self) -> bool {
        let applied = self.progress.offsets();
        applied.iter().zip(&self.caught_up_at).all(|(a, b)| a >= b) && self.progress.lag_records() <= LAG_RECORDS_MAX
    }
}

/// The place of one replica.
pub(crate) struct Slot {
    /// The replica's name.
    pub name: String,
    dir: PathBuf,
    open: RwLock<Option<Open>>,
    error: RwLock<Option<String>>,
    rebuild: Notify,
    in_flight: AtomicUsize,
    rebuilds: AtomicUsize,
}

impl Slot {
    fn new(name: String, dir: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            name,
            dir,
            open: RwLock::new(None),
            error: RwLock::new(None),
            rebuild: Notify::new(),
            in_flight: AtomicUsize::new(0),
            rebuilds: AtomicUsize::new(0),
        })
    }

    /// The replica, if it is open.
    pub(crate) fn open(&self) -> Option<Open> {
        self.open.read().clone()
    }

    /// Why it has failed, or what its follower complains about.
    pub(crate) fn error(&self) -> Option<String> {
        self.error.read().clone().or_else(|| self.open().and_then(|open| open.progress.error()))
    }

    /// What it is doing.
    pub(crate) fn state(&self) -> ReplicaState {
        match self.open() {
            Some(open) if open.is_serving() => ReplicaState::Serving,
            None if self.error.read().is_some() => ReplicaState::Failed,
            _ => ReplicaState::CatchingUp,
        }
    }

    /// Queries that are running on it.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    /// How often it was made anew since the node was started. A rebuild may be over before anybody looks.
    pub(crate) fn rebuilds(&self) -> usize {
        self.rebuilds.load(Relaxed)
    }

    /// Counts a query for as long as the lease lives.
    pub(crate) fn lease(self: &Arc<Self>) -> Lease {
        self.in_flight.fetch_add(1, Relaxed);
        Lease(self.clone())
    }

    /// Asks for a rebuild: the files are removed and everything is read from the journal again.
    pub(crate) fn rebuild(&self) {
        // From now on nobody is sent to the files that go away.
        *self.open.write() = None;
        *self.error.write() = None;
        self.rebuild.notify_one();
    }

    /// Opens, follows and rebuilds until `stop` turns true. Meant for a thread of its own.
    async fn supervise(self: Arc<Self>, sources: Sources, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            if let Err(error) = self.follow(&sources, &mut stop).await {
                tracing::error!(replica = self.name, error, "replica failed");
                *self.error.write() = Some(error);
                self.wait_for_rebuild(&mut stop).await;
            }
            *self.open.write() = None;
        }
    }

    async fn wait_for_rebuild(&self, stop: &mut watch::Receiver<bool>) {
        *self.open.write() = None;
        tokio::select! {
            () = stopped(stop) => {}
            () = self.rebuild.notified() => self.remove_files(),
        }
    }

    fn remove_files(&self) {
        tracing::info!(replica = self.name, "replica is rebuilt from the journal");
        self.rebuilds.fetch_add(1, Relaxed);
        if let Err(error) = std::fs::remove_dir_all(&self.dir)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::error!(replica = self.name, %error, "replica directory cannot be removed");
        }
    }

    /// Runs the replica until it is stopped (`Ok`), is to be rebuilt (`Ok`), or has failed.
    async fn follow(&self, sources: &Sources, stop: &mut watch::Receiver<bool>) -> Result<(), String> {
        let config = ReplicaConfig::new(&self.name, &self.dir);
        let identity = sources.journal.identity();
        let (catalog, env) = (sources.catalog.clone(), sources.env.clone());
        let opened = Replica::open(config, identity, sources.partitions, catalog, env);
        let (replica, fold, cursors) = opened.map_err(|error| error.to_string())?;
        let partitions: Vec<u32> = (0..sources.partitions).collect();
        let caught_up_at = tail(sources).await?;
        let (journal, env) = (sources.journal.clone(), sources.env.clone());
        let follower = Follower::new(&self.name, TOPIC_DATA, partitions, cursors, fold, journal, env)
            .holding_as(&holder(&sources.node, &self.name));
        let progress = follower.progress();
        *self.error.write() = None;
        *self.open.write() = Some(Open { replica, progress: progress.clone(), caught_up_at });
        let (stop_follower, follower_stop) = watch::channel(false);
        let mut run = std::pin::pin!(follower.run(follower_stop));
        let is_rebuild = tokio::select! {
            _ = &mut run => return self.ended(&progress, sources).await,
            () = stopped(stop) => false,
            () = self.rebuild.notified() => true,
        };
        stop_follower.send_replace(true);
        drop(run.await);
        if is_rebuild {
            *self.open.write() = None;
            self.remove_files();
        }
        Ok(())
    }

    /// The follower has ended by itself: a replica whose directory was deleted is made again at once.
    async fn ended(&self, progress: &Progress, sources: &Sources) -> Result<(), String> {
        let reason = progress.error().unwrap_or_else(|| "the journal is closed".to_owned());
        *self.open.write() = None;
        if self.dir.exists() && !reason.contains("is gone") {
            return Err(reason);
        }
        tracing::warn!(replica = self.name, reason, "replica is rebuilt from the journal");
        self.remove_files();
        sources.env.sleep(RETRY_PAUSE / 10).await;
        Ok(())
    }
}

/// The name of a replica's holds.
fn holder(node: &str, replica: &str) -> String {
    format!("{node}/{replica}")
}

async fn tail(sources: &Sources) -> Result<Vec<Offset>, String> {
    let mut tail = Vec::new();
    for partition in 0..sources.partitions {
        let bounds = sources.journal.bounds(&TopicPartition::new(TOPIC_DATA, partition)).await;
        tail.push(bounds.map_err(|error| error.to_string())?.durable);
    }
    Ok(tail)
}

/// Counts a query on a replica.
pub(crate) struct Lease(Arc<Slot>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

/// All replicas of the node.
pub(crate) struct Replicas {
    slots: Vec<Arc<Slot>>,
    env: Arc<dyn Env>,
}

impl Replicas {
    /// Starts `count` replicas under `dir`. The tasks end when `stop` turns true, after a last flush.
    pub(crate) fn start(
        dir: &std::path::Path,
        count: usize,
        sources: &Sources,
        stop: &watch::Receiver<bool>,
    ) -> (Arc<Self>, Vec<tidemill_journal::env::Task>) {
        let slots: Vec<_> = (1..=count)
            .map(|number| format!("r{number}"))
            .map(|name| Slot::new(name.clone(), dir.join(name)))
            .collect();
        let start = |slot: &Arc<Slot>| {
            let run = slot.clone().supervise(sources.clone(), stop.clone());
            sources.env.spawn_thread(&format!("replica-{}", slot.name), Box::pin(run))
        };
        let tasks = slots.iter().map(start).collect();
        let gone = (count + 1..=REPLICAS_MAX).map(|number| format!("r{number}"));
        for name in gone.filter(|name| !dir.join(name).exists()) {
            for partition in 0..sources.partitions {
                sources.journal.hold(&TopicPartition::new(TOPIC_DATA, partition), &holder(&sources.node, &name), None);
            }
        }
        (Arc::new(Self { slots, env: sources.env.clone() }), tasks)
    }

    /// The replicas, by name.
    pub(crate) fn slots(&self) -> &[Arc<Slot>] {
        &self.slots
    }

    /// The replica with this name.
    pub(crate) fn find(&self, name: &str) -> Option<&Arc<Slot>> {
        self.slots.iter().find(|slot| slot.name == name)
    }

    /// Number of replicas that have applied all of `position`.
    pub(crate) fn applied(&self, position: &Position) -> usize {
        self.slots.iter().filter(|slot| slot.open().is_some_and(|open| open.covers(position))).count()
    }

    /// Waits until `count` replicas have applied `position`; `false` when `timeout` comes first. Cancel safe.
    pub(crate) async fn wait_applied(&self, position: &Position, count: usize, timeout: Duration) -> bool {
        let mut deadline = self.env.sleep(timeout);
        loop {
            let mut changes: Vec<_> =
                self.slots.iter().filter_map(|slot| slot.open()).map(|o| o.progress.watch()).collect();
            changes.iter_mut().for_each(|change| drop(change.borrow_and_update()));
            if self.applied(position) >= count {
                return true;
            }
            let mut changed: FuturesUnordered<_> =
                changes.iter_mut().map(|change| Box::pin(change.changed())).collect();
            tokio::select! {
                () = &mut deadline => return self.applied(position) >= count,
                // A replica that is opened meanwhile is noticed at the next tick.
                () = self.env.sleep(Duration::from_millis(100)) => {}
                Some(_) = changed.next() => {}
            }
        }
    }
}
