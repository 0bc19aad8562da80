//! Records of the journal as records of Kafka.
//!
//! ```text
//!   value    the payload and nothing else, so that whatever reads Kafka can read it; null where a record with a key
//!            and no payload says, in a compacted topic, that what the key stood for is gone
//!   key      01, then the record's key
//!            00, then 16 bytes that no other record has: a record without a key in a compacted topic, which stays
//!            none: a record without a key elsewhere
//!   header   "tm": the 48 bytes of the record's header (`tidemill_model::record`), with the checksum of key and payload
//! ```
//!
//! A Kafka record without the header was written by something else. It becomes a record of kind 0, which no version
//! knows: a follower puts it into quarantine and goes on. A record with a header that does not fit is damage.

use std::ffi::CStr;

use bytes::Bytes;
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Header, OwnedHeaders};
use tidemill_journal::JournalError;
use tidemill_model::record::{HEADER_BYTES, RecordError, RecordHeader};
use tidemill_model::{NewRecord, Offset, ProducerId, Record};

use crate::native;

/// Name of the header.
const HEADER_NAME: &str = "tm";
const HEADER_NAME_C: &CStr = c"tm";
/// First byte of a key that is the record's.
const KEY_GIVEN: u8 = 1;
/// First byte of a key that only keeps the record from being compacted away.
const KEY_UNIQUE: u8 = 0;
/// Kind of a record that something else wrote.
const KIND_FOREIGN: u8 = 0;

/// A record as it is handed to Kafka.
pub(crate) struct Outgoing {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Bytes>,
    header: Option<[u8; HEADER_BYTES]>,
}

impl Outgoing {
    /// `record` for a topic, stamped with `ingest_time`, which readers take only where Kafka stamps none. `unique`
    /// gives 64 random bits.
    ///
    /// # Errors
    /// When it is too large.
    pub(crate) fn of(
        record: NewRecord,
        is_compacted: bool,
        ingest_time: i64,
        unique: impl Fn() -> u64,
    ) -> Result<Self, RecordError> {
        let header = RecordHeader::of(&record, ingest_time)?.encode();
        let is_gone = is_compacted && !record.key.is_empty() && record.payload.is_empty();
        let key = if !record.key.is_empty() {
            Some([&[KEY_GIVEN], &record.key[..]].concat())
        } else {
            is_compacted.then(|| [&[KEY_UNIQUE][..], &unique().to_le_bytes(), &unique().to_le_bytes()].concat())
        };
        Ok(Self { key, value: (!is_gone).then_some(record.payload), header: Some(header) })
    }

    /// A value of no record: what the journal notes for itself.
    pub(crate) fn plain(value: String) -> Self {
        Self { key: None, value: Some(value.into()), header: None }
    }

    /// Bytes that it takes in memory and, uncompressed, on the way.
    pub(crate) fn size_bytes(&self) -> usize {
        let key = self.key.as_ref().map_or(0, Vec::len);
        key + self.value.as_ref().map_or(0, Bytes::len) + HEADER_BYTES
    }

    /// Its headers, for librdkafka to own.
    pub(crate) fn headers(&self) -> Option<OwnedHeaders> {
        let value = self.header.as_ref()?;
        Some(OwnedHeaders::new_with_capacity(1).insert(Header { key: HEADER_NAME, value: Some(value) }))
    }
}

/// The record that a Kafka record holds.
///
/// # Errors
/// [`JournalError::Corrupt`] when it is one of ours and does not match its checksums, or is of a newer version.
pub(crate) fn decode(message: &BorrowedMessage<'_>) -> Result<Record, JournalError> {
    let offset = Offset(message.offset().max(0) as u64);
    let ingest_time = message.timestamp().to_millis().map(|ms| ms.saturating_mul(1_000_000));
    let (key, value) = (message.key(), message.payload().unwrap_or_default());
    let Some(header) = native::header(message, HEADER_NAME_C) else {
        return Ok(foreign(offset, ingest_time.unwrap_or(0), key, value));
    };
    let damaged = |error: RecordError| damaged(message, &error);
    let header = RecordHeader::decode(header).map_err(damaged)?;
    let key = if header.key_bytes == 0 { &[] } else { key.and_then(|key| key.get(1..)).unwrap_or_default() };
    if key.len() != usize::from(header.key_bytes) {
        return Err(damaged(RecordError::Short { have: key.len(), need: header.key_bytes.into() }));
    }
    let body: Bytes = if key.is_empty() { Bytes::copy_from_slice(value) } else { [key, value].concat().into() };
    header.verify(&body).map_err(damaged)?;
    let mut record = header.into_record(offset, offset.0, body);
    record.ingest_time = ingest_time.unwrap_or(record.ingest_time);
    Ok(record)
}

fn foreign(offset: Offset, ingest_time: i64, key: Option<&[u8]>, value: &[u8]) -> Record {
    Record {
        offset,
        ordinal: offset.0,
        kind_number: KIND_FOREIGN,
        producer: ProducerId::NONE,
        epoch: 0,
        sequence: 0,
        ingest_time,
        key: Bytes::copy_from_slice(key.unwrap_or_default()),
        payload: Bytes::copy_from_slice(value),
    }
}

fn damaged(message: &BorrowedMessage<'_>, error: &RecordError) -> JournalError {
    let (topic, partition, offset) = (message.topic(), message.partition(), message.offset());
    JournalError::Corrupt {
        file: format!("kafka topic {topic}, partition {partition}, offset {offset}"),
        at: 0,
        reason: error.to_string(),
        remedy: match error {
            RecordError::Version { .. } => "upgrade this node".to_owned(),
            _ => format!("see who writes to {topic} besides tidemill; trim the partition to behind it to go on"),
        },
    }
}
