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
//! A follower of several partitions takes their records as they come, or in one order that is the same every time
//! ([`Follower::merging`]).
//!
//! The fold owns the cursors' persistence: it gets them with every [`Fold::commit`] and hands them back at the next start.

mod merge;
mod merging;
mod progress;
mod read_ahead;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tidemill_model::payload::Quarantined;
use tidemill_model::{NewRecord, Offset, ProducerId, Record, RecordKind};
use tokio::sync::{mpsc, watch};

use crate::margin::{Margin, NEVER};
use crate::{Cursor, Env, ErrorKind, Journal, JournalError, TOPIC_QUARANTINE, TopicPartition};
use progress::{Rate, newest};
use read_ahead::{Arrival, READ_AHEAD_BATCHES, READ_BYTES, RETRY_PAUSE, ReadAhead};

pub use merge::Merge;
pub use progress::Progress;

/// Bytes of a refused payload that are quarantined; with the rest of the entry they must fit into a record.
const QUARANTINED_BYTES_MAX: usize = 8 << 20;
/// Characters of the reason that are quarantined.
const QUARANTINED_REASON_CHARS_MAX: usize = 4096;
/// Until the journal is asked again how far it is, after an answer that did not come.
const ASK_AGAIN: Duration = Duration::from_secs(10);

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
    is_merging: bool,
    /// When the journal is asked again how far it is, after an answer that did not come.
    asks_again: Option<Duration>,
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
        let (is_merging, asks_again) = (false, None);
        Self { name, topic, partitions, cursors, fold, journal, env, progress, rate, margin, is_merging, asks_again }
    }

    /// Lets it place its holds under another name than its own, which need only be unique on one node.
    #[must_use]
    pub fn holding_as(mut self, holder: &str) -> Self {
        holder.clone_into(&mut self.margin.holder);
        self
    }

    /// Lets it apply the records of all its partitions in one order, which depends on nothing but what the journal holds:
    /// by ingest time, then by partition ([`Merge`]). It waits while a partition has no next record.
    #[must_use]
    pub fn merging(mut self) -> Self {
        self.is_merging = true;
        self
    }

    /// How far it is.
    pub fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    /// Follows until `stop` turns true (or its sender is gone), then gives the fold back. Meant for a thread of its own.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> F {
        self.hold();
        let mut outcome = self.learn_tail(&stop).await;
        if outcome.is_ok() {
            outcome = if self.is_merging { self.merge(&mut stop).await } else { self.take_all(&mut stop).await };
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

    /// Takes batches as they come.
    async fn take_all(&mut self, stop: &mut watch::Receiver<bool>) -> Result<(), String> {
        let (batches, mut arrivals) = mpsc::channel(READ_AHEAD_BATCHES * self.partitions.len());
        for index in 0..self.partitions.len() {
            self.read_ahead(index, READ_BYTES, batches.clone());
        }
        drop(batches);
        while !*stop.borrow() {
            match next_arrival(&mut arrivals, stop).await? {
                Some(arrival) => self.handle(arrival, stop).await?,
                None => break,
            }
        }
        Ok(())
    }

    /// Starts to read a partition ahead, `bytes` at a time.
    fn read_ahead(&self, index: usize, bytes: usize, batches: mpsc::Sender<Arrival>) {
        let at = TopicPartition::new(&self.topic, self.partitions[index]);
        let (journal, env) = (self.journal.clone(), self.env.clone());
        let reader = ReadAhead { index, at, bytes, journal, env, batches };
        self.env.spawn("follower-read", Box::pin(reader.run(self.cursors[index].next)));
    }

    async fn handle(&mut self, arrival: Arrival, stop: &watch::Receiver<bool>) -> Result<(), String> {
        let Arrival { index, result } = arrival;
        match result {
            Ok(batch) if batch.records.is_empty() => self.look_around(stop).await?,
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
            Err(JournalError::Trimmed { from, start }) => self.pass_gap(index, from, start, stop).await?,
            Err(error) => return Err(error.to_string()),
        }
        self.publish();
        self.hold();
        Ok(())
    }

    /// Nothing has arrived for a while.
    async fn look_around(&mut self, stop: &watch::Receiver<bool>) -> Result<(), String> {
        self.observe_tail().await?;
        self.retry(stop, |this| this.fold.idle(&this.cursors, false)).await
    }

    /// Reads on behind records that are gone.
    async fn pass_gap(
        &mut self,
        index: usize,
        from: Offset,
        start: Offset,
        stop: &watch::Receiver<bool>,
    ) -> Result<(), String> {
        tracing::warn!(follower = self.name, %from, %start, "records were trimmed before they were applied");
        self.progress.gaps.fetch_add(1, Relaxed);
        let partition = self.partitions[index];
        self.retry(stop, |this| this.fold.gap(partition, from, start)).await?;
        self.cursors[index].next = start;
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

    /// Learns for the first time how far the journal is: who follows it must not seem to be there before.
    async fn learn_tail(&mut self, stop: &watch::Receiver<bool>) -> Result<(), String> {
        while !*stop.borrow() {
            match self.ask_tail().await? {
                None => break,
                Some(reason) => self.pause(reason).await,
            }
        }
        self.progress.error.lock().take();
        Ok(())
    }

    /// Learns how far the journal is, at which rate the follower nears it, and when it would fall off. While a partition does
    /// not answer, what is known stays, and it is seldom asked: an answer that does not come takes long.
    async fn observe_tail(&mut self) -> Result<(), String> {
        let now = self.env.monotonic();
        if self.asks_again.is_some_and(|at| now < at) {
            return Ok(());
        }
        let failure = self.ask_tail().await?;
        self.asks_again = failure.is_some().then(|| self.env.monotonic() + ASK_AGAIN);
        if let Some(reason) = failure {
            tracing::warn!(follower = self.name, reason, "the end of the journal is not known");
        }
        Ok(())
    }

    /// Asks every partition how far it is. Returns why it is not known, if that may pass.
    async fn ask_tail(&mut self) -> Result<Option<String>, String> {
        self.margin.ask(&*self.journal, &self.topic, self.env.monotonic()).await;
        let (mut records, mut falls_off_at) = (0, NEVER);
        for (index, partition) in self.partitions.iter().enumerate() {
            let at = TopicPartition::new(&self.topic, *partition);
            let bounds = match self.journal.bounds(&at).await {
                Ok(bounds) => bounds,
                Err(error) if matches!(error.kind(), ErrorKind::Retry | ErrorKind::Unknown) => {
                    return Ok(Some(error.to_string()));
                }
                Err(error) => return Err(error.to_string()),
            };
            records += bounds.records;
            let is_at_end = self.cursors[index].next >= bounds.durable;
            let falls_off = self.margin.falls_off_at(index, is_at_end, bounds.kept_since, self.env.now());
            falls_off_at = falls_off_at.min(falls_off);
        }
        self.progress.falls_off_at.store(falls_off_at, Relaxed);
        let applied = self.cursors.iter().map(|c| c.ordinal).sum();
        self.progress.tail_records.store(records, Relaxed);
        self.progress.rate_millis.store(self.rate.observe(self.env.monotonic(), applied), Relaxed);
        Ok(None)
    }

    fn publish(&self) {
        self.progress.applied_records.store(self.cursors.iter().map(|c| c.ordinal).sum(), Relaxed);
        self.progress.newest_source_time.store(newest(&self.cursors), Relaxed);
        self.progress.cursors.send_replace(self.cursors.iter().map(|c| c.next).collect());
    }
}

/// The next read; `None` when the follower is to stop.
async fn next_arrival(
    arrivals: &mut mpsc::Receiver<Arrival>,
    stop: &mut watch::Receiver<bool>,
) -> Result<Option<Arrival>, String> {
    loop {
        if *stop.borrow_and_update() {
            return Ok(None);
        }
        tokio::select! {
            biased;
            changed = stop.changed() => if changed.is_err() { return Ok(None) },
            arrival = arrivals.recv() => return arrival.map(Some).ok_or_else(|| "the journal is closed".to_owned()),
        }
    }
}
