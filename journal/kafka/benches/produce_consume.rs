//! Appending and reading through the journal against plain librdkafka with the same settings, on the same broker, in turns.
//! Prints rates and ratios; a ratio of 1 means that the journal costs nothing.
#![allow(clippy::unwrap_used, reason = "benchmarks fail like tests")]
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark lives in the real world")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use common::{TOPIC, at, open, shared};
use criterion::{Criterion, Throughput};
use futures::stream::{FuturesUnordered, StreamExt};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseRecord, DeliveryResult, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};
use tidemill_journal::{Journal, ReadLimits, TopicConfig};
use tidemill_journal_kafka::KafkaJournal;
use tidemill_model::{NewRecord, Offset as At, RecordKind};

const RECORDS: u64 = 200_000;
/// Rounds that count; one before them warms the broker up.
const ROUNDS: u64 = 4;
const BYTES: usize = 200;

fn client() -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", &shared().address);
    client
}

/// Counts what was delivered.
#[derive(Clone, Default)]
struct Delivered(Arc<AtomicU64>);

impl ClientContext for Delivered {}

impl ProducerContext for Delivered {
    type DeliveryOpaque = ();

    fn delivery(&self, report: &DeliveryResult<'_>, (): ()) {
        assert!(report.is_ok(), "a record was not delivered");
        self.0.fetch_add(1, Relaxed);
    }
}

fn plain_produce(topic: &str) -> Duration {
    let delivered = Delivered::default();
    let producer: ThreadedProducer<Delivered> = client()
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "1")
        .set("compression.codec", "lz4")
        .set("batch.size", "1000000")
        .set("queue.buffering.max.messages", "0")
        .create_with_context(delivered.clone())
        .unwrap();
    let payload = vec![7u8; BYTES];
    let started = Instant::now();
    for _ in 0..RECORDS {
        producer.send(BaseRecord::<(), [u8]>::to(topic).partition(0).payload(&payload)).map_err(|(e, _)| e).unwrap();
    }
    while delivered.0.load(Relaxed) < RECORDS {
        std::thread::sleep(Duration::from_micros(200));
    }
    started.elapsed()
}

fn plain_consume(topic: &str, from: u64, count: u64) -> Duration {
    let consumer: BaseConsumer = client()
        .set("group.id", "plain")
        .set("enable.auto.commit", "false")
        .set("check.crcs", "true")
        .set("queued.max.messages.kbytes", "8192")
        .set("fetch.message.max.bytes", "2097152")
        .set("fetch.queue.backoff.ms", "2")
        .create()
        .unwrap();
    let mut place = TopicPartitionList::new();
    place.add_partition_offset(topic, 0, Offset::Offset(from as i64)).unwrap();
    let started = Instant::now();
    consumer.assign(&place).unwrap();
    for _ in 0..count {
        consumer.poll(Duration::from_secs(60)).unwrap().unwrap();
    }
    started.elapsed()
}

async fn append(journal: &KafkaJournal) -> Duration {
    let payload = bytes::Bytes::from(vec![7u8; BYTES]);
    let started = Instant::now();
    let mut appends = FuturesUnordered::new();
    for _ in 0..RECORDS / 100 {
        let record = || NewRecord::anonymous(RecordKind::Samples, payload.clone());
        appends.push(journal.append(&at(), (0..100).map(|_| record()).collect()));
    }
    while let Some(receipt) = appends.next().await {
        receipt.unwrap();
    }
    started.elapsed()
}

async fn read(journal: &KafkaJournal, from: u64, count: u64) -> Duration {
    let started = Instant::now();
    let (mut from, mut seen) = (At(from), 0);
    while seen < count {
        let limits = ReadLimits { bytes: 2 << 20, wait: Duration::from_secs(60) };
        let batch = journal.read(&at(), from, limits).await.unwrap();
        from = batch.next;
        seen += batch.records.len() as u64;
    }
    started.elapsed()
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = shared().fresh_url();
    let topic = format!("{}.{TOPIC}", url.rsplit('/').next().unwrap());
    let journal: Arc<KafkaJournal> = runtime.block_on(async {
        let journal = open(&url).await.unwrap();
        journal.create(TopicConfig::new(TOPIC, 1)).await.unwrap();
        journal
    });
    let mut totals = [Duration::ZERO; 4];
    let mut end = 0;
    for round in 0..=ROUNDS {
        let plain_start = end;
        let times = [
            plain_produce(&topic),
            runtime.block_on(append(&journal)),
            plain_consume(&topic, plain_start + RECORDS, RECORDS),
            runtime.block_on(read(&journal, plain_start + RECORDS, RECORDS)),
        ];
        end += 2 * RECORDS;
        if round > 0 {
            totals.iter_mut().zip(times).for_each(|(total, time)| *total += time);
        }
    }
    let rate = |time: Duration| (ROUNDS * RECORDS) as f64 / time.as_secs_f64();
    let [produce, append_time, consume, read_time] = totals;
    println!(
        "produce {:.0}/s, append {:.0}/s: ratio {:.2}",
        rate(produce),
        rate(append_time),
        produce.div_duration_f64(append_time)
    );
    println!(
        "consume {:.0}/s, read   {:.0}/s: ratio {:.2}",
        rate(consume),
        rate(read_time),
        consume.div_duration_f64(read_time)
    );

    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let mut group = criterion.benchmark_group("kafka");
    group.throughput(Throughput::Elements(RECORDS));
    group.bench_function("append", |b| b.iter(|| runtime.block_on(append(&journal))));
    group.bench_function("read", |b| b.iter(|| runtime.block_on(read(&journal, 0, RECORDS))));
    group.finish();
}
