//! The record header: round trip, every flipped bit, any bytes.

use bytes::Bytes;
use proptest::prelude::*;
use tidemill_model::record::{HEADER_BYTES, PAYLOAD_BYTES_MAX, RecordError, RecordHeader};
use tidemill_model::{NewRecord, ProducerId, RecordKind};

fn record() -> impl Strategy<Value = NewRecord> {
    let kind = prop::sample::select(vec![
        RecordKind::Samples,
        RecordKind::Heartbeat,
        RecordKind::DeleteRange,
        RecordKind::Series,
        RecordKind::Operator,
        RecordKind::Quarantined,
    ]);
    let payload = prop::collection::vec(any::<u8>(), 0..200);
    (kind, any::<u64>(), any::<u32>(), any::<u64>(), payload).prop_map(|(kind, producer, epoch, sequence, payload)| {
        NewRecord { kind, producer: ProducerId(producer), epoch, sequence, key: Bytes::new(), payload: payload.into() }
    })
}

proptest! {
    #[test]
    fn a_header_round_trips(record in record(), ingest_time: i64) {
        let header = RecordHeader::of(&record, ingest_time).expect("the payload is small");
        let bytes = header.encode();
        prop_assert_eq!(RecordHeader::decode(&bytes), Ok(header));
        prop_assert_eq!(header.verify(&record.payload), Ok(()));
        let read = header.into_record(Default::default(), 0, record.payload.clone());
        prop_assert_eq!(read.kind(), Some(record.kind));
        prop_assert_eq!((read.producer, read.epoch, read.sequence), (record.producer, record.epoch, record.sequence));
    }

    #[test]
    fn every_flipped_bit_of_a_header_is_noticed(record in record(), bit in 0..HEADER_BYTES * 8) {
        let mut bytes = RecordHeader::of(&record, 5).expect("the payload is small").encode();
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(RecordHeader::decode(&bytes).is_err());
    }

    #[test]
    fn every_flipped_bit_of_a_payload_is_noticed(record in record(), bit: prop::sample::Index) {
        prop_assume!(!record.payload.is_empty());
        let header = RecordHeader::of(&record, 5).expect("the payload is small");
        let mut payload = record.payload.to_vec();
        let bit = bit.index(payload.len() * 8);
        payload[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(header.verify(&payload).is_err());
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        prop_assert!(RecordHeader::decode(&bytes).is_err(), "no random bytes carry a checksum");
    }
}

#[test]
fn a_newer_version_and_an_impossible_length_are_named() {
    let record = NewRecord::anonymous(RecordKind::Heartbeat, vec![1]);
    let header = RecordHeader::of(&record, 0).expect("the payload is small");
    let with = |at: usize, bytes: &[u8]| {
        let mut encoded = header.encode();
        encoded[at..at + bytes.len()].copy_from_slice(bytes);
        let crc = crc32c::crc32c(&encoded[..44]);
        encoded[44..].copy_from_slice(&crc.to_le_bytes());
        RecordHeader::decode(&encoded)
    };
    assert_eq!(with(4, &[2]), Err(RecordError::Version { found: 2 }));
    let bytes = PAYLOAD_BYTES_MAX + 1;
    assert_eq!(with(8, &(bytes as u32).to_le_bytes()), Err(RecordError::TooLarge { bytes }));
    assert!(with(5, &[200]).is_ok_and(|h| RecordKind::from_number(h.kind_number).is_none()), "a newer kind is read");
}
