//! The small objects beside the pages: journal, topic, boundary, lease, hint, hold. All little-endian, framed as in
//! [`crate::wire`].

use std::time::Duration;

use bytes::Bytes;
use tidemill_journal::{JournalError, Retention, TopicConfig};
use tidemill_model::position::PARTITIONS_MAX;
use tidemill_model::{JournalIdentity, Offset};

use crate::page::{Link, Tip};
use crate::wire::{Stream, bytes_at, corrupt, i64_at, put, seal, u32_at, u64_at, unseal};

/// Stands for "none" where a number is expected.
const NONE: u64 = u64::MAX;

/// The object `journal`: which journal this is.
///
/// ```text
///  8  id          u64
/// 16  generation  u32
/// 20  run_pages   u32  pages that a segment covers
/// 24  created     i64  ns since the Unix epoch
/// 32  nonce       u64
/// 40  zero        u32
/// 44  crc         u32
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct JournalObject {
    pub(crate) identity: JournalIdentity,
    pub(crate) run_pages: u32,
    pub(crate) created: i64,
    pub(crate) nonce: u64,
}

/// Pages that a segment may cover: at least more than one writer creates at once.
pub(crate) const RUN_PAGES: std::ops::RangeInclusive<u32> = 8..=4096;

impl JournalObject {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = [0; 48];
        put(&mut out, 8, self.identity.id.to_le_bytes());
        put(&mut out, 16, self.identity.generation.to_le_bytes());
        put(&mut out, 20, self.run_pages.to_le_bytes());
        put(&mut out, 24, self.created.to_le_bytes());
        put(&mut out, 32, self.nonce.to_le_bytes());
        seal(&mut out, *b"TMO1");
        Bytes::copy_from_slice(&out)
    }

    pub(crate) fn decode(bytes: &[u8], key: &str) -> Result<Self, JournalError> {
        let o = unseal::<48>(bytes, *b"TMO1", "journal of this program", key)?;
        let identity = JournalIdentity { id: u64_at(o, 8), generation: u32_at(o, 16) };
        let object = Self { identity, run_pages: u32_at(o, 20), created: i64_at(o, 24), nonce: u64_at(o, 32) };
        if !RUN_PAGES.contains(&object.run_pages) {
            return Err(corrupt(key, 20, format!("segments of {} pages are impossible", object.run_pages)));
        }
        Ok(object)
    }
}

/// The objects `topic/<topic>/<version>`.
///
/// ```text
///  8  partitions  u32
/// 12  flags       u32  1: age, 2: bytes, 4: compacted
/// 16  age         u64  ns
/// 24  bytes       u64
/// 32  topic       u64  first 8 bytes of the BLAKE3 of the name
/// 40  nonce       u64
/// 48  zero        u32
/// 52  crc         u32
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TopicObject {
    pub(crate) config: TopicConfig,
    pub(crate) nonce: u64,
}

impl TopicObject {
    pub(crate) fn encode(&self) -> Bytes {
        let Retention { age, bytes, compacted } = self.config.retention;
        let flags = u32::from(age.is_some()) | u32::from(bytes.is_some()) << 1 | u32::from(compacted) << 2;
        let age_ns = u64::try_from(age.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX);
        let mut out = [0; 56];
        put(&mut out, 8, self.config.partitions.to_le_bytes());
        put(&mut out, 12, flags.to_le_bytes());
        put(&mut out, 16, age_ns.to_le_bytes());
        put(&mut out, 24, bytes.unwrap_or_default().to_le_bytes());
        put(&mut out, 32, crate::wire::short_hash(&self.config.name).to_le_bytes());
        put(&mut out, 40, self.nonce.to_le_bytes());
        seal(&mut out, *b"TMT2");
        Bytes::copy_from_slice(&out)
    }

    pub(crate) fn decode(bytes: &[u8], name: &str, key: &str) -> Result<Self, JournalError> {
        let o = unseal::<56>(bytes, *b"TMT2", "topic", key)?;
        let (partitions, flags) = (u32_at(o, 8), u32_at(o, 12));
        if partitions == 0 || partitions as usize > PARTITIONS_MAX || flags > 7 {
            return Err(corrupt(key, 8, format!("{partitions} partitions with flags {flags} are impossible")));
        }
        if u64_at(o, 32) != crate::wire::short_hash(name) {
            return Err(corrupt(key, 32, "it is another topic"));
        }
        let age = (flags & 1 != 0).then(|| Duration::from_nanos(u64_at(o, 16)));
        let bytes = (flags & 2 != 0).then(|| u64_at(o, 24));
        let retention = Retention { age, bytes, compacted: flags & 4 != 0 };
        let config = TopicConfig { name: name.to_owned(), partitions, retention };
        Ok(Self { config, nonce: u64_at(o, 40) })
    }
}

/// The objects `gc/<number>`: what of a partition is no longer found as pages. None of its numbers ever falls.
///
/// ```text
///   8  stream       24 bytes
///  32  start        u64  first readable offset
///  40  kept_since   i64  ingest time of the newest record before it, or the least i64
///  48  records      u64  records before `next_page`
///  56  next_page    u64  the floor: pages below it are read from segments, or are gone
///  64  link_page    u64  the last valid page below the floor
///  72  link_hash    [u8; 32]
/// 104  bytes        u64
/// 112  ingest       i64
/// 120  end          u64
/// 128  thinned      u64  the segment that holds what key compaction left of all runs up to it, or all ones
/// 136  swept_start  u64  page up to which what lies before `start` is deleted
/// 144  swept_floor  u64  page up to which pages that are in segments are deleted
/// 152  nonce        u64
/// 160  gone         u64  behind the last record before `start`: who stands there misses nothing
/// 168  zero         u32
/// 172  crc          u32
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Boundary {
    pub(crate) start: Offset,
    pub(crate) gone: Offset,
    pub(crate) kept_since: Option<i64>,
    pub(crate) floor: Tip,
    pub(crate) thinned: Option<u64>,
    pub(crate) swept_start: u64,
    pub(crate) swept_floor: u64,
    pub(crate) nonce: u64,
}

impl Boundary {
    /// Before anything was collected.
    pub(crate) const NONE: Boundary = Boundary {
        start: Offset(0),
        gone: Offset(0),
        kept_since: None,
        floor: Tip::EMPTY,
        thinned: None,
        swept_start: 0,
        swept_floor: 0,
        nonce: 0,
    };

    pub(crate) fn encode(&self, stream: &Stream) -> Bytes {
        let mut out = [0; 176];
        stream.put(&mut out, 8);
        put(&mut out, 32, self.start.0.to_le_bytes());
        put(&mut out, 40, self.kept_since.unwrap_or(i64::MIN).to_le_bytes());
        put(&mut out, 48, self.floor.records.to_le_bytes());
        put(&mut out, 56, self.floor.next_page.to_le_bytes());
        put(&mut out, 64, self.floor.link.page.to_le_bytes());
        put(&mut out, 72, self.floor.link.hash);
        put(&mut out, 104, self.floor.bytes.to_le_bytes());
        put(&mut out, 112, self.floor.ingest.to_le_bytes());
        put(&mut out, 120, self.floor.end.0.to_le_bytes());
        put(&mut out, 128, self.thinned.unwrap_or(NONE).to_le_bytes());
        put(&mut out, 136, self.swept_start.to_le_bytes());
        put(&mut out, 144, self.swept_floor.to_le_bytes());
        put(&mut out, 152, self.nonce.to_le_bytes());
        put(&mut out, 160, self.gone.0.to_le_bytes());
        seal(&mut out, *b"TMG1");
        Bytes::copy_from_slice(&out)
    }

    pub(crate) fn decode(bytes: &[u8], stream: &Stream, key: &str) -> Result<Self, JournalError> {
        let o = unseal::<176>(bytes, *b"TMG1", "boundary", key)?;
        stream.expect(Stream::at(o, 8), key, 8)?;
        let floor = Tip {
            next_page: u64_at(o, 56),
            link: Link { page: u64_at(o, 64), hash: bytes_at(o, 72) },
            records: u64_at(o, 48),
            bytes: u64_at(o, 104),
            ingest: i64_at(o, 112),
            end: Offset(u64_at(o, 120)),
        };
        Ok(Self {
            start: Offset(u64_at(o, 32)),
            gone: Offset(u64_at(o, 160)),
            kept_since: Some(i64_at(o, 40)).filter(|time| *time != i64::MIN),
            floor,
            thinned: Some(u64_at(o, 128)).filter(|run| *run != NONE),
            swept_start: u64_at(o, 136),
            swept_floor: u64_at(o, 144),
            nonce: u64_at(o, 152),
        })
    }
}

/// The objects `lease/<epoch>`: who goes first where writers meet. Only ever a matter of speed.
///
/// ```text
///  8  stream   24 bytes
/// 32  holder   u64  random, of the writer
/// 40  taken    i64  ns since the Unix epoch
/// 48  ttl      u64  ns
/// 56  zero     u32
/// 60  crc      u32
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Lease {
    pub(crate) holder: u64,
    pub(crate) taken: i64,
    pub(crate) ttl: Duration,
}

impl Lease {
    pub(crate) fn encode(&self, stream: &Stream) -> Bytes {
        let mut out = [0; 64];
        stream.put(&mut out, 8);
        put(&mut out, 32, self.holder.to_le_bytes());
        put(&mut out, 40, self.taken.to_le_bytes());
        put(&mut out, 48, (self.ttl.as_nanos() as u64).to_le_bytes());
        seal(&mut out, *b"TML1");
        Bytes::copy_from_slice(&out)
    }

    pub(crate) fn decode(bytes: &[u8], stream: &Stream, key: &str) -> Result<Self, JournalError> {
        let o = unseal::<64>(bytes, *b"TML1", "lease", key)?;
        stream.expect(Stream::at(o, 8), key, 8)?;
        Ok(Self { holder: u64_at(o, 32), taken: i64_at(o, 40), ttl: Duration::from_nanos(u64_at(o, 48)) })
    }
}

/// The object `hint`: where to begin to look. Wrong numbers cost requests, nothing else.
///
/// ```text
///  8  stream    24 bytes
/// 32  page      u64
/// 40  boundary  u64
/// 48  zero      u32
/// 52  crc       u32
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Hint {
    pub(crate) page: u64,
    pub(crate) boundary: u64,
}

impl Hint {
    pub(crate) fn encode(&self, stream: &Stream) -> Bytes {
        let mut out = [0; 56];
        stream.put(&mut out, 8);
        put(&mut out, 32, self.page.to_le_bytes());
        put(&mut out, 40, self.boundary.to_le_bytes());
        seal(&mut out, *b"TMI1");
        Bytes::copy_from_slice(&out)
    }

    pub(crate) fn decode(bytes: &[u8], stream: &Stream, key: &str) -> Result<Self, JournalError> {
        let o = unseal::<56>(bytes, *b"TMI1", "hint", key)?;
        stream.expect(Stream::at(o, 8), key, 8)?;
        Ok(Self { page: u64_at(o, 32), boundary: u64_at(o, 40) })
    }
}

/// The objects `hold/<follower>`: from where on a follower still needs records.
///
/// ```text
///  8  stream  24 bytes
/// 32  from    u64
/// 40  heard   i64  when the follower was last heard of, ns since the Unix epoch
/// 48  zero    u32
/// 52  crc     u32
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Hold {
    pub(crate) from: Offset,
    pub(crate) heard: i64,
}

impl Hold {
    pub(crate) fn encode(&self, stream: &Stream) -> Bytes {
        let mut out = [0; 56];
        stream.put(&mut out, 8);
        put(&mut out, 32, self.from.0.to_le_bytes());
        put(&mut out, 40, self.heard.to_le_bytes());
        seal(&mut out, *b"TMH1");
        Bytes::copy_from_slice(&out)
    }

    pub(crate) fn decode(bytes: &[u8], stream: &Stream, key: &str) -> Result<Self, JournalError> {
        let o = unseal::<56>(bytes, *b"TMH1", "hold", key)?;
        stream.expect(Stream::at(o, 8), key, 8)?;
        Ok(Self { from: Offset(u64_at(o, 32)), heard: i64_at(o, 40) })
    }
}
