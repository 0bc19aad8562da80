//! The Kafka journal against plain librdkafka with the same settings, on one Apache Kafka, in turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use futures::stream::{FuturesUnordered, StreamExt};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, DeliveryResult, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext, Message, Offset, TopicPartitionList};
use tidemill_journal::{Journal, ReadLimits, SystemEnv, TopicConfig, TopicPartition};
use tidemill_journal_kafka::KafkaJournal;
use tidemill_model::{NewRecord, Offset as At, RecordKind};
use tidemill_tests::Broker;

use crate::report::Figure;

const RECORDS: u64 = 200_000;
const BYTES: usize = 200;
/// Rounds that count; one before them warms the broker up.
const ROUNDS: usize = 5;
const WAIT: Duration = Duration::from_secs(60);

/// Appending and reading records against producing and consuming as many: the ratio of the times. Both parts are told, too.
///
/// # Errors
/// When no broker can be started.
pub(crate) fn against_librdkafka() -> Result<Vec<Figure>> {
    std::fs::create_dir_all("target")?;
    let directory = tempfile::tempdir_in("target")?;
    let broker = Broker::start(directory.path())?;
    let runtime = tokio::runtime::Runtime::new()?;
    let [value, append, read] = runtime.block_on(measure(&broker))?;
    let against = format!("plain librdkafka; append alone {append:.2}, read alone {read:.2}; target 0.8");
    Ok(vec![Figure { name: "kafka-ratio", value, unit: "of plain", against, ratio: value / 0.8 }])
}

/// Both together, appends, reads.
async fn measure(broker: &Broker) -> Result<[f64; 3]> {
    let url = format!("kafka://{}/bench", broker.address());
    let journal = KafkaJournal::open(&url, Vec::new(), SystemEnv::new()).await?;
    journal.create(TopicConfig::new("data", 1)).await?;
    let mut ratios: [Vec<f64>; 3] = Default::default();
    for round in 0..=ROUNDS {
        let start = journal.bounds(&partition()).await?.durable;
        let produced = produce(broker)?;
        let appended = append(&journal).await?;
        let from = At(start.0 + RECORDS);
        let consumed = consume(broker, from)?;
        let read = read(&journal, from).await?;
        if round > 0 {
            let both = (produced + consumed).div_duration_f64(appended + read);
            let parts = [both, produced.div_duration_f64(appended), consumed.div_duration_f64(read)];
            ratios.iter_mut().zip(parts).for_each(|(all, ratio)| all.push(ratio));
        }
    }
    journal.close().await;
    Ok(ratios.map(median))
}

fn partition() -> TopicPartition {
    TopicPartition::new("data", 0)
}

fn client(broker: &Broker) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", broker.address());
    client
}

/// Counts what was delivered, and what was not.
#[derive(Clone, Default)]
struct Delivered {
    delivered: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
}

impl ClientContext for Delivered {}

impl ProducerContext for Delivered {
    type DeliveryOpaque = ();

    fn delivery(&self, report: &DeliveryResult<'_>, (): ()) {
        let count = if report.is_ok() { &self.delivered } else { &self.failed };
        count.fetch_add(1, Relaxed);
    }
}

fn produce(broker: &Broker) -> Result<Duration> {
    let reports = Delivered::default();
    let producer: ThreadedProducer<Delivered> = client(broker)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "1")
        .set("compression.codec", "lz4")
        .set("batch.size", "1000000")
        .set("queue.buffering.max.messages", "0")
        .create_with_context(reports.clone())?;
    let (payload, begun) = (vec![7; BYTES], now());
    for _ in 0..RECORDS {
        let record = BaseRecord::<(), [u8]>::to("bench.data").partition(0).payload(&payload);
        producer.send(record).map_err(|(error, _): (KafkaError, _)| error)?;
    }
    while reports.delivered.load(Relaxed) < RECORDS {
        anyhow::ensure!(reports.failed.load(Relaxed) == 0, "a record was not delivered");
        pause();
    }
    Ok(begun.elapsed())
}

/// From the second record on: finding the place is not what is compared.
fn consume(broker: &Broker, from: At) -> Result<Duration> {
    let consumer: BaseConsumer = client(broker)
        .set("group.id", "plain")
        .set("enable.auto.commit", "false")
        .set("check.crcs", "true")
        .set("queued.max.messages.kbytes", "8192")
        .set("fetch.message.max.bytes", "2097152")
        .set("fetch.queue.backoff.ms", "2")
        .create()?;
    let mut place = TopicPartitionList::new();
    place.add_partition_offset("bench.data", 0, Offset::Offset(i64::try_from(from.0)?))?;
    consumer.assign(&place)?;
    let mut begun = now();
    for n in 0..RECORDS {
        let record = consumer.poll(WAIT).ok_or_else(|| anyhow!("the broker sends nothing"))??;
        record.payload().context("a record without a payload")?;
        if n == 0 {
            begun = now();
        }
    }
    Ok(begun.elapsed())
}

async fn append(journal: &KafkaJournal) -> Result<Duration> {
    let (payload, begun) = (Bytes::from(vec![7; BYTES]), now());
    let mut appends = FuturesUnordered::new();
    for _ in 0..RECORDS / 100 {
        let records = (0..100).map(|_| NewRecord::anonymous(RecordKind::Samples, payload.clone()));
        appends.push(journal.append(&partition(), records.collect()));
    }
    while let Some(receipt) = appends.next().await {
        receipt?;
    }
    Ok(begun.elapsed())
}

/// From the second record on.
async fn read(journal: &KafkaJournal, from: At) -> Result<Duration> {
    let first = journal.read(&partition(), from, ReadLimits { bytes: 1, wait: WAIT }).await?;
    let (mut from, mut seen, begun) = (first.next, first.records.len() as u64, now());
    while seen < RECORDS {
        let batch = journal.read(&partition(), from, ReadLimits { bytes: 2 << 20, wait: WAIT }).await?;
        anyhow::ensure!(!batch.records.is_empty(), "the broker sends nothing");
        from = batch.next;
        seen += batch.records.len() as u64;
    }
    Ok(begun.elapsed())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "delivery reports come on another thread")]
fn pause() {
    std::thread::sleep(Duration::from_micros(200));
}
