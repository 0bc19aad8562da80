//! Between the seam's types and the messages.
//!
//! Records are bytes in both directions (`api/proto/tidemill/journal/v1/journal.proto`). Whoever takes bytes checks them
//! here before anything else sees them: lengths against what is there, both checksums, and that offsets rise.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tidemill_api::journal::v1;
use tidemill_journal::{Bounds, JournalError, Retention, TopicConfig, TopicPartition};
use tidemill_model::record::{HEADER_BYTES, PAYLOAD_BYTES_MAX, RecordError, RecordHeader};
use tidemill_model::{JournalIdentity, NewRecord, Offset, Record, RecordKind};

/// Offset and ordinal before a record that is read.
const PLACE_BYTES: usize = 16;
/// Largest message that either side takes: one record of the largest size, its place, and the fields around it.
pub const MESSAGE_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + HEADER_BYTES + PLACE_BYTES + 4096;
/// A message with several records ends here. Larger ones hardly travel faster, and everybody behind them waits longer.
pub(crate) const PART_BYTES: usize = 1 << 20;
/// Largest append. Both sides keep all of one in memory.
pub const APPEND_BYTES_MAX: usize = 64 << 20;

/// What a record counts against a limit of bytes.
pub(crate) fn weight(record: &Record) -> usize {
    HEADER_BYTES + record.key.len() + record.payload.len()
}

/// Records on their way to a journal, in parts that fit into messages, and how many bytes they are in all.
pub(crate) fn encode_new(records: &[NewRecord]) -> Result<(Vec<Bytes>, usize), JournalError> {
    let headers = records.iter().map(|record| RecordHeader::of(record, 0)).collect::<Result<Vec<_>, _>>();
    let headers = headers.map_err(|error| JournalError::Invalid { reason: error.to_string() })?;
    let total: usize = headers.iter().map(|header| HEADER_BYTES + header.body_bytes as usize).sum();
    if total > APPEND_BYTES_MAX {
        let reason = format!("an append of {total} bytes is over the limit of {APPEND_BYTES_MAX}: make several");
        return Err(JournalError::Invalid { reason });
    }
    let (mut parts, mut left) = (Vec::new(), total);
    let mut part = BytesMut::with_capacity(left.min(PART_BYTES));
    for (record, header) in records.iter().zip(headers) {
        let bytes = HEADER_BYTES + header.body_bytes as usize;
        if !part.is_empty() && part.len() + bytes > PART_BYTES {
            parts.push(part.freeze());
            part = BytesMut::with_capacity(left.min(PART_BYTES).max(bytes));
        }
        left -= bytes;
        part.put_slice(&header.encode());
        part.put_slice(&record.key);
        part.put_slice(&record.payload);
    }
    parts.push(part.freeze());
    Ok((parts, total))
}

/// Reads what [`encode_new`] wrote.
pub(crate) fn decode_new(mut bytes: Bytes, records: &mut Vec<NewRecord>) -> Result<(), JournalError> {
    while !bytes.is_empty() {
        let (header, body) = take_record(&mut bytes).map_err(|error| invalid(format!("not a record: {error}")))?;
        let kind = RecordKind::from_number(header.kind_number)
            .ok_or_else(|| invalid(format!("records of kind {} are not known here: upgrade", header.kind_number)))?;
        let record = header.into_record(Offset(0), 0, body);
        records.push(NewRecord {
            kind,
            producer: record.producer,
            epoch: record.epoch,
            sequence: record.sequence,
            key: record.key,
            payload: record.payload,
        });
    }
    Ok(())
}

/// Records that were read, for a message.
pub(crate) fn encode_records(records: &[Record]) -> Bytes {
    let mut out = BytesMut::with_capacity(records.iter().map(|record| PLACE_BYTES + weight(record)).sum());
    for record in records {
        out.put_u64_le(record.offset.0);
        out.put_u64_le(record.ordinal);
        out.put_slice(&header_of(record).encode());
        out.put_slice(&record.key);
        out.put_slice(&record.payload);
    }
    out.freeze()
}

/// The header that a record had; its checksum is made again from what the journal has verified.
fn header_of(record: &Record) -> RecordHeader {
    RecordHeader {
        kind_number: record.kind_number,
        key_bytes: record.key.len() as u16,
        body_bytes: (record.key.len() + record.payload.len()) as u32,
        body_crc: checksum(&record.key, &record.payload),
        producer: record.producer,
        sequence: record.sequence,
        ingest_time: record.ingest_time,
        epoch: record.epoch,
    }
}

fn checksum(key: &[u8], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), payload)
}

/// Reads what [`encode_records`] wrote; `from` and `next` are the ends of the range that it must lie in.
pub(crate) fn decode_records(mut bytes: Bytes, from: Offset, next: Offset) -> Result<Vec<Record>, String> {
    let (mut records, mut least) = (Vec::new(), from);
    while !bytes.is_empty() {
        let offset = Offset(bytes.try_get_u64_le().map_err(|error| error.to_string())?);
        let ordinal = bytes.try_get_u64_le().map_err(|error| error.to_string())?;
        let (header, body) = take_record(&mut bytes).map_err(|error| format!("at offset {offset}: {error}"))?;
        if offset < least || offset >= next {
            return Err(format!("a record at offset {offset} does not lie between {least} and {next}"));
        }
        least = Offset(offset.0 + 1);
        records.push(header.into_record(offset, ordinal, body));
    }
    if next < least {
        return Err(format!("a message ends at offset {next}, before {least}"));
    }
    Ok(records)
}

/// The record at the beginning of `bytes`, verified.
fn take_record(bytes: &mut Bytes) -> Result<(RecordHeader, Bytes), RecordError> {
    let header = RecordHeader::decode(bytes)?;
    let need = HEADER_BYTES + header.body_bytes as usize;
    if bytes.len() < need {
        return Err(RecordError::Short { have: bytes.len(), need });
    }
    let body = bytes.split_to(need).slice(HEADER_BYTES..);
    header.verify(&body)?;
    Ok((header, body))
}

fn invalid(reason: String) -> JournalError {
    JournalError::Invalid { reason }
}

pub(crate) fn identity_to(identity: JournalIdentity) -> v1::Identity {
    v1::Identity { id: identity.id, generation: identity.generation }
}

pub(crate) fn identity_from(identity: v1::Identity) -> JournalIdentity {
    JournalIdentity { id: identity.id, generation: identity.generation }
}

pub(crate) fn target_to(journal: JournalIdentity, at: &TopicPartition) -> v1::Target {
    v1::Target { journal: Some(identity_to(journal)), topic: at.topic.clone(), partition: at.partition }
}

pub(crate) fn topic_to(topic: &TopicConfig) -> v1::Topic {
    v1::Topic {
        name: topic.name.clone(),
        partitions: topic.partitions,
        retention_age_ns: topic.retention.age.map(|age| u64::try_from(age.as_nanos()).unwrap_or(u64::MAX)),
        retention_bytes: topic.retention.bytes,
        compacted: topic.retention.compacted,
    }
}

pub(crate) fn topic_from(topic: v1::Topic) -> TopicConfig {
    let retention = Retention {
        age: topic.retention_age_ns.map(Duration::from_nanos),
        bytes: topic.retention_bytes,
        compacted: topic.compacted,
    };
    TopicConfig { name: topic.name, partitions: topic.partitions, retention }
}

pub(crate) fn bounds_to(bounds: &Bounds) -> v1::BoundsResponse {
    v1::BoundsResponse {
        start: bounds.start.0,
        durable: bounds.durable.0,
        tail: bounds.tail.0,
        records: bounds.records,
        kept_since: bounds.kept_since,
    }
}

pub(crate) fn bounds_from(bounds: &v1::BoundsResponse) -> Bounds {
    Bounds {
        start: Offset(bounds.start),
        durable: Offset(bounds.durable),
        tail: Offset(bounds.tail),
        records: bounds.records,
        kept_since: bounds.kept_since,
    }
}

#[cfg(test)]
mod tests {
    use tidemill_model::ProducerId;

    use super::*;

    fn new_record(sequence: u64, bytes: usize) -> NewRecord {
        NewRecord {
            producer: ProducerId(7),
            epoch: 3,
            sequence,
            ..NewRecord::anonymous(RecordKind::Samples, vec![sequence as u8; bytes]).with_key(vec![1; bytes % 5])
        }
    }

    fn records() -> Vec<Record> {
        let record = |i: u64| Record {
            offset: Offset(100 + 10 * i),
            ordinal: i,
            kind_number: 200,
            producer: ProducerId(i),
            epoch: 1,
            sequence: i,
            ingest_time: -5,
            key: vec![1; i as usize].into(),
            payload: vec![2; 30].into(),
        };
        (0..5).map(record).collect()
    }

    #[test]
    fn appends_are_the_same_after_the_journey_and_keep_to_the_size_of_a_part() {
        let all: Vec<_> = [0, 1, 400_000, 700_000, 3 << 20, 5].into_iter().map(|n| new_record(n as u64, n)).collect();
        let (parts, total) = encode_new(&all).unwrap();
        assert_eq!(parts.iter().map(Bytes::len).sum::<usize>(), total);
        assert_eq!(parts.len(), 4);
        let mut again = Vec::new();
        parts.into_iter().for_each(|part| decode_new(part, &mut again).unwrap());
        assert_eq!(again, all);
    }

    #[test]
    fn records_are_the_same_after_the_journey() {
        assert_eq!(decode_records(encode_records(&records()), Offset(100), Offset(150)), Ok(records()));
    }

    #[test]
    fn every_flipped_or_missing_byte_of_records_is_noticed() {
        let sound = encode_records(&records());
        for at in 0..sound.len() {
            let record_at = at % (PLACE_BYTES + HEADER_BYTES + 32);
            let mut flipped = sound.to_vec();
            flipped[at] ^= 0x80;
            let found = decode_records(flipped.into(), Offset(100), Offset(150));
            // Ordinals are covered by no checksum; whatever they say, no other record comes out.
            assert!(
                found.is_err() || found.unwrap().iter().zip(records()).all(|(a, b)| a.payload == b.payload),
                "{record_at}"
            );
            if at > 0 {
                let cut = decode_records(sound.slice(..at), Offset(100), Offset(150));
                assert!(cut.is_err() || cut.unwrap().len() < 5, "cut at {at}");
            }
        }
    }

    #[test]
    fn records_outside_their_range_are_refused() {
        let bytes = encode_records(&records());
        for (from, next) in [(101, 150), (100, 140), (100, 100), (200, 100)] {
            assert!(decode_records(bytes.clone(), Offset(from), Offset(next)).is_err(), "{from}..{next}");
        }
        assert!(decode_records(Bytes::new(), Offset(5), Offset(4)).is_err());
    }

    #[test]
    fn an_append_over_the_limit_is_refused() {
        let records: Vec<_> = (0..5).map(|i| new_record(i, 15 << 20)).collect();
        assert!(matches!(encode_new(&records), Err(JournalError::Invalid { .. })));
    }
}
