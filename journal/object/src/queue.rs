//! Appends that wait for a partition's writer, bounded in bytes.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use tidemill_journal::{JournalError, Receipt};
use tidemill_model::NewRecord;
use tokio::sync::{Notify, oneshot, watch};

use crate::page::RECORDS_MAX;

/// Bytes that may wait or be on their way, per partition; beyond, appends are refused.
const QUEUE_BYTES_MAX: u64 = 256 << 20;

/// One call of `append`.
pub(crate) struct Append {
    pub(crate) records: Vec<NewRecord>,
    /// Bytes they take in a page.
    pub(crate) bytes: u64,
    /// When the call was made (monotonic).
    pub(crate) since: Duration,
    pub(crate) done: oneshot::Sender<Result<Receipt, JournalError>>,
}

#[derive(Default)]
struct Waiting {
    appends: VecDeque<Append>,
    /// Of all that wait here or are on their way.
    bytes: u64,
    stopped: Option<JournalError>,
}

/// Appends in the order of the calls.
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    pub(crate) news: Notify,
    closing: watch::Sender<bool>,
}

impl Default for Queue {
    fn default() -> Self {
        Self { waiting: Mutex::default(), news: Notify::new(), closing: watch::Sender::new(false) }
    }
}

impl Queue {
    /// Takes an append's place in the order.
    ///
    /// # Errors
    /// [`JournalError::Full`], [`JournalError::Closed`], or what stopped the writer; nothing is written then.
    pub(crate) fn push(&self, append: Append) -> Result<(), JournalError> {
        let mut waiting = self.waiting.lock();
        if let Some(reason) = &waiting.stopped {
            return Err(reason.clone());
        }
        if self.is_closing() {
            return Err(JournalError::Closed);
        }
        if waiting.bytes > 0 && waiting.bytes + append.bytes > QUEUE_BYTES_MAX {
            return Err(JournalError::Full { reason: format!("{} bytes wait to be written", waiting.bytes) });
        }
        waiting.bytes += append.bytes;
        waiting.appends.push_back(append);
        drop(waiting);
        self.news.notify_one();
        Ok(())
    }

    pub(crate) fn close(&self) {
        let _before = self.waiting.lock();
        self.closing.send_replace(true);
        self.news.notify_one();
    }

    pub(crate) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// Resolves when the queue is closed.
    pub(crate) async fn closed(&self) {
        // The sender lives as long as `self`.
        let _ = self.closing.subscribe().wait_for(|is_closing| *is_closing).await;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.lock().appends.is_empty()
    }

    /// When the first append that waits was called.
    pub(crate) fn oldest(&self) -> Option<Duration> {
        self.waiting.lock().appends.front().map(|append| append.since)
    }

    /// The next page's appends, at least one whole, if `page_bytes` wait or the first has waited `linger`.
    pub(crate) fn take(&self, page_bytes: u64, linger: Duration, now: Duration) -> Vec<Append> {
        let mut waiting = self.waiting.lock();
        let (mut bytes, mut records, mut count) = (0, 0, 0);
        for append in &waiting.appends {
            if count > 0 && (bytes + append.bytes > page_bytes || records + append.records.len() > RECORDS_MAX) {
                break;
            }
            (bytes, records, count) = (bytes + append.bytes, records + append.records.len(), count + 1);
        }
        let is_full = count < waiting.appends.len() || bytes >= page_bytes;
        let is_due = waiting.appends.front().is_some_and(|first| now >= first.since + linger);
        if is_full || is_due || self.is_closing() { waiting.appends.drain(..count).collect() } else { Vec::new() }
    }

    /// Puts appends back in front that were taken and not written.
    pub(crate) fn put_back(&self, appends: impl DoubleEndedIterator<Item = Append>) {
        let mut waiting = self.waiting.lock();
        appends.rev().for_each(|append| waiting.appends.push_front(append));
    }

    /// Forgets the bytes of appends that were answered.
    pub(crate) fn forget(&self, bytes: u64) {
        self.waiting.lock().bytes -= bytes;
    }

    /// Refuses appends that were called before `before` and have not been sent: nothing of them was written.
    pub(crate) fn expire(&self, before: Duration, error: impl Fn() -> JournalError) {
        loop {
            let mut waiting = self.waiting.lock();
            let Some(append) = waiting.appends.pop_front_if(|append| append.since < before) else { return };
            waiting.bytes -= append.bytes;
            drop(waiting);
            let _ = append.done.send(Err(error()));
        }
    }

    /// Refuses what waits and whatever comes.
    pub(crate) fn stop(&self, error: JournalError) {
        let mut waiting = self.waiting.lock();
        waiting.stopped = Some(error.clone());
        let appends = std::mem::take(&mut waiting.appends);
        waiting.bytes = 0;
        drop(waiting);
        for append in appends {
            let _ = append.done.send(Err(error.clone()));
        }
    }
}
