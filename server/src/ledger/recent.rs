//! The newest records of a partition in memory, so that a thousand subscribers at the tail cost one read.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use tidemill_journal::Batch;
use tidemill_model::{Offset, Record};

/// Payload bytes kept per partition.
const BYTES_MAX: usize = 16 << 20;
/// Channels for which a record's encoding is kept, and bytes of such encodings per partition; others are made anew.
const CHANNELS_MAX: usize = 32;
const ENCODED_BYTES_MAX: usize = 64 << 20;

/// A record that has been looked at.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The record.
    pub record: Record,
    /// The offset after it.
    pub after: Offset,
    /// Whether it repeats an earlier one and is to be skipped.
    pub is_duplicate: bool,
    /// What it looks like to the subscribers of a channel, encoded once for all of them; `None`: nothing in it for them.
    encoded: Mutex<Vec<(u64, Option<Bytes>)>>,
    /// Bytes of all encodings that are kept in the partition.
    kept: Arc<AtomicUsize>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let bytes = self.encoded.get_mut().iter().filter_map(|(_, bytes)| bytes.as_ref()).map(Bytes::len).sum();
        self.kept.fetch_sub(bytes, Relaxed);
    }
}

impl Entry {
    /// The encoding for a channel, made by `encode` when it is asked for first.
    pub(crate) fn encoded(&self, channel: u64, encode: impl FnOnce(&Record) -> Option<Bytes>) -> Option<Bytes> {
        let mut encoded = self.encoded.lock();
        if let Some((_, bytes)) = encoded.iter().find(|(known, _)| *known == channel) {
            return bytes.clone();
        }
        let bytes = encode(&self.record);
        let size = bytes.as_ref().map_or(0, Bytes::len);
        if encoded.len() < CHANNELS_MAX && self.kept.load(Relaxed) + size <= ENCODED_BYTES_MAX {
            self.kept.fetch_add(size, Relaxed);
            encoded.push((channel, bytes.clone()));
        }
        bytes
    }
}

/// A ring of the newest records without a hole between them.
#[derive(Debug)]
pub(crate) struct Recent {
    ring: RwLock<Ring>,
    kept: Arc<AtomicUsize>,
}

/// Invariants: `entries` are consecutive; the first begins at `start`, the last ends at `end`.
#[derive(Debug)]
struct Ring {
    start: Offset,
    end: Offset,
    bytes: usize,
    entries: VecDeque<Arc<Entry>>,
}

impl Recent {
    pub(super) fn new(at: Offset) -> Self {
        let ring = RwLock::new(Ring { start: at, end: at, bytes: 0, entries: VecDeque::new() });
        Self { ring, kept: Arc::default() }
    }

    /// The records of a batch of this partition, with the offsets after them.
    pub(super) fn entries(&self, batch: Batch, is_duplicate: impl Fn(&Offset) -> bool) -> Vec<Arc<Entry>> {
        let ends: Vec<_> = batch.records.iter().skip(1).map(|record| record.offset).chain([batch.next]).collect();
        let entry = |(record, after): (Record, Offset)| {
            let is_duplicate = is_duplicate(&record.offset);
            Arc::new(Entry { record, after, is_duplicate, encoded: Mutex::default(), kept: self.kept.clone() })
        };
        batch.records.into_iter().zip(ends).map(entry).collect()
    }

    /// Forgets everything and goes on at `at`.
    pub(super) fn restart(&self, at: Offset) {
        *self.ring.write() = Ring { start: at, end: at, bytes: 0, entries: VecDeque::new() };
    }

    pub(super) fn push(&self, entries: Vec<Arc<Entry>>, end: Offset) {
        let mut ring = self.ring.write();
        ring.bytes += entries.iter().map(|entry| entry.record.payload.len()).sum::<usize>();
        ring.entries.extend(entries);
        ring.end = end;
        while ring.bytes > BYTES_MAX {
            let Some(oldest) = ring.entries.pop_front() else { break };
            ring.bytes -= oldest.record.payload.len();
            ring.start = oldest.after;
        }
    }

    /// Records from `from` on, about `bytes` of them; `None` when `from` lies before what is kept.
    pub(crate) fn since(&self, from: Offset, bytes: usize) -> Option<Vec<Arc<Entry>>> {
        let ring = self.ring.read();
        if from < ring.start || from > ring.end {
            return None;
        }
        // Not by what comes after: a place behind a record has two names, its end and the beginning of the next one.
        let first = ring.entries.partition_point(|entry| entry.record.offset < from);
        let mut taken = 0;
        let wanted = ring.entries.range(first..).take_while(|entry| {
            let is_wanted = taken < bytes;
            taken += entry.record.payload.len() + 1;
            is_wanted
        });
        Some(wanted.cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use tidemill_model::{NewRecord, RecordKind, record::RecordHeader};

    use super::*;

    fn record(offset: u64) -> Record {
        let record = NewRecord::anonymous(RecordKind::Samples, vec![1; 4]);
        RecordHeader::of(&record, 0).unwrap().into_record(Offset(offset), offset, record.payload)
    }

    /// A reader that stopped behind the first record was told its end by one run, the next one's beginning by another.
    #[test]
    fn a_place_between_two_records_has_two_names_and_no_record_comes_twice() {
        let recent = Recent::new(Offset(0));
        let batch = Batch { records: vec![record(0), record(100), record(108)], next: Offset(116) };
        recent.push(recent.entries(batch, |_| false), Offset(116));
        for (from, expected) in [(0, vec![0, 100, 108]), (8, vec![100, 108]), (100, vec![100, 108]), (116, vec![])] {
            let found = recent.since(Offset(from), usize::MAX).unwrap();
            assert_eq!(found.iter().map(|e| e.record.offset.0).collect::<Vec<_>>(), expected, "from {from}");
        }
    }

    #[test]
    fn encodings_are_kept_for_channels_within_a_budget() {
        let recent = Recent::new(Offset(0));
        let all = recent.entries(Batch { records: vec![record(0), record(8)], next: Offset(16) }, |_| false);
        let size = ENCODED_BYTES_MAX / 2 + 1;
        let made = AtomicUsize::new(0);
        let encode = |_: &Record| {
            made.fetch_add(1, Relaxed);
            Some(Bytes::from(vec![0; size]))
        };
        for _ in 0..2 {
            all[0].encoded(1, encode);
            all[1].encoded(1, encode);
        }
        assert_eq!(made.load(Relaxed), 3, "the second does not fit");
        drop(all);
        assert_eq!(recent.kept.load(Relaxed), 0);
    }
}
