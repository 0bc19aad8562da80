//! `kill -9` of the broker under load: nothing acknowledged is lost, nothing is applied twice.
//!
//! Two rounds, or as many as `TIDEMILL_KAFKA_CRASHES` says.
#![allow(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "tests live in the real world")]

mod common;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use common::{Broker, TOPIC, at, open};
use tidemill_journal::{Cursor, ErrorKind, Journal, ReadLimits, TopicConfig};
use tidemill_journal_kafka::KafkaJournal;
use tidemill_model::{NewRecord, Offset, ProducerId, RecordKind};
use tokio::sync::watch;

const WRITERS: u64 = 8;
/// Appends that must be acknowledged between two crashes.
const APPENDS_PER_ROUND: u64 = 3000;

/// Appends one to three records at a time, each with the next sequence, and repeats what was not acknowledged.
async fn write(
    journal: Arc<KafkaJournal>,
    writer: u64,
    done: Arc<watch::Sender<u64>>,
    stop: Arc<AtomicBool>,
) -> (u64, u64) {
    let producer = ProducerId(writer + 1);
    let (mut next, mut repeated) = (1, 0);
    while !stop.load(SeqCst) {
        let count = 1 + next % 3;
        let record = |sequence: u64| NewRecord {
            producer,
            sequence,
            ..NewRecord::anonymous(RecordKind::Samples, sequence.to_le_bytes().repeat(20))
        };
        let records: Vec<_> = (next..next + count).map(record).collect();
        loop {
            match journal.append(&at(), records.clone()).await {
                Ok(_) => break,
                Err(error) if matches!(error.kind(), ErrorKind::Retry | ErrorKind::Unknown) => repeated += 1,
                Err(error) => panic!("{error}"),
            }
        }
        next += count;
        done.send_modify(|done| *done += 1);
    }
    (next, repeated)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_and_nothing_is_applied_twice() {
    let rounds = std::env::var("TIDEMILL_KAFKA_CRASHES").map_or(2, |text| text.parse().unwrap());
    let mut broker = Broker::start(&[], false);
    let url = broker.fresh_url();
    // One waits through a restart, the other gives up and repeats.
    let patient = open(&url).await.unwrap();
    patient.create(TopicConfig::new(TOPIC, 1)).await.unwrap();
    let hasty = open(&format!("{url}?message.timeout.ms=1000")).await.unwrap();
    let (done, mut appended) = watch::channel(0);
    let (done, stop) = (Arc::new(done), Arc::new(AtomicBool::new(false)));
    let start = |writer| {
        let journal = if writer % 2 == 0 { &patient } else { &hasty };
        tokio::spawn(write(journal.clone(), writer, done.clone(), stop.clone()))
    };
    let writers: Vec<_> = (0..WRITERS).map(start).collect();
    drop(done);
    for round in 1..=rounds {
        appended.wait_for(|done| *done >= round * APPENDS_PER_ROUND).await.expect("a writer is there");
        assert!(writers.iter().all(|writer| !writer.is_finished()), "no writer has failed");
        broker.kill();
        broker.restart();
    }
    let before = *appended.borrow();
    appended.wait_for(|done| *done >= before + APPENDS_PER_ROUND).await.expect("a writer is there");
    stop.store(true, SeqCst);
    let mut acknowledged = HashMap::new();
    for (writer, task) in writers.into_iter().enumerate() {
        let (next, repeated) = task.await.unwrap();
        acknowledged.insert(ProducerId(writer as u64 + 1), next);
        println!("writer {writer}: {} records acknowledged, {repeated} appends repeated", next - 1);
    }
    let (mut cursor, mut applied, mut dropped) = (Cursor::default(), HashMap::<ProducerId, u64>::new(), 0);
    loop {
        let batch = patient.read(&at(), cursor.next, ReadLimits::default()).await.unwrap();
        if batch.records.is_empty() {
            break;
        }
        for record in &batch.records {
            assert_eq!(record.offset, cursor.next, "no offset is missing");
            if cursor.admit(record, Offset(record.offset.0 + 1)) {
                let last = applied.insert(record.producer, record.sequence).unwrap_or(0);
                assert_eq!(record.sequence, last + 1, "writer {:?}", record.producer);
            } else {
                dropped += 1;
            }
        }
    }
    println!("{rounds} crashes, {dropped} repetitions dropped");
    for (producer, next) in acknowledged {
        assert_eq!(applied[&producer], next - 1, "writer {producer:?}");
    }
}
