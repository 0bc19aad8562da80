//! The seam between Tidemill and its journals.

use std::time::Duration;

use futures::future::BoxFuture;
use tidemill_model::position::PARTITIONS_MAX;
use tidemill_model::{JournalIdentity, NewRecord, Offset, Record};

use crate::{JournalError, Share};

/// A shared, durable, ordered log of records in topics and partitions.
///
/// ```text
///   start          durable        tail
///     |               |             |
/// ----+---------------+-------------+---------> offsets of one partition
///  trimmed   readable    being written   nothing
/// ```
///
/// Offsets are opaque and ordered. `start <= durable <= tail`, and none of them ever falls.
///
/// An implementation MUST
/// - give the records of one append consecutive places, in order, and never show a reader only a later part of them
///   before an earlier part;
/// - resolve an append only when its records would survive the loss of power (or of the process, where the user has
///   turned fsync off), and take appends to a partition in the order of the calls;
/// - show every reader the same records at the same offsets, for ever, and only durable ones;
/// - answer a read below `start` with [`JournalError::Trimmed`], never with later records;
/// - stamp ingest times that never fall within a partition.
///
/// It MUST NOT lose or alter a record that was acknowledged, skip damage silently, or keep a reader from progressing
/// because another one is slow. Groups, transactions and users live above this seam.
pub trait Journal: Send + Sync + 'static {
    /// Which journal this is.
    fn identity(&self) -> JournalIdentity;

    /// Creates a topic; one that is there with as many partitions takes over the retention.
    ///
    /// # Errors
    /// [`JournalError::Invalid`] for a bad name or another number of partitions.
    fn create(&self, topic: TopicConfig) -> BoxFuture<'_, Result<(), JournalError>>;

    /// The topics there are, by name.
    fn topics(&self) -> BoxFuture<'_, Result<Vec<TopicConfig>, JournalError>>;

    /// Appends records. The place in the order is taken when the method is called, not when the future is polled;
    /// dropping the future does not take the records back.
    ///
    /// # Errors
    /// After an error of kind `Retry` nothing was written; after [`JournalError::Poisoned`] and
    /// [`JournalError::Unknown`] that is unknown.
    fn append(&self, at: &TopicPartition, records: Vec<NewRecord>)
    -> BoxFuture<'static, Result<Receipt, JournalError>>;

    /// Reads durable records from `from`, at least one unless none becomes durable within `limits.wait`. Where
    /// compaction has removed the record at `from`, it goes on with the next one that is there. Cancel safe.
    ///
    /// # Errors
    /// [`JournalError::Trimmed`] below `start`; [`JournalError::NoSuchOffset`] beyond the tail or where no record
    /// ever started; [`JournalError::Corrupt`] when the next record is damaged.
    fn read(&self, at: &TopicPartition, from: Offset, limits: ReadLimits)
    -> BoxFuture<'_, Result<Batch, JournalError>>;

    /// Where the partition starts and ends now.
    fn bounds(&self, at: &TopicPartition) -> BoxFuture<'_, Result<Bounds, JournalError>>;

    /// Where the first durable record stands whose ingest time is not before `ingest_time` (ns since the Unix epoch);
    /// `durable` if there is none.
    fn find(&self, at: &TopicPartition, ingest_time: i64) -> BoxFuture<'_, Result<Offset, JournalError>>;

    /// Forgets records before `before`, as far as whole files can be dropped. Never moves `start` beyond `durable`.
    fn trim(&self, at: &TopicPartition, before: Offset) -> BoxFuture<'_, Result<(), JournalError>>;

    /// Asks retention to drop nothing from `from` on for the sake of `follower`, in place of its hold before; `None`
    /// lets go. A hold is remembered across restarts (perhaps an older one), does not hinder [`Journal::trim`], and
    /// gives way when the disk is nearly full or the follower has not been heard of for days. Where a broker decides
    /// on retention nothing is held.
    fn hold(&self, at: &TopicPartition, follower: &str, from: Option<Offset>);

    /// Takes part in dividing the partitions of `topic` between all nodes that name the same `group`. A journal that has
    /// nobody who could divide gives everyone everything: results that are appended twice are dropped by followers.
    fn share(&self, topic: &str, _group: &str) -> BoxFuture<'_, Result<Share, JournalError>> {
        let topic = topic.to_owned();
        Box::pin(async move {
            let topics = self.topics().await?;
            let found = topics.into_iter().find(|known| known.name == topic);
            let found = found.ok_or(JournalError::NoSuchPartition { topic, partition: 0 })?;
            Ok(Share::all(found.partitions))
        })
    }

    /// Numbers about this journal since it was opened; the same names every time.
    fn metrics(&self) -> Vec<Metric>;

    /// Finishes the appends that wait, makes everything durable and lets go of files and connections. Later appends
    /// are refused with [`JournalError::Closed`].
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// A number that a journal tells about itself.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Metric {
    /// The name, with its unit: `journal_appended_bytes`.
    pub name: &'static str,
    /// One sentence for people.
    pub help: &'static str,
    /// Whether it only grows.
    pub is_counter: bool,
    /// The number.
    pub value: f64,
}

impl Metric {
    /// A number that only grows.
    pub fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Self { name, help, is_counter: true, value: value as f64 }
    }

    /// A number that comes and goes.
    pub fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { name, help, is_counter: false, value }
    }
}

/// A topic's name and a partition's number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TopicPartition {
    /// The topic.
    pub topic: String,
    /// The partition, from 0.
    pub partition: u32,
}

impl TopicPartition {
    /// Partition `partition` of `topic`.
    pub fn new(topic: &str, partition: u32) -> Self {
        Self { topic: topic.to_owned(), partition }
    }
}

/// How long a topic's records are kept. Whole files are dropped, oldest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Retention {
    /// Records younger than this are kept; `None`: for ever. Age counts from ingest time.
    pub age: Option<Duration>,
    /// The newest records up to this many bytes per partition are kept; `None`: all.
    pub bytes: Option<u64>,
    /// Of the records with one key, only the last need be kept (and nothing, a day after one with an empty payload).
    /// Records without a key stay.
    pub compacted: bool,
}

/// What a topic is made with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicConfig {
    /// The name: 1 to 100 characters out of `a-z 0-9 - _`.
    pub name: String,
    /// Number of partitions, at least 1.
    pub partitions: u32,
    /// How long records are kept.
    pub retention: Retention,
}

impl TopicConfig {
    /// A topic whose records are kept for ever.
    pub fn new(name: &str, partitions: u32) -> Self {
        Self { name: name.to_owned(), partitions, retention: Retention::default() }
    }

    /// Checks name and number of partitions, which every backend limits alike.
    ///
    /// # Errors
    /// [`JournalError::Invalid`].
    pub fn check(&self) -> Result<(), JournalError> {
        let invalid = |reason| Err(JournalError::Invalid { reason });
        let is_allowed = |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        if !(1..=100).contains(&self.name.len()) || !self.name.bytes().all(is_allowed) {
            return invalid(format!("topic name {:?} is not 1 to 100 characters out of a-z 0-9 - _", self.name));
        }
        if self.partitions == 0 || self.partitions as usize > PARTITIONS_MAX {
            return invalid(format!("a topic has 1 to {PARTITIONS_MAX} partitions, not {}", self.partitions));
        }
        Ok(())
    }

    /// What a backend does when this topic is created and `self` is there already: whether the retention changes.
    ///
    /// # Errors
    /// [`JournalError::Invalid`] for another number of partitions.
    pub fn accept(&self, wanted: &TopicConfig) -> Result<bool, JournalError> {
        let (name, there, asked) = (&self.name, self.partitions, wanted.partitions);
        if there != asked {
            let reason = format!("topic {name:?} has {there} partitions, not {asked}");
            return Err(JournalError::Invalid { reason });
        }
        Ok(self.retention != wanted.retention)
    }
}

/// What an append returns: the half-open range of offsets its records have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// Offset of the first record.
    pub first: Offset,
    /// The offset after the last record: what a follower's cursor reads once it has applied them all.
    pub end: Offset,
}

/// How much a read returns and how long it waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadLimits {
    /// Stop after this many bytes, but return at least one record.
    pub bytes: usize,
    /// Wait this long for a first record.
    pub wait: Duration,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self { bytes: 1 << 20, wait: Duration::ZERO }
    }
}

/// Records that were read.
#[derive(Clone, PartialEq, Debug)]
pub struct Batch {
    /// The records, in order; empty when the wait ran out.
    pub records: Vec<Record>,
    /// Where to read on.
    pub next: Offset,
}

/// Where a partition starts and ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// First readable offset.
    pub start: Offset,
    /// First offset that is not yet durable.
    pub durable: Offset,
    /// First unwritten offset.
    pub tail: Offset,
    /// Number of records ever appended: the ordinal that the record at `durable` will have.
    pub records: u64,
    /// Ingest time from which on records are kept, ns since the Unix epoch, where that is known without reading: the
    /// newest of those that are gone.
    pub kept_since: Option<i64>,
}
