//! Brokers that are not there, do not answer, or refuse.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Broker, TOPIC, at, open, read_all, record};
use tidemill_journal::{Cursor, ErrorKind, Journal, JournalError, ReadLimits, TopicConfig};
use tidemill_model::Offset;

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_broker_is_one_clear_error() {
    // A port that is bound and not listened to refuses connections.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    drop(taken);
    let error = open(&format!("kafka://127.0.0.1:{port}/x")).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Retry);
    let text = error.to_string();
    assert!(text.contains(&format!("127.0.0.1:{port}")) && text.contains("Connection refused"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn properties_that_librdkafka_does_not_take_are_named_without_their_value() {
    for query in ["no.such.property=hidden", "security.protocol=hidden", "linger.ms=hidden"] {
        let error = open(&format!("kafka://127.0.0.1:1/x?{query}")).await.err().unwrap();
        let (name, _) = query.split_once('=').unwrap();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(name) && !error.to_string().contains("hidden"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_said_to_be_wrong_and_right_ones_work() {
    let broker = Broker::start(&[], true);
    let url = format!("kafka://{}/x?security.protocol=sasl_plaintext&sasl.mechanism=PLAIN", broker.address);
    let with = |password: &str| {
        let settings = [("sasl.username", "tidemill"), ("sasl.password", password)];
        settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    };
    let env = tidemill_journal::SystemEnv::new();
    let open = |password| tidemill_journal_kafka::KafkaJournal::open(&url, with(password), env.clone());
    let error = open("wrong").await.err().unwrap();
    assert!(error.to_string().contains("authentication failed"), "{error}");
    assert!(!error.to_string().contains("wrong"), "{error}");
    let journal = open("tidemill-secret").await.unwrap();
    journal.create(TopicConfig::new(TOPIC, 1)).await.unwrap();
    journal.append(&at(), vec![record(1, 10)]).await.unwrap();
    assert_eq!(read_all(journal.as_ref(), Offset(0)).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_comes_back_is_found_again_and_no_record_is_there_twice() {
    let mut broker = Broker::start(&[], false);
    let url = format!("{}?message.timeout.ms=1000", broker.fresh_url());
    let journal = open(&url).await.unwrap();
    journal.create(TopicConfig::new(TOPIC, 1)).await.unwrap();
    journal.append(&at(), vec![record(1, 10)]).await.unwrap();

    // What is on its way to a broker that hangs may arrive or not.
    broker.freeze(true);
    let hangs = journal.append(&at(), vec![record(2, 10), record(3, 10)]).await.unwrap_err();
    assert!(matches!(&hangs, JournalError::Unknown { .. }), "{hangs}");
    assert!(hangs.to_string().contains("2 may have been"), "{hangs}");
    broker.freeze(false);
    while journal.append(&at(), vec![record(2, 10), record(3, 10)]).await.is_err() {}

    // What was never sent was not written.
    broker.kill();
    let mut away = journal.append(&at(), vec![record(4, 10)]).await.unwrap_err();
    while away.kind() == ErrorKind::Unknown {
        // The connection may still have looked alive to the first one.
        away = journal.append(&at(), vec![record(4, 10)]).await.unwrap_err();
    }
    assert_eq!(away.kind(), ErrorKind::Retry, "{away}");
    let unread = journal.read(&at(), Offset(0), ReadLimits::default()).await;
    assert!(unread.as_ref().is_ok_and(|b| !b.records.is_empty()) || unread.unwrap_err().kind() == ErrorKind::Retry);
    broker.restart();
    while journal.append(&at(), vec![record(5, 10)]).await.is_err() {}

    let mut cursor = Cursor::default();
    let all = read_all(journal.as_ref(), Offset(0)).await.unwrap();
    let applied: Vec<_> = all.iter().filter(|r| cursor.admit(r, Offset(r.offset.0 + 1))).map(|r| r.sequence).collect();
    assert_eq!(applied, [1, 2, 3, 5]);
}
