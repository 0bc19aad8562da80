//! Two journals, read side by side: do they hold the same records?

use std::collections::VecDeque;

use indicatif::ProgressBar;
use tidemill_journal::{Journal, JournalError, ReadLimits, TopicPartition};
use tidemill_model::{Offset, Record};
use xxhash_rust::xxh3::Xxh3;

use super::super::map::MapWriter;
use super::Span;
use crate::exit::{Exit, ended};

/// So many records of a partition are mapped one by one.
const MAPPED_RECORDS: u64 = 1 << 16;
/// Bytes of keys and payloads between later ones that are mapped: a terabyte has a map of some hundred megabytes.
const MAPPED_EVERY: u64 = 64 << 10;

/// What both sides hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Compared {
    pub(super) records: u64,
    /// Of keys and payloads.
    pub(super) bytes: u64,
    /// XXH3-128 over everything that a copy keeps, record by record.
    pub(super) digest: u128,
}

/// Records of a partition, one after the other.
struct Stream<'a> {
    journal: &'a dyn Journal,
    at: &'a TopicPartition,
    next: Offset,
    until: Offset,
    waiting: VecDeque<Record>,
}

impl<'a> Stream<'a> {
    fn new(journal: &'a dyn Journal, at: &'a TopicPartition, (from, until): (Offset, Offset)) -> Self {
        Self { journal, at, next: from, until, waiting: VecDeque::new() }
    }

    /// The next record before the end.
    async fn next(&mut self) -> anyhow::Result<Option<Record>> {
        while self.waiting.is_empty() && self.next < self.until {
            let batch = self.journal.read(self.at, self.next, ReadLimits::default()).await;
            let batch = batch.map_err(|error| explain(error, self.at))?;
            if batch.records.is_empty() {
                break;
            }
            self.next = batch.next;
            let until = self.until;
            self.waiting.extend(batch.records.into_iter().filter(|record| record.offset < until));
        }
        Ok(self.waiting.pop_front())
    }

    /// Where the record after those that were taken stands.
    fn position(&self) -> Offset {
        self.waiting.front().map_or(self.next, |record| record.offset)
    }
}

fn explain(error: JournalError, at: &TopicPartition) -> anyhow::Error {
    let is_trimmed = matches!(error, JournalError::Trimmed { .. });
    let error = anyhow::Error::new(error).context(format!("read {}/{} again", at.topic, at.partition));
    if is_trimmed { error.context("retention dropped records before they were compared: copy anew") } else { error }
}

/// Walks over what the copy has beyond `last` and makes sure that it is what comes next in `from`. Returns the offsets behind.
pub(super) async fn skip_copied(
    from: &dyn Journal,
    to: &dyn Journal,
    at: &TopicPartition,
    last: (Offset, Offset),
) -> anyhow::Result<(Offset, Offset)> {
    let (end, copied) = (from.bounds(at).await?.durable, to.bounds(at).await?.durable);
    let mut source = Stream::new(from, at, (last.0, end));
    let mut target = Stream::new(to, at, (last.1, copied));
    while let Some(there) = target.next().await? {
        let here = source.next().await?;
        if here.as_ref().is_none_or(|here| !is_same(here, &there)) {
            return Err(differ(at, here.as_ref(), Some(&there)));
        }
    }
    Ok((source.position(), target.position()))
}

/// Compares all of a partition.
pub(super) async fn compare(
    from: &dyn Journal,
    to: &dyn Journal,
    span: &Span,
    bar: &ProgressBar,
    map: &mut MapWriter,
) -> anyhow::Result<Compared> {
    let mut source = Stream::new(from, &span.at, span.from);
    let mut target = Stream::new(to, &span.at, span.to);
    let (mut hash, mut records, mut bytes, mut mapped) = (Xxh3::new(), 0, 0, 0);
    map.add(&span.at, span.from.0, span.to.0)?;
    loop {
        let (here, there) = (source.next().await?, target.next().await?);
        match (&here, &there) {
            (None, None) => {
                map.add(&span.at, span.from.1, span.to.1)?;
                return Ok(Compared { records, bytes, digest: hash.digest128() });
            }
            (Some(a), Some(b)) if is_same(a, b) => {
                if records < MAPPED_RECORDS || bytes - mapped >= MAPPED_EVERY {
                    map.add(&span.at, a.offset, b.offset)?;
                    mapped = bytes;
                }
                add(&mut hash, b);
                records += 1;
                bytes += (b.key.len() + b.payload.len()) as u64;
                bar.inc(1);
            }
            _ => return Err(differ(&span.at, here.as_ref(), there.as_ref())),
        }
    }
}

/// Whether two records are the same in everything that a copy keeps.
fn is_same(a: &Record, b: &Record) -> bool {
    let head = |r: &Record| (r.kind_number, r.producer, r.epoch, r.sequence);
    head(a) == head(b) && a.key == b.key && a.payload == b.payload
}

fn add(hash: &mut Xxh3, record: &Record) {
    hash.update(&[record.kind_number]);
    hash.update(&record.producer.0.to_le_bytes());
    hash.update(&record.epoch.to_le_bytes());
    hash.update(&record.sequence.to_le_bytes());
    for part in [&record.key, &record.payload] {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    }
}

fn differ(at: &TopicPartition, here: Option<&Record>, there: Option<&Record>) -> anyhow::Error {
    let place = |record: Option<&Record>| {
        record.map_or_else(|| "its end".to_owned(), |record| format!("offset {}", record.offset))
    };
    let (topic, partition, here, there) = (&at.topic, at.partition, place(here), place(there));
    let message = format!("the journals differ in {topic}/{partition}: at {here} of the one and {there} of the other");
    let cause = "somebody else has written to the copy, or the first journal dropped records meanwhile";
    ended(Exit::Failure, format!("{message}; {cause}: copy into an empty journal"))
}
