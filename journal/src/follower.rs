//! The follower: a deterministic fold over an ordered log.
//!
//! ```text
//!   state', outputs = apply(state, record)      and      (state, cursor) are persisted together
//! ```
//!
//! [`Follower::run`] does what every follower needs and leaves the rest to its [`Fold`]:
//!
//! 1. a read-ahead task per partition keeps a few batches in a bounded channel, so that reading and applying overlap;
//! 2. records that were applied already are dropped by the cursor (producer, epoch, sequence);
//! 3. a trimmed range becomes a named gap, never a silent skip;
//! 4. a record that cannot be applied goes to the `quarantine` topic with its offset and the reason, and the follower
//!    reads on;
//! 5. a failure of the follower's own surroundings (a full disk) is retried with the same record, never skipped.
//!
//! The fold owns the cursors' persistence: it gets them with every [`Fold::commit`] and hands them back at the next start.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tidemill_model::payload::Quarantined;
use tidemill_model::{NewRecord, Offset, ProducerId, Record, RecordKind};
use tokio::sync::{mpsc, watch};

use crate::margin::{Margin, NEVER};
use crate::{Batch, Cursor, Env, ErrorKind, Journal, JournalError, ReadLimits, TOPIC_QUARANTINE, TopicPartition};

/// Batches that are read ahead per partition.
const READ_AHEAD_BATCHES: usize = 3;
/// Bytes per read. Smaller reads cost calls, larger ones delay commits.
const READ_BYTES: usize = 2 << 20;
/// How long a read waits before the follower looks around (for a stop, for its progress).
const READ_WAIT: Duration = Duration::from_millis(500);
/// Bytes of a refused payload that are quarantined; with the rest of the entry they must fit into a record.
const QUARANTINED_BYTES_MAX: usize = 8 << 20;
/// Characters of the reason that are quarantined.
const QUARANTINED_REASON_CHARS_MAX: usize = 4096;
/// Pause after an error that may pass.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Why a record was not applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The record itself cannot be applied, now or ever, here or on any other follower of this kind. It is
    /// quarantined and the follower goes on. The fold's state must be as if the record had not been there.
    #[error("{0}")]
    Refused(String),
    /// The follower's surroundings failed (disk full, a service away). The same call is made again later.
    #[error("{0}")]
    Retry(String),
    /// The follower cannot go on until a person has acted: its own files are damaged. It stops and says why.
    #[error("{0}")]
    Halt(String),
}

/// The state of a follower and what a record does to it. Calls come from one thread, in journal order per partition.
pub trait Fold: Send + 'static {
    /// Applies a record that has not been applied before. Returns the newest source time in it, if it has any.
    ///
    /// # Errors
    /// See [`ApplyError`] for what each of them makes the follower do.
    fn apply(&mut self, partition: u32, record: &Record) -> Result<Option<i64>, ApplyError>;

    /// Records from `from` to `to` are gone from the journal.
    ///
    /// # Errors
    /// As for [`Fold::apply`]; a refusal counts as a halt.
    fn gap(&mut self, partition: u32, from: Offset, to: Offset) -> Result<(), ApplyError>;

    /// A batch is done: the state may be published, and persisted together with `cursors` (in the order in which the
    /// follower was given its partitions).
    ///
    /// # Errors
    /// As for [`Fold::apply`]; a refusal counts as a halt.
    fn commit(&mut self, cursors: &[Cursor]) -> Result<(), ApplyError>;

    /// Called about twice a second when nothing arrives, and once before the follower stops.
    ///
    /// # Errors
    /// As for [`Fold::commit`].
    fn idle(&mut self, cursors: &[Cursor], stopping: bool) -> Result<(), ApplyError>;

    /// From where on the fold would read again after a crash, in the order of its partitions; `None` when that cannot be
    /// told just now. Retention is asked to keep what follows. As it stands, whatever was applied counts as persisted.
    fn needed_from(&self, cursors: &[Cursor]) -> Option<Vec<Offset>> {
        Some(cursors.iter().map(|cursor| cursor.next).collect())
    }
}

/// How far a follower is, readable by everyone at any time.
#[derive(Debug)]
pub struct Progress {
    cursors: watch::Sender<Vec<Offset>>,
    applied_records: AtomicU64,
    tail_records: AtomicU64,
    newest_source_time: AtomicI64,
    rate_millis: AtomicU64,
    quarantined: AtomicU64,
    gaps: AtomicU64,
    falls_off_at: AtomicI64,
    stopped: AtomicBool,
    error: Mutex<Option<String>>,
}

impl Progress {
    fn new(cursors: &[Cursor]) -> Arc<Self> {
        Arc::new(Self {
            cursors: watch::Sender::new(cursors.iter().map(|c| c.next).collect()),
            applied_records: AtomicU64::new(cursors.iter().map(|c| c.ordinal).sum()),
            tail_records: AtomicU64::new(0),
            newest_source_time: AtomicI64::new(newest(cursors)),
            rate_millis: AtomicU64::new(0),
            quarantined: AtomicU64::new(0),
            gaps: AtomicU64::new(0),
            falls_off_at: AtomicI64::new(NEVER),
            stopped: AtomicBool::new(false),
            error: Mutex::new(None),
        })
    }

    /// The next offset of each partition: everything before it is applied and visible.
    pub fn offsets(&self) -> Vec<Offset> {
        self.cursors.borrow().clone()
    }

    /// Tells of every change of [`Progress::offsets`].
    pub fn watch(&self) -> watch::Receiver<Vec<Offset>> {
        self.cursors.subscribe()
    }

    /// Lag: durable records that are not yet applied.
    pub fn lag_records(&self) -> u64 {
        self.tail_records.load(Relaxed).saturating_sub(self.applied_records.load(Relaxed))
    }

    /// Newest source time applied, ns; `None` before the first sample.
    pub fn newest_source_time(&self) -> Option<i64> {
        Some(self.newest_source_time.load(Relaxed)).filter(|t| *t != i64::MIN)
    }

    /// Staleness at `now`: how long ago the newest applied sample was stamped, ns. `None` before the first sample.
    pub fn staleness(&self, now: i64) -> Option<i64> {
        self.newest_source_time().map(|newest| now.saturating_sub(newest).max(0))
    }

    /// When the lag will be gone at the present rate; `None` while the rate is unknown.
    pub fn ready_in(&self) -> Option<Duration> {
        let rate = self.rate_millis.load(Relaxed);
        (rate > 0).then(|| Duration::from_millis(self.lag_records().saturating_mul(1_000_000) / rate))
    }

    /// Records quarantined since the start of the process.
    pub fn quarantined(&self) -> u64 {
        self.quarantined.load(Relaxed)
    }

    /// Gaps met since the start of the process.
    pub fn gaps(&self) -> u64 {
        self.gaps.load(Relaxed)
    }

    /// How long from `now` until the follower falls off: until retention drops a record that it has not applied, if it
    /// applies nothing more. `None` if nothing is ever dropped, or if that is not known.
    pub fn falls_off_in(&self, now: i64) -> Option<Duration> {
        let at = Some(self.falls_off_at.load(Relaxed)).filter(|at| *at != NEVER)?;
        Some(Duration::from_nanos(u64::try_from(at.saturating_sub(now)).unwrap_or(0)))
    }

    /// Whether the follower has stopped.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    /// The last error, while it lasts.
    pub fn error(&self) -> Option<String> {
        self.error.lock().clone()
    }
}

fn newest(cursors: &[Cursor]) -> i64 {
    cursors.iter().map(|c| c.newest_source_time).max().unwrap_or(i64::MIN)
}

/// Reads a set of partitions of one topic and folds them.
pub struct Follower<F> {
    name: String,
    topic: String,
    /// The partition numbers that `cursors` belong to.
    partitions: Vec<u32>,
    cursors: Vec<Cursor>,
    fold: F,
    journal: Arc<dyn Journal>,
    env: Arc<dyn Env>,
    progress: Arc<Progress>,
    rate: Rate,
    margin: Margin,
}

impl<F: Fold> Follower<F> {
    /// A follower that reads on from `cursors`, one per entry of `partitions`.
    ///
    /// # Panics
    /// When the two differ in length.
    pub fn new(
        name: &str,
        topic: &str,
        partitions: Vec<u32>,
        cursors: Vec<Cursor>,
        fold: F,
        journal: Arc<dyn Journal>,
        env: Arc<dyn Env>,
    ) -> Self {
        assert_eq!(partitions.len(), cursors.len(), "one cursor per partition");
        let progress = Progress::new(&cursors);
        let (rate, margin) = (Rate::default(), Margin::new(name, partitions.len()));
        let (name, topic) = (name.to_owned(), topic.to_owned());
        Self { name, topic, partitions, cursors, fold, journal, env, progress, rate, margin }
    }

    /// Lets it place its holds under another name than its own, which need only be unique on one node.
    #[must_use]
    pub fn holding_as(mut self, holder: &str) -> Self {
        holder.clone_into(&mut self.margin.holder);
        self
    }

    /// How far it is.
    pub fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    /// Follows until `stop` turns true (or its sender is gone), then gives the fold back. Meant for a thread of its own.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> F {
        let (batches, mut arrivals) = mpsc::channel(READ_AHEAD_BATCHES * self.partitions.len());
        for (index, partition) in self.partitions.iter().enumerate() {
            let reader = ReadAhead {
                index,
                at: TopicPartition::new(&self.topic, *partition),
                journal: self.journal.clone(),
                env: self.env.clone(),
                batches: batches.clone(),
            };
            let from = self.cursors[index].next;
            self.env.spawn("follower-read", Box::pin(reader.run(from)));
        }
        drop(batches);
        self.hold();
        let mut outcome = self.observe_tail().await;
        while outcome.is_ok() && !*stop.borrow() {
            let arrival = tokio::select! {
                biased;
                changed = stop.changed() => if changed.is_err() { break } else { continue },
                arrival = arrivals.recv() => arrival,
            };
            outcome = match arrival {
                Some(arrival) => self.handle(arrival, &stop).await,
                None => Err("the journal is closed".to_owned()),
            };
        }
        if outcome.is_ok() {
            outcome = self.fold.idle(&self.cursors, true).map_err(|e| e.to_string());
        }
        if let Err(reason) = outcome {
            tracing::error!(follower = self.name, reason, "follower stopped");
            *self.progress.error.lock() = Some(reason);
        }
        self.progress.stopped.store(true, Relaxed);
        self.fold
    }

    async fn handle(&mut self, arrival: Arrival, stop: &watch::Receiver<bool>) -> Result<(), String> {
        let Arrival { index, result } = arrival;
        match result {
            Ok(batch) if batch.records.is_empty() => {
                self.observe_tail().await?;
                self.retry(stop, |this| this.fold.idle(&this.cursors, false)).await?;
            }
            Ok(batch) => {
                for (i, record) in batch.records.iter().enumerate() {
                    let after = batch.records.get(i + 1).map_or(batch.next, |next| next.offset);
                    if !self.apply(index, record, after, stop).await? {
                        return Ok(());
                    }
                }
                self.retry(stop, |this| this.fold.commit(&this.cursors)).await?;
                self.observe_tail().await?;
            }
            Err(JournalError::Trimmed { from, start }) => {
                tracing::warn!(follower = self.name, %from, %start, "records were trimmed before they were applied");
                self.progress.gaps.fetch_add(1, Relaxed);
                let partition = self.partitions[index];
                self.retry(stop, |this| this.fold.gap(partition, from, start)).await?;
                self.cursors[index].next = start;
            }
            Err(error) => return Err(error.to_string()),
        }
        self.publish();
        self.hold();
        Ok(())
    }

    /// Asks retention to keep what would be read again after a crash.
    fn hold(&mut self) {
        let Self { margin, fold, cursors, topic, partitions, .. } = self;
        let places = partitions.iter().map(|partition| (topic.as_str(), *partition));
        margin.hold(&*self.journal, self.env.monotonic(), || fold.needed_from(cursors), places);
    }

    /// Applies one record and moves the cursor behind it; `false` when the follower was stopped before that was possible.
    async fn apply(
        &mut self,
        index: usize,
        record: &Record,
        after: Offset,
        stop: &watch::Receiver<bool>,
    ) -> Result<bool, String> {
        self.margin.meet(index, record.ingest_time);
        if !self.cursors[index].has_seen(record.producer, record.epoch, record.sequence) {
            loop {
                match self.fold.apply(self.partitions[index], record) {
                    Ok(newest) => {
                        let cursor = &mut self.cursors[index];
                        cursor.newest_source_time = cursor.newest_source_time.max(newest.unwrap_or(i64::MIN));
                        break;
                    }
                    Err(ApplyError::Refused(reason)) => {
                        if self.quarantine(self.partitions[index], record, &reason, stop).await? {
                            break;
                        }
                        return Ok(false);
                    }
                    Err(ApplyError::Retry(reason)) if !*stop.borrow() => self.pause(reason).await,
                    Err(ApplyError::Retry(_)) => return Ok(false),
                    Err(ApplyError::Halt(reason)) => return Err(reason),
                }
            }
        }
        self.cursors[index].admit(record, after);
        Ok(true)
    }

    /// Calls the fold until it succeeds, halts, or the follower is stopped.
    async fn retry(
        &mut self,
        stop: &watch::Receiver<bool>,
        mut call: impl FnMut(&mut Self) -> Result<(), ApplyError>,
    ) -> Result<(), String> {
        loop {
            match call(self) {
                Ok(()) => {
                    self.progress.error.lock().take();
                    return Ok(());
                }
                Err(ApplyError::Retry(reason)) if !*stop.borrow() => self.pause(reason).await,
                Err(ApplyError::Retry(_)) => return Ok(()),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    async fn pause(&self, reason: String) {
        tracing::warn!(follower = self.name, reason, "follower waits");
        *self.progress.error.lock() = Some(reason);
        self.env.sleep(RETRY_PAUSE).await;
    }

    /// Puts a refused record where people can look at it. Its identity makes a repetition harmless.
    ///
    /// Returns whether it is there; `false` when the follower was stopped before that was possible.
    async fn quarantine(
        &self,
        partition: u32,
        record: &Record,
        reason: &str,
        stop: &watch::Receiver<bool>,
    ) -> Result<bool, String> {
        tracing::warn!(follower = self.name, partition, offset = %record.offset, reason, "record quarantined");
        let kept = record.payload.len().min(QUARANTINED_BYTES_MAX);
        let entry = Quarantined {
            follower: self.name.clone(),
            topic: self.topic.clone(),
            partition,
            offset: record.offset.0,
            reason: reason.chars().take(QUARANTINED_REASON_CHARS_MAX).collect(),
            payload: record.payload.slice(..kept),
        };
        let entry = NewRecord {
            producer: ProducerId::from_name(&format!("quarantine/{}/{}/{partition}", self.name, self.topic)),
            sequence: record.offset.0,
            ..NewRecord::anonymous(RecordKind::Quarantined, entry.to_payload())
        };
        let at = TopicPartition::new(TOPIC_QUARANTINE, 0);
        loop {
            match self.journal.append(&at, vec![entry.clone()]).await {
                Ok(_) => {
                    self.progress.quarantined.fetch_add(1, Relaxed);
                    return Ok(true);
                }
                Err(error) if !matches!(error.kind(), ErrorKind::Retry | ErrorKind::Unknown) => {
                    return Err(format!("cannot quarantine a record: {error}"));
                }
                Err(_) if *stop.borrow() => return Ok(false),
                Err(error) => self.pause(format!("cannot quarantine a record: {error}")).await,
            }
        }
    }

    /// Learns how far the journal is, at which rate the follower nears it, and when it would fall off.
    async fn observe_tail(&mut self) -> Result<(), String> {
        self.margin.ask(&*self.journal, &self.topic, self.env.monotonic()).await;
        let (mut records, mut falls_off_at) = (0, NEVER);
        for (index, partition) in self.partitions.iter().enumerate() {
            let at = TopicPartition::new(&self.topic, *partition);
            let bounds = self.journal.bounds(&at).await.map_err(|error| error.to_string())?;
            records += bounds.records;
            let is_at_end = self.cursors[index].next >= bounds.durable;
            let falls_off = self.margin.falls_off_at(index, is_at_end, bounds.kept_since, self.env.now());
            falls_off_at = falls_off_at.min(falls_off);
        }
        self.progress.falls_off_at.store(falls_off_at, Relaxed);
        let applied = self.cursors.iter().map(|c| c.ordinal).sum();
        self.progress.tail_records.store(records, Relaxed);
        self.progress.rate_millis.store(self.rate.observe(self.env.monotonic(), applied), Relaxed);
        Ok(())
    }

    fn publish(&self) {
        self.progress.applied_records.store(self.cursors.iter().map(|c| c.ordinal).sum(), Relaxed);
        self.progress.newest_source_time.store(newest(&self.cursors), Relaxed);
        self.progress.cursors.send_replace(self.cursors.iter().map(|c| c.next).collect());
    }
}

/// Applied records per second over the last seconds.
#[derive(Default)]
struct Rate {
    since: Duration,
    from: u64,
    per_second_millis: u64,
}

impl Rate {
    /// Thousandths of records per second, measured over windows of about a second.
    fn observe(&mut self, now: Duration, applied: u64) -> u64 {
        let window = now.saturating_sub(self.since);
        if window >= Duration::from_secs(1) {
            let applied_millis = applied.saturating_sub(self.from).saturating_mul(1_000_000);
            self.per_second_millis = applied_millis / window.as_millis().max(1) as u64;
            (self.since, self.from) = (now, applied);
        }
        self.per_second_millis
    }
}

/// One read of a partition.
struct Arrival {
    index: usize,
    result: Result<Batch, JournalError>,
}

/// Reads a partition ahead of the fold.
struct ReadAhead {
    index: usize,
    at: TopicPartition,
    journal: Arc<dyn Journal>,
    env: Arc<dyn Env>,
    batches: mpsc::Sender<Arrival>,
}

impl ReadAhead {
    /// Ends when the follower is gone or after an error that will not pass.
    async fn run(self, mut from: Offset) {
        let limits = ReadLimits { bytes: READ_BYTES, wait: READ_WAIT };
        loop {
            let result = self.journal.read(&self.at, from, limits).await;
            let again = match &result {
                Ok(batch) => {
                    from = batch.next;
                    true
                }
                Err(JournalError::Trimmed { start, .. }) => {
                    from = *start;
                    true
                }
                Err(error) if error.kind() == ErrorKind::Retry => {
                    tracing::warn!(topic = self.at.topic, partition = self.at.partition, %error, "journal read failed");
                    self.env.sleep(RETRY_PAUSE).await;
                    continue;
                }
                Err(_) => false,
            };
            if self.batches.send(Arrival { index: self.index, result }).await.is_err() || !again {
                return;
            }
        }
    }
}
