//! What readers meet: records of others, records that are gone, and each other.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::Duration;

use common::{TOPIC, at, fresh, open, read_all, record, shared};
use futures::future::join_all;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use tidemill_journal::{Journal, JournalError, ReadLimits, Retention, TopicConfig, TopicPartition};
use tidemill_model::{NewRecord, Offset, RecordKind};

/// Writes to a topic as some other program would.
async fn write_foreign(topic: &str, header: Option<&[u8]>) {
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", &shared().address).create().unwrap();
    let mut record = FutureRecord::to(topic).key("their key").payload("their value").partition(0);
    if let Some(value) = header {
        record = record.headers(OwnedHeaders::new().insert(Header { key: "tm", value: Some(value) }));
    }
    producer.send(record, Duration::from_secs(30)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_another_program_is_shown_as_of_no_known_kind() {
    let url = shared().fresh_url();
    let journal = open(&url).await.unwrap();
    journal.create(TopicConfig::new(TOPIC, 1)).await.unwrap();
    let topic = format!("{}.{TOPIC}", url.rsplit('/').next().unwrap());
    journal.append(&at(), vec![record(1, 10)]).await.unwrap();
    write_foreign(&topic, None).await;
    journal.append(&at(), vec![record(2, 10)]).await.unwrap();
    let all = read_all(journal.as_ref(), Offset(0)).await.unwrap();
    assert_eq!(
        all.iter().map(|r| r.kind()).collect::<Vec<_>>(),
        [Some(RecordKind::Samples), None, Some(RecordKind::Samples)]
    );
    assert_eq!((&all[1].key[..], &all[1].payload[..]), (&b"their key"[..], &b"their value"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_with_a_damaged_header_is_damage_behind_the_records_before_it() {
    let url = shared().fresh_url();
    let journal = open(&url).await.unwrap();
    journal.create(TopicConfig::new(TOPIC, 1)).await.unwrap();
    let topic = format!("{}.{TOPIC}", url.rsplit('/').next().unwrap());
    journal.append(&at(), vec![record(1, 10)]).await.unwrap();
    write_foreign(&topic, Some(&[7; 48])).await;
    let batch = journal.read(&at(), Offset(0), ReadLimits::default()).await.unwrap();
    assert_eq!((batch.records.len(), batch.next), (1, Offset(1)));
    for _again in 0..2 {
        let error = journal.read(&at(), Offset(1), ReadLimits::default()).await.unwrap_err();
        assert!(matches!(&error, JournalError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains(&format!("{topic}, partition 0, offset 1")), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_was_overtaken_by_a_trim_is_told_both_ends_of_the_gap() {
    let journal = fresh().await;
    journal.append(&at(), (0..200).map(|i| record(i, 1000)).collect()).await.unwrap();
    let limits = ReadLimits { bytes: 5000, ..ReadLimits::default() };
    let batch = journal.read(&at(), Offset(0), limits).await.unwrap();
    journal.trim(&at(), Offset(150)).await.unwrap();
    match journal.read(&at(), batch.next, limits).await {
        Err(JournalError::Trimmed { from, start }) => assert_eq!((from, start), (batch.next, Offset(150))),
        other => panic!("{other:?}"),
    }
    assert_eq!(read_all(journal.as_ref(), Offset(150)).await.unwrap().len(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_followers_read_at_their_own_pace_and_a_read_given_up_loses_nothing() {
    let journal = fresh().await;
    journal.append(&at(), (0..2000).map(|i| record(i, 100)).collect()).await.unwrap();
    let follow = |step: usize| {
        let journal = journal.clone();
        async move {
            let (mut from, mut seen) = (Offset(0), Vec::new());
            while seen.len() < 2000 {
                let limits = ReadLimits { bytes: 1000 * (step + 1), wait: Duration::from_secs(30) };
                // Polled once and dropped.
                let mut given_up = journal.read(&at(), from, limits);
                let _ = futures::poll!(&mut given_up);
                drop(given_up);
                let batch = journal.read(&at(), from, limits).await.unwrap();
                from = batch.next;
                seen.extend(batch.records.iter().map(|r| r.sequence));
            }
            assert!(seen.iter().copied().eq(0..2000), "follower {step}");
        }
    };
    join_all((0..10).map(follow)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compacted_topic_comes_back_as_it_was_made_and_takes_records_without_a_key() {
    let url = shared().fresh_url();
    let journal = open(&url).await.unwrap();
    let age = Some(Duration::from_secs(86_400));
    let compacted = Retention { age, bytes: Some(1 << 40), compacted: true };
    journal.create(TopicConfig { retention: compacted, ..TopicConfig::new("catalog", 1) }).await.unwrap();
    let again = open(&url).await.unwrap();
    assert_eq!(again.identity(), journal.identity(), "the identity is in the broker");
    assert_eq!(again.topics().await.unwrap()[0].retention, compacted);
    let at = TopicPartition::new("catalog", 0);
    let gone = NewRecord::anonymous(RecordKind::Series, "").with_key("k");
    let lasting = NewRecord::anonymous(RecordKind::Series, "no key");
    again.append(&at, vec![gone, lasting]).await.unwrap();
    let batch = again.read(&at, Offset(0), ReadLimits::default()).await.unwrap();
    assert_eq!((&batch.records[0].key[..], batch.records[0].payload.len()), (&b"k"[..], 0));
    assert_eq!((batch.records[1].key.len(), &batch.records[1].payload[..]), (0, &b"no key"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn members_share_the_partitions_and_one_that_leaves_hands_its_own_over() {
    let url = shared().fresh_url();
    let (one, two) = (open(&url).await.unwrap(), open(&url).await.unwrap());
    one.create(TopicConfig::new(TOPIC, 4)).await.unwrap();
    let first = one.share(TOPIC, "operators").await.unwrap();
    let mut of_first = first.assignments();
    let alone = of_first.wait_for(|mine| mine.partitions == [0, 1, 2, 3]).await.unwrap().clone();
    let second = two.share(TOPIC, "operators").await.unwrap();
    let mut of_second = second.assignments();
    let halves = of_first.wait_for(|mine| mine.partitions.len() == 2).await.unwrap().clone();
    let theirs = of_second.wait_for(|mine| mine.partitions.len() == 2).await.unwrap().clone();
    let mut all = [halves.partitions, theirs.partitions].concat();
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3], "nobody shares a partition");
    assert_eq!(halves.generation, theirs.generation);
    assert!(halves.generation > alone.generation);
    drop(second);
    let again = of_first.wait_for(|mine| mine.partitions == [0, 1, 2, 3]).await.unwrap().clone();
    assert!(again.generation > halves.generation);
}
