//! The appender: one thread that writes everything, in groups.
//!
//! 1. Callers put appends into a queue; their place in it is their place in the order.
//! 2. The thread takes what is there (up to [`GROUP_BYTES_MAX`]), stages it per partition, writes each partition once.
//! 3. It hands what it wrote to a syncing thread (sync.rs) and goes on: while one group is synced, the next is written and
//!    a third gathers. The busier the journal, the larger its groups.
//!
//! Invariants: groups of a partition are synced in the order in which they were written; the lock on the directory is
//! held as long as the thread lives.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed},
};

use parking_lot::{Mutex, RwLock};
use tidemill_journal::env::Task;
use tidemill_journal::{IngestClock, JournalError, Receipt, Retention};
use tidemill_model::Offset;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::chain::Chain;
use crate::keeping::{Care, Shared};
use crate::log::Log;
use crate::mark::{Mark, MarkFile};
use crate::recent::Recent;
use crate::storage::Lock;
use crate::sync::{Answer, Syncer, Written};
use crate::writer::{Prepared, Writer};

/// Bytes of one group. Larger groups hardly write faster, and everybody in them waits longer.
const GROUP_BYTES_MAX: u64 = 8 << 20;
/// Bytes that may wait; beyond that appends are refused until there is room.
const QUEUE_BYTES_MAX: u64 = 256 << 20;
/// Groups below this are not worth waking a thread for.
const ALONE_BYTES_MAX: usize = 64 << 10;
/// Somebody who has read so near to the end gets the newest records from memory.
const FOLLOWED_BYTES: u64 = 8 << 20;

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
    /// What the keeper knows of it.
    pub(crate) care: Care,
    pub(crate) published: watch::Sender<Published>,
    pub(crate) tail: AtomicU64,
    /// The newest records.
    pub(crate) recent: Recent,
    /// How far the one who is furthest has read.
    pub(crate) read_to: AtomicU64,
    /// Offset after the last record for which a sync has returned.
    pub(crate) synced: AtomicU64,
    /// Locked by the appender only.
    pub(crate) writer: Mutex<Writer>,
    /// Locked by the syncing thread only.
    pub(crate) mark: Mutex<MarkFile>,
    /// Goes on in the side thread only.
    pub(crate) chain: Mutex<Chain>,
    /// Which syncing thread syncs it.
    pub(crate) lane: usize,
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
    /// Wakes the keeper: a segment was sealed, the disk is full, or the journal is to be closed.
    pub(crate) keeper_news: Notify,
    /// What the keeper shares with everybody.
    pub(crate) keeping: Shared,
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
        self.keeper_news.notify_one();
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

    fn is_empty(&self) -> bool {
        self.waiting.lock().appends.is_empty()
    }

    /// Whether [`Queue::close`] was called.
    pub(crate) fn is_closing(&self) -> bool {
        self.waiting.lock().is_closing
    }

    /// Stops writing for good.
    pub(crate) fn poison(&self, reason: &str) {
        let mut waiting = self.waiting.lock();
        if waiting.poison.is_some() {
            return;
        }
        tracing::error!(reason, "the journal stops writing; restart it when the cause is gone");
        waiting.poison = Some(reason.to_owned());
        waiting.bytes = 0;
        for append in waiting.appends.drain(..) {
            // The caller may have gone.
            let _ = append.done.send(Err(JournalError::Poisoned { reason: reason.to_owned() }));
        }
    }

    /// Why writing has stopped for good, if it has.
    pub(crate) fn poison_reason(&self) -> Option<String> {
        self.waiting.lock().poison.clone()
    }
}

/// The thread.
pub(crate) struct Appender {
    pub(crate) queue: Arc<Queue>,
    pub(crate) clock: IngestClock,
    /// The syncing threads.
    pub(crate) lanes: Vec<Lane>,
    /// For groups that are synced at once.
    pub(crate) syncer: Syncer,
    /// The thread beside.
    pub(crate) side: Task,
    /// Keeps other processes out.
    pub(crate) lock: Arc<Lock>,
}

/// A syncing thread.
pub(crate) struct Lane {
    pub(crate) written: mpsc::Sender<Written>,
    /// Groups handed over and not yet answered.
    pub(crate) in_flight: Arc<AtomicUsize>,
    pub(crate) task: Task,
}

impl Appender {
    /// Runs until the queue is closed and everything in it is durable.
    pub(crate) async fn run(self) {
        loop {
            let group = self.queue.take();
            if !group.is_empty() {
                self.append(group).await;
                continue;
            }
            if self.queue.is_closing() {
                break;
            }
            self.queue.news.notified().await;
        }
        drop(self.syncer);
        for Lane { written, task, .. } in self.lanes {
            drop(written);
            task.join().await;
        }
        self.side.join().await;
        finish(&self.queue);
        drop(self.lock);
    }

    /// Writes one group and hands it over.
    async fn append(&self, group: Vec<Append>) {
        let mut shares: Vec<Share> = Vec::new();
        for append in group {
            match shares.iter_mut().find(|share| Arc::ptr_eq(&share.partition, &append.partition)) {
                Some(share) => share.appends.push(append),
                None => shares.push(Share { partition: append.partition.clone(), appends: vec![append] }),
            }
        }
        let newest = shares.iter().map(|share| share.partition.writer.lock().newest_ingest());
        let now = self.clock.stamp(newest.max().unwrap_or(i64::MIN));
        for share in shares {
            let lane = &self.lanes[share.partition.lane];
            let Some(written) = self.write(share, now) else { continue };
            if written.group.bytes_written() < ALONE_BYTES_MAX
                && lane.in_flight.load(Acquire) == 0
                && self.queue.is_empty()
            {
                self.syncer.finish(written).await;
                continue;
            }
            lane.in_flight.fetch_add(1, Relaxed);
            if let Err(mpsc::error::SendError(written)) = lane.written.send(written).await {
                let reason = "the syncing thread has ended".to_owned();
                self.queue.poison(&reason);
                refuse(written.answers, &JournalError::Poisoned { reason });
            }
        }
    }

    /// Stages and writes a partition's share; answers it if that fails.
    fn write(&self, share: Share, now: i64) -> Option<Written> {
        let partition = share.partition;
        let mut writer = partition.writer.lock();
        let is_followed = partition.read_to.load(Relaxed) + FOLLOWED_BYTES >= writer.end().0;
        writer.begin(partition.synced.load(Acquire), is_followed);
        let mut answers = Vec::with_capacity(share.appends.len());
        let mut outcome = self.queue.poison_reason().map_or(Ok(()), |reason| Err(io::Error::other(reason)));
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
        match outcome.and_then(|()| writer.finish()) {
            Ok(group) => {
                partition.tail.fetch_max(group.end, Relaxed);
                drop(writer);
                Some(Written { partition, group, answers })
            }
            Err(error) => {
                let refusal = self.give_up(&mut writer, &error);
                refuse(answers, &refusal);
                None
            }
        }
    }

    /// A full disk is survivable as long as the partial write can be taken back; anything else is not.
    fn give_up(&self, writer: &mut Writer, error: &io::Error) -> JournalError {
        if let Some(reason) = self.queue.poison_reason() {
            return JournalError::Poisoned { reason };
        }
        if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            self.queue.keeping.pressure.note_full();
            self.queue.keeper_news.notify_one();
            match writer.abandon() {
                Ok(()) => return JournalError::Full { reason: error.to_string() },
                Err(error) => tracing::error!(%error, "a partial write could not be taken back"),
            }
        }
        let reason = error.to_string();
        self.queue.poison(&reason);
        JournalError::Poisoned { reason }
    }
}

/// Makes everything durable, whatever the setting.
fn finish(queue: &Queue) {
    if queue.poison_reason().is_some() {
        return;
    }
    for partition in queue.partitions.read().iter() {
        let mut writer = partition.writer.lock();
        let (durable, records) = writer.end();
        let closed = writer.close().map_err(|error| error.to_string()).and_then(|()| {
            let mut mark = partition.mark.lock();
            let written = mark.write(Mark { sequence: 0, durable, synced: durable, records });
            written.and_then(|()| mark.sync()).map_err(|error| error.to_string())
        });
        if let Err(error) = closed {
            tracing::error!(error, "journal could not be closed cleanly");
        }
    }
}

fn refuse(answers: Vec<Answer>, refusal: &JournalError) {
    answers.into_iter().for_each(|answer| answer.send(Err(refusal.clone())));
}

/// The appends of a group to one partition.
struct Share {
    partition: Arc<Partition>,
    appends: Vec<Append>,
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
