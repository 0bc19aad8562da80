//! Tests against librdkafka's mock cluster: errors that a real broker does not make on demand.

use std::sync::Arc;

use futures::future::join_all;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr as Code};
use std::time::Duration;
use tidemill_journal::{ErrorKind, JournalError, ReadLimits, Receipt, SystemEnv, TopicPartition};
use tidemill_model::{NewRecord, RecordKind};

use crate::codec::Outgoing;
use crate::config::KafkaConfig;
use crate::control::Control;
use crate::counters::Counters;
use crate::producer::Producer;
use crate::readers::Readers;

const TOPIC: &str = "mock.data";

struct World {
    cluster: MockCluster<'static, DefaultProducerContext>,
    producer: Producer,
    readers: Readers,
    counters: Arc<Counters>,
}

impl World {
    fn new() -> Self {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(TOPIC, 1, 1).unwrap();
        let url = format!("kafka://{}/mock?message.timeout.ms=1500", cluster.bootstrap_servers());
        let config = KafkaConfig::parse(&url, Vec::new()).unwrap();
        let (env, counters) = (SystemEnv::new(), Arc::new(Counters::default()));
        let producer = Producer::new(config.clone(), env.clone(), counters.clone()).unwrap();
        let control = Control::new(&config, &(env.clone() as Arc<dyn tidemill_journal::Env>)).unwrap();
        let readers = Readers::new(config, env, control, counters.clone());
        Self { cluster, producer, readers, counters }
    }

    fn fail_next(&self, errors: &[Code]) {
        self.cluster.request_errors(RDKafkaApiKey::Produce, errors);
    }

    async fn append(&self, texts: &[&str]) -> Result<Receipt, JournalError> {
        let outgoing = |text: &&str| {
            Outgoing::of(NewRecord::anonymous(RecordKind::Samples, text.to_string()), false, 0, || 0).unwrap()
        };
        let records: Vec<_> = texts.iter().map(outgoing).collect();
        self.producer.append(&TopicPartition::new("data", 0), TOPIC, &records).await
    }

    async fn all(&self) -> Vec<String> {
        let (mut from, mut all) = (0, Vec::new());
        loop {
            let batch = self.readers.read(TOPIC, 0, from, ReadLimits::default()).await;
            let batch = batch.unwrap_or_else(|_| panic!("the mock cluster can be read"));
            if batch.records.is_empty() {
                return all;
            }
            from = batch.next.0;
            all.extend(batch.records.iter().map(|r| String::from_utf8_lossy(&r.payload).into_owned()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_errors_are_retried_in_order_and_nothing_is_written_twice() {
    let world = World::new();
    world.append(&["0"]).await.unwrap();
    world.fail_next(&[
        Code::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        Code::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        Code::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
    ]);
    let receipts = join_all([world.append(&["1", "2"]), world.append(&["3"])].map(|append| append)).await;
    assert!(receipts.iter().all(Result::is_ok), "{receipts:?}");
    assert_eq!(world.all().await, ["0", "1", "2", "3"]);
    assert_eq!(world.counters.producers.get(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_that_nothing_was_written_and_why() {
    let refusals = [
        (Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, ErrorKind::Retry, "authorization failed"),
        (Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, ErrorKind::Invalid, "max.message.bytes"),
    ];
    for (code, kind, part) in refusals {
        let world = World::new();
        world.append(&["0"]).await.unwrap();
        world.fail_next(&[code]);
        let refused = world.append(&["refused"]).await.unwrap_err();
        assert_eq!(refused.kind(), kind, "{refused}");
        assert!(refused.to_string().contains(part), "{refused}");
        while world.append(&["1"]).await.is_err() {}
        assert_eq!(world.all().await, ["0", "1"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_fatal_error_a_new_producer_takes_over() {
    let world = World::new();
    world.append(&["0"]).await.unwrap();
    world.fail_next(&[
        Code::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
        Code::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
    ]);
    let outcomes = join_all((0..20).map(|_| world.append(&["x"]))).await;
    // Whatever became of those, the journal goes on.
    while world.append(&["last"]).await.is_err() {}
    assert!(world.counters.producers.get() > 1, "another producer has taken over");
    let all = world.all().await;
    let written = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!(all.iter().filter(|text| *text == "x").count() >= written, "{outcomes:?}");
    assert_eq!(all.last().map(String::as_str), Some("last"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_takes_nothing_and_is_found_again() {
    let world = World::new();
    world.append(&["0"]).await.unwrap();
    world.cluster.broker_down(1).unwrap();
    let away = world.append(&["never sent"]).await.unwrap_err();
    assert_eq!(away.kind(), ErrorKind::Retry, "{away}");
    assert_eq!(world.counters.producers.get(), 2, "another producer has taken over");
    world.cluster.broker_up(1).unwrap();
    while world.append(&["1"]).await.is_err() {}
    assert_eq!(world.all().await, ["0", "1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_come_leaves_open_what_was_written() {
    let world = World::new();
    world.append(&["0"]).await.unwrap();
    world.cluster.broker_round_trip_time(1, Duration::from_secs(4)).unwrap();
    let open = world.append(&["a", "b"]).await.unwrap_err();
    assert_eq!(open.kind(), ErrorKind::Unknown, "{open}");
    assert!(open.to_string().contains("of 2 records") && open.to_string().contains("2 may have been"), "{open}");
    world.cluster.broker_round_trip_time(1, Duration::ZERO).unwrap();
    while world.append(&["1"]).await.is_err() {}
    assert_eq!(world.all().await.last().map(String::as_str), Some("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_are_refused_while_too_much_waits_and_later_not_any_more() {
    let world = World::new();
    world.append(&["0"]).await.unwrap();
    world.cluster.broker_down(1).unwrap();
    let text = "x".repeat(16 << 20);
    let large = [text.as_str()];
    let appends: Vec<_> = (0..12).map(|_| world.append(&large)).collect();
    let outcomes = join_all(appends).await;
    let is_full = |outcome: &Result<Receipt, JournalError>| matches!(outcome, Err(JournalError::Full { .. }));
    assert!((4..12).contains(&outcomes.iter().filter(|o| is_full(o)).count()), "what waits is bounded");
    assert!(outcomes.iter().all(|outcome| outcome.as_ref().is_err_and(|e| e.kind() == ErrorKind::Retry)));
    world.cluster.broker_up(1).unwrap();
    while world.append(&["1"]).await.is_err() {}
    assert_eq!(world.all().await, ["0", "1"]);
}
