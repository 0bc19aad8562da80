//! A world with a clock that only moves when told, and shorthands for the tests.
#![allow(dead_code, reason = "every test file uses its own part of it")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use futures::future::BoxFuture;
use tidemill_journal::env::Task;
use tidemill_journal::{Env, Journal, JournalError, ReadLimits, Retention, SystemEnv, TopicConfig, TopicPartition};
use tidemill_journal_embedded::{EmbeddedConfig, EmbeddedJournal};
use tidemill_model::{NewRecord, Offset, Record, RecordKind};
use tokio::sync::Notify;

/// Time moves with [`ManualEnv::advance`]; threads are real.
pub(crate) struct ManualEnv {
    real: Arc<SystemEnv>,
    now: AtomicI64,
    /// How far the wall clock has been set back.
    behind: AtomicI64,
    counter: AtomicU64,
    moved: Arc<Notify>,
}

impl ManualEnv {
    pub(crate) fn new() -> Arc<Self> {
        let (now, counter) = (AtomicI64::new(1_000_000_000_000), AtomicU64::new(1));
        let behind = AtomicI64::new(0);
        Arc::new(Self { real: SystemEnv::new(), now, behind, counter, moved: Arc::default() })
    }

    /// Sets the wall clock back, and not the other.
    pub(crate) fn set_back(&self, by: Duration) {
        self.behind.fetch_add(by.as_nanos() as i64, SeqCst);
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.now.fetch_add(by.as_nanos() as i64, SeqCst);
        self.moved.notify_waiters();
    }
}

impl Env for ManualEnv {
    fn now(&self) -> i64 {
        self.now.load(SeqCst) - self.behind.load(SeqCst)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.now.load(SeqCst) as u64)
    }

    fn random(&self) -> u64 {
        self.counter.fetch_add(0x9e37_79b9, SeqCst)
    }

    /// Ends with the next advance, however far, or soon: sleeping is never what a test waits for.
    fn sleep(&self, _duration: Duration) -> BoxFuture<'static, ()> {
        let moved = self.moved.clone();
        let soon = self.real.sleep(Duration::from_millis(1));
        Box::pin(async move {
            tokio::select! { () = moved.notified() => {}, () = soon => {} }
        })
    }

    fn spawn(&self, name: &str, future: BoxFuture<'static, ()>) -> Task {
        self.real.spawn(name, future)
    }

    fn spawn_thread(&self, name: &str, future: BoxFuture<'static, ()>) -> Task {
        self.real.spawn_thread(name, future)
    }
}

pub(crate) const TOPIC: &str = "data";

pub(crate) fn at() -> TopicPartition {
    TopicPartition::new(TOPIC, 0)
}

pub(crate) fn open_with(
    dir: &Path,
    segment_bytes: u64,
    env: Arc<dyn Env>,
) -> Result<Arc<EmbeddedJournal>, JournalError> {
    EmbeddedJournal::open(EmbeddedConfig { segment_bytes, block_bytes: 8, ..EmbeddedConfig::new(dir) }, env)
}

pub(crate) fn open(dir: &Path) -> Result<Arc<EmbeddedJournal>, JournalError> {
    open_with(dir, 16 << 10, SystemEnv::new())
}

pub(crate) async fn open_with_topic(dir: &Path, retention: Retention, env: Arc<dyn Env>) -> Arc<EmbeddedJournal> {
    let journal = open_with(dir, 16 << 10, env).unwrap();
    journal.create(TopicConfig { name: TOPIC.into(), partitions: 1, retention }).await.unwrap();
    journal
}

/// A record whose payload tells its number and has no zeros, which would look like an unwritten file.
pub(crate) fn record(number: u64, bytes: usize) -> NewRecord {
    let mut payload = (number | 0x0101_0101_0101_0101).to_le_bytes().repeat(bytes / 8 + 1);
    payload.truncate(bytes);
    NewRecord { sequence: number, ..NewRecord::anonymous(RecordKind::Samples, payload) }
}

pub(crate) async fn read_all(journal: &dyn Journal, mut from: Offset) -> Result<Vec<Record>, JournalError> {
    let mut all = Vec::new();
    loop {
        let batch = journal.read(&at(), from, ReadLimits::default()).await?;
        if batch.records.is_empty() {
            return Ok(all);
        }
        from = batch.next;
        all.extend(batch.records);
    }
}

pub(crate) fn segment(dir: &Path, index: u64) -> PathBuf {
    dir.join(TOPIC).join("0").join(format!("{index:08x}.seg"))
}

pub(crate) fn mark(dir: &Path) -> PathBuf {
    dir.join(TOPIC).join("0/durable")
}

pub(crate) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), target).map(drop).unwrap()
        }
    }
}
