//! The ledger: the node's own follower of `data`, which knows the producers that have been seen and the newest records.
//!
//! It answers three questions: has this request been written before (ingest), is this record a repetition that followers
//! drop (live), and what came after this offset (live, from memory while it is recent).
//!
//! Invariants: what it says about repetitions is what every follower decides, because both use [`Cursor`]; it remembers
//! the newest [`DUPLICATES_MAX`] repetitions of a partition; nothing here is needed for durability: a lost or damaged
//! file means reading the journal from its start again.

mod file;
mod recent;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tidemill_journal::{Cursor, Env, ErrorKind, Journal, JournalError, ReadLimits, TOPIC_DATA, TopicPartition};
use tidemill_model::{JournalIdentity, Offset, Position, ProducerId, RecordKind};
use tokio::sync::watch;

pub(crate) use recent::{Entry, Recent};

use crate::NodeError;

/// Repetitions remembered per partition. They are rare: a client or an operator was cut off between write and receipt.
const DUPLICATES_MAX: usize = 100_000;
/// Bytes per read.
const READ_BYTES: usize = 2 << 20;
/// How long a read waits before the ledger looks around.
const READ_WAIT: Duration = Duration::from_millis(500);
/// How often the ledger is written, if anything but time has passed.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);

/// What the ledger knows about a partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Page {
    cursor: Cursor,
    /// Offsets of repetitions, ascending.
    duplicates: Vec<Offset>,
}

/// See the module.
pub(crate) struct Ledger {
    path: PathBuf,
    /// The name of its holds.
    holder: String,
    identity: JournalIdentity,
    journal: Arc<dyn Journal>,
    env: Arc<dyn Env>,
    pages: Vec<Mutex<Page>>,
    recent: Vec<Recent>,
    offsets: watch::Sender<Vec<Offset>>,
    /// Where the journal ended when the node started: from there on the ledger knows of every producer.
    known_from: Vec<Offset>,
    changed: watch::Sender<bool>,
}

impl Ledger {
    /// Opens the ledger in `dir` of the node `node`, or begins a new one.
    ///
    /// # Errors
    /// When the directory cannot be used or the journal cannot be read.
    pub(crate) async fn open(
        dir: PathBuf,
        node: &str,
        partitions: u32,
        journal: Arc<dyn Journal>,
        env: Arc<dyn Env>,
    ) -> Result<Arc<Self>, NodeError> {
        std::fs::create_dir_all(&dir).map_err(|e| file::io("create", &dir, &e))?;
        let (path, identity) = (dir.join("state"), journal.identity());
        let pages = match file::load(&path, identity) {
            Ok(Some(pages)) if pages.len() == partitions as usize => pages,
            Ok(_) => vec![Page::default(); partitions as usize],
            Err(reason) => {
                tracing::warn!(path = %path.display(), reason, "ledger is read from the journal again");
                vec![Page::default(); partitions as usize]
            }
        };
        let mut known_from = Vec::new();
        for partition in 0..partitions {
            known_from.push(journal.bounds(&TopicPartition::new(TOPIC_DATA, partition)).await?.durable);
        }
        let offsets = watch::Sender::new(pages.iter().map(|page| page.cursor.next).collect());
        Ok(Arc::new(Self {
            path,
            holder: format!("{node}/ledger"),
            identity,
            journal,
            env,
            recent: pages.iter().map(|page| Recent::new(page.cursor.next)).collect(),
            pages: pages.into_iter().map(Mutex::new).collect(),
            offsets,
            known_from,
            changed: watch::Sender::new(false),
        }))
    }

    /// Follows until `stop` turns true, then writes the ledger once more. Meant for a thread of its own.
    pub(crate) async fn run(self: Arc<Self>, stop: watch::Receiver<bool>) {
        let readers = (0..self.pages.len()).map(|partition| self.follow(partition, stop.clone()));
        let checkpoints = self.checkpoint_regularly(stop.clone());
        futures::future::join(futures::future::join_all(readers), checkpoints).await;
        self.save(&self.pages());
    }

    /// Whether it has read everything that was there when the node started. Until then it cannot tell repetitions.
    pub(crate) fn is_ready(&self) -> bool {
        self.offsets.borrow().iter().zip(&self.known_from).all(|(at, known)| at >= known)
    }

    /// Whether a record with this identity is in the partition already.
    pub(crate) fn has_seen(&self, partition: u32, producer: ProducerId, epoch: u32, sequence: u64) -> bool {
        self.pages[partition as usize].lock().cursor.has_seen(producer, epoch, sequence)
    }

    /// The newest epoch of a producer in any partition.
    pub(crate) fn epoch_of(&self, producer: ProducerId) -> Option<u32> {
        let epochs = self.pages.iter().filter_map(|page| page.lock().cursor.last_of(producer));
        epochs.map(|(epoch, _)| epoch).max()
    }

    /// Everything before it has been looked at.
    pub(crate) fn position(&self) -> Position {
        Position { journal: self.identity, offsets: self.offsets.borrow().clone() }
    }

    /// Tells when the position moves.
    pub(crate) fn watch(&self) -> watch::Receiver<Vec<Offset>> {
        self.offsets.subscribe()
    }

    /// Waits until everything before `offset` of a partition has been looked at.
    pub(crate) async fn reach(&self, partition: u32, offset: Offset) {
        let mut offsets = self.offsets.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = offsets.wait_for(|at| at[partition as usize] >= offset).await;
    }

    /// The newest records of a partition.
    pub(crate) fn recent(&self, partition: u32) -> &Recent {
        &self.recent[partition as usize]
    }

    /// Number of partitions.
    pub(crate) fn partitions(&self) -> u32 {
        self.pages.len() as u32
    }

    /// Records from `from` on which the ledger has looked at, from memory or from the journal.
    ///
    /// # Errors
    /// What the journal says, above all [`JournalError::Trimmed`].
    pub(crate) async fn read(
        &self,
        partition: u32,
        from: Offset,
        bytes: usize,
    ) -> Result<Vec<Arc<Entry>>, JournalError> {
        if let Some(entries) = self.recent(partition).since(from, bytes) {
            return Ok(entries);
        }
        let known = self.offsets.borrow()[partition as usize];
        let at = TopicPartition::new(TOPIC_DATA, partition);
        let batch = self.journal.read(&at, from, ReadLimits { bytes, wait: Duration::ZERO }).await?;
        let page = self.pages[partition as usize].lock();
        let is_duplicate = |offset: &Offset| page.duplicates.binary_search(offset).is_ok();
        let entries = self.recent(partition).entries(batch, is_duplicate);
        Ok(entries.into_iter().filter(|entry| entry.record.offset < known).collect())
    }

    async fn follow(&self, partition: usize, mut stop: watch::Receiver<bool>) {
        let at = TopicPartition::new(TOPIC_DATA, partition as u32);
        while !*stop.borrow() {
            let from = self.pages[partition].lock().cursor.next;
            let read = tokio::select! {
                changed = stop.changed() => if changed.is_err() { return } else { continue },
                read = self.journal.read(&at, from, ReadLimits { bytes: READ_BYTES, wait: READ_WAIT }) => read,
            };
            match read {
                Ok(batch) if batch.records.is_empty() => continue,
                Ok(batch) => self.admit(partition, batch),
                Err(JournalError::Trimmed { start, .. }) => {
                    self.pages[partition].lock().cursor.next = start;
                    self.recent[partition].restart(start);
                    self.publish(partition, start);
                }
                Err(error) if error.kind() == ErrorKind::Closed => return,
                Err(error) => {
                    tracing::error!(partition, %error, "ledger cannot read the journal");
                    self.env.sleep(READ_WAIT).await;
                }
            }
        }
    }

    fn admit(&self, partition: usize, batch: tidemill_journal::Batch) {
        let next = batch.next;
        let only_time = batch.records.iter().all(|record| record.kind() == Some(RecordKind::Heartbeat));
        let mut page = self.pages[partition].lock();
        let Page { cursor, duplicates } = &mut *page;
        let ends: Vec<_> = batch.records.iter().skip(1).map(|r| r.offset).chain([next]).collect();
        for (record, after) in batch.records.iter().zip(ends) {
            if !cursor.admit(record, after) {
                duplicates.push(record.offset);
            }
        }
        if duplicates.len() > DUPLICATES_MAX {
            duplicates.drain(..duplicates.len() - DUPLICATES_MAX);
        }
        let entries = self.recent[partition].entries(batch, |offset| duplicates.binary_search(offset).is_ok());
        self.recent[partition].push(entries, next);
        drop(page);
        self.publish(partition, next);
        if !only_time {
            self.changed.send_replace(true);
        }
    }

    fn publish(&self, partition: usize, next: Offset) {
        self.offsets.send_modify(|offsets| offsets[partition] = next);
    }

    async fn checkpoint_regularly(&self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            tokio::select! {
                changed = stop.changed() => if changed.is_err() { return },
                () = self.env.sleep(CHECKPOINT_EVERY) => {
                    let has_changed = self.changed.send_replace(false);
                    let pages = self.pages();
                    // What came since the last checkpoint without a change is time alone, which nobody needs again.
                    if !has_changed || self.save(&pages) {
                        self.hold(&pages);
                    }
                }
            }
        }
    }

    fn pages(&self) -> Vec<Page> {
        self.pages.iter().map(|page| page.lock().clone()).collect()
    }

    /// Writes the ledger; `false` if that is not possible.
    fn save(&self, pages: &[Page]) -> bool {
        let saved = file::save(&self.path, self.identity, pages);
        if let Err(error) = &saved {
            tracing::warn!(path = %self.path.display(), %error, "ledger cannot be written");
        }
        saved.is_ok()
    }

    /// Asks retention to keep what the ledger would read again after a crash.
    fn hold(&self, pages: &[Page]) {
        for (partition, page) in (0..).zip(pages) {
            self.journal.hold(&TopicPartition::new(TOPIC_DATA, partition), &self.holder, Some(page.cursor.next));
        }
    }
}
