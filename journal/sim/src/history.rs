//! What clients of one partition know, and what a journal must answer therefore.
//!
//! 1. A client says what it will append ([`History::append`]), and then what came of it: acknowledged, refused, unknown.
//! 2. Readers say what they saw. What one has seen, all must see, for ever.
//! 3. After a crash [`History::check`] compares what is there with what must be there, may be there, and must not; then
//!    [`History::settle`] takes what is there for the truth, since it has been shown.
//!
//! Moments are I/O counts of the disk: a check can be made for any of them, not only for the last.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use bytes::Bytes;
use tidemill_journal::{Bounds, Receipt};
use tidemill_model::{NewRecord, Offset, ProducerId, Record, RecordKind};

use crate::Rng;

/// What came of an append.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// Nobody has heard yet, or it failed in a way that leaves it open.
    Open,
    /// Acknowledged, at a moment.
    Acknowledged(u64),
    /// Refused: never to be seen.
    Refused,
    /// It was not there after a crash, which was right: never to be seen again.
    Gone,
}

#[derive(Clone, Debug)]
struct Entry {
    new: NewRecord,
    fate: Fate,
    offset: Option<Offset>,
    /// Known once it has been there after a crash.
    ordinal: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Seen {
    sequence: u64,
    offset: Offset,
    ingest_time: i64,
}

/// What clients of one partition know.
#[derive(Clone, Debug, Default)]
pub struct History {
    partition: u32,
    /// `[sequence]`, in the order of the calls.
    entries: Vec<Entry>,
    /// By ordinal, with the moment.
    seen: BTreeMap<u64, (Seen, u64)>,
    /// Offset before which records may go, with the moment from which on.
    trims: Vec<(u64, Offset)>,
    /// How many of the newest bytes retention keeps, if it drops any.
    kept_bytes: Option<u64>,
    /// Appends before this one were made before the last crash, and so many records were there after it.
    settled: u64,
    settled_records: u64,
}

impl Seen {
    fn of(record: &Record) -> Self {
        Self { sequence: record.sequence, offset: record.offset, ingest_time: record.ingest_time }
    }
}

/// Payload bytes of a record that tell which it is; now and then a stretch of zeros, which unwritten files have too.
pub fn payload(partition: u32, sequence: u64, bytes: usize) -> Bytes {
    let mut rng = Rng::new(u64::from(partition) << 48 ^ sequence);
    let has_zeros = rng.chance(200);
    let mut out = Vec::with_capacity(bytes + 8);
    while out.len() < bytes {
        let word = if has_zeros && out.len() / 256 % 2 == 1 { 0 } else { rng.next() };
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.truncate(bytes);
    out.into()
}

impl History {
    /// The history of a partition in which nothing has happened.
    pub fn new(partition: u32) -> Self {
        Self { partition, ..Self::default() }
    }

    /// The records to append next, with so many payload bytes each, and the sequence of the first.
    pub fn append(&mut self, sizes: &[usize]) -> (u64, Vec<NewRecord>) {
        let first = self.entries.len() as u64;
        let mut records = Vec::with_capacity(sizes.len());
        for (sequence, bytes) in (first..).zip(sizes) {
            let payload = payload(self.partition, sequence, *bytes);
            let new = NewRecord {
                producer: ProducerId(1 + u64::from(self.partition)),
                sequence,
                ..NewRecord::anonymous(RecordKind::Samples, payload)
            };
            let new = if sequence % 7 == 3 { new.with_key(format!("key {sequence}")) } else { new };
            self.entries.push(Entry { new: new.clone(), fate: Fate::Open, offset: None, ordinal: None });
            records.push(new);
        }
        (first, records)
    }

    /// The append of `count` records from sequence `first` on was acknowledged.
    pub fn acknowledged(&mut self, first: u64, count: usize, receipt: Receipt, moment: u64) {
        let entries = &mut self.entries[first as usize..first as usize + count];
        entries.iter_mut().for_each(|entry| entry.fate = Fate::Acknowledged(moment));
        if let Some(entry) = entries.first_mut() {
            entry.offset = Some(receipt.first);
        }
    }

    /// It was refused as one that may be repeated: nothing of it was written.
    pub fn refused(&mut self, first: u64, count: usize) {
        let entries = &mut self.entries[first as usize..first as usize + count];
        entries.iter_mut().for_each(|entry| entry.fate = Fate::Refused);
    }

    /// From this moment on records before `before` may go.
    pub fn trims(&mut self, before: Offset, moment: u64) {
        self.trims.push((moment, before));
    }

    /// Retention may drop what is not among the newest `bytes` bytes.
    pub fn retains(&mut self, bytes: u64) {
        self.kept_bytes = Some(bytes);
    }

    /// A reader was shown these records.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn sees(&mut self, records: &[Record], moment: u64) -> Result<(), String> {
        self.is_genuine(records)?;
        for record in records {
            let seen = Seen::of(record);
            let (first, _) = *self.seen.entry(record.ordinal).or_insert((seen, moment));
            if first != seen {
                return Err(format!("readers disagree on ordinal {}: {first:?} and {seen:?}", record.ordinal));
            }
        }
        Ok(())
    }

    /// Whether these records, which follow on each other, were appended as they are and may be there.
    fn is_genuine(&self, records: &[Record]) -> Result<(), String> {
        for record in records {
            let sequence = record.sequence;
            let Some(entry) = self.entries.get(sequence as usize) else {
                return Err(format!("record {sequence} was never appended"));
            };
            let new = &entry.new;
            let is_same = (new.key == record.key, new.payload == record.payload, Some(new.kind) == record.kind());
            if is_same != (true, true, true) || new.producer != record.producer {
                return Err(format!("record {sequence} was appended differently: {is_same:?}"));
            }
            if matches!(entry.fate, Fate::Refused | Fate::Gone) {
                return Err(format!("record {sequence} is there although it was {:?}", entry.fate));
            }
            if entry.offset.is_some_and(|offset| offset != record.offset) {
                return Err(format!("record {sequence} is at {}, not at {:?}", record.offset, entry.offset));
            }
        }
        for pair in records.windows(2) {
            let (a, b) = (&pair[0], &pair[1]);
            let is_next = a.ordinal + 1 == b.ordinal && a.offset < b.offset && a.ingest_time <= b.ingest_time;
            if !is_next || a.sequence >= b.sequence {
                return Err(format!("record {} does not follow on record {}", b.sequence, a.sequence));
            }
        }
        Ok(())
    }

    /// Whether `found`, everything from `bounds.start` on, is what must be there after a crash at `moment`. Since the
    /// last [`History::settle`] no append was refused for want of room, unless `may_refuse`.
    ///
    /// # Errors
    /// What is lost, invented or out of place.
    pub fn check(&self, bounds: &Bounds, found: &[Record], moment: u64, may_refuse: bool) -> Result<(), String> {
        self.is_genuine(found)?;
        let may_go_before = self.trims.iter().filter(|(at, _)| *at <= moment).map(|(_, before)| *before).max();
        let too_many = self.kept_bytes.map(|bytes| Offset(bounds.durable.0.saturating_sub(bytes)));
        let may_go_before = may_go_before.max(too_many).unwrap_or_default();
        if bounds.start > may_go_before {
            return Err(format!("the start is {}, only records before {may_go_before} may go", bounds.start));
        }
        self.check_shown(bounds, found, moment)?;
        let ordinals = self.check_order(bounds, found, moment, may_refuse)?;
        let counted = found.last().map_or(ordinals, |last| last.ordinal + 1..=last.ordinal + 1);
        if !counted.contains(&bounds.records) {
            return Err(format!("the count is {}, not {counted:?}", bounds.records));
        }
        Ok(())
    }

    /// Goes through the appends in their order. Returns what the next ordinal may be.
    fn check_order(
        &self,
        bounds: &Bounds,
        found: &[Record],
        moment: u64,
        may_refuse: bool,
    ) -> Result<RangeInclusive<u64>, String> {
        let found_of: BTreeMap<u64, &Record> = found.iter().map(|r| (r.sequence, r)).collect();
        let first = found.first().map_or(u64::MAX, |r| r.sequence);
        let last = found.last().map(|r| r.sequence);
        let (mut low, mut high) = (self.settled_records, self.settled_records);
        for (sequence, entry) in (0..).zip(&self.entries) {
            let is_settled = sequence < self.settled;
            if let Some(record) = found_of.get(&sequence) {
                let expected = if is_settled { entry.ordinal.map_or(0..=u64::MAX, |o| o..=o) } else { low..=high };
                if !expected.contains(&record.ordinal) {
                    return Err(format!("record {sequence} has ordinal {}, not {expected:?}", record.ordinal));
                }
                if !is_settled {
                    (low, high) = (record.ordinal + 1, record.ordinal + 1);
                }
                continue;
            }
            if matches!(entry.fate, Fate::Refused | Fate::Gone) {
                continue;
            }
            let must_be_there = matches!(entry.fate, Fate::Acknowledged(at) if at <= moment);
            let may_be_trimmed =
                sequence < first && bounds.start > Offset(0) && entry.offset.is_none_or(|at| at < bounds.start);
            if must_be_there && !may_be_trimmed {
                return Err(format!("record {sequence} is lost: {:?} at {:?}", entry.fate, entry.offset));
            }
            if !may_be_trimmed && !may_refuse && last.is_some_and(|last| last > sequence) {
                return Err(format!("record {sequence} is missing before record {last:?}"));
            }
            if !is_settled {
                low += u64::from(must_be_there);
                high += u64::from(may_be_trimmed);
            }
        }
        Ok(low..=high)
    }

    /// What any reader has been shown is there, and the same.
    fn check_shown(&self, bounds: &Bounds, found: &[Record], moment: u64) -> Result<(), String> {
        let by_ordinal: BTreeMap<u64, &Record> = found.iter().map(|r| (r.ordinal, r)).collect();
        for (ordinal, (seen, at)) in &self.seen {
            if *at > moment || seen.offset < bounds.start {
                continue;
            }
            let now = by_ordinal.get(ordinal).map(|r| Seen::of(r));
            if now != Some(*seen) {
                return Err(format!("ordinal {ordinal} was shown as {seen:?} and is {now:?}"));
            }
        }
        Ok(())
    }

    /// Takes `found`, which has passed the check, for what there is: it has been shown and must stay, and what is not
    /// there of what was open must not come back.
    pub fn settle(&mut self, bounds: &Bounds, found: &[Record], moment: u64) {
        for entry in self.entries.iter_mut().filter(|entry| entry.fate == Fate::Open) {
            entry.fate = Fate::Gone;
        }
        for record in found {
            let entry = &mut self.entries[record.sequence as usize];
            (entry.offset, entry.ordinal) = (Some(record.offset), Some(record.ordinal));
            if !matches!(entry.fate, Fate::Acknowledged(at) if at <= moment) {
                entry.fate = Fate::Acknowledged(moment);
            }
            self.seen.entry(record.ordinal).or_insert((Seen::of(record), moment));
        }
        (self.settled, self.settled_records) = (self.entries.len() as u64, bounds.records);
    }

    /// Forgets what must be there and what must not, after a fault that no journal can make good. What is there must
    /// still be genuine.
    pub fn forgive(&mut self) {
        for entry in self.entries.iter_mut().filter(|entry| entry.fate != Fate::Gone) {
            entry.fate = Fate::Open;
        }
        self.trims.push((0, Offset(u64::MAX)));
        self.seen.clear();
    }

    /// How many records were acknowledged.
    pub fn acknowledged_count(&self) -> u64 {
        self.entries.iter().filter(|entry| matches!(entry.fate, Fate::Acknowledged(_))).count() as u64
    }
}
