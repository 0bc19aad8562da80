//! [`EmbeddedJournal`]: the seam's implementation on a directory.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use futures::future::{BoxFuture, FutureExt};
use parking_lot::{Mutex, RwLock};
use tidemill_journal::env::Task;
use tidemill_journal::{
    Batch, Bounds, Env, Journal, JournalError, Metric, ReadLimits, Receipt, Retention, TopicConfig, TopicPartition,
};
use tidemill_model::{JournalIdentity, NewRecord, Offset};
use tokio::sync::{mpsc, oneshot, watch};

use crate::appender::{Append, Appender, Lane, Partition, Published, Queue};
use crate::compact::Compacted;
use crate::files::{corrupt, io_error, sync_dir};
use crate::footer::Hash;
use crate::keeper::{Keeper, compact_partition, restore, retain};
use crate::keeping::{self, Care, Keeping};
use crate::log::{Log, Place, partition_dir};
use crate::mark::{Mark, MarkFile};
use crate::meta::{Meta, TopicMeta, check_segment_bytes};
use crate::recent::Recent;
use crate::recover::recover;
use crate::scrub::Unpaced;
use crate::segment::{SegmentHeader, segment_path};
use crate::side::{self, JOBS_MAX};
use crate::storage::{Disk, Lock, Open, Storage};
use crate::sync::Syncer;
use crate::verify::Damage;
use crate::writer::{Prepared, Writer};

/// Threads that sync; more partitions than this share them.
const LANES: usize = 4;

/// When an append is acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sync {
    /// After fdatasync: acknowledged records survive the loss of power.
    #[default]
    Always,
    /// After the write: acknowledged records survive the end of the process, not the loss of power.
    Never,
}

/// What a journal is opened with.
#[derive(Clone, Debug)]
pub struct EmbeddedConfig {
    /// The journal's directory; made if it is not there.
    pub dir: PathBuf,
    /// Size of a segment, for a new journal; an existing one keeps its own. Retention drops whole segments.
    pub segment_bytes: u64,
    /// When an append is acknowledged.
    pub sync: Sync,
    /// Groups of appends end at multiples of this, a power of two from 8 to 64 KiB: no block that holds acknowledged
    /// bytes is ever written again. At least what the device writes at once.
    pub block_bytes: u64,
    /// How it is looked after.
    pub keeping: Keeping,
}

impl EmbeddedConfig {
    /// The usual: 64 MiB segments, synced before the acknowledgement, blocks of 4 KiB.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            segment_bytes: 64 << 20,
            sync: Sync::Always,
            block_bytes: 4096,
            keeping: Keeping::default(),
        }
    }
}

/// Numbers since the journal was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Appends acknowledged.
    pub appends: u64,
    /// Records acknowledged.
    pub records: u64,
    /// Bytes of their frames.
    pub bytes: u64,
    /// Groups written and made durable, per partition.
    pub syncs: u64,
}

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
    let appender = Appender { queue: queue.clone(), env: env.clone(), lanes, syncer, side: side_task, lock };
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

fn check_block_bytes(bytes: u64) -> Result<(), JournalError> {
    if bytes.is_power_of_two() && (8..=64 << 10).contains(&bytes) {
        return Ok(());
    }
    let reason = format!("a block of {bytes} bytes is not a power of two from 8 to 65536");
    Err(JournalError::Invalid { reason })
}

fn check_topic(topic: &TopicConfig) -> Result<(), JournalError> {
    topic.check()?;
    if matches!(topic.name.as_str(), "meta" | "lock" | "keeper" | "ballast") {
        let reason = format!("topic name {:?} is taken by the journal itself", topic.name);
        return Err(JournalError::Invalid { reason });
    }
    Ok(())
}

fn is_missing_file(storage: &dyn Storage, path: &Path) -> bool {
    matches!(storage.open(path, Open::Read), Err(e) if e.kind() == ErrorKind::NotFound)
}

/// Makes the directory of a journal, and the names on the way to it durable: it must not be lost with all that is in it.
fn create_dir(storage: &dyn Storage, dir: &Path) -> Result<(), JournalError> {
    let is_missing = |path: &&Path| matches!(storage.list(path), Err(e) if e.kind() == ErrorKind::NotFound);
    let missing = dir.ancestors().take_while(is_missing).count();
    storage.create_dir_all(dir).map_err(|e| io_error("create", dir, &e))?;
    // An attempt before may have got as far as making it.
    let is_new = is_missing_file(storage, &dir.join("meta"));
    for parent in dir.ancestors().take(missing.max(usize::from(is_new))).filter_map(Path::parent) {
        sync_dir(storage, if parent.as_os_str().is_empty() { Path::new(".") } else { parent })?;
    }
    // Nor need the names in it be durable: of topics, when the sync that followed them failed.
    sync_dir(storage, dir)
}

/// Keeps other writers out of `dir` for as long as the file is open.
fn lock(storage: &dyn Storage, dir: &Path) -> Result<Lock, JournalError> {
    let path = dir.join("lock");
    storage.lock(&path).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => JournalError::InUse { path: dir.display().to_string() },
        _ => io_error("lock", &path, &error),
    })
}

fn open_meta(storage: &dyn Storage, config: &EmbeddedConfig, env: &dyn Env) -> Result<Meta, JournalError> {
    let path = config.dir.join("meta");
    match storage.open(&path, Open::Read) {
        Ok(_) => return Meta::load(storage, &path),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(io_error("open", &path, &error)),
    }
    if !topic_names(storage, &config.dir)?.is_empty() {
        return Err(corrupt(&path, 0, "the file is missing, but topics are there"));
    }
    let identity = JournalIdentity { id: env.random(), generation: 1 };
    let meta = Meta { identity, segment_bytes: config.segment_bytes, created: env.now() };
    meta.store(storage, &path)?;
    Ok(meta)
}

/// The directories in `dir`, which are the topics.
fn topic_names(storage: &dyn Storage, dir: &Path) -> Result<Vec<String>, JournalError> {
    let entries = storage.list(dir).map_err(|e| io_error("list", dir, &e))?;
    let topics = entries.into_iter().filter(|entry| entry.is_dir && !entry.name.contains('.'));
    let mut names: Vec<_> = topics.map(|entry| entry.name).collect();
    names.sort_unstable();
    Ok(names)
}

/// What every topic was made with.
pub(crate) fn load_topics(storage: &dyn Storage, dir: &Path) -> Result<Vec<(String, TopicMeta)>, JournalError> {
    let load = |name: String| Ok((name.clone(), TopicMeta::load(storage, &dir.join(name).join("topic"))?));
    topic_names(storage, dir)?.into_iter().map(load).collect()
}

pub(crate) fn place(storage: &Arc<dyn Storage>, dir: &Path, meta: &Meta, at: &TopicPartition) -> Place {
    let segment_bytes = meta.segment_bytes;
    Place {
        storage: storage.clone(),
        dir: partition_dir(dir, at),
        at: at.clone(),
        journal: meta.identity,
        segment_bytes,
    }
}

/// Makes the files of a topic aside and puts them in place at once.
fn create_files(storage: &Arc<dyn Storage>, dir: &Path, meta: &Meta, topic: &TopicConfig) -> Result<(), JournalError> {
    let aside = dir.join(format!("{}.new", topic.name));
    let error = |action| move |e: std::io::Error| io_error(action, dir, &e);
    match storage.remove_dir_all(&aside) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(error("clear")(e)),
        _ => {}
    }
    for partition in 0..topic.partitions {
        let mut place = place(storage, dir, meta, &TopicPartition::new(&topic.name, partition));
        place.dir = aside.join(partition.to_string());
        storage.create_dir_all(&place.dir).map_err(error("create a topic in"))?;
        MarkFile::create(&**storage, &place.dir)?;
        create_first_segment(&place).map_err(error("create a segment in"))?;
    }
    TopicMeta { partitions: topic.partitions, retention: topic.retention }.store(&**storage, &aside.join("topic"))?;
    storage.rename(&aside, &dir.join(&topic.name)).map_err(error("create a topic in"))?;
    sync_dir(&**storage, dir)
}

fn create_first_segment(place: &Place) -> std::io::Result<()> {
    let header = SegmentHeader::new(place.journal, &place.at, 0).encode_with_start(Hash::default());
    let file = place.storage.open(&segment_path(&place.dir, 0), Open::Create)?;
    file.write_at(&[header], 0)?;
    file.sync_all()?;
    place.storage.sync_dir(&place.dir)
}

fn open_partition(
    place: Place,
    retention: Retention,
    sync: Sync,
    block_bytes: u64,
) -> Result<Arc<Partition>, JournalError> {
    for entry in place.storage.list(&place.dir).map_err(|e| io_error("list", &place.dir, &e))? {
        if !entry.is_dir && entry.name.ends_with(".new") {
            place.storage.remove(&place.dir.join(entry.name)).map_err(|e| io_error("clean up", &place.dir, &e))?;
        }
    }
    // A segment may have its name although the sync that should have made it durable failed.
    sync_dir(&*place.storage, &place.dir)?;
    let found = recover(&place)?;
    let lane = crc32c::crc32c(place.at.topic.as_bytes()).wrapping_add(place.at.partition) as usize % LANES;
    let log = Arc::new(Log::new(place, found.segments.clone(), found.tail, found.times.clone()));
    let (writer, bytes) = Writer::open(log.clone(), &found, sync, block_bytes)?;
    let mut mark = MarkFile::open(&*log.place.storage, &log.place.dir, found.mark)?;
    mark.write(Mark { sequence: 0, durable: found.end, synced: found.end, records: found.ordinal })?;
    mark.sync()?;
    let mut chain = found.chain;
    chain.extend(&bytes);
    Ok(Arc::new(Partition {
        log,
        retention: RwLock::new(retention),
        care: Care::default(),
        published: watch::Sender::new(Published { durable: found.end, records: found.ordinal }),
        tail: AtomicU64::new(found.end),
        recent: Recent::default(),
        read_to: AtomicU64::new(0),
        synced: AtomicU64::new(found.end),
        writer: Mutex::new(writer),
        mark: Mutex::new(mark),
        chain: Mutex::new(chain),
        lane,
    }))
}

/// Removes what a crash left half made.
fn remove_leftovers(storage: &dyn Storage, dir: &Path) -> Result<(), JournalError> {
    let error = |e| io_error("clean up", dir, &e);
    for entry in storage.list(dir).map_err(error)? {
        if entry.is_dir && entry.name.ends_with(".new") {
            storage.remove_dir_all(&dir.join(entry.name)).map_err(error)?;
        }
    }
    Ok(())
}
