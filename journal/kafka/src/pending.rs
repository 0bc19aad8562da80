//! One append on its way: records at the broker are counted one by one until the fate of each is known.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::error::RDKafkaErrorCode;
use tidemill_journal::{JournalError, Receipt, TopicPartition};
use tidemill_model::Offset;
use tokio::sync::oneshot;

use crate::counters::Counters;
use crate::native::Fate;

/// What an append resolves to.
pub(crate) type Answer = Result<Receipt, JournalError>;

/// An append whose records are not all accounted for.
pub(crate) struct Pending {
    at: TopicPartition,
    place: String,
    /// When it was made, on the monotonic clock.
    pub(crate) since: Duration,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    counters: Arc<Counters>,
    tally: Mutex<Tally>,
}

struct Tally {
    left: u64,
    not_written: u64,
    unknown: u64,
    first: u64,
    end: u64,
    failure: Option<(Option<RDKafkaErrorCode>, String)>,
    done: Option<oneshot::Sender<Answer>>,
}

impl Pending {
    pub(crate) fn new(
        at: TopicPartition,
        place: &str,
        since: Duration,
        (records, bytes): (u64, u64),
        counters: Arc<Counters>,
    ) -> (Arc<Self>, oneshot::Receiver<Answer>) {
        let (done, answer) = oneshot::channel();
        let tally = Tally {
            left: records,
            not_written: 0,
            unknown: 0,
            first: u64::MAX,
            end: 0,
            failure: None,
            done: Some(done),
        };
        let place = place.to_owned();
        (Arc::new(Self { at, place, since, records, bytes, counters, tally: Mutex::new(tally) }), answer)
    }

    /// A record is in the partition, at `offset` if the broker says where.
    pub(crate) fn written(&self, offset: Option<u64>) {
        let mut tally = self.tally.lock();
        match offset {
            Some(offset) => {
                tally.first = tally.first.min(offset);
                tally.end = tally.end.max(offset + 1);
            }
            None => {
                tally.unknown += 1;
                tally.failure = Some((None, "the broker has it and does not say where".to_owned()));
            }
        }
        self.account(&mut tally, 1);
    }

    /// `records` of it failed.
    pub(crate) fn failed(&self, records: u64, fate: Fate, code: Option<RDKafkaErrorCode>, reason: &str) {
        let mut tally = self.tally.lock();
        let records = records.min(tally.left);
        match fate {
            Fate::NotWritten => tally.not_written += records,
            Fate::Unknown | Fate::Written => tally.unknown += records,
        }
        // Why the first one failed is why all of them did.
        tally.failure.get_or_insert_with(|| (code, reason.to_owned()));
        self.account(&mut tally, records);
    }

    /// Whatever is not accounted for yet may have been written: nobody will report it any more.
    pub(crate) fn abandon(&self, reason: &str) {
        self.failed(u64::MAX, Fate::Unknown, None, reason);
    }

    /// Whether the fate of all its records is known.
    pub(crate) fn is_done(&self) -> bool {
        self.tally.lock().left == 0
    }

    fn account(&self, tally: &mut Tally, records: u64) {
        tally.left = tally.left.saturating_sub(records);
        if tally.left > 0 {
            return;
        }
        if let Some(done) = tally.done.take() {
            let answer = self.answer(tally);
            match &answer {
                Ok(_) => {
                    self.counters.appends.add(1);
                    self.counters.appended_records.add(self.records);
                    self.counters.appended_bytes.add(self.bytes);
                }
                Err(JournalError::Unknown { .. }) => self.counters.unknown_appends.add(1),
                Err(_) => self.counters.failed_appends.add(1),
            }
            // Who appended may have gone; the records stay.
            let _ = done.send(answer);
        }
    }

    fn answer(&self, tally: &Tally) -> Answer {
        let Some((code, reason)) = &tally.failure else {
            return Ok(Receipt { first: Offset(tally.first), end: Offset(tally.end) });
        };
        if tally.not_written == self.records {
            return Err(self.refusal(*code, reason));
        }
        let written = self.records - tally.not_written - tally.unknown;
        let (all, topic, partition) = (self.records, &self.at.topic, self.at.partition);
        Err(JournalError::Unknown {
            reason: format!(
                "of {all} records for partition {partition} of topic {topic}, {written} were written, {} may have been \
                 and {} were not: {reason}",
                tally.unknown, tally.not_written,
            ),
        })
    }

    /// The error when nothing was written.
    fn refusal(&self, code: Option<RDKafkaErrorCode>, reason: &str) -> JournalError {
        use RDKafkaErrorCode as Code;
        match code {
            Some(code) if crate::control::is_missing(code) => {
                JournalError::NoSuchPartition { topic: self.at.topic.clone(), partition: self.at.partition }
            }
            Some(Code::MessageSizeTooLarge) => JournalError::Invalid {
                reason: format!(
                    "topic {}: the broker takes no records of this size; set its max.message.bytes to {}",
                    self.at.topic,
                    crate::config::MESSAGE_BYTES_MAX
                ),
            },
            _ => JournalError::Unavailable { place: self.place.clone(), reason: reason.to_owned() },
        }
    }
}
