//! The readers that stand ready, by where they go on. A follower that reads on finds its own one there, already fed.
//!
//! ```text
//!   read(partition, 17) ──► a reader at 17?  ── yes ─► take what it has, put it back at 23
//!                                            └─ no ──► ask for the partition's ends (trimmed? beyond the end?),
//!                                                      place a new reader at 17
//! ```
//!
//! A read ends without a record only when the broker, asked after the wait, says that there is none: librdkafka being
//! silent is no proof. A consumer that stays silent although the broker has records is replaced.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tidemill_journal::{Batch, Env, JournalError, ReadLimits};
use tidemill_model::Offset;

use crate::config::KafkaConfig;
use crate::control::Control;
use crate::counters::Counters;
use crate::reader::{Reader, Stop};

/// Most readers that stand ready. Each holds a few connections and up to 8 MiB.
const READERS_MAX: usize = 512;
/// Most of them with which nobody has gone on yet.
const ONE_SHOT_MAX: usize = 8;
/// A reader that was not used for this long is closed.
const IDLE_MAX: Duration = Duration::from_secs(60);
const TIDY_EVERY: Duration = Duration::from_secs(5);
/// How often the broker is asked for the end while a read waits, should librdkafka be silent.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// How often the queue is looked into, should librdkafka fail to wake us.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The same while the broker is known to have records.
const LOOK_SOON: Duration = Duration::from_millis(20);
/// Silence at the end although there should be records, after which the place is checked for removed records.
const SILENCE_AT_END: Duration = Duration::from_millis(300);
/// Silence after which a consumer is replaced.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// Replacements after which a read gives up.
const REPLACEMENTS_MAX: u32 = 2;

/// What went wrong with a read, in Kafka's terms.
pub(crate) enum ReadError {
    /// The partition is not there.
    Missing,
    /// Anything else.
    Journal(JournalError),
}

impl From<JournalError> for ReadError {
    fn from(error: JournalError) -> Self {
        ReadError::Journal(error)
    }
}

/// All readers that stand ready.
pub(crate) struct Readers {
    config: KafkaConfig,
    env: Arc<dyn Env>,
    control: Control,
    counters: Arc<Counters>,
    ready: Mutex<Ready>,
}

#[derive(Default)]
struct Ready {
    readers: Vec<Reader>,
    tidied: Duration,
}

impl Ready {
    /// Takes out the reader that was used least recently where one more would be too many.
    fn make_room(&mut self, is_streaming: bool) -> Option<Reader> {
        let is_full = self.readers.len() >= READERS_MAX;
        let one_shots = self.readers.iter().filter(|r| !r.is_streaming).count();
        if !is_full && (is_streaming || one_shots < ONE_SHOT_MAX) {
            return None;
        }
        let candidates = self.readers.iter().enumerate().filter(|(_, r)| is_full || !r.is_streaming);
        let index = candidates.min_by_key(|(_, reader)| reader.used)?.0;
        Some(self.readers.swap_remove(index))
    }
}

impl Readers {
    pub(crate) fn new(config: KafkaConfig, env: Arc<dyn Env>, control: Control, counters: Arc<Counters>) -> Self {
        Self { config, env, control, counters, ready: Mutex::default() }
    }

    /// Reads from `from` in a partition of a topic of Kafka's. Cancel safe.
    pub(crate) async fn read(
        &self,
        topic: &str,
        partition: u32,
        from: u64,
        limits: ReadLimits,
    ) -> Result<Batch, ReadError> {
        let mut held = match self.resume(topic, partition, from) {
            Some(reader) => Held { readers: self, reader: Some(reader) },
            None => {
                let (_, end) = self.check_ends(topic, partition, from).await?;
                if from == end && limits.wait.is_zero() {
                    return Ok(Batch { records: Vec::new(), next: Offset(from) });
                }
                let reader = self.place(topic, partition, from, end).await?;
                Held { readers: self, reader: Some(reader) }
            }
        };
        match self.await_records(&mut held, limits).await {
            Ok(()) => {
                let reader = held.reader();
                let records = reader.take(limits.bytes);
                self.count(&records);
                Ok(Batch { records, next: Offset(reader.next) })
            }
            Err(error) => {
                if let Some(reader) = held.reader.take() {
                    self.control.discard(reader);
                }
                Err(error)
            }
        }
    }

    fn count(&self, records: &[tidemill_model::Record]) {
        self.counters.read_records.add(records.len() as u64);
        self.counters.read_bytes.add(records.iter().map(|r| (r.payload.len() + r.key.len()) as u64).sum());
        self.counters.foreign_records.add(records.iter().filter(|r| r.kind_number == 0).count() as u64);
    }

    /// Returns when the reader has records, or the wait is over and the broker has none.
    async fn await_records(&self, held: &mut Held<'_>, limits: ReadLimits) -> Result<(), ReadError> {
        let started = self.env.monotonic();
        let mut asked = started;
        let mut behind: Option<Behind> = None;
        loop {
            let reader = held.reader();
            reader.fill(limits.bytes);
            if reader.has_records() {
                return Ok(());
            }
            if let Some(stop) = reader.stop.take() {
                return Err(self.explain(stop, held).await);
            }
            if let Some(end) = reader.end_before_placing.filter(|end| reader.is_at_end && *end > reader.next) {
                // Compaction has removed everything between the place and the end.
                (reader.next, reader.end_before_placing) = (end, None);
            }
            let now = self.env.monotonic();
            if let Some(there) = behind.as_mut().filter(|there| reader.next < there.end) {
                self.mend(held, there, now).await?;
                self.pause(held, LOOK_SOON).await;
                continue;
            }
            behind = None;
            let left = limits.wait.saturating_sub(now.saturating_sub(started));
            if !left.is_zero() && now.saturating_sub(asked) < ASK_EVERY {
                self.pause(held, left.min(LOOK_EVERY)).await;
                continue;
            }
            let (topic, partition, next) = (reader.topic.clone(), reader.partition, reader.next);
            let (_, end) = self.check_ends(&topic, partition, next).await?;
            asked = now;
            if next < end {
                behind = Some(Behind { end, since: now, replaced: 0 });
            } else if left.is_zero() {
                return Ok(());
            }
        }
    }

    async fn pause(&self, held: &mut Held<'_>, time: Duration) {
        tokio::select! {
            () = held.reader().arrived.notified() => {}
            () = self.env.sleep(time) => {}
        }
    }

    /// Does something about a consumer that is silent although the broker has records.
    async fn mend(&self, held: &mut Held<'_>, behind: &mut Behind, now: Duration) -> Result<(), ReadError> {
        let silence = now.saturating_sub(behind.since);
        let reader = held.reader();
        let (topic, partition, next) = (reader.topic.clone(), reader.partition, reader.next);
        if silence >= SILENCE_MAX {
            if behind.replaced == REPLACEMENTS_MAX {
                let reason = format!("there are records from {next} to {}, and none arrives", behind.end);
                let place = format!("kafka topic {topic}, partition {partition}");
                return Err(JournalError::Unavailable { place, reason }.into());
            }
            tracing::warn!(topic, partition, next, end = behind.end, "kafka consumer fell silent: replaced");
            self.counters.readers_replaced.add(1);
            if let Some(silent) = held.reader.take() {
                self.control.discard(silent);
            }
            held.reader = Some(self.place(&topic, partition, next, behind.end).await?);
            (behind.since, behind.replaced) = (now, behind.replaced + 1);
        } else if silence >= SILENCE_AT_END
            && reader.is_at_end
            && reader.end_before_placing.is_none_or(|end| end < behind.end)
        {
            // It may have reached the end before the records were there, or have passed a stretch without any. Coming
            // to the end once more, from here and from now, tells.
            if let Some(former) = held.reader.take() {
                self.control.discard(former);
            }
            held.reader = Some(self.place(&topic, partition, next, behind.end).await?);
        }
        Ok(())
    }

    /// What a consumer's stop means to the reader.
    async fn explain(&self, stop: Stop, held: &mut Held<'_>) -> ReadError {
        let reader = held.reader();
        let (topic, partition, next) = (reader.topic.clone(), reader.partition, reader.next);
        match stop {
            Stop::Error(error) => error.into(),
            Stop::OutOfRange | Stop::Missing => match self.check_ends(&topic, partition, next).await {
                Err(error) => error,
                // Between a change of leaders, for example. It is placed anew by the next read.
                Ok(_) => {
                    let place = format!("kafka topic {topic}, partition {partition}");
                    let reason = format!("the broker did not know offset {next} and knows it now");
                    JournalError::Unavailable { place, reason }.into()
                }
            },
        }
    }

    /// Where the partition starts and ends, if a read from `from` is in order there.
    async fn check_ends(&self, topic: &str, partition: u32, from: u64) -> Result<(u64, u64), ReadError> {
        let name = topic.to_owned();
        let ends = self.control.ask(move |asker| asker.watermarks(&name, partition)).await?;
        let (start, end) = ends.ok_or(ReadError::Missing)?;
        if from < start {
            return Err(JournalError::Trimmed { from: Offset(from), start: Offset(start) }.into());
        }
        if from > end {
            return Err(JournalError::NoSuchOffset { from: Offset(from), tail: Offset(end) }.into());
        }
        Ok((start, end))
    }

    /// The reader that goes on at `from`.
    fn resume(&self, topic: &str, partition: u32, from: u64) -> Option<Reader> {
        let mut ready = self.ready.lock();
        let is_it = |r: &Reader| r.next == from && r.partition == partition && r.topic == topic;
        let index = ready.readers.iter().position(is_it)?;
        let mut reader = ready.readers.swap_remove(index);
        reader.is_streaming = true;
        Some(reader)
    }

    /// A new reader.
    async fn place(&self, topic: &str, partition: u32, next: u64, end: u64) -> Result<Reader, JournalError> {
        let (config, topic) = (self.config.clone(), topic.to_owned());
        self.counters.readers_placed.add(1);
        self.control.ask(move |_| Reader::place(&config, &topic, partition, next, end)).await
    }

    /// Puts a reader back. Closes those that are not used any more, or are too many.
    fn put_back(&self, mut reader: Reader) {
        let now = self.env.monotonic();
        reader.used = now;
        let mut ready = self.ready.lock();
        let mut gone = Vec::new();
        if now.saturating_sub(ready.tidied) >= TIDY_EVERY {
            ready.tidied = now;
            gone.extend(ready.readers.extract_if(.., |r| now.saturating_sub(r.used) >= IDLE_MAX));
        }
        gone.extend(ready.make_room(reader.is_streaming));
        ready.readers.push(reader);
        self.counters.readers.set(ready.readers.len() as u64);
        drop(ready);
        if !gone.is_empty() {
            self.control.discard(gone);
        }
    }

    /// Forgets readers that stand before `start`: what they hold has been trimmed.
    pub(crate) fn forget_before(&self, topic: &str, partition: u32, start: u64) {
        let is_gone = |r: &mut Reader| r.next < start && r.partition == partition && r.topic == topic;
        let gone: Vec<_> = self.ready.lock().readers.extract_if(.., is_gone).collect();
        self.control.discard(gone);
    }

    /// Closes all readers that stand ready.
    pub(crate) fn close(&self) {
        let readers = std::mem::take(&mut self.ready.lock().readers);
        self.control.discard(readers);
    }
}

/// The broker has records that do not arrive.
struct Behind {
    end: u64,
    since: Duration,
    replaced: u32,
}

/// A reader in use; it goes back when the read ends, however it does.
struct Held<'a> {
    readers: &'a Readers,
    reader: Option<Reader>,
}

impl Held<'_> {
    fn reader(&mut self) -> &mut Reader {
        self.reader.as_mut().expect("a reader is only ever taken out to be dropped or replaced in the same call")
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            self.readers.put_back(reader);
        }
    }
}
