//! Segment headers: the first 64 bytes of a segment file.
//!
//! ```text
//!  0  magic         u32  "TMS1"
//!  4  version       u16
//!  6  zero          u16
//!  8  journal       u64  id of the journal
//! 16  generation    u32
//! 20  partition     u32
//! 24  topic_crc     u32  CRC32C of the topic's name
//! 28  zero          u32
//! 32  base          u64  offset of this header
//! 40  previous_end  u64  offset after the last record of the segment before
//! 48  first_ordinal u64
//! 56  zero          u32
//! 60  crc           u32  CRC32C of bytes 0..60
//! ```

use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use tidemill_journal::{JournalError, TopicPartition};
use tidemill_model::JournalIdentity;

use crate::files::{corrupt, put, seal, u32_at, u64_at, unseal};
use crate::footer::Hash;
use crate::frame::{Control, encode_control};

/// Bytes of the header.
pub(crate) const SEGMENT_HEADER_BYTES: u64 = 64;
/// Where records begin: behind the header and a start frame. (In segments of the first version there is no such frame.)
pub(crate) const RECORDS_AT: u64 = SEGMENT_HEADER_BYTES + START_BYTES;
const START_BYTES: u64 = 64;
const MAGIC: [u8; 4] = *b"TMS1";

/// A decoded header.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct SegmentHeader {
    pub(crate) journal: JournalIdentity,
    pub(crate) topic_crc: u32,
    pub(crate) partition: u32,
    pub(crate) base: u64,
    pub(crate) previous_end: u64,
    pub(crate) first_ordinal: u64,
}

impl SegmentHeader {
    pub(crate) fn new(journal: JournalIdentity, at: &TopicPartition, base: u64) -> Self {
        let topic_crc = crc32c::crc32c(at.topic.as_bytes());
        Self { journal, topic_crc, partition: at.partition, base, previous_end: 0, first_ordinal: 0 }
    }

    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES as usize] {
        let mut out = [0; SEGMENT_HEADER_BYTES as usize];
        put(&mut out, 8, self.journal.id.to_le_bytes());
        put(&mut out, 16, self.journal.generation.to_le_bytes());
        put(&mut out, 20, self.partition.to_le_bytes());
        put(&mut out, 24, self.topic_crc.to_le_bytes());
        put(&mut out, 32, self.base.to_le_bytes());
        put(&mut out, 40, self.previous_end.to_le_bytes());
        put(&mut out, 48, self.first_ordinal.to_le_bytes());
        seal(&mut out, MAGIC);
        out
    }

    /// The first bytes of a segment: header and start frame.
    pub(crate) fn encode_with_start(&self, hash: Hash) -> Bytes {
        let mut out = BytesMut::from(&self.encode()[..]);
        let at = self.base + SEGMENT_HEADER_BYTES;
        encode_control(&mut out, Control::Start, at, self.first_ordinal, &hash, START_BYTES);
        out.freeze()
    }

    /// Reads the header of the file at `path` and checks that it is the one with this base in this partition.
    pub(crate) fn decode(
        bytes: &[u8],
        path: &Path,
        journal: JournalIdentity,
        at: &TopicPartition,
        base: u64,
    ) -> Result<Self, JournalError> {
        let h = unseal::<{ SEGMENT_HEADER_BYTES as usize }>(bytes, MAGIC, "journal segment")
            .map_err(|(at, reason)| corrupt(path, at, reason))?;
        let found = Self {
            journal: JournalIdentity { id: u64_at(h, 8), generation: u32_at(h, 16) },
            topic_crc: u32_at(h, 24),
            partition: u32_at(h, 20),
            base: u64_at(h, 32),
            previous_end: u64_at(h, 40),
            first_ordinal: u64_at(h, 48),
        };
        let expected = Self::new(journal, at, base);
        if found.journal != journal {
            return Err(corrupt(path, 8, format!("it belongs to journal {}, not to {journal}", found.journal)));
        }
        if (found.topic_crc, found.partition) != (expected.topic_crc, expected.partition) {
            return Err(corrupt(path, 20, "it belongs to another topic or partition"));
        }
        if found.base != base {
            return Err(corrupt(path, 32, format!("it belongs at offset {}, not at {base}", found.base)));
        }
        Ok(found)
    }
}

/// The file of segment `index` of the partition in `dir`.
pub(crate) fn segment_path(dir: &Path, index: u64) -> PathBuf {
    dir.join(format!("{index:08x}.seg"))
}

/// The index in a segment's file name; `None` if it is none.
pub(crate) fn segment_index(path: &Path) -> Option<u64> {
    let digits = path.file_name()?.to_str()?.strip_suffix(".seg")?;
    let index = u64::from_str_radix(digits, 16).ok()?;
    (format!("{index:08x}") == digits).then_some(index)
}
