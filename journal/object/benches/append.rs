//! Pages made and read in memory; appends on local files against raw create + fsync + link of one file per append (the
//! journal puts appends that wait into one page, and syncs two pages at a time).
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::future::join_all;
use tidemill_journal::{Journal, ReadLimits, SystemEnv, TopicConfig, TopicPartition};
use tidemill_journal_object::ObjectJournal;
use tidemill_model::{NewRecord, Offset, RecordKind};
use tokio::runtime::Runtime;

const PAGES: [usize; 3] = [64 << 10, 1 << 20, 8 << 20];
/// Appends that are on their way at the same time.
const IN_FLIGHT: usize = 4;

fn open(runtime: &Runtime, url: &str) -> Arc<ObjectJournal> {
    runtime.block_on(async {
        let journal = ObjectJournal::open(url, Vec::new(), SystemEnv::new()).await.expect("a journal opens");
        journal.create(TopicConfig::new("data", 1)).await.expect("a topic can be created");
        journal
    })
}

fn raw(dir: &Path, name: u64, payload: &[u8]) -> std::io::Result<()> {
    let aside = dir.join("aside");
    let mut file = File::create(&aside)?;
    file.write_all(payload)?;
    file.sync_all()?;
    fs::hard_link(&aside, dir.join(name.to_string()))?;
    fs::remove_file(&aside)?;
    File::open(dir)?.sync_all()
}

fn appends(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    let at = TopicPartition::new("data", 0);
    for bytes in PAGES {
        let mut group = c.benchmark_group(format!("object-append/{}KiB", bytes >> 10));
        group.throughput(Throughput::Bytes((bytes * IN_FLIGHT) as u64)).sample_size(10);
        let payload = bytes::Bytes::from(vec![7; bytes]);
        let dir = tempfile::tempdir().expect("a directory");
        let mut name = 0;
        group.bench_function("raw", |b| {
            b.iter(|| {
                for _ in 0..IN_FLIGHT {
                    name += 1;
                    raw(dir.path(), name, &payload).expect("a file can be made");
                }
            });
        });
        drop(dir);
        for place in ["files", "memory"] {
            let dir = tempfile::tempdir().expect("a directory");
            let url =
                if place == "files" { format!("object://{}", dir.path().display()) } else { "object://memory".into() };
            let journal = open(&runtime, &url);
            group.bench_function(format!("journal/{place}"), |b| {
                b.iter(|| {
                    let append = |_| {
                        let record = NewRecord::anonymous(RecordKind::Samples, payload.clone());
                        journal.append(&at, vec![record])
                    };
                    let appends: Vec<_> = (0..IN_FLIGHT).map(append).collect();
                    let receipts = runtime.block_on(join_all(appends));
                    assert!(receipts.iter().all(Result::is_ok));
                    let end = receipts.last().and_then(|r| r.as_ref().ok()).map(|r| r.end);
                    runtime.block_on(journal.trim(&at, end.unwrap_or_default())).expect("a trim succeeds");
                });
            });
            runtime.block_on(journal.close());
        }
    }
}

/// Small records: 1000 of 100 bytes to a page.
fn records(c: &mut Criterion) {
    const RECORDS: usize = 1000;
    const PAGES: usize = 50;
    let runtime = Runtime::new().expect("a runtime starts");
    let at = TopicPartition::new("data", 0);
    let mut group = c.benchmark_group("object-records");
    group.throughput(Throughput::Elements((RECORDS * PAGES) as u64)).sample_size(10);
    let batch = || vec![NewRecord::anonymous(RecordKind::Samples, vec![7; 100]); RECORDS];
    group.bench_function("append", |b| {
        b.iter_with_setup(
            || open(&runtime, "object://memory"),
            |journal| {
                for _ in 0..PAGES {
                    runtime.block_on(journal.append(&at, batch())).expect("an append succeeds");
                }
                journal
            },
        );
    });
    // Nothing fits into the cache: every page is fetched, hashed and taken apart.
    let journal = open(&runtime, "object://memory?cache_bytes=1");
    for _ in 0..PAGES {
        runtime.block_on(journal.append(&at, batch())).expect("an append succeeds");
    }
    group.bench_function("read", |b| {
        b.iter(|| {
            let (mut from, mut count) = (Offset(0), 0);
            while count < RECORDS * PAGES {
                let limits = ReadLimits { bytes: 2 << 20, ..ReadLimits::default() };
                let batch = runtime.block_on(journal.read(&at, from, limits)).expect("a read succeeds");
                (from, count) = (batch.next, count + batch.records.len());
            }
        });
    });
    runtime.block_on(journal.close());
}

criterion_group!(benches, appends, records);
criterion_main!(benches);
