//! The files `meta` (which journal this is) and `<topic>/topic` (what a topic was made with).
//!
//! ```text
//! meta, 48 bytes                            topic, 40 bytes
//!  0  magic         u32  "TMJ1"              0  magic       u32  "TMT1"
//!  4  version       u16  1                   4  version     u16  1
//!  6  zero          u16                      6  zero        u16
//!  8  journal       u64                      8  partitions  u32
//! 16  generation    u32                     12  flags       u32  1: age, 2: bytes, 4: compacted
//! 20  zero          u32                     16  age         u64  ns
//! 24  segment_bytes u64                     24  bytes       u64
//! 32  created       i64  ns                 32  zero        u32
//! 40  zero          u32                     36  crc         u32
//! 44  crc           u32
//! ```

use std::path::Path;
use std::time::Duration;

use tidemill_journal::{JournalError, Retention};
use tidemill_model::JournalIdentity;
use tidemill_model::position::PARTITIONS_MAX;

use crate::files::{corrupt, put, read_whole, replace, seal, u32_at, u64_at, unseal};
use crate::storage::Storage;

const META_BYTES: usize = 48;
const META_MAGIC: [u8; 4] = *b"TMJ1";
const TOPIC_BYTES: usize = 40;
const TOPIC_MAGIC: [u8; 4] = *b"TMT1";
/// Smallest segment: room for a few small records. The segment index in a file name has 8 digits or more.
pub(crate) const SEGMENT_BYTES_MIN: u64 = 1 << 10;
/// Largest segment: recovery reads the last one into memory.
pub(crate) const SEGMENT_BYTES_MAX: u64 = 1 << 30;

/// Which journal a directory holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Meta {
    pub(crate) identity: JournalIdentity,
    pub(crate) segment_bytes: u64,
    pub(crate) created: i64,
}

impl Meta {
    pub(crate) fn store(&self, storage: &dyn Storage, path: &Path) -> Result<(), JournalError> {
        let mut out = [0; META_BYTES];
        put(&mut out, 8, self.identity.id.to_le_bytes());
        put(&mut out, 16, self.identity.generation.to_le_bytes());
        put(&mut out, 24, self.segment_bytes.to_le_bytes());
        put(&mut out, 32, self.created.to_le_bytes());
        seal(&mut out, META_MAGIC);
        replace(storage, path, &out)
    }

    pub(crate) fn load(storage: &dyn Storage, path: &Path) -> Result<Self, JournalError> {
        let bytes = read_whole(storage, path, META_BYTES as u64)?;
        let m = unseal::<META_BYTES>(&bytes, META_MAGIC, "journal").map_err(|(at, why)| corrupt(path, at, why))?;
        let identity = JournalIdentity { id: u64_at(m, 8), generation: u32_at(m, 16) };
        let meta = Self { identity, segment_bytes: u64_at(m, 24), created: u64_at(m, 32) as i64 };
        check_segment_bytes(meta.segment_bytes).map_err(|reason| corrupt(path, 24, reason))?;
        Ok(meta)
    }
}

/// Whether segments may have this size.
pub(crate) fn check_segment_bytes(bytes: u64) -> Result<(), String> {
    let fits = (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&bytes) && bytes.is_multiple_of(8);
    let range = format!("{SEGMENT_BYTES_MIN} to {SEGMENT_BYTES_MAX}");
    fits.then_some(()).ok_or_else(|| format!("a segment size of {bytes} bytes is not a multiple of 8 within {range}"))
}

/// What a topic was made with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TopicMeta {
    pub(crate) partitions: u32,
    pub(crate) retention: Retention,
}

impl TopicMeta {
    pub(crate) fn store(&self, storage: &dyn Storage, path: &Path) -> Result<(), JournalError> {
        let Retention { age, bytes, compacted } = self.retention;
        let flags = u32::from(age.is_some()) | u32::from(bytes.is_some()) << 1 | u32::from(compacted) << 2;
        let age_ns = u64::try_from(age.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX);
        let mut out = [0; TOPIC_BYTES];
        put(&mut out, 8, self.partitions.to_le_bytes());
        put(&mut out, 12, flags.to_le_bytes());
        put(&mut out, 16, age_ns.to_le_bytes());
        put(&mut out, 24, bytes.unwrap_or_default().to_le_bytes());
        seal(&mut out, TOPIC_MAGIC);
        replace(storage, path, &out)
    }

    pub(crate) fn load(storage: &dyn Storage, path: &Path) -> Result<Self, JournalError> {
        let bytes = read_whole(storage, path, TOPIC_BYTES as u64)?;
        let t = unseal::<TOPIC_BYTES>(&bytes, TOPIC_MAGIC, "topic").map_err(|(at, why)| corrupt(path, at, why))?;
        let (partitions, flags) = (u32_at(t, 8), u32_at(t, 12));
        if partitions == 0 || partitions as usize > PARTITIONS_MAX {
            return Err(corrupt(path, 8, format!("{partitions} partitions are impossible")));
        }
        let age = (flags & 1 != 0).then(|| Duration::from_nanos(u64_at(t, 16)));
        let bytes = (flags & 2 != 0).then(|| u64_at(t, 24));
        Ok(Self { partitions, retention: Retention { age, bytes, compacted: flags & 4 != 0 } })
    }
}
