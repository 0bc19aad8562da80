//! Properties of single requests: topics, sizes, offsets, limits.

use tidemill_model::Offset;
use tidemill_model::record::{KEY_BYTES_MAX, PAYLOAD_BYTES_MAX};

use super::{Rig, Shape, TOPIC, assert_is, assert_same, journal, partition, read_all, record};
use crate::{JournalError, ReadLimits, TopicConfig, TopicPartition};

fn topic(name: &str, partitions: u32) -> TopicConfig {
    TopicConfig::new(name, partitions)
}

/// Creating a topic again changes nothing; another number of partitions is refused.
pub async fn create_is_idempotent_and_refuses_other_partitions(rig: &dyn Rig) {
    let journal = journal(rig, Shape::SmallFiles, 2).await;
    journal.append(&partition(1), vec![record(0, 10)]).await.expect("an append succeeds");
    journal.create(topic(TOPIC, 2)).await.expect("creating a topic again does nothing");
    assert_eq!(read_all(journal.as_ref(), &partition(1), Offset(0)).await.len(), 1);
    let refused = journal.create(topic(TOPIC, 3)).await;
    assert!(matches!(refused, Err(JournalError::Invalid { .. })), "{refused:?}");
    journal.create(topic("another", 1)).await.expect("a second topic can be created");
    let topics = journal.topics().await.expect("topics");
    assert_eq!(topics, [topic("another", 1), topic(TOPIC, 2)], "topics come by name");
}

/// Names that are not allowed are refused, above all those that would lead elsewhere.
pub async fn bad_topics_are_refused(rig: &dyn Rig) {
    let journal = rig.make(Shape::SmallFiles).await;
    let long = "a".repeat(101);
    for name in ["", ".", "..", "a/b", "a.b", "A", "ä", "a b", "a\0", long.as_str()] {
        let refused = journal.create(topic(name, 1)).await;
        assert!(matches!(refused, Err(JournalError::Invalid { .. })), "{name:?}: {refused:?}");
    }
    for partitions in [0, u32::MAX] {
        let refused = journal.create(topic("good", partitions)).await;
        assert!(matches!(refused, Err(JournalError::Invalid { .. })), "{partitions}: {refused:?}");
    }
    assert_eq!(journal.topics().await.expect("topics"), []);
    journal.create(topic(&"a".repeat(100), 1)).await.expect("100 characters are allowed");
}

/// Every call names the partition that is not there.
pub async fn unknown_partitions_are_named(rig: &dyn Rig) {
    let journal = journal(rig, Shape::SmallFiles, 1).await;
    for at in [partition(1), partition(u32::MAX), TopicPartition::new("nowhere", 0)] {
        let is_named = |error: &JournalError| {
            matches!(error, JournalError::NoSuchPartition { topic, partition }
            if *topic == at.topic && *partition == at.partition)
        };
        let append = journal.append(&at, vec![record(0, 1)]).await.expect_err("nobody is there");
        let read = journal.read(&at, Offset(0), ReadLimits::default()).await.expect_err("nobody is there");
        let bounds = journal.bounds(&at).await.expect_err("nobody is there");
        let trim = journal.trim(&at, Offset(0)).await.expect_err("nobody is there");
        for error in [append, read, bounds, trim] {
            assert!(is_named(&error), "{error:?}");
        }
    }
}

/// An offset beyond the tail or inside a record is an error, never another record.
pub async fn offsets_without_a_record_are_refused(rig: &dyn Rig) {
    let journal = journal(rig, Shape::SmallFiles, 1).await;
    let at = partition(0);
    let records = (0..3).map(|i| record(i, 100)).collect();
    let receipt = journal.append(&at, records).await.expect("an append succeeds");
    let all = read_all(journal.as_ref(), &at, Offset(0)).await;
    for inside in receipt.first.0 + 1..receipt.end.0 {
        let starts = all.iter().any(|r| r.offset.0 == inside);
        match journal.read(&at, Offset(inside), ReadLimits::default()).await {
            Ok(batch) => assert!(starts && batch.records[0].offset.0 == inside, "offset {inside}"),
            Err(JournalError::NoSuchOffset { from, .. }) => assert!(!starts && from.0 == inside, "offset {inside}"),
            Err(other) => panic!("offset {inside}: {other:?}"),
        }
    }
    for beyond in [receipt.end.0 + 1, receipt.end.0 + 8, u64::MAX - 7, u64::MAX] {
        let refused = journal.read(&at, Offset(beyond), ReadLimits::default()).await;
        assert!(matches!(refused, Err(JournalError::NoSuchOffset { .. })), "offset {beyond}: {refused:?}");
    }
}

/// Records from nothing to the largest size come back as they were.
pub async fn empty_and_large_records_come_back(rig: &dyn Rig) {
    let journal = journal(rig, Shape::LargeRecords, 1).await;
    let at = partition(0);
    let sizes = [0, 1, 7, 8, 9, 4096, 65_536, 1 << 20, PAYLOAD_BYTES_MAX, 0, PAYLOAD_BYTES_MAX - 1, 3];
    let records = sizes.iter().enumerate().map(|(i, bytes)| record(i as u64, *bytes)).collect();
    journal.append(&at, records).await.expect("an append of many sizes succeeds");
    let all = read_all(journal.as_ref(), &at, Offset(0)).await;
    assert_eq!(all.len(), sizes.len());
    for (i, bytes) in sizes.iter().enumerate() {
        assert_is(&all[i], i as u64, *bytes);
    }
    let nothing = journal.append(&at, Vec::new()).await.expect("an append of nothing succeeds");
    assert_eq!(nothing.first, nothing.end);
}

/// Keys of any bytes and length come back beside any payload, and none where there was none; one too long is refused.
pub async fn keys_come_back(rig: &dyn Rig) {
    let journal = journal(rig, Shape::SmallFiles, 1).await;
    let at = partition(0);
    let long = vec![b'k'; KEY_BYTES_MAX];
    let keys: [&[u8]; 7] = [b"", b"a", b"\0", b"turbine:power{unit=T1}", &[0xff, 0xfe, 0, 0x80], &long[..255], &long];
    let mut written = Vec::new();
    for bytes in [0, 1, 700] {
        for key in keys {
            written.push(record(written.len() as u64, bytes).with_key(key.to_vec()));
        }
    }
    journal.append(&at, written.clone()).await.expect("an append of keyed records succeeds");
    let refused = journal.append(&at, vec![record(99, 1).with_key(vec![b'k'; KEY_BYTES_MAX + 1])]).await;
    assert!(matches!(refused, Err(JournalError::Invalid { .. })), "{refused:?}");
    let all = read_all(journal.as_ref(), &at, Offset(0)).await;
    assert_eq!(all.len(), written.len());
    all.iter().zip(&written).for_each(|(found, appended)| assert_same(found, appended));
}

/// One record too large refuses the whole append, and nothing of it is written.
pub async fn an_oversized_record_is_refused_and_harms_nothing(rig: &dyn Rig) {
    let journal = journal(rig, Shape::LargeRecords, 1).await;
    let at = partition(0);
    let records = vec![record(0, 10), record(1, PAYLOAD_BYTES_MAX + 1)];
    let refused = journal.append(&at, records).await;
    assert!(matches!(refused, Err(JournalError::Invalid { .. })), "{refused:?}");
    journal.append(&at, vec![record(2, 10)]).await.expect("an append succeeds");
    let all = read_all(journal.as_ref(), &at, Offset(0)).await;
    assert_eq!(all.iter().map(|r| r.sequence).collect::<Vec<_>>(), [2]);
}

/// A read stops at its byte limit, except that it returns at least one record.
pub async fn reads_keep_their_byte_limit(rig: &dyn Rig) {
    let journal = journal(rig, Shape::SmallFiles, 1).await;
    let at = partition(0);
    let records = (0..40).map(|i| record(i, 1000)).collect();
    journal.append(&at, records).await.expect("an append succeeds");
    for (bytes, most) in [(0, 1), (1, 1), (1000, 1), (2500, 2), (10_000, 10)] {
        let limits = ReadLimits { bytes, ..ReadLimits::default() };
        let batch = journal.read(&at, Offset(0), limits).await.expect("a read succeeds");
        assert!((1..=most).contains(&batch.records.len()), "{bytes} bytes: {} records", batch.records.len());
    }
}
