//! Footers: what is known of a sealed segment without reading it, in the body of its footer frame.
//!
//! ```text
//!  0  records_end  u64     offset after the last record
//!  8  hash         32 B    running hash of the partition up to the footer (chain.rs); zeros: unknown
//! 40  flags        u32     1: compacted, so that the hash cannot be computed again
//! 44  entries      u32
//! 48  entries      each: offset u64, ingest_time i64 of a record about every 64 KiB, rising
//! ```

use crate::files::{put, u32_at, u64_at};
use crate::frame::{ALIGNMENT, END_BYTES, FRAME_BYTES};

const FIXED_BYTES: usize = 48;
const ENTRY_BYTES: usize = 16;
const COMPACTED: u32 = 1;
/// Entries of the time index are at least so far apart, bytes.
const STRIDE_BYTES: u64 = 64 << 10;

/// The running hash of a partition.
pub(crate) type Hash = [u8; 32];

/// The body of a footer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Footer {
    pub(crate) records_end: u64,
    pub(crate) hash: Hash,
    pub(crate) is_compacted: bool,
    pub(crate) times: TimeIndex,
}

/// A sparse index from ingest times to offsets.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct TimeIndex(Vec<(u64, i64)>);

impl TimeIndex {
    /// Takes note of a record; most are not kept.
    pub(crate) fn note(&mut self, offset: u64, ingest_time: i64) {
        if self.0.last().is_none_or(|(last, _)| offset >= last + STRIDE_BYTES) {
            self.0.push((offset, ingest_time));
        }
    }

    /// Forgets records from `offset` on.
    pub(crate) fn cut(&mut self, offset: u64) {
        let kept = self.0.partition_point(|(at, _)| *at < offset);
        self.0.truncate(kept);
    }

    /// The offset of a record before which nothing is as young as `ingest_time`; `None` if that holds for none.
    pub(crate) fn before(&self, ingest_time: i64) -> Option<u64> {
        let younger = self.0.partition_point(|(_, time)| *time < ingest_time);
        self.0.get(younger.checked_sub(1)?).map(|(offset, _)| *offset)
    }
}

impl Footer {
    /// The body of the footer frame.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![0; FIXED_BYTES];
        put(&mut out, 0, self.records_end.to_le_bytes());
        put(&mut out, 8, self.hash);
        put(&mut out, 40, u32::from(self.is_compacted).to_le_bytes());
        put(&mut out, 44, (self.times.0.len() as u32).to_le_bytes());
        for (offset, time) in &self.times.0 {
            out.extend_from_slice(&offset.to_le_bytes());
            out.extend_from_slice(&time.to_le_bytes());
        }
        out
    }

    /// Reads what [`Footer::encode`] wrote; `None` if it is anything else.
    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let (fixed, rest) = body.split_first_chunk::<FIXED_BYTES>()?;
        let entries = rest.get(..(u32_at(fixed, 44) as usize).checked_mul(ENTRY_BYTES)?)?;
        let entries = entries.as_chunks::<ENTRY_BYTES>().0.iter().map(|e| (u64_at(e, 0), u64_at(e, 8) as i64));
        let hash = *fixed[8..].first_chunk()?;
        let is_compacted = u32_at(fixed, 40) & COMPACTED != 0;
        Some(Self { records_end: u64_at(fixed, 0), hash, is_compacted, times: TimeIndex(entries.collect()) })
    }
}

/// The most that the footer and the end of a segment can take, bytes.
pub(crate) fn reserve_bytes(segment_bytes: u64) -> u64 {
    let entries = segment_bytes / STRIDE_BYTES + 1;
    let body = FIXED_BYTES as u64 + entries * ENTRY_BYTES as u64;
    FRAME_BYTES as u64 + body.next_multiple_of(ALIGNMENT) + END_BYTES
}
