//! What was asked, answered and seen, and whether that can be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tidemill_journal::{ErrorKind, JournalError, Receipt};
use tidemill_model::{NewRecord, Offset, Record, RecordKind};

/// How an append ended.
#[derive(Clone, Debug)]
enum Outcome {
    /// Its writer ended before it, or did not hear.
    Unknown,
    Acknowledged(Receipt),
    Refused,
}

#[derive(Clone, Debug)]
struct Asked {
    writer: u64,
    payloads: Vec<Bytes>,
    outcome: Outcome,
}

#[derive(Default)]
struct Events {
    appends: Vec<Asked>,
    /// What any reader ever saw, by offset.
    seen: BTreeMap<Offset, Record>,
    problems: Vec<String>,
}

/// A history that all processes write to.
#[derive(Clone, Default)]
pub(crate) struct History(Arc<Mutex<Events>>);

impl History {
    /// Records for an append by `writer`, all different from all others; the number of the append.
    pub(crate) fn ask(&self, writer: u64, count: u64, bytes: usize) -> (usize, Vec<NewRecord>) {
        let mut events = self.0.lock().unwrap();
        let number = events.appends.len();
        let payload = |i| Bytes::from(format!("{number}/{i}/{}", "x".repeat(bytes)));
        let payloads: Vec<_> = (0..count).map(payload).collect();
        let records = payloads.iter().map(|payload| NewRecord::anonymous(RecordKind::Samples, payload.clone()));
        let records = records.collect();
        events.appends.push(Asked { writer, payloads, outcome: Outcome::Unknown });
        (number, records)
    }

    pub(crate) fn answer(&self, number: usize, answer: Result<Receipt, JournalError>) {
        let mut events = self.0.lock().unwrap();
        let outcome = match answer {
            Ok(receipt) => Outcome::Acknowledged(receipt),
            Err(error) if error.kind() == ErrorKind::Retry => Outcome::Refused,
            Err(JournalError::Poisoned { .. }) => Outcome::Unknown,
            Err(JournalError::Closed) => Outcome::Refused,
            Err(error) => {
                events.problems.push(format!("append {number} was answered with {error}"));
                Outcome::Unknown
            }
        };
        events.appends[number].outcome = outcome;
    }

    pub(crate) fn problem(&self, problem: String) {
        self.0.lock().unwrap().problems.push(problem);
    }

    /// A reader saw `records`, having read up to `from`.
    pub(crate) fn saw(&self, from: Offset, records: &[Record]) {
        let mut events = self.0.lock().unwrap();
        let mut last = None;
        for record in records {
            if record.offset < from || last.is_some_and(|last| record.offset <= last) {
                events.problems.push(format!("a read from {from} went back to {}", record.offset));
            }
            last = Some(record.offset);
            if let Some(before) = events.seen.insert(record.offset, record.clone())
                && before != *record
            {
                events.problems.push(format!("at {} one saw {before:?}, another {record:?}", record.offset));
            }
        }
    }

    pub(crate) fn acknowledged(&self) -> usize {
        let is = |asked: &&Asked| matches!(asked.outcome, Outcome::Acknowledged(_));
        self.0.lock().unwrap().appends.iter().filter(is).count()
    }

    /// Judges everything against what is left in the end, which begins at `start`.
    pub(crate) fn judge(&self, start: Offset, left: &[Record]) -> Vec<String> {
        self.saw(start, left);
        let events = self.0.lock().unwrap();
        let mut problems = events.problems.clone();
        let at: BTreeMap<&Bytes, Vec<&Record>> = events.seen.values().fold(BTreeMap::new(), |mut at, record| {
            at.entry(&record.payload).or_insert_with(Vec::new).push(record);
            at
        });
        let is_left: BTreeSet<Offset> = left.iter().map(|record| record.offset).collect();
        let known: BTreeSet<&Bytes> = events.appends.iter().flat_map(|asked| &asked.payloads).collect();
        for (payload, records) in &at {
            if !known.contains(payload) {
                problems.push(format!("nobody wrote {payload:?}"));
            }
            if records.len() > 1 {
                problems.push(format!("{payload:?} is there {} times", records.len()));
            }
        }
        for (record, before) in events.seen.values().skip(1).zip(events.seen.values()) {
            if record.ordinal <= before.ordinal || record.ingest_time < before.ingest_time {
                problems.push(format!("{before:?} comes before {record:?}"));
            }
        }
        for pair in left.windows(2) {
            if pair[0].ordinal + 1 != pair[1].ordinal {
                problems.push(format!("there is a hole between {} and {}", pair[0].offset, pair[1].offset));
            }
        }
        // Records that some reader saw and that lie at or behind the start are there for ever.
        for record in events.seen.values().filter(|record| record.offset >= start) {
            if !is_left.contains(&record.offset) {
                problems.push(format!("{} was seen and is gone", record.offset));
            }
        }
        let mut last_of: BTreeMap<u64, Offset> = BTreeMap::new();
        for (number, asked) in events.appends.iter().enumerate() {
            let places: Vec<_> = asked.payloads.iter().filter_map(|p| at.get(p).map(|r| r[0].offset)).collect();
            if let Outcome::Acknowledged(Receipt { first, end }) = asked.outcome {
                let count = asked.payloads.len() as u64;
                if end.0 - first.0 != count {
                    problems.push(format!("append {number} of {count} records has the receipt {first}..{end}"));
                }
                for (i, payload) in asked.payloads.iter().enumerate() {
                    let place = Offset(first.0 + i as u64);
                    let is_there = is_left.contains(&place) && events.seen[&place].payload == *payload;
                    if place >= start && !is_there {
                        problems.push(format!("record {i} of append {number}, acknowledged at {place}, is lost"));
                    }
                }
            }
            if matches!(asked.outcome, Outcome::Refused) && !places.is_empty() {
                problems.push(format!("append {number} was refused and is there at {places:?}"));
            }
            if places.windows(2).any(|pair| pair[1].0 != pair[0].0 + 1) {
                problems.push(format!("append {number} is torn: {places:?}"));
            }
            if let (Some(first), Some(last)) = (places.first(), places.last()) {
                if last_of.get(&asked.writer).is_some_and(|before| first <= before) {
                    problems.push(format!("append {number} stands before an earlier one of its writer"));
                }
                last_of.insert(asked.writer, *last);
            }
        }
        problems
    }
}
