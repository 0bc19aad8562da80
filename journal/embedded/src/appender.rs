//! The appender: one thread that writes everything, in groups.
//!
//! 1. Callers put appends into a queue; their place in it is their place in the order.
//! 2. The thread takes what is there (up to [`GROUP_BYTES_MAX`]), stages it per partition, writes each partition once.
//! 3. It syncs each partition, publishes its new end, and only then answers the callers. While that goes on the next
//!    group gathers: the busier the journal, the larger its groups.
//!
//! Invariants: nothing is acknowledged after a failed write or sync, ever (a second fsync would lie: "Can Applications
//! Recover from fsync Failures?", ATC 2020); the lock on the directory is held as long as the thread lives.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tidemill_journal::{Env, JournalError, Receipt, Retention};
use tidemill_model::Offset;
use tokio::sync::{Notify, oneshot, watch};

use crate::log::Log;
use crate::storage::Lock;
use crate::writer::{Checkpoint, Prepared, Writer};

/// Bytes of one group. Larger groups hardly write faster, and everybody in them waits longer.
const GROUP_BYTES_MAX: u64 = 8 << 20;
/// Bytes that may wait; beyond that appends are refused until there is room.
const QUEUE_BYTES_MAX: u64 = 256 << 20;
/// How often retention is looked at.
const RETENTION_EVERY: Duration = Duration::from_secs(10);

/// What readers may see of a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Published {
    pub(crate) durable: u64,
    pub(crate) records: u64,
}

/// A partition of an open journal.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) log: Arc<Log>,
    pub(crate) retention: RwLock<Retention>,
    /// What followers still need: offsets by name.
    pub(crate) holds: Mutex<HashMap<String, u64>>,
    pub(crate) published: watch::Sender<Published>,
    pub(crate) tail: AtomicU64,
    /// Locked by the appender only.
    pub(crate) writer: Mutex<Writer>,
}

impl Partition {
    /// The first offset that a follower still needs; `u64::MAX` if nobody asks for anything.
    fn held(&self) -> u64 {
        self.holds.lock().values().copied().min().unwrap_or(u64::MAX)
    }
}

/// An append that waits for its turn.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) partition: Arc<Partition>,
    pub(crate) records: Vec<Prepared>,
    pub(crate) bytes: u64,
    pub(crate) done: oneshot::Sender<Result<Receipt, JournalError>>,
}

#[derive(Debug, Default)]
struct Waiting {
    appends: VecDeque<Append>,
    bytes: u64,
    is_closing: bool,
    poison: Option<String>,
}

/// Numbers since the journal was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) appends: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) syncs: AtomicU64,
}

/// What callers and the appender's thread share.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    news: Notify,
    pub(crate) counters: Counters,
    /// All partitions, for retention and closing.
    pub(crate) partitions: RwLock<Vec<Arc<Partition>>>,
}

impl Queue {
    /// Takes a place in the order.
    pub(crate) fn push(&self, append: Append) -> Result<(), JournalError> {
        let mut waiting = self.waiting.lock();
        if let Some(reason) = &waiting.poison {
            return Err(JournalError::Poisoned { reason: reason.clone() });
        }
        if waiting.is_closing {
            return Err(JournalError::Closed);
        }
        if waiting.bytes + append.bytes > QUEUE_BYTES_MAX && !waiting.appends.is_empty() {
            return Err(JournalError::Full { reason: format!("{} bytes wait to be written", waiting.bytes) });
        }
        waiting.bytes += append.bytes;
        waiting.appends.push_back(append);
        drop(waiting);
        self.news.notify_one();
        Ok(())
    }

    /// Takes no more appends; the thread ends when those that wait are done.
    pub(crate) fn close(&self) {
        self.waiting.lock().is_closing = true;
        self.news.notify_one();
    }

    /// The next group; empty if nothing waits.
    fn take(&self) -> Vec<Append> {
        let mut waiting = self.waiting.lock();
        let (mut group, mut bytes) = (Vec::new(), 0);
        while let Some(next) = waiting.appends.front() {
            if !group.is_empty() && bytes + next.bytes > GROUP_BYTES_MAX {
                break;
            }
            bytes += next.bytes;
            group.extend(waiting.appends.pop_front());
        }
        waiting.bytes -= bytes;
        group
    }

    fn is_closing(&self) -> bool {
        self.waiting.lock().is_closing
    }

    /// Stops writing for good.
    fn poison(&self, reason: &str) {
        tracing::error!(reason, "the journal stops writing; restart it when the cause is gone");
        let mut waiting = self.waiting.lock();
        waiting.poison = Some(reason.to_owned());
        waiting.bytes = 0;
        for append in waiting.appends.drain(..) {
            answer(append.done, Err(JournalError::Poisoned { reason: reason.to_owned() }));
        }
    }

    fn is_poisoned(&self) -> bool {
        self.waiting.lock().poison.is_some()
    }
}

/// The caller may have gone; the append stands all the same.
fn answer(done: oneshot::Sender<Result<Receipt, JournalError>>, result: Result<Receipt, JournalError>) {
    let _ = done.send(result);
}

/// The thread.
pub(crate) struct Appender {
    pub(crate) queue: Arc<Queue>,
    pub(crate) env: Arc<dyn Env>,
    /// Keeps other processes out.
    pub(crate) lock: Lock,
}

impl Appender {
    /// Runs until the queue is closed and empty.
    pub(crate) async fn run(self) {
        let mut retention_due = self.env.sleep(RETENTION_EVERY);
        loop {
            let group = self.queue.take();
            if !group.is_empty() {
                self.append(group);
                continue;
            }
            if self.queue.is_closing() {
                break;
            }
            tokio::select! {
                () = self.queue.news.notified() => {}
                () = &mut retention_due => {
                    self.retain();
                    retention_due = self.env.sleep(RETENTION_EVERY);
                }
            }
        }
        self.finish();
        drop(self.lock);
    }

    /// Writes one group.
    fn append(&self, group: Vec<Append>) {
        let mut shares: Vec<Share> = Vec::new();
        for append in group {
            match shares.iter_mut().find(|share| Arc::ptr_eq(&share.partition, &append.partition)) {
                Some(share) => share.appends.push(append),
                None => shares.push(Share { partition: append.partition.clone(), appends: vec![append] }),
            }
        }
        let now = self.env.now();
        let staged: Vec<_> = shares.into_iter().filter_map(|share| self.write(share, now)).collect();
        let has_sealed = staged.iter().any(|written| written.has_sealed);
        for written in staged {
            self.sync(written);
        }
        if has_sealed {
            self.retain();
        }
    }

    /// Stages and writes a partition's share; answers it if that fails.
    fn write(&self, share: Share, now: i64) -> Option<Written> {
        let mut writer = share.partition.writer.lock();
        let before = writer.checkpoint();
        writer.begin();
        let mut answers = Vec::with_capacity(share.appends.len());
        let mut outcome = if self.queue.is_poisoned() { Err(io::Error::other("stopped before")) } else { Ok(()) };
        for append in share.appends {
            let (bytes, records) = (append.bytes, append.records.len() as u64);
            let staged = outcome.and_then(|()| stage(&mut writer, append.records, now));
            let (receipt, ok) = match staged {
                Ok(receipt) => (receipt, Ok(())),
                Err(error) => (Receipt { first: Offset(0), end: Offset(0) }, Err(error)),
            };
            outcome = ok;
            answers.push(Answer { done: append.done, receipt, bytes, records });
        }
        match outcome.and_then(|()| writer.write()) {
            Ok(()) => {
                share.partition.tail.fetch_max(writer.end().0, Relaxed);
                let has_sealed = !before.is_same_segment(&writer);
                drop(writer);
                Some(Written { partition: share.partition, answers, has_sealed })
            }
            Err(error) => {
                let refusal = self.give_up(&mut writer, before, &error);
                answers.into_iter().for_each(|a| answer(a.done, Err(refusal.clone())));
                None
            }
        }
    }

    /// A full disk is survivable as long as the partial write can be taken back; anything else is not.
    fn give_up(&self, writer: &mut Writer, before: Checkpoint, error: &io::Error) -> JournalError {
        let is_full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        if is_full && before.is_same_segment(writer) && !self.queue.is_poisoned() {
            match writer.abandon(before) {
                Ok(()) => return JournalError::Full { reason: error.to_string() },
                Err(error) => tracing::error!(%error, "a partial write could not be taken back"),
            }
        }
        let reason = error.to_string();
        if !self.queue.is_poisoned() {
            self.queue.poison(&reason);
        }
        JournalError::Poisoned { reason }
    }

    /// Syncs a partition's share, publishes it and answers it.
    fn sync(&self, written: Written) {
        let mut writer = written.partition.writer.lock();
        let outcome = if self.queue.is_poisoned() { Err(io::Error::other("stopped before")) } else { writer.sync() };
        let (durable, records) = writer.end();
        drop(writer);
        if let Err(error) = outcome {
            let reason = error.to_string();
            if !self.queue.is_poisoned() {
                self.queue.poison(&reason);
            }
            let refusal = JournalError::Poisoned { reason };
            return written.answers.into_iter().for_each(|a| answer(a.done, Err(refusal.clone())));
        }
        let counters = &self.queue.counters;
        counters.syncs.fetch_add(1, Relaxed);
        written.partition.published.send_replace(Published { durable, records });
        for a in written.answers {
            counters.appends.fetch_add(1, Relaxed);
            counters.records.fetch_add(a.records, Relaxed);
            counters.bytes.fetch_add(a.bytes, Relaxed);
            answer(a.done, Ok(a.receipt));
        }
    }

    /// Drops what no topic's retention keeps.
    fn retain(&self) {
        for partition in self.queue.partitions.read().iter() {
            let durable = partition.published.borrow().durable;
            if let Err(error) =
                partition.log.retain(*partition.retention.read(), partition.held(), durable, self.env.now())
            {
                tracing::warn!(%error, "retention could not drop a segment");
            }
        }
    }

    /// Makes everything durable, whatever the setting.
    fn finish(&self) {
        if self.queue.is_poisoned() {
            return;
        }
        for partition in self.queue.partitions.read().iter() {
            if let Err(error) = partition.writer.lock().close() {
                tracing::error!(%error, "journal could not be closed cleanly");
            }
        }
    }
}

/// The appends of a group to one partition.
struct Share {
    partition: Arc<Partition>,
    appends: Vec<Append>,
}

/// A share that has been written and not yet synced.
struct Written {
    partition: Arc<Partition>,
    answers: Vec<Answer>,
    /// Whether a segment was sealed on the way.
    has_sealed: bool,
}

struct Answer {
    done: oneshot::Sender<Result<Receipt, JournalError>>,
    receipt: Receipt,
    bytes: u64,
    records: u64,
}

/// Stages one append.
fn stage(writer: &mut Writer, records: Vec<Prepared>, now: i64) -> io::Result<Receipt> {
    let mut first = None;
    for record in records {
        let offset = writer.stage(record, now)?;
        first.get_or_insert(offset);
    }
    let end = writer.end().0;
    Ok(Receipt { first: Offset(first.unwrap_or(end)), end: Offset(end) })
}
