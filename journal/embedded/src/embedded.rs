//! [`EmbeddedJournal`]: the seam's implementation on a directory.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use futures::future::{BoxFuture, FutureExt};
use parking_lot::{Mutex, RwLock};
use tidemill_journal::env::Task;
use tidemill_journal::{
    Batch, Bounds, Env, IngestClock, Journal, JournalError, Metric, ReadLimits, Receipt, TopicConfig, TopicPartition,
};
use tidemill_model::{JournalIdentity, NewRecord, Offset};
use tokio::sync::{mpsc, oneshot};

use crate::appender::{Append, Appender, Lane, Partition, Published, Queue};
use crate::compact::Compacted;
use crate::config::{EmbeddedConfig, Sync, Totals, check_block_bytes};
use crate::keeper::{Keeper, compact_partition, restore, retain};
use crate::keeping::{self, Keeping};
use crate::layout::{
    check_topic, create_dir, create_files, load_topics, lock, open_meta, open_partition, place, remove_leftovers,
};
use crate::meta::{Meta, TopicMeta, check_segment_bytes};
use crate::scrub::Unpaced;
use crate::side::{self, JOBS_MAX};
use crate::storage::{Disk, Lock, Storage};
use crate::sync::Syncer;
use crate::verify::Damage;
use crate::writer::Prepared;

/// Threads that sync; more partitions than this share them.
pub(crate) const LANES: usize = 4;

/// The partitions of every topic.
type Topics = BTreeMap<String, Vec<Arc<Partition>>>;

/// A journal in a local directory. One process writes it at a time.
///
/// Reads take place on the calling task: they block for as long as the disk takes.
pub struct EmbeddedJournal {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    meta: Meta,
    sync: Sync,
    block_bytes: u64,
    env: Arc<dyn Env>,
    topics: RwLock<Topics>,
    creating: Mutex<()>,
    queue: Arc<Queue>,
    keeping: Keeping,
    /// The threads to wait for at the end.
    tasks: Mutex<Vec<Task>>,
}

impl EmbeddedJournal {
    /// Opens the journal in `config.dir`, or starts a new one there. Drop does not wait for the end; use
    /// [`EmbeddedJournal::close`].
    ///
    /// # Errors
    /// [`JournalError::InUse`] when another process (or this one) has it open; [`JournalError::Corrupt`] when
    /// acknowledged records are damaged or files do not belong together; [`JournalError::Invalid`] for the segment size.
    pub fn open(config: EmbeddedConfig, env: Arc<dyn Env>) -> Result<Arc<Self>, JournalError> {
        Self::open_on(Arc::new(Disk), config, env)
    }

    /// The same on a storage of one's own.
    ///
    /// # Errors
    /// As for [`EmbeddedJournal::open`].
    pub fn open_on(
        storage: Arc<dyn Storage>,
        config: EmbeddedConfig,
        env: Arc<dyn Env>,
    ) -> Result<Arc<Self>, JournalError> {
        check_segment_bytes(config.segment_bytes).map_err(|reason| JournalError::Invalid { reason })?;
        check_block_bytes(config.block_bytes)?;
        create_dir(&*storage, &config.dir)?;
        let lock = lock(&*storage, &config.dir)?;
        let meta = open_meta(&*storage, &config, env.as_ref())?;
        let mut topics = Topics::new();
        for (name, topic) in load_topics(&*storage, &config.dir)? {
            let partitions = (0..topic.partitions).map(|partition| {
                let place = place(&storage, &config.dir, &meta, &TopicPartition::new(&name, partition));
                open_partition(place, topic.retention, config.sync, config.block_bytes)
            });
            topics.insert(name.clone(), partitions.collect::<Result<_, _>>()?);
        }
        remove_leftovers(&*storage, &config.dir)?;
        let queue = Arc::new(Queue::default());
        queue.partitions.write().extend(topics.values().flatten().cloned());
        restore(&*storage, &config.dir, &queue, &*env)?;
        let lock = Arc::new(lock);
        let keeper = Keeper {
            storage: storage.clone(),
            dir: config.dir.clone(),
            queue: queue.clone(),
            env: env.clone(),
            config: config.keeping.clone(),
            lock: lock.clone(),
        };
        let keeper = env.spawn_thread("journal-keep", Box::pin(keeper.run()));
        let appender = start(&queue, config.sync, &env, lock);
        Ok(Arc::new(Self {
            storage,
            dir: config.dir,
            meta,
            sync: config.sync,
            block_bytes: config.block_bytes,
            env,
            topics: RwLock::new(topics),
            creating: Mutex::new(()),
            queue,
            keeping: config.keeping,
            tasks: Mutex::new(vec![appender, keeper]),
        }))
    }

    /// Numbers since the journal was opened.
    pub fn totals(&self) -> Totals {
        let c = &self.queue.counters;
        Totals {
            appends: c.appends.load(Relaxed),
            records: c.records.load(Relaxed),
            bytes: c.bytes.load(Relaxed),
            syncs: c.syncs.load(Relaxed),
        }
    }

    /// Compacts a partition as far as that can be done now, even where little goes, and waits for it.
    ///
    /// # Errors
    /// [`JournalError::NoSuchPartition`]; [`JournalError::Invalid`] if its topic is not a compacted one; and when a
    /// segment cannot be written: it stays as it is then.
    pub async fn compact_now(&self, at: &TopicPartition) -> Result<Compacted, JournalError> {
        let partition = self.partition(at)?;
        if !partition.retention.read().compacted {
            let reason = format!("topic {:?} is not compacted: it keeps every record of a key", at.topic);
            return Err(JournalError::Invalid { reason });
        }
        compact_partition(&self.queue, &*self.env, &partition, 0, &mut Unpaced).await
    }

    /// Drops what retention does not keep, now instead of soon.
    pub fn retain_now(&self) {
        retain(&self.queue, &*self.env, &self.keeping);
    }

    /// Damaged places that were found by reading sealed segments again, and are still there as far as is known.
    pub fn damage(&self) -> Vec<Damage> {
        self.queue.keeping.damage.lock().clone()
    }

    fn partition(&self, at: &TopicPartition) -> Result<Arc<Partition>, JournalError> {
        let topics = self.topics.read();
        let partition = topics.get(&at.topic).and_then(|partitions| partitions.get(at.partition as usize));
        partition.cloned().ok_or_else(|| no_such_partition(at))
    }

    fn create_topic(&self, topic: &TopicConfig) -> Result<(), JournalError> {
        check_topic(topic)?;
        let _one_at_a_time = self.creating.lock();
        if let Some(partitions) = self.topics.read().get(&topic.name) {
            if config_of(&topic.name, partitions).accept(topic)? {
                let meta = TopicMeta { partitions: topic.partitions, retention: topic.retention };
                meta.store(&*self.storage, &self.dir.join(&topic.name).join("topic"))?;
                partitions.iter().for_each(|partition| *partition.retention.write() = topic.retention);
            }
            return Ok(());
        }
        create_files(&self.storage, &self.dir, &self.meta, topic)?;
        let open = |partition| {
            let place = place(&self.storage, &self.dir, &self.meta, &TopicPartition::new(&topic.name, partition));
            open_partition(place, topic.retention, self.sync, self.block_bytes)
        };
        let partitions = (0..topic.partitions).map(open).collect::<Result<Vec<_>, _>>()?;
        self.queue.partitions.write().extend(partitions.iter().cloned());
        self.topics.write().insert(topic.name.clone(), partitions);
        Ok(())
    }

    fn enqueue(
        &self,
        at: &TopicPartition,
        records: Vec<NewRecord>,
    ) -> Result<oneshot::Receiver<Result<Receipt, JournalError>>, JournalError> {
        let partition = self.partition(at)?;
        let prepare = |record| Prepared::new(record, self.meta.segment_bytes);
        let records = records.into_iter().map(prepare).collect::<Result<Vec<_>, _>>()?;
        let bytes = records.iter().map(Prepared::frame_bytes).sum();
        let (done, answer) = oneshot::channel();
        self.queue.keeping.pressure.admit()?;
        self.queue.push(Append { partition, records, bytes, done })?;
        Ok(answer)
    }

    async fn read_when_durable(
        &self,
        at: &TopicPartition,
        from: Offset,
        limits: ReadLimits,
    ) -> Result<Batch, JournalError> {
        let partition = self.partition(at)?;
        let mut published = partition.published.subscribe();
        let batch = read_now(&partition, published.borrow_and_update().durable, from, limits)?;
        let mut nothing = match batch {
            Some(batch) if !batch.records.is_empty() => return Ok(batch),
            // Compaction has removed everything from there on.
            Some(nothing) => nothing,
            None => Batch { records: Vec::new(), next: from },
        };
        if limits.wait.is_zero() {
            return Ok(nothing);
        }
        let mut timeout = self.env.sleep(limits.wait);
        loop {
            tokio::select! {
                biased;
                _ = published.changed() => {}
                () = &mut timeout => return Ok(nothing),
            }
            match read_now(&partition, published.borrow_and_update().durable, nothing.next, limits)? {
                Some(batch) if !batch.records.is_empty() => return Ok(batch),
                Some(empty) => nothing = empty,
                None => {}
            }
        }
    }
}

impl Drop for EmbeddedJournal {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Journal for EmbeddedJournal {
    fn identity(&self) -> JournalIdentity {
        self.meta.identity
    }

    fn create(&self, topic: TopicConfig) -> BoxFuture<'_, Result<(), JournalError>> {
        async move { self.create_topic(&topic) }.boxed()
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<TopicConfig>, JournalError>> {
        async move { Ok(self.topics.read().iter().map(|(name, topic)| config_of(name, topic)).collect()) }.boxed()
    }

    fn append(
        &self,
        at: &TopicPartition,
        records: Vec<NewRecord>,
    ) -> BoxFuture<'static, Result<Receipt, JournalError>> {
        let queued = self.enqueue(at, records);
        // The sender goes without an answer only if the appender's thread died.
        let died = || JournalError::Poisoned { reason: "the writing thread has ended".to_owned() };
        let (queue, env) = (self.queue.clone(), self.env.clone());
        async move {
            let receipt = queued?.await.map_err(|_| died())??;
            let delay = queue.keeping.pressure.delay();
            if !delay.is_zero() {
                env.sleep(delay).await;
            }
            Ok(receipt)
        }
        .boxed()
    }

    fn read(
        &self,
        at: &TopicPartition,
        from: Offset,
        limits: ReadLimits,
    ) -> BoxFuture<'_, Result<Batch, JournalError>> {
        let at = at.clone();
        async move { self.read_when_durable(&at, from, limits).await }.boxed()
    }

    fn bounds(&self, at: &TopicPartition) -> BoxFuture<'_, Result<Bounds, JournalError>> {
        let partition = self.partition(at);
        async move {
            let partition = partition?;
            let start = Offset(partition.log.start());
            let Published { durable, records } = *partition.published.borrow();
            let tail = partition.tail.load(Relaxed).max(durable);
            let kept_since = partition.log.kept_since();
            Ok(Bounds { start, durable: Offset(durable), tail: Offset(tail), records, kept_since })
        }
        .boxed()
    }

    fn trim(&self, at: &TopicPartition, before: Offset) -> BoxFuture<'_, Result<(), JournalError>> {
        let partition = self.partition(at);
        async move {
            let partition = partition?;
            let before = before.0.min(partition.published.borrow().durable);
            self.queue.keeping.is_changed.store(true, Relaxed);
            partition.log.drop_while(|sealed, _| sealed.end <= before).map(drop)
        }
        .boxed()
    }

    fn find(&self, at: &TopicPartition, ingest_time: i64) -> BoxFuture<'_, Result<Offset, JournalError>> {
        let partition = self.partition(at);
        async move {
            let partition = partition?;
            let durable = partition.published.borrow().durable;
            partition.log.find(ingest_time, durable).map(Offset)
        }
        .boxed()
    }

    fn hold(&self, at: &TopicPartition, follower: &str, from: Option<Offset>) {
        let Ok(partition) = self.partition(at) else { return };
        partition.care.hold(at, follower, from.map(|from| from.0), self.env.monotonic());
    }

    fn metrics(&self) -> Vec<Metric> {
        let totals = self.totals();
        let mut metrics = vec![
            Metric::counter("journal_appends", "Appends acknowledged.", totals.appends),
            Metric::counter("journal_appended_records", "Records acknowledged.", totals.records),
            Metric::counter("journal_appended_bytes", "Bytes of acknowledged records on disk.", totals.bytes),
            Metric::counter("journal_syncs", "Groups of appends made durable.", totals.syncs),
        ];
        metrics.extend(keeping::metrics(&self.queue));
        metrics
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async move {
            self.queue.close();
            let tasks = std::mem::take(&mut *self.tasks.lock());
            for task in tasks {
                task.join().await;
            }
        }
        .boxed()
    }
}

/// Starts the threads that write; the task is the one that ends last.
fn start(queue: &Arc<Queue>, sync: Sync, env: &Arc<dyn Env>, lock: Arc<Lock>) -> Task {
    let (side, jobs) = mpsc::channel(JOBS_MAX);
    let side_task = env.spawn_thread("journal-side", Box::pin(side::run(jobs)));
    let syncer = Syncer { queue: queue.clone(), sync, side };
    let lane = |_| {
        let (written, groups) = mpsc::channel(1);
        let in_flight = Arc::new(AtomicUsize::new(0));
        let run = syncer.clone().run(groups, in_flight.clone());
        Lane { written, in_flight, task: env.spawn_thread("journal-sync", Box::pin(run)) }
    };
    let lanes = (0..LANES).map(lane).collect();
    let appender =
        Appender { queue: queue.clone(), clock: IngestClock::new(env.clone()), lanes, syncer, side: side_task, lock };
    env.spawn_thread("journal-append", Box::pin(appender.run()))
}

fn config_of(name: &str, partitions: &[Arc<Partition>]) -> TopicConfig {
    let retention = partitions.first().map(|partition| *partition.retention.read()).unwrap_or_default();
    TopicConfig { retention, ..TopicConfig::new(name, partitions.len() as u32) }
}

pub(crate) fn no_such_partition(at: &TopicPartition) -> JournalError {
    JournalError::NoSuchPartition { topic: at.topic.clone(), partition: at.partition }
}

/// A batch if one is there; `None` if it may come.
fn read_now(
    partition: &Partition,
    durable: u64,
    from: Offset,
    limits: ReadLimits,
) -> Result<Option<Batch>, JournalError> {
    let start = partition.log.start();
    if from.0 < start {
        return Err(JournalError::Trimmed { from, start: Offset(start) });
    }
    if from.0 < durable {
        let batch = match partition.recent.read(from.0, durable, limits.bytes) {
            Some(batch) => batch,
            None => partition.log.read(from.0, durable, limits.bytes)?,
        };
        partition.read_to.fetch_max(batch.next.0, Relaxed);
        return Ok(Some(batch));
    }
    let tail = partition.tail.load(Relaxed).max(durable);
    if from.0 > tail {
        return Err(JournalError::NoSuchOffset { from, tail: Offset(tail) });
    }
    Ok(None)
}
