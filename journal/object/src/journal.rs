//! [`ObjectJournal`]: the seam's implementation on an object store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst};

use futures::future::{BoxFuture, FutureExt};
use object_store::ObjectStore;
use parking_lot::{Mutex, RwLock};
use tidemill_journal::env::Task;
use tidemill_journal::{
    Batch, Bounds, Env, Journal, JournalError, Metric, ReadLimits, Receipt, TopicConfig, TopicPartition,
};
use tidemill_model::record::RecordHeader;
use tidemill_model::{JournalIdentity, NewRecord, Offset};
use tokio::sync::oneshot;

use crate::appender::Appender;
use crate::collect::maintain;
use crate::config::{Settings, invalid};
use crate::objects::JournalObject;
use crate::open;
use crate::page::{BODY_BYTES_MAX, RECORDS_MAX, stored_bytes};
use crate::partition::Partition;
use crate::queue::Append;
use crate::store::Store;
use crate::topics::{self, Topic};
use crate::url;

/// Most bytes of records one append may have, with 48 bytes per record: they go into one object.
pub const APPEND_BYTES_MAX: u64 = BODY_BYTES_MAX / 2;

/// A journal in an object store. Any number of processes may write and read it at the same time.
pub struct ObjectJournal {
    journal: JournalObject,
    settings: Settings,
    store: Arc<Store>,
    topics: RwLock<BTreeMap<String, Arc<Topic>>>,
    partitions: Mutex<BTreeMap<TopicPartition, Arc<Partition>>>,
    /// Partitions that have a writer.
    writers: Mutex<BTreeMap<TopicPartition, Task>>,
    is_closed: AtomicBool,
}

impl ObjectJournal {
    /// Opens the journal that `url` names, or makes a new one there. `settings` are those of [`Settings`] and, for a
    /// cloud store, its own; they win over those in the URL. Credentials come from the environment as usual.
    ///
    /// # Errors
    /// [`JournalError::Invalid`] for a URL or a setting nobody knows, a place that holds something else, or a store that
    /// does not honour put-if-absent; [`JournalError::WrongJournal`]; [`JournalError::Corrupt`];
    /// [`JournalError::Unavailable`].
    pub async fn open(
        url: &str,
        settings: Vec<(String, String)>,
        env: Arc<dyn Env>,
    ) -> Result<Arc<Self>, JournalError> {
        let opened = url::open(url, &settings, &env)?;
        Self::start(opened.store, &opened.prefix, opened.place, opened.settings, env).await
    }

    /// Opens a journal on a store that is already there.
    ///
    /// # Errors
    /// As [`ObjectJournal::open`].
    pub async fn open_on(
        store: Arc<dyn ObjectStore>,
        prefix: &str,
        settings: Settings,
        env: Arc<dyn Env>,
    ) -> Result<Arc<Self>, JournalError> {
        settings.check()?;
        let place = format!("{store}/{prefix}");
        Self::start(store, prefix, place, settings, env).await
    }

    async fn start(
        inner: Arc<dyn ObjectStore>,
        prefix: &str,
        place: String,
        settings: Settings,
        env: Arc<dyn Env>,
    ) -> Result<Arc<Self>, JournalError> {
        let store = Arc::new(Store::new(inner, prefix, place, env, settings.patience));
        let journal = open::open(&store, &settings).await?;
        let this = Self {
            journal,
            settings,
            store,
            topics: RwLock::default(),
            partitions: Mutex::default(),
            writers: Mutex::default(),
            is_closed: AtomicBool::new(false),
        };
        this.load_topics().await?;
        Ok(Arc::new(this))
    }

    /// Runs retention and compaction of a partition once, now, instead of waiting for the next round.
    ///
    /// # Errors
    /// [`JournalError::NoSuchPartition`]; [`JournalError::Unavailable`]; [`JournalError::Corrupt`].
    pub async fn maintain(&self, at: &TopicPartition) -> Result<(), JournalError> {
        self.partition(at).await?.maintain_now().await
    }

    async fn load_topics(&self) -> Result<(), JournalError> {
        for name in topics::names(&self.store).await? {
            self.load_topic(&name).await?;
        }
        Ok(())
    }

    async fn load_topic(&self, name: &str) -> Result<(), JournalError> {
        if let Some(topic) = Topic::load(&self.store, name).await? {
            self.learn(topic);
        }
        Ok(())
    }

    /// Takes over what was found out about a topic.
    fn learn(&self, topic: Topic) {
        let mut topics = self.topics.write();
        match topics.get(&topic.config().name) {
            Some(known) => known.learn_from(&topic),
            None => drop(topics.insert(topic.config().name, Arc::new(topic))),
        }
    }

    /// The partition, if its topic is known here.
    fn known(&self, at: &TopicPartition) -> Option<Arc<Partition>> {
        let topic = self.topics.read().get(&at.topic)?.clone();
        if at.partition >= topic.config().partitions {
            return None;
        }
        let mut partitions = self.partitions.lock();
        let partition = partitions.entry(at.clone()).or_insert_with(|| {
            let (identity, run_pages) = (self.journal.identity, u64::from(self.journal.run_pages));
            Partition::new(at.clone(), identity, run_pages, topic, self.settings, self.store.clone())
        });
        Some(partition.clone())
    }

    /// The partition, if there is one: another process may have created its topic.
    async fn partition(&self, at: &TopicPartition) -> Result<Arc<Partition>, JournalError> {
        if let Some(partition) = self.known(at) {
            return Ok(partition);
        }
        let missing = || JournalError::NoSuchPartition { topic: at.topic.clone(), partition: at.partition };
        TopicConfig::new(&at.topic, 1).check().map_err(|_| missing())?;
        self.load_topic(&at.topic).await?;
        self.known(at).ok_or_else(missing)
    }

    /// The partition, with its maintenance and its writer running.
    fn running(&self, partition: &Arc<Partition>) {
        let mut writers = self.writers.lock();
        if self.is_closed.load(SeqCst) || writers.contains_key(&partition.at) {
            return;
        }
        let env = &self.store.env;
        env.spawn("journal-maintenance", maintain(partition.clone()).boxed());
        let task = env.spawn("journal-append", Appender::new(partition.clone()).run().boxed());
        writers.insert(partition.at.clone(), task);
    }

    fn enqueue(
        &self,
        partition: &Arc<Partition>,
        records: Vec<NewRecord>,
    ) -> Result<oneshot::Receiver<Result<Receipt, JournalError>>, JournalError> {
        let bytes = records.iter().map(stored_bytes).sum();
        if self.is_closed.load(SeqCst) {
            return Err(JournalError::Closed);
        }
        for record in &records {
            RecordHeader::of(record, 0).map_err(|e| invalid(e.to_string()))?;
        }
        if bytes > APPEND_BYTES_MAX || records.len() > RECORDS_MAX {
            let (count, most) = (records.len(), RECORDS_MAX);
            let limits = format!("{APPEND_BYTES_MAX} bytes and {most} records");
            return Err(invalid(format!(
                "an append of {bytes} bytes and {count} records is over the limit of {limits}"
            )));
        }
        let (done, answer) = oneshot::channel();
        partition.queue.push(Append { records, bytes, since: self.store.env.monotonic(), done })?;
        self.running(partition);
        Ok(answer)
    }

    fn close_queues(&self) {
        self.is_closed.store(true, SeqCst);
        self.partitions.lock().values().for_each(|partition| partition.queue.close());
    }
}

impl Drop for ObjectJournal {
    fn drop(&mut self) {
        self.close_queues();
    }
}

/// Waits for an append that was queued.
async fn settled(answer: oneshot::Receiver<Result<Receipt, JournalError>>) -> Result<Receipt, JournalError> {
    // The sender goes without an answer only if the writer ends while a page is on its way.
    let reason = "the journal was closed while the store had not said whether a page was written";
    answer.await.unwrap_or_else(|_| Err(JournalError::Poisoned { reason: reason.to_owned() }))
}

/// An append of nothing: where the next record would go.
async fn nowhere(partition: Arc<Partition>) -> Result<Receipt, JournalError> {
    let end = partition.bounds().await?.durable;
    Ok(Receipt { first: end, end })
}

impl Journal for ObjectJournal {
    fn identity(&self) -> JournalIdentity {
        self.journal.identity
    }

    fn create(&self, topic: TopicConfig) -> BoxFuture<'_, Result<(), JournalError>> {
        async move {
            topic.check()?;
            self.learn(Topic::create(&self.store, &topic).await?);
            Ok(())
        }
        .boxed()
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<TopicConfig>, JournalError>> {
        async move {
            self.load_topics().await?;
            Ok(self.topics.read().values().map(|topic| topic.config()).collect())
        }
        .boxed()
    }

    fn append(
        &self,
        at: &TopicPartition,
        records: Vec<NewRecord>,
    ) -> BoxFuture<'static, Result<Receipt, JournalError>> {
        let Some(partition) = self.known(at) else {
            let missing = JournalError::NoSuchPartition { topic: at.topic.clone(), partition: at.partition };
            return async move { Err(missing) }.boxed();
        };
        if records.is_empty() {
            return nowhere(partition).boxed();
        }
        let queued = self.enqueue(&partition, records);
        async move { settled(queued?).await }.boxed()
    }

    fn read(
        &self,
        at: &TopicPartition,
        from: Offset,
        limits: ReadLimits,
    ) -> BoxFuture<'_, Result<Batch, JournalError>> {
        let at = at.clone();
        async move { self.partition(&at).await?.read(from, limits).await }.boxed()
    }

    fn bounds(&self, at: &TopicPartition) -> BoxFuture<'_, Result<Bounds, JournalError>> {
        let at = at.clone();
        async move { self.partition(&at).await?.bounds().await }.boxed()
    }

    fn find(&self, at: &TopicPartition, ingest_time: i64) -> BoxFuture<'_, Result<Offset, JournalError>> {
        let at = at.clone();
        async move { self.partition(&at).await?.find(ingest_time).await }.boxed()
    }

    fn trim(&self, at: &TopicPartition, before: Offset) -> BoxFuture<'_, Result<(), JournalError>> {
        let at = at.clone();
        async move {
            let partition = self.partition(&at).await?;
            self.running(&partition);
            partition.trim(before).await
        }
        .boxed()
    }

    fn hold(&self, at: &TopicPartition, follower: &str, from: Option<Offset>) {
        let Some(partition) = self.known(at) else { return };
        partition.holds.lock().set(follower, from);
        self.running(&partition);
    }

    fn metrics(&self) -> Vec<Metric> {
        let c = &self.store.counters;
        let counter =
            |name, help, value: &std::sync::atomic::AtomicU64| Metric::counter(name, help, value.load(Relaxed));
        vec![
            counter("journal_appends", "Appends acknowledged.", &c.appends),
            counter("journal_appended_records", "Records acknowledged.", &c.records),
            counter("journal_object_pages", "Pages acknowledged.", &c.pages),
            counter("journal_object_beaten", "Times another writer's page came first.", &c.beaten),
            counter("journal_object_puts", "PUT requests.", &c.puts),
            counter("journal_object_put_bytes", "Bytes sent in PUT requests.", &c.put_bytes),
            counter("journal_object_gets", "GET requests.", &c.gets),
            counter("journal_object_got_bytes", "Bytes received in answers to GET requests.", &c.got_bytes),
            counter("journal_object_heads", "HEAD requests.", &c.heads),
            counter("journal_object_lists", "LIST requests, at least.", &c.lists),
            counter("journal_object_deletes", "Objects deleted.", &c.deletes),
            counter("journal_object_retries", "Requests made again.", &c.retries),
        ]
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async move {
            self.close_queues();
            let writers = std::mem::take(&mut *self.writers.lock());
            for task in writers.into_values() {
                task.join().await;
            }
        }
        .boxed()
    }
}
