//! A journal over a connection of this machine, against the same journal without one.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use std::path::Path;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures::FutureExt;
use futures::future::join_all;
use tidemill_journal::{Env, Journal, ReadLimits, Retention, SystemEnv, TopicConfig, TopicPartition};
use tidemill_journal_embedded::{EmbeddedConfig, EmbeddedJournal, Sync};
use tidemill_journal_remote::service::{Access, JournalService, PATH};
use tidemill_journal_remote::{RemoteJournal, RemoteSettings};
use tidemill_model::{NewRecord, Offset, ProducerId, RecordKind};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// Records per append and bytes per record.
const SHAPES: [(usize, usize); 4] = [(1, 100), (1000, 100), (100, 1 << 10), (16, 64 << 10)];
/// Appends that wait at a time.
const IN_FLIGHT: usize = 16;

/// The journal itself, without fsync so that the connection is measured, and the same over a connection.
async fn journals(dir: &Path, retention: Retention) -> [(&'static str, Arc<dyn Journal>); 2] {
    let config = EmbeddedConfig { sync: Sync::Never, ..EmbeddedConfig::new(dir) };
    let embedded = EmbeddedJournal::open(config, SystemEnv::new()).expect("a journal opens");
    let topic = TopicConfig { retention, ..TopicConfig::new("data", 1) };
    embedded.create(topic).await.expect("a topic can be created");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("grpc://{}", listener.local_addr().expect("it has an address"));
    // Nobody stops the service: it ends with the process.
    let stop = Box::leak(Box::new(watch::Sender::new(false)));
    let service = JournalService::mount(embedded.clone(), Access::Append, "bench", stop.subscribe());
    let serve = async move {
        let router = axum::Router::new().route_service(PATH, service);
        let listener = axum::serve::ListenerExt::tap_io(listener, |socket| drop(socket.set_nodelay(true)));
        axum::serve(listener, router).await.expect("it serves");
    };
    SystemEnv::new().spawn("serve", serve.boxed());
    let remote = RemoteJournal::open(&url, RemoteSettings::new("bench"), SystemEnv::new()).await.expect("it opens");
    [("embedded", embedded as Arc<dyn Journal>), ("remote", remote as Arc<dyn Journal>)]
}

fn records(count: usize, bytes: usize) -> Vec<NewRecord> {
    let payload = bytes::Bytes::from(vec![7; bytes]);
    let record =
        |_| NewRecord { producer: ProducerId(1), ..NewRecord::anonymous(RecordKind::Samples, payload.clone()) };
    (0..count).map(record).collect()
}

fn appends(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    let at = TopicPartition::new("data", 0);
    let dir = tempfile::tempdir().expect("a directory");
    let retention = Retention { bytes: Some(256 << 20), ..Retention::default() };
    let journals = runtime.block_on(journals(dir.path(), retention));
    for (count, bytes) in SHAPES {
        let mut group = c.benchmark_group(format!("append/{count}x{bytes}"));
        group.sample_size(20).throughput(Throughput::ElementsAndBytes {
            elements: (IN_FLIGHT * count) as u64,
            bytes: (IN_FLIGHT * count * bytes) as u64,
        });
        for (name, journal) in &journals {
            group.bench_function(BenchmarkId::from_parameter(name), |b| {
                b.iter(|| {
                    let appends = (0..IN_FLIGHT).map(|_| journal.append(&at, records(count, bytes)));
                    let receipts = runtime.block_on(join_all(appends));
                    assert!(receipts.iter().all(Result::is_ok), "appends succeed");
                });
            });
        }
        group.finish();
    }
    let mut group = c.benchmark_group("append/one-at-a-time");
    for (name, journal) in &journals {
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| runtime.block_on(journal.append(&at, records(1, 100))).expect("an append succeeds"));
        });
    }
    close(&runtime, journals);
}

/// The remote one first.
fn close(runtime: &Runtime, journals: [(&str, Arc<dyn Journal>); 2]) {
    journals.iter().rev().for_each(|(_, journal)| runtime.block_on(journal.close()));
}

fn reads(c: &mut Criterion) {
    const TOTAL_BYTES: usize = 128 << 20;
    let at = TopicPartition::new("data", 0);
    for bytes in [100, 1 << 10, 64 << 10] {
        let runtime = Runtime::new().expect("a runtime starts");
        let dir = tempfile::tempdir().expect("a directory");
        let journals = runtime.block_on(journals(dir.path(), Retention::default()));
        let count = TOTAL_BYTES / bytes.max(400);
        for first in (0..count).step_by(4096.min(count)) {
            let group = records((count - first).min(4096), bytes);
            for part in group.chunks((32 << 20) / (bytes + 48)) {
                runtime.block_on(journals[0].1.append(&at, part.to_vec())).expect("an append succeeds");
            }
        }
        let mut group = c.benchmark_group(format!("read/{bytes}"));
        group
            .sample_size(10)
            .throughput(Throughput::ElementsAndBytes { elements: count as u64, bytes: (count * bytes) as u64 });
        for (name, journal) in &journals {
            group.bench_function(BenchmarkId::from_parameter(name), |b| {
                b.iter(|| {
                    let (mut from, mut seen) = (Offset(0), 0);
                    while seen < count {
                        let limits = ReadLimits { bytes: 2 << 20, ..ReadLimits::default() };
                        let batch = runtime.block_on(journal.read(&at, from, limits)).expect("a read succeeds");
                        (from, seen) = (batch.next, seen + batch.records.len());
                    }
                });
            });
        }
        close(&runtime, journals);
    }
}

criterion_group!(benches, appends, reads);
criterion_main!(benches);
