//! Records: what a partition holds. A fixed header and a payload, immutable once appended.
//!
//! Header layout, 48 bytes, little-endian:
//!
//! ```text
//!  0  magic          u32  "TMR1"
//!  4  version        u8   1
//!  5  kind           u8   RecordKind
//!  6  key_bytes      u16  length of the key, 0 = none
//!  8  body_bytes     u32  key and payload
//! 12  body_crc       u32  CRC32C of the key and the payload behind it
//! 16  producer       u64  0 = none: never deduplicated
//! 24  sequence       u64
//! 32  ingest_time    i64  ns since the Unix epoch, never falling within a partition
//! 40  epoch          u32
//! 44  header_crc     u32  CRC32C of bytes 0..44
//! ```

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use crate::position::Offset;

/// Bytes of an encoded header.
pub const HEADER_BYTES: usize = 48;
/// First four bytes of a header.
pub const MAGIC: u32 = u32::from_le_bytes(*b"TMR1");
/// The version this code writes and the highest it reads.
pub const VERSION: u8 = 1;
/// Largest body (key and payload), in bytes. Larger appends are refused; a larger length on disk is damage.
pub const PAYLOAD_BYTES_MAX: usize = 16 << 20;
/// Largest key, in bytes.
pub const KEY_BYTES_MAX: usize = 1024;

/// What a payload is. The numbers are persisted: never change them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum RecordKind {
    /// Samples ([`crate::payload::samples`]).
    Samples = 1,
    /// Time passes although nothing is written ([`crate::payload::Heartbeat`]).
    Heartbeat = 2,
    /// An edit: a range of samples is deleted ([`crate::payload::DeleteRange`]).
    DeleteRange = 3,
    /// Registers a series ([`crate::payload::SeriesDefinition`]).
    Series = 16,
    /// Deploys or changes an operator ([`crate::payload::OperatorDefinition`]).
    Operator = 17,
    /// An installed plugin: the payload is the Wasm file, the key its hash.
    Plugin = 18,
    /// A record that a follower could not apply ([`crate::payload::Quarantined`]).
    Quarantined = 32,
}

impl RecordKind {
    /// The kind with this persisted number.
    pub fn from_number(number: u8) -> Option<Self> {
        use RecordKind::{DeleteRange, Heartbeat, Operator, Plugin, Quarantined, Samples, Series};
        [Samples, Heartbeat, DeleteRange, Series, Operator, Plugin, Quarantined]
            .into_iter()
            .find(|k| *k as u8 == number)
    }
}

/// Who appends. 0 is nobody in particular: such records are never deduplicated.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ProducerId(pub u64);

impl ProducerId {
    /// Records without a producer.
    pub const NONE: ProducerId = ProducerId(0);

    /// The id of a named producer: a hash of the name, never 0.
    pub fn from_name(name: &str) -> Self {
        Self(xxh3_64(name.as_bytes()).max(1))
    }
}

/// A record that is about to be appended; the journal adds offset and ingest time.
#[derive(Clone, PartialEq, Debug)]
pub struct NewRecord {
    /// What the payload is.
    pub kind: RecordKind,
    /// Who appends.
    pub producer: ProducerId,
    /// Grows with every take-over of the producer.
    pub epoch: u32,
    /// Grows with every record of the producer in a partition; gaps are allowed.
    pub sequence: u64,
    /// What the record is about, at most [`KEY_BYTES_MAX`]; empty: nothing in particular. In a compacted topic a later
    /// record with the same key replaces this one.
    pub key: Bytes,
    /// The payload, with the key at most [`PAYLOAD_BYTES_MAX`]. Empty, with a key: what the key stood for is gone.
    pub payload: Bytes,
}

impl NewRecord {
    /// A record without a producer.
    pub fn anonymous(kind: RecordKind, payload: impl Into<Bytes>) -> Self {
        Self { kind, producer: ProducerId::NONE, epoch: 0, sequence: 0, key: Bytes::new(), payload: payload.into() }
    }

    /// The same record about `key`.
    #[must_use]
    pub fn with_key(self, key: impl Into<Bytes>) -> Self {
        Self { key: key.into(), ..self }
    }

    /// Key and payload as they are stored behind the header.
    pub fn body(&self) -> Bytes {
        if self.key.is_empty() {
            return self.payload.clone();
        }
        [&self.key[..], &self.payload[..]].concat().into()
    }
}

/// A record as read back.
#[derive(Clone, PartialEq, Debug)]
pub struct Record {
    /// Its place in the partition.
    pub offset: Offset,
    /// How many records were appended to the partition before it. Counting is what ordinals are for.
    pub ordinal: u64,
    /// The number of its kind; `None` from [`Record::kind`] if a newer version wrote it.
    pub kind_number: u8,
    /// Who appended it.
    pub producer: ProducerId,
    /// The producer's epoch.
    pub epoch: u32,
    /// The producer's sequence.
    pub sequence: u64,
    /// When it was appended, ns since the Unix epoch.
    pub ingest_time: i64,
    /// What it is about; empty: nothing in particular.
    pub key: Bytes,
    /// The payload; its checksum has been verified.
    pub payload: Bytes,
}

impl Record {
    /// The kind, if this version knows it.
    pub fn kind(&self) -> Option<RecordKind> {
        RecordKind::from_number(self.kind_number)
    }
}

/// A decoded header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordHeader {
    /// See [`Record::kind_number`].
    pub kind_number: u8,
    /// Length of the key, which comes first in the body.
    pub key_bytes: u16,
    /// Length of the body: key and payload.
    pub body_bytes: u32,
    /// CRC32C of the body.
    pub body_crc: u32,
    /// See [`Record::producer`].
    pub producer: ProducerId,
    /// See [`Record::sequence`].
    pub sequence: u64,
    /// See [`Record::ingest_time`].
    pub ingest_time: i64,
    /// See [`Record::epoch`].
    pub epoch: u32,
}

/// Why bytes are not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Fewer bytes than the header or the payload needs.
    #[error("record is cut short: {have} of {need} bytes")]
    Short {
        /// Bytes there are.
        have: usize,
        /// Bytes it takes.
        need: usize,
    },
    /// Not a record at all.
    #[error("no record starts here: magic is {found:#010x}")]
    Magic {
        /// What stands there instead.
        found: u32,
    },
    /// The header's checksum does not match.
    #[error("record header is damaged: checksum {found:#010x}, expected {expected:#010x}")]
    HeaderChecksum {
        /// Computed over the bytes.
        found: u32,
        /// Stored.
        expected: u32,
    },
    /// Written by a newer version.
    #[error("record has version {found}, this program reads up to {VERSION}: upgrade it")]
    Version {
        /// The version.
        found: u8,
    },
    /// A length beyond [`PAYLOAD_BYTES_MAX`].
    #[error("record payload of {bytes} bytes is over the limit of {PAYLOAD_BYTES_MAX}")]
    TooLarge {
        /// The length.
        bytes: usize,
    },
    /// A key beyond [`KEY_BYTES_MAX`], or one that is longer than what it is part of.
    #[error("record key of {bytes} bytes is over the limit of {KEY_BYTES_MAX} or longer than the record")]
    Key {
        /// The length.
        bytes: usize,
    },
    /// The payload's checksum does not match.
    #[error("record payload is damaged: checksum {found:#010x}, expected {expected:#010x}")]
    PayloadChecksum {
        /// Computed over the bytes.
        found: u32,
        /// Stored.
        expected: u32,
    },
}

impl RecordHeader {
    /// The header of `record`, stamped with `ingest_time`.
    ///
    /// # Errors
    /// [`RecordError::TooLarge`] or [`RecordError::Key`].
    pub fn of(record: &NewRecord, ingest_time: i64) -> Result<Self, RecordError> {
        let (key_bytes, bytes) = (record.key.len(), record.key.len() + record.payload.len());
        if key_bytes > KEY_BYTES_MAX {
            return Err(RecordError::Key { bytes: key_bytes });
        }
        if bytes > PAYLOAD_BYTES_MAX {
            return Err(RecordError::TooLarge { bytes });
        }
        Ok(Self {
            kind_number: record.kind as u8,
            key_bytes: key_bytes as u16,
            body_bytes: bytes as u32,
            body_crc: crc32c::crc32c_append(crc32c::crc32c(&record.key), &record.payload),
            producer: record.producer,
            sequence: record.sequence,
            ingest_time,
            epoch: record.epoch,
        })
    }

    /// The 48 bytes of the layout above.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[0..4].copy_from_slice(&MAGIC.to_le_bytes());
        out[4] = VERSION;
        out[5] = self.kind_number;
        out[6..8].copy_from_slice(&self.key_bytes.to_le_bytes());
        out[8..12].copy_from_slice(&self.body_bytes.to_le_bytes());
        out[12..16].copy_from_slice(&self.body_crc.to_le_bytes());
        out[16..24].copy_from_slice(&self.producer.0.to_le_bytes());
        out[24..32].copy_from_slice(&self.sequence.to_le_bytes());
        out[32..40].copy_from_slice(&self.ingest_time.to_le_bytes());
        out[40..44].copy_from_slice(&self.epoch.to_le_bytes());
        let crc = crc32c::crc32c(&out[..44]);
        out[44..48].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads a header from the first bytes of `bytes`.
    ///
    /// # Errors
    /// Every way in which the bytes are not a header that this version reads.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let Some(h) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(RecordError::Short { have: bytes.len(), need: HEADER_BYTES });
        };
        let u32_at = |at: usize| u32::from_le_bytes([h[at], h[at + 1], h[at + 2], h[at + 3]]);
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        if u32_at(0) != MAGIC {
            return Err(RecordError::Magic { found: u32_at(0) });
        }
        let (found, expected) = (crc32c::crc32c(&h[..44]), u32_at(44));
        if found != expected {
            return Err(RecordError::HeaderChecksum { found, expected });
        }
        if h[4] == 0 || h[4] > VERSION {
            return Err(RecordError::Version { found: h[4] });
        }
        let (key_bytes, body_bytes) = (u16::from_le_bytes([h[6], h[7]]), u32_at(8));
        if body_bytes as usize > PAYLOAD_BYTES_MAX {
            return Err(RecordError::TooLarge { bytes: body_bytes as usize });
        }
        if usize::from(key_bytes) > KEY_BYTES_MAX || u32::from(key_bytes) > body_bytes {
            return Err(RecordError::Key { bytes: key_bytes.into() });
        }
        Ok(Self {
            kind_number: h[5],
            key_bytes,
            body_bytes,
            body_crc: u32_at(12),
            producer: ProducerId(u64_at(16)),
            sequence: u64_at(24),
            ingest_time: u64_at(32) as i64,
            epoch: u32_at(40),
        })
    }

    /// Checks `body` against this header.
    ///
    /// # Errors
    /// [`RecordError::Short`] or [`RecordError::PayloadChecksum`].
    pub fn verify(&self, body: &[u8]) -> Result<(), RecordError> {
        if body.len() != self.body_bytes as usize {
            return Err(RecordError::Short { have: body.len(), need: self.body_bytes as usize });
        }
        let found = crc32c::crc32c(body);
        if found != self.body_crc {
            return Err(RecordError::PayloadChecksum { found, expected: self.body_crc });
        }
        Ok(())
    }

    /// The record that this header and an already verified body make.
    pub fn into_record(self, offset: Offset, ordinal: u64, mut body: Bytes) -> Record {
        let key = body.split_to(self.key_bytes.into());
        Record {
            offset,
            ordinal,
            kind_number: self.kind_number,
            producer: self.producer,
            epoch: self.epoch,
            sequence: self.sequence,
            ingest_time: self.ingest_time,
            key,
            payload: body,
        }
    }
}
