//! Appends that were not answered yet, in the order of the calls.
//!
//! Invariants
//! - Numbers ascend. What is not answered stays, whether it was sent or not, so that it can be sent again.
//! - Appends leave from the front, or all at once: a later one never outlives an earlier one that was given up, or a
//!   producer's records could overtake each other. (The exception is named at [`Queue::forget_anonymous`].)

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tidemill_api::journal::v1::AppendPart;
use tidemill_journal::{JournalError, Receipt, TopicPartition};
use tokio::sync::{oneshot, watch};

use crate::service::WINDOW;

/// Bytes that may wait; beyond that appends are refused until there is room.
const QUEUE_BYTES_MAX: usize = 64 << 20;
/// Appends that may wait.
const QUEUE_APPENDS_MAX: usize = 16_384;

/// An append that waits for its answer.
pub(crate) struct Waiting {
    pub(crate) at: TopicPartition,
    pub(crate) parts: Vec<Bytes>,
    pub(crate) bytes: usize,
    pub(crate) records: u64,
    /// Whether followers would not notice if it was appended twice.
    pub(crate) is_anonymous: bool,
    /// When it is given up, on the monotonic clock.
    pub(crate) deadline: Duration,
    pub(crate) done: oneshot::Sender<Result<Receipt, JournalError>>,
}

struct Entry {
    number: u64,
    waiting: Waiting,
    /// Whether any of it may have reached the other node.
    is_sent: bool,
}

#[derive(Default)]
struct Entries {
    all: VecDeque<Entry>,
    bytes: usize,
    last_number: u64,
    is_closing: bool,
}

/// Numbers since the journal was opened.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) appends: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) resent: AtomicU64,
    pub(crate) given_up: AtomicU64,
}

/// Appends that were not answered yet.
#[derive(Default)]
pub(crate) struct Queue {
    entries: Mutex<Entries>,
    news: watch::Sender<()>,
    pub(crate) counters: Counters,
}

/// What a stream sends next.
#[derive(Clone, Copy, Default)]
pub(crate) struct Place {
    /// The request, or the first one after it.
    number: u64,
    part: usize,
}

impl Queue {
    /// Takes a place in the order.
    pub(crate) fn push(&self, waiting: Waiting) -> Result<(), JournalError> {
        let mut entries = self.entries.lock();
        if entries.is_closing {
            return Err(JournalError::Closed);
        }
        let is_full = entries.bytes + waiting.bytes > QUEUE_BYTES_MAX || entries.all.len() >= QUEUE_APPENDS_MAX;
        if is_full && !entries.all.is_empty() {
            let (appends, bytes) = (entries.all.len(), entries.bytes);
            return Err(JournalError::Full { reason: format!("{appends} appends of {bytes} bytes wait to be sent") });
        }
        entries.last_number += 1;
        entries.bytes += waiting.bytes;
        let number = entries.last_number;
        entries.all.push_back(Entry { number, waiting, is_sent: false });
        drop(entries);
        self.news.send_replace(());
        Ok(())
    }

    /// Takes no more appends.
    pub(crate) fn close(&self) {
        self.entries.lock().is_closing = true;
        self.news.send_replace(());
    }

    /// Tells of new appends and of the closing.
    pub(crate) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Whether nothing waits, and nothing will.
    pub(crate) fn is_done(&self) -> bool {
        let entries = self.entries.lock();
        entries.is_closing && entries.all.is_empty()
    }

    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.lock().bytes
    }

    /// When the first append is given up; `None` if none waits.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.entries.lock().all.front().map(|entry| entry.waiting.deadline)
    }

    /// What a stream at `place` sends next, and where it is then; `None` while it must wait.
    pub(crate) fn next(&self, place: Place) -> Option<(AppendPart, Place)> {
        let entries = self.entries.lock();
        let index = entries.all.partition_point(|entry| entry.number < place.number);
        let Entry { number, waiting, .. } = entries.all.get(index).filter(|_| index < WINDOW)?;
        let part = if *number == place.number { place.part } else { 0 };
        let is_last = part + 1 == waiting.parts.len();
        let message = AppendPart {
            request: *number,
            topic: waiting.at.topic.clone(),
            partition: waiting.at.partition,
            records: waiting.parts.get(part)?.clone(),
            is_last,
        };
        let after =
            if is_last { Place { number: number + 1, part: 0 } } else { Place { number: *number, part: part + 1 } };
        Some((message, after))
    }

    /// Request `number` is about to be sent.
    pub(crate) fn mark_sent(&self, number: u64, is_last: bool) {
        let mut entries = self.entries.lock();
        let index = entries.all.partition_point(|entry| entry.number < number);
        if let Some(entry) = entries.all.get_mut(index).filter(|entry| entry.number == number) {
            if entry.is_sent && is_last {
                self.counters.resent.fetch_add(1, Relaxed);
            }
            entry.is_sent |= is_last;
        }
    }

    /// Request `number` was answered; `false` if it is not the one that is.
    pub(crate) fn answer(&self, number: u64, result: Result<Receipt, JournalError>) -> bool {
        let mut entries = self.entries.lock();
        let Some(entry) = entries.all.pop_front_if(|entry| entry.number == number && entry.is_sent) else {
            return false;
        };
        entries.bytes -= entry.waiting.bytes;
        drop(entries);
        if result.is_ok() {
            self.counters.appends.fetch_add(1, Relaxed);
            self.counters.records.fetch_add(entry.waiting.records, Relaxed);
            self.counters.bytes.fetch_add(entry.waiting.bytes as u64, Relaxed);
        }
        // The caller may have gone; the append stands all the same.
        drop(entry.waiting.done.send(result));
        true
    }

    /// The other node has forgotten what it has seen. What was sent may have been appended: records of a producer are
    /// sent again, since followers drop a repetition; of others nobody could tell, so those are given up. They have no
    /// producer, so no order among a producer's records is at stake.
    pub(crate) fn forget_anonymous(&self, error: impl Fn() -> JournalError) {
        self.give_up(|entry| entry.is_sent && entry.waiting.is_anonymous, |_| error());
    }

    /// Gives up everything; `error` is told whether an append may have been written.
    pub(crate) fn fail_all(&self, error: impl Fn(bool) -> JournalError) {
        self.give_up(|_| true, error);
    }

    fn give_up(&self, which: impl Fn(&Entry) -> bool, error: impl Fn(bool) -> JournalError) {
        let mut entries = self.entries.lock();
        let (gone, kept): (Vec<_>, VecDeque<_>) = {
            let (gone, kept): (Vec<_>, Vec<_>) = entries.all.drain(..).partition(|entry| which(entry));
            (gone, kept.into())
        };
        entries.all = kept;
        entries.bytes = entries.all.iter().map(|entry| entry.waiting.bytes).sum();
        drop(entries);
        self.counters.given_up.fetch_add(gone.len() as u64, Relaxed);
        for entry in gone {
            drop(entry.waiting.done.send(Err(error(entry.is_sent))));
        }
    }
}
