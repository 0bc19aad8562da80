//! Appends against raw write + fdatasync of as many bytes, and sequential reads.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tidemill_journal::{Journal, ReadLimits, Retention, SystemEnv, TopicConfig, TopicPartition};
use tidemill_journal_embedded::{EmbeddedConfig, EmbeddedJournal};
use tidemill_model::{NewRecord, Offset, RecordKind};
use tokio::runtime::Runtime;

const GROUPS: [usize; 3] = [4 << 10, 64 << 10, 1 << 20];
/// The raw file starts over here, so that it does not grow without bound.
const RAW_BYTES_MAX: u64 = 64 << 20;

/// A journal that keeps the newest 256 MiB.
fn journal(runtime: &Runtime, dir: &std::path::Path) -> Arc<EmbeddedJournal> {
    let _inside = runtime.enter();
    let journal = EmbeddedJournal::open(EmbeddedConfig::new(dir), SystemEnv::new()).expect("a journal opens");
    let retention = Retention { bytes: Some(256 << 20), ..Retention::default() };
    let topic = TopicConfig { name: "data".into(), partitions: 1, retention };
    runtime.block_on(journal.create(topic)).expect("a topic can be created");
    journal
}

fn appends(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    let at = TopicPartition::new("data", 0);
    for bytes in GROUPS {
        let mut group = c.benchmark_group(format!("append/{}KiB", bytes >> 10));
        group.throughput(Throughput::Bytes(bytes as u64)).sample_size(30);
        let dir = tempfile::tempdir().expect("a directory");
        let payload = bytes::Bytes::from(vec![7; bytes]);
        group.bench_function("raw", |b| {
            let file = File::create(dir.path().join("raw")).expect("a file");
            let mut place = 0;
            b.iter(|| {
                file.write_all_at(&payload, place).expect("a write succeeds");
                file.sync_data().expect("a sync succeeds");
                place = (place + bytes as u64) % RAW_BYTES_MAX;
            });
        });
        let journal = journal(&runtime, &dir.path().join("journal"));
        group.bench_function("journal", |b| {
            b.iter(|| {
                let record = NewRecord::anonymous(RecordKind::Samples, payload.clone());
                runtime.block_on(journal.append(&at, vec![record])).expect("an append succeeds")
            });
        });
        runtime.block_on(journal.close());
    }
}

fn reads(c: &mut Criterion) {
    const RECORDS: u64 = 2048;
    let runtime = Runtime::new().expect("a runtime starts");
    let at = TopicPartition::new("data", 0);
    let dir = tempfile::tempdir().expect("a directory");
    let journal = journal(&runtime, dir.path());
    let record = || NewRecord::anonymous(RecordKind::Samples, vec![7; 64 << 10]);
    let records = (0..RECORDS).map(|_| record()).collect();
    runtime.block_on(journal.append(&at, records)).expect("an append succeeds");
    let mut group = c.benchmark_group("read");
    group.throughput(Throughput::Bytes(RECORDS * (64 << 10))).sample_size(20);
    group.bench_function("sequential", |b| {
        b.iter(|| {
            let (mut from, mut count) = (Offset(0), 0);
            while count < RECORDS {
                let limits = ReadLimits { bytes: 2 << 20, ..ReadLimits::default() };
                let batch = runtime.block_on(journal.read(&at, from, limits)).expect("a read succeeds");
                (from, count) = (batch.next, count + batch.records.len() as u64);
            }
        });
    });
    runtime.block_on(journal.close());
}

criterion_group!(benches, appends, reads);
criterion_main!(benches);
