//! Overload, access, and clients that do not keep to the rules.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use common::{Served, at, embedded, next_random, read_all, record, remote};
use futures::stream;
use tempfile::TempDir;
use tidemill_api::journal::v1::append_request::What;
use tidemill_api::journal::v1::journal_client::JournalClient;
use tidemill_api::journal::v1::{AppendOpen, AppendPart, AppendRequest, Identity};
use tidemill_journal::{
    Env, ErrorKind, Journal, JournalError, ReadLimits, Retention, SystemEnv, TopicConfig, TopicPartition,
};
use tidemill_journal_embedded::EmbeddedJournal;
use tidemill_journal_remote::service::Access;
use tidemill_journal_remote::{MESSAGE_BYTES_MAX, RemoteJournal, RemoteSettings};
use tidemill_model::Offset;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Endpoint;
use tonic::{Code, Status};

async fn journal(dir: &TempDir, partitions: u32) -> Arc<EmbeddedJournal> {
    let journal = embedded(dir.path(), 64 << 20);
    journal.create(TopicConfig::new("data", partitions)).await.unwrap();
    journal
}

async fn works(journal: &dyn Journal, client: &RemoteJournal) {
    let before = read_all(journal, &at()).await.len();
    client.append(&at(), vec![record(1, 10)]).await.unwrap();
    assert_eq!(read_all(client, &at()).await.len(), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_stop_hold_up_nobody() {
    const STOPPED: u32 = 12;
    let dir = TempDir::new().unwrap();
    let journal = journal(&dir, STOPPED + 1).await;
    for partition in 0..STOPPED {
        // More than a stream's window takes.
        let records = (0..6).map(|i| record(i, 1 << 20)).collect();
        journal.append(&TopicPartition::new("data", partition), records).await.unwrap();
    }
    let served = Served::start(journal.clone(), Access::Append).await;
    let client = remote(&served.url()).await;
    for partition in 0..STOPPED {
        let (at, limits) = (TopicPartition::new("data", partition), ReadLimits { bytes: 1, wait: Duration::ZERO });
        let first = client.read(&at, Offset(0), limits).await.unwrap();
        assert_eq!(client.read(&at, first.next, limits).await.unwrap().records.len(), 1, "this opened a stream");
    }
    let at = TopicPartition::new("data", STOPPED);
    for i in 0..40 {
        client.append(&at, vec![record(i, 1 << 20)]).await.unwrap();
    }
    assert_eq!(read_all(&*client, &at).await.len(), 40);
    for partition in 0..STOPPED {
        assert_eq!(read_all(&*client, &TopicPartition::new("data", partition)).await.len(), 6);
    }
    client.close().await;
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_readers_than_there_are_streams_are_served() {
    const READERS: usize = 150;
    let dir = TempDir::new().unwrap();
    let journal = journal(&dir, 1).await;
    let records = (0..300).map(|i| record(i, 1000)).collect();
    journal.append(&at(), records).await.unwrap();
    let served = Served::start(journal.clone(), Access::Read).await;
    let client = remote(&served.url()).await;
    let all = read_all(&*journal, &at()).await;
    let reader = |first: usize| {
        let (client, all) = (&client, &all);
        async move {
            let (mut from, mut seen) = (all[first].offset, Vec::new());
            while seen.len() < 50 {
                let limits = ReadLimits { bytes: 5000, wait: Duration::from_secs(60) };
                let batch = client.read(&at(), from, limits).await.unwrap();
                from = batch.next;
                seen.extend(batch.records);
            }
            assert_eq!(seen[..50], all[first..first + 50]);
        }
    };
    futures::future::join_all((0..READERS).map(reader)).await;
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_is_cancelled_loses_nothing() {
    let dir = TempDir::new().unwrap();
    let journal = journal(&dir, 1).await;
    let served = Served::start(journal.clone(), Access::Append).await;
    let client = remote(&served.url()).await;
    let (random, env) = (AtomicU64::new(5), SystemEnv::new());
    let write = async {
        for i in 0..400 {
            client.append(&at(), vec![record(i, 500)]).await.unwrap();
        }
    };
    let read = async {
        let (mut seen, mut from) = (Vec::new(), Offset(0));
        while seen.len() < 400 {
            let limits = ReadLimits { bytes: 3000, wait: Duration::from_secs(60) };
            tokio::select! {
                biased;
                () = env.sleep(Duration::from_micros(next_random(&random) % 2000)) => {}
                batch = client.read(&at(), from, limits) => {
                    let batch = batch.unwrap();
                    from = batch.next;
                    seen.extend(batch.records);
                }
            }
        }
        seen
    };
    let ((), seen) = futures::future::join(write, read).await;
    assert!(seen.iter().map(|r| r.sequence).eq(0..400));
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_away_is_waited_for_and_then_said_to_be() {
    let dir = TempDir::new().unwrap();
    let journal = journal(&dir, 1).await;
    let served = Served::start(journal.clone(), Access::Append).await;
    let wait = Duration::from_millis(300);
    let settings = RemoteSettings { append_wait: wait, call_wait: wait, ..RemoteSettings::new("test") };
    let client = RemoteJournal::open(&served.url(), settings.clone(), SystemEnv::new()).await.unwrap();
    let url = served.url();
    client.append(&at(), vec![record(0, 10)]).await.unwrap();
    served.end().await;
    let appends = (0..3).map(|i| client.append(&at(), vec![record(i, 10)])).collect::<Vec<_>>();
    for append in appends {
        let error = append.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Retry, "{error}");
        assert!(error.to_string().contains("were not written"), "{error}");
    }
    let read = client.read(&at(), Offset(0), ReadLimits::default()).await.unwrap_err();
    let opened = RemoteJournal::open(&url, settings.clone(), SystemEnv::new()).await.map(drop).unwrap_err();
    for error in [read, opened] {
        assert!(matches!(error, JournalError::Unavailable { .. }), "{error}");
    }
    let known = RemoteSettings { identity: Some(journal.identity()), ..settings };
    let client = RemoteJournal::open(&url, known, SystemEnv::new()).await.unwrap();
    assert_eq!(client.identity(), journal.identity(), "a known journal is opened without its node");
    client.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_that_cannot_be_sent_are_bounded() {
    let settings = RemoteSettings {
        identity: Some(tidemill_model::JournalIdentity { id: 1, generation: 1 }),
        append_wait: Duration::from_millis(500),
        ..RemoteSettings::new("test")
    };
    let client = RemoteJournal::open("grpc://127.0.0.1:1", settings, SystemEnv::new()).await.unwrap();
    let appends: Vec<_> = (0..80).map(|i| client.append(&at(), vec![record(i, 1 << 20)])).collect();
    let mut full = 0;
    for append in appends {
        match append.await.unwrap_err() {
            JournalError::Full { .. } => full += 1,
            error => assert!(matches!(error, JournalError::Unavailable { .. }), "{error}"),
        }
    }
    assert_eq!(full, 80 - 63, "64 MiB wait, with headers");
    let too_large = client.append(&at(), (0..5).map(|i| record(i, 15 << 20)).collect()).await.unwrap_err();
    assert_eq!(too_large.kind(), ErrorKind::Invalid, "{too_large}");
    client.close().await;
    assert!(matches!(client.append(&at(), vec![]).await, Err(JournalError::Closed)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_only_read_refuses_everything_else() {
    let dir = TempDir::new().unwrap();
    let journal = journal(&dir, 1).await;
    journal.append(&at(), vec![record(0, 10)]).await.unwrap();
    let served = Served::start(journal.clone(), Access::Read).await;
    let client = remote(&served.url()).await;
    client.create(TopicConfig::new("data", 1)).await.expect("a topic that is there is as good as created");
    let retention = Retention { bytes: Some(1), ..Retention::default() };
    let refused = [
        client.append(&at(), vec![record(1, 10)]).await.unwrap_err(),
        client.create(TopicConfig::new("new", 1)).await.unwrap_err(),
        client.create(TopicConfig::new("data", 2)).await.unwrap_err(),
        client.create(TopicConfig { retention, ..TopicConfig::new("data", 1) }).await.unwrap_err(),
        client.trim(&at(), Offset(u64::MAX)).await.unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
    assert_eq!(read_all(&*client, &at()).await, read_all(&*journal, &at()).await);
    client.close().await;
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_http_harm_nothing() {
    let dir = TempDir::new().unwrap();
    let journal = journal(&dir, 1).await;
    let served = Served::start(journal.clone(), Access::Append).await;
    let client = remote(&served.url()).await;
    let random = AtomicU64::new(11);
    for round in 0..50 {
        let mut socket = tokio::net::TcpStream::connect(served.address).await.unwrap();
        let preface: &[u8] = if round % 2 == 0 { b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" } else { b"" };
        let noise = (0..1000).map(|_| next_random(&random) as u8);
        let bytes: Vec<u8> = preface.iter().copied().chain(noise).collect();
        // The node may have hung up before the end.
        drop(socket.write_all(&bytes).await);
        drop(socket.shutdown().await);
        drop(socket.read_to_end(&mut Vec::new()).await);
    }
    works(&*journal, &client).await;
    served.end().await;
}

/// Sends bytes as they are.
#[derive(Clone, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(bytes.copy_to_bytes(bytes.remaining())))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_garbage_are_answered_with_a_status() {
    let dir = TempDir::new().unwrap();
    let journal = journal(&dir, 1).await;
    let served = Served::start(journal.clone(), Access::Append).await;
    let client = remote(&served.url()).await;
    let channel = Endpoint::from_shared(format!("http://{}", served.address)).unwrap().connect().await.unwrap();
    let mut grpc = tonic::client::Grpc::new(channel);
    let random = AtomicU64::new(12);
    for method in ["Topics", "Create", "Append", "Read", "Bounds", "Find", "Trim", "Hold"] {
        for _ in 0..100 {
            let length = next_random(&random) % 60;
            let noise: Vec<u8> = (0..length).map(|_| next_random(&random) as u8).collect();
            let path = format!("/tidemill.journal.v1.Journal/{method}").parse().unwrap();
            grpc.ready().await.unwrap();
            let messages = tonic::Request::new(stream::iter([Bytes::from(noise)]));
            let answered = match grpc.streaming(messages, path, Raw).await {
                Ok(answers) => answers.into_inner().message().await.map(drop),
                Err(status) => Err(status),
            };
            let status = answered.expect_err("no journal has that name");
            let is_answer = matches!(status.code(), Code::InvalidArgument | Code::Internal | Code::FailedPrecondition);
            assert!(is_answer, "{method}: {status}");
        }
    }
    works(&*journal, &client).await;
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_that_break_the_rules_end_their_stream_and_write_nothing() {
    let dir = TempDir::new().unwrap();
    let journal = journal(&dir, 1).await;
    let served = Served::start(journal.clone(), Access::Append).await;
    let client = remote(&served.url()).await;
    let identity = journal.identity();
    let raw = JournalClient::connect(format!("http://{}", served.address)).await.unwrap();
    let raw = raw.max_encoding_message_size(usize::MAX);
    let open = |session| {
        let journal = Some(Identity { id: identity.id, generation: identity.generation });
        AppendRequest { what: Some(What::Open(AppendOpen { journal, session, attempt: 1 })) }
    };
    let part = |request, records: &[u8], is_last| {
        let records = Bytes::copy_from_slice(records);
        AppendRequest {
            what: Some(What::Part(AppendPart { request, topic: "data".into(), partition: 0, records, is_last })),
        }
    };
    let cases = [
        vec![part(1, b"", true)],
        vec![AppendRequest { what: None }],
        vec![open(1), open(1)],
        vec![open(2), part(1, &[7; 100], true)],
        vec![open(3), part(1, b"TMR1", true)],
        vec![open(4), part(1, b"", false), part(2, b"", true)],
        vec![open(5), part(1, &vec![0; MESSAGE_BYTES_MAX + 1], true)],
    ];
    for (i, case) in cases.into_iter().enumerate() {
        let status = match raw.clone().append(stream::iter(case)).await {
            Ok(answers) => {
                let mut answers = answers.into_inner();
                loop {
                    match answers.message().await {
                        Ok(Some(_)) => {}
                        Ok(None) => panic!("case {i} was taken"),
                        Err(status) => break status,
                    }
                }
            }
            Err(status) => status,
        };
        assert!(matches!(status.code(), Code::InvalidArgument | Code::OutOfRange), "case {i}: {status}");
    }
    assert_eq!(journal.bounds(&at()).await.unwrap().records, 0);
    works(&*journal, &client).await;
    served.end().await;
}
