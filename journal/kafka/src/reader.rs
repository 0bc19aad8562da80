//! One reader: a consumer placed by hand in one partition, which librdkafka keeps fed from there on.
//!
//! Invariants
//! - `next` is where the next read goes on. Everything durable before it has been returned; everything in `stash` lies at
//!   or after it, in order.
//! - It is placed once. A consumer that waits at an end has a request at the broker that nothing can call back; placed
//!   anew it would wait for the answer, up to half a second. A new consumer takes a few hundredths.
//! - What is taken from librdkafka is in `stash` until a read returns it: giving up a read half-way loses nothing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Message, Offset, TopicPartitionList};
use tidemill_journal::JournalError;
use tidemill_model::Record;
use tidemill_model::record::HEADER_BYTES;
use tokio::sync::Notify;

use crate::codec;
use crate::config::KafkaConfig;
use crate::control::is_missing;
use crate::failure::{Context, Trouble, misconfigured};

/// Most that is taken out of librdkafka in one go.
const STASH_BYTES_MAX: usize = 16 << 20;

/// Why a consumer delivers nothing more.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The broker has no record at this place: trimmed, or beyond the end.
    OutOfRange,
    /// The broker does not know the partition.
    Missing,
    /// An error that the caller is told as it is.
    Error(JournalError),
}

/// A consumer at a place.
pub(crate) struct Reader {
    consumer: BaseConsumer<Context>,
    trouble: Arc<Trouble>,
    /// Told when librdkafka has something.
    pub(crate) arrived: Arc<Notify>,
    /// Kafka's name of the topic.
    pub(crate) topic: String,
    pub(crate) partition: u32,
    pub(crate) next: u64,
    stash: VecDeque<Record>,
    stash_bytes: usize,
    /// Why it goes no further than the stash.
    pub(crate) stop: Option<Stop>,
    /// librdkafka has reached the end since the last record.
    pub(crate) is_at_end: bool,
    /// The end of the partition as it was before the consumer was placed, while it has met no record. When it gets to
    /// the end without one, there is none up to here.
    pub(crate) end_before_placing: Option<u64>,
    /// A read went on where the one before had ended.
    pub(crate) is_streaming: bool,
    /// When it was last used, on the monotonic clock.
    pub(crate) used: Duration,
}

impl Reader {
    /// A reader that goes on at `next` in a partition of a topic of Kafka's whose end was `end` a moment ago. Blocks for
    /// a moment.
    ///
    /// # Errors
    /// [`JournalError::Invalid`] for properties that librdkafka does not take.
    pub(crate) fn place(
        config: &KafkaConfig,
        topic: &str,
        partition: u32,
        next: u64,
        end: u64,
    ) -> Result<Self, JournalError> {
        let context = Context::default();
        let trouble = context.trouble.clone();
        let mut consumer: BaseConsumer<Context> =
            config.consumer().create_with_context(context).map_err(misconfigured)?;
        let arrived = Arc::new(Notify::new());
        let wake = arrived.clone();
        consumer.set_nonempty_callback(move || wake.notify_one());
        let refused = |error: KafkaError| JournalError::Unavailable {
            place: format!("kafka topic {topic}, partition {partition}"),
            reason: error.to_string(),
        };
        let mut place = TopicPartitionList::new();
        place.add_partition_offset(topic, partition as i32, Offset::Offset(next as i64)).map_err(refused)?;
        consumer.assign(&place).map_err(refused)?;
        Ok(Self {
            consumer,
            trouble,
            arrived,
            topic: topic.to_owned(),
            partition,
            next,
            stash: VecDeque::new(),
            stash_bytes: 0,
            stop: None,
            is_at_end: false,
            end_before_placing: Some(end),
            is_streaming: false,
            used: Duration::ZERO,
        })
    }

    /// Takes what librdkafka has, until the stash holds `bytes` or one record more. Does not block.
    pub(crate) fn fill(&mut self, bytes: usize) {
        let bytes = bytes.clamp(1, STASH_BYTES_MAX);
        let mut silent = 0;
        while self.stop.is_none() && self.stash_bytes < bytes && silent < 2 {
            match self.consumer.poll(Duration::ZERO) {
                // Once may be a line of the log that was served; twice is an empty queue.
                None => silent += 1,
                Some(Ok(message)) => {
                    silent = 0;
                    let expected = self.stash.back().map_or(self.next, |last| last.offset.0 + 1);
                    if u64::try_from(message.offset()).is_ok_and(|offset| offset < expected) {
                        continue;
                    }
                    match codec::decode(&message) {
                        Ok(record) => {
                            self.stash_bytes += size(&record);
                            self.stash.push_back(record);
                        }
                        Err(error) => self.stop = Some(Stop::Error(error)),
                    }
                    (self.is_at_end, self.end_before_placing) = (false, None);
                }
                Some(Err(KafkaError::PartitionEOF(_))) => self.is_at_end = true,
                Some(Err(error)) => self.stop = self.classify(&error),
            }
        }
    }

    fn classify(&self, error: &KafkaError) -> Option<Stop> {
        use RDKafkaErrorCode as Code;
        let code = error.rdkafka_error_code()?;
        let (topic, partition, next) = (&self.topic, self.partition, self.next);
        let place = || format!("kafka topic {topic}, partition {partition}");
        match code {
            Code::OffsetOutOfRange | Code::AutoOffsetReset => Some(Stop::OutOfRange),
            code if is_missing(code) => Some(Stop::Missing),
            Code::BadMessage | Code::BadCompression | Code::InvalidMessage => {
                Some(Stop::Error(JournalError::Corrupt {
                    file: format!("{}, at or after offset {next}", place()),
                    at: 0,
                    reason: error.to_string(),
                    remedy: "see the broker's log: its file or the way to it is damaged".to_owned(),
                }))
            }
            Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed => {
                let reason = format!("not allowed to read: {error}");
                Some(Stop::Error(JournalError::Unavailable { place: place(), reason }))
            }
            _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => {
                Some(Stop::Error(JournalError::Unavailable { place: place(), reason: error.to_string() }))
            }
            // librdkafka connects again by itself; whether that takes too long is for the caller to see.
            _ => {
                self.trouble.note(error, &error.to_string());
                None
            }
        }
    }

    /// Whether a read has something to return.
    pub(crate) fn has_records(&self) -> bool {
        !self.stash.is_empty()
    }

    /// Takes the next records, up to `bytes` but at least one if there is one, and moves `next` behind them.
    pub(crate) fn take(&mut self, bytes: usize) -> Vec<Record> {
        let mut taken = Vec::with_capacity(self.stash.len());
        let mut left = bytes;
        while let Some(first) = self.stash.front() {
            let size = size(first);
            if !taken.is_empty() && size > left {
                break;
            }
            left = left.saturating_sub(size);
            self.stash_bytes -= size;
            self.next = first.offset.0 + 1;
            taken.extend(self.stash.pop_front());
        }
        taken
    }
}

/// What a record counts for against a limit of bytes.
fn size(record: &Record) -> usize {
    record.payload.len() + record.key.len() + HEADER_BYTES
}
