//! Cursors: where a follower reads on in a partition, and which producers' records it has already applied.
//!
//! A follower keeps its cursor *inside its own checkpoint*, written in the same atomic step as its state. That is all
//! that exactly-once needs: after a crash the follower reads on from the cursor, and a record that was appended twice
//! is dropped here, on every follower alike.
//!
//! Encoded form, little-endian: `version u8 = 1 | offset u64 | ordinal u64 | newest_source_time i64 | count u32`, then per
//! producer, ascending: `producer u64 | epoch u32 | sequence u64`.

use std::collections::HashMap;

use tidemill_model::{Offset, ProducerId, Record};

const VERSION: u8 = 1;
const HEAD_BYTES: usize = 29;
const ENTRY_BYTES: usize = 20;

/// The next offset to read, and the last epoch and sequence of every producer seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cursor {
    /// The next offset to read.
    pub next: Offset,
    /// Number of records before `next`, counted from the partition's beginning.
    pub ordinal: u64,
    /// Newest source time applied, ns; `i64::MIN` before the first sample.
    pub newest_source_time: i64,
    producers: HashMap<ProducerId, (u32, u64)>,
}

impl Default for Cursor {
    fn default() -> Self {
        Self::at(Offset(0), 0)
    }
}

/// Bytes that are not a cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor: {reason}")]
pub struct CursorError {
    reason: &'static str,
}

impl Cursor {
    /// Reads on at `next`, having seen no producer.
    pub fn at(next: Offset, ordinal: u64) -> Self {
        Self { next, ordinal, newest_source_time: i64::MIN, producers: HashMap::new() }
    }

    /// Moves past `record`; returns whether it is to be applied, `false` if its producer's records up to this one
    /// have been applied already.
    pub fn admit(&mut self, record: &Record, after: Offset) -> bool {
        self.next = after;
        self.ordinal = record.ordinal + 1;
        if self.has_seen(record.producer, record.epoch, record.sequence) {
            return false;
        }
        if record.producer != ProducerId::NONE {
            self.producers.insert(record.producer, (record.epoch, record.sequence));
        }
        true
    }

    /// Whether a record with this identity would be dropped.
    pub fn has_seen(&self, producer: ProducerId, epoch: u32, sequence: u64) -> bool {
        producer != ProducerId::NONE && self.producers.get(&producer).is_some_and(|last| (epoch, sequence) <= *last)
    }

    /// The last epoch and sequence of a producer.
    pub fn last_of(&self, producer: ProducerId) -> Option<(u32, u64)> {
        self.producers.get(&producer).copied()
    }

    /// The bytes that a checkpoint holds.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES + ENTRY_BYTES * self.producers.len());
        out.push(VERSION);
        out.extend_from_slice(&self.next.0.to_le_bytes());
        out.extend_from_slice(&self.ordinal.to_le_bytes());
        out.extend_from_slice(&self.newest_source_time.to_le_bytes());
        out.extend_from_slice(&(self.producers.len() as u32).to_le_bytes());
        let mut producers: Vec<_> = self.producers.iter().collect();
        producers.sort_unstable();
        for (producer, (epoch, sequence)) in producers {
            out.extend_from_slice(&producer.0.to_le_bytes());
            out.extend_from_slice(&epoch.to_le_bytes());
            out.extend_from_slice(&sequence.to_le_bytes());
        }
        out
    }

    /// Reads what [`Cursor::encode`] wrote.
    ///
    /// # Errors
    /// When the bytes are anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, CursorError> {
        match Self::decode_first(bytes)? {
            (cursor, []) => Ok(cursor),
            _ => Err(CursorError { reason: "the number of producers does not match" }),
        }
    }

    /// Reads cursors that stand behind each other, each as [`Cursor::encode`] wrote it.
    ///
    /// # Errors
    /// When the bytes are anything else.
    pub fn decode_all(mut bytes: &[u8]) -> Result<Vec<Self>, CursorError> {
        let mut cursors = Vec::new();
        while !bytes.is_empty() {
            let (cursor, rest) = Self::decode_first(bytes)?;
            cursors.push(cursor);
            bytes = rest;
        }
        Ok(cursors)
    }

    /// Reads a cursor. Returns the bytes behind it too.
    fn decode_first(bytes: &[u8]) -> Result<(Self, &[u8]), CursorError> {
        let error = |reason| CursorError { reason };
        let (head, entries) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or(error("cut short"))?;
        if head[0] != VERSION {
            return Err(error("written by another version"));
        }
        let count = u32::from_le_bytes([head[25], head[26], head[27], head[28]]) as usize;
        let size = count.saturating_mul(ENTRY_BYTES);
        let (entries, rest) = entries.split_at_checked(size).ok_or(error("it has fewer producers than it says"))?;
        let (entries, _) = entries.as_chunks::<ENTRY_BYTES>();
        let mut cursor = Self::at(Offset(u64_at(head, 1)), u64_at(head, 9));
        cursor.newest_source_time = u64_at(head, 17) as i64;
        for entry in entries {
            let epoch = u32::from_le_bytes([entry[8], entry[9], entry[10], entry[11]]);
            cursor.producers.insert(ProducerId(u64_at(entry, 0)), (epoch, u64_at(entry, 12)));
        }
        Ok((cursor, rest))
    }
}

fn u64_at<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    let mut out = [0; 8];
    out.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(producer: u64, epoch: u32, sequence: u64) -> Record {
        Record {
            offset: Offset(8),
            ordinal: 3,
            kind_number: 1,
            producer: ProducerId(producer),
            epoch,
            sequence,
            ingest_time: 0,
            key: bytes::Bytes::new(),
            payload: bytes::Bytes::new(),
        }
    }

    #[test]
    fn a_repeated_sequence_is_dropped_and_a_new_epoch_is_not() {
        let mut cursor = Cursor::default();
        assert!(cursor.admit(&record(7, 1, 5), Offset(16)));
        assert!(!cursor.admit(&record(7, 1, 5), Offset(24)));
        assert!(!cursor.admit(&record(7, 1, 4), Offset(32)));
        assert!(cursor.admit(&record(7, 2, 1), Offset(40)));
        assert!(!cursor.admit(&record(7, 1, 9), Offset(48)), "an old epoch is fenced");
        assert_eq!((cursor.next, cursor.ordinal), (Offset(48), 4));
    }

    #[test]
    fn records_without_a_producer_are_always_applied() {
        let mut cursor = Cursor::default();
        assert!(cursor.admit(&record(0, 0, 0), Offset(16)));
        assert!(cursor.admit(&record(0, 0, 0), Offset(24)));
    }

    #[test]
    fn the_encoded_form_round_trips_and_rejects_every_truncation() {
        let mut cursor = Cursor::default();
        cursor.admit(&record(7, 1, 5), Offset(16));
        cursor.admit(&record(9, 2, 6), Offset(24));
        cursor.newest_source_time = -5;
        let bytes = cursor.encode();
        assert_eq!(Cursor::decode(&bytes), Ok(cursor));
        for cut in 0..bytes.len() {
            assert!(Cursor::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        let (two, last) = (bytes.repeat(2), bytes.len());
        assert!(Cursor::decode(&two).is_err());
        assert_eq!(Cursor::decode_all(&two).map(|cursors| cursors.len()), Ok(2));
        for cut in (1..two.len()).filter(|cut| *cut != last) {
            assert!(Cursor::decode_all(&two[..cut]).is_err(), "cut at {cut}");
        }
    }
}
