//! Connections break at any byte: nothing acknowledged is lost, nothing is there twice, and the order stays.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Proxy, Served, at, embedded, read_all, record, remote};
use futures::future::join_all;
use tempfile::TempDir;
use tidemill_journal::{Cursor, ErrorKind, Journal, JournalError, ReadLimits, TopicConfig};
use tidemill_journal_embedded::EmbeddedJournal;
use tidemill_journal_remote::service::Access;
use tidemill_model::{NewRecord, Offset, Record, RecordKind};

async fn journal(dir: &TempDir) -> Arc<EmbeddedJournal> {
    let journal = embedded(dir.path(), 16 << 20);
    journal.create(TopicConfig::new("data", 1)).await.unwrap();
    journal
}

/// Reads until so many records have been seen.
async fn follow(journal: &dyn Journal, count: usize, bytes: usize) -> Vec<Record> {
    let (mut seen, mut from) = (Vec::new(), Offset(0));
    while seen.len() < count {
        let limits = ReadLimits { bytes, wait: Duration::from_secs(5) };
        let batch = journal.read(&at(), from, limits).await.unwrap();
        assert!(batch.records.is_empty() || batch.next > from);
        from = batch.next;
        seen.extend(batch.records);
    }
    seen
}

async fn appends_and_reads_survive_cuts(seed: u64, cut_after: u64) {
    const APPENDS: u64 = 600;
    let dir = TempDir::new().unwrap();
    let journal = journal(&dir).await;
    let served = Served::start(journal.clone(), Access::Append).await;
    let proxy = Proxy::start(served.address, seed, cut_after).await;
    let client = remote(&proxy.url()).await;
    let size = |sequence: u64| (sequence * 131 % 3000) as usize;
    let appends = async {
        let mut receipts = Vec::new();
        for group in 0..APPENDS / 100 {
            let numbers = group * 100..(group + 1) * 100;
            let records = |i: u64| {
                let unsigned = NewRecord::anonymous(RecordKind::Samples, i.to_le_bytes().to_vec());
                vec![record(2 * i, size(2 * i)), unsigned, record(2 * i + 1, size(2 * i + 1))]
            };
            receipts.extend(join_all(numbers.map(|i| client.append(&at(), records(i)))).await);
        }
        receipts
    };
    let count = 3 * APPENDS as usize;
    let readers = join_all([999, 10_000, 100_000].map(|bytes| follow(&*client, count, bytes)));
    let (receipts, seen) = futures::future::join(appends, readers).await;
    let all = read_all(&*journal, &at()).await;
    assert_eq!(all.len(), count, "nothing is there twice, with a producer or without");
    for (i, receipt) in receipts.into_iter().enumerate() {
        let (receipt, i) = (receipt.unwrap(), i as u64);
        let records: Vec<_> = all.iter().filter(|r| (receipt.first..receipt.end).contains(&r.offset)).collect();
        let sequences: Vec<_> = records.iter().map(|r| (r.sequence, r.payload.len())).collect();
        assert_eq!(sequences, [(2 * i, size(2 * i)), (0, 8), (2 * i + 1, size(2 * i + 1))]);
        assert_eq!(records[1].payload, i.to_le_bytes()[..]);
    }
    for records in seen {
        assert_eq!(records, all, "readers see each record once, in order");
    }
    assert!(proxy.connections() > 6, "connections were cut: {}", proxy.connections());
    client.close().await;
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_and_reads_survive_connections_that_are_cut_at_any_byte() {
    for (seed, cut_after) in [(1, 200_000), (2, 300_000), (3, 600_000)] {
        appends_and_reads_survive_cuts(seed, cut_after).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_has_forgotten_the_session_gets_records_of_producers_again_and_no_others() {
    let dir = TempDir::new().unwrap();
    let journal = journal(&dir).await;
    let before = Served::start(journal.clone(), Access::Append).await;
    let proxy = Proxy::start(before.address, 1, 0).await;
    let client = remote(&proxy.url()).await;
    client.append(&at(), vec![record(0, 10)]).await.unwrap();
    proxy.lose_answers();
    let signed = client.append(&at(), vec![record(1, 10), record(2, 10)]);
    let unsigned = client.append(&at(), vec![NewRecord::anonymous(RecordKind::Samples, "unsigned")]);
    assert_eq!(follow(&*journal, 4, 1 << 20).await.len(), 4, "both were written, and the client does not know");
    let after = Served::start(journal.clone(), Access::Append).await;
    proxy.turn_to(after.address);
    let error = unsigned.await.unwrap_err();
    assert!(matches!(error, JournalError::Unknown { .. }), "{error}");
    let receipt = signed.await.unwrap();
    let all = read_all(&*journal, &at()).await;
    assert_eq!(all.iter().map(|r| r.sequence).collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2]);
    assert_eq!(receipt.first, all[4].offset);
    let mut cursor = Cursor::default();
    let ends = all[1..].iter().map(|r| r.offset).chain([receipt.end]);
    let applied: Vec<_> =
        all.iter().zip(ends).filter(|(r, end)| cursor.admit(r, *end)).map(|(r, _)| r.sequence).collect();
    assert_eq!(applied, [0, 1, 2, 0], "a follower applies each once");
    client.close().await;
    before.end().await;
    after.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_journal_behind_the_same_address_is_refused() {
    let (dir, other_dir) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (right, wrong) = (journal(&dir).await, journal(&other_dir).await);
    wrong.append(&at(), vec![record(7, 10)]).await.unwrap();
    let (there, other) =
        (Served::start(right.clone(), Access::Append).await, Served::start(wrong.clone(), Access::Append).await);
    let proxy = Proxy::start(there.address, 1, 0).await;
    let client = remote(&proxy.url()).await;
    for i in 0..10 {
        client.append(&at(), vec![record(i, 10)]).await.unwrap();
    }
    // The second read opens a stream, which is parked when the journals are exchanged.
    let limits = ReadLimits { bytes: 1, wait: Duration::ZERO };
    let first = client.read(&at(), Offset(0), limits).await.unwrap();
    let second = client.read(&at(), first.next, limits).await.unwrap();
    proxy.turn_to(other.address);
    let mut errors = vec![client.append(&at(), vec![record(11, 10)]).await.unwrap_err()];
    errors.push(client.bounds(&at()).await.unwrap_err());
    errors.push(client.topics().await.unwrap_err());
    errors.push(client.trim(&at(), Offset(0)).await.unwrap_err());
    let mut from = second.next;
    // What the stream had brought before may be read; nothing of the other journal may.
    errors.push(loop {
        match client.read(&at(), from, limits).await {
            Ok(batch) => {
                assert!(batch.records.iter().all(|r| r.sequence < 10 && r.sequence != 7 || r.ordinal == 7));
                from = batch.next;
            }
            Err(error) => break error,
        }
    });
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
        let JournalError::WrongJournal { found, expected, .. } = error else { panic!("{error}") };
        assert_eq!((found, expected), (wrong.identity(), right.identity()));
    }
    assert_eq!(read_all(&*wrong, &at()).await.len(), 1, "nothing was written to the other journal");
    proxy.turn_to(there.address);
    client.append(&at(), vec![record(12, 10)]).await.unwrap();
    client.close().await;
    there.end().await;
    other.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_node_is_waited_for() {
    let dir = TempDir::new().unwrap();
    let journal = journal(&dir).await;
    let before = Served::start(journal.clone(), Access::Append).await;
    let proxy = Proxy::start(before.address, 1, 0).await;
    let client = remote(&proxy.url()).await;
    let receipt = client.append(&at(), vec![record(0, 10)]).await.unwrap();
    let waiting = {
        let client = client.clone();
        async move {
            let limits = ReadLimits { bytes: 1, wait: Duration::from_secs(60) };
            client.read(&at(), receipt.end, limits).await
        }
    };
    let restart = async {
        // Ends streams as well: a node does not wait for its followers.
        before.end().await;
        let append = client.append(&at(), vec![record(1, 10)]);
        let after = Served::start(journal.clone(), Access::Append).await;
        proxy.turn_to(after.address);
        append.await.unwrap();
        after
    };
    let (batch, after) = futures::future::join(waiting, restart).await;
    assert_eq!(batch.unwrap().records[0].sequence, 1);
    client.close().await;
    after.end().await;
}
