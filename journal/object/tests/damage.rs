//! Damage and mistakes are named, never read over.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tidemill_journal::{ErrorKind, Journal, JournalError, ReadLimits, SystemEnv, TopicConfig, TopicPartition};
use tidemill_journal_object::{ObjectJournal, Settings};
use tidemill_model::{JournalIdentity, NewRecord, Offset, RecordKind};

fn at() -> TopicPartition {
    TopicPartition::new("data", 0)
}

fn page(number: u64) -> Path {
    Path::from(format!("j/p/data/0/page/{number:020}"))
}

async fn open(store: &Arc<InMemory>, settings: Settings) -> std::result::Result<Arc<ObjectJournal>, JournalError> {
    ObjectJournal::open_on(store.clone(), "j", settings, SystemEnv::new()).await
}

/// A store with so many pages of one record each.
async fn written(pages: u64) -> Arc<InMemory> {
    let store = Arc::new(InMemory::new());
    let journal = open(&store, Settings::local()).await.unwrap();
    journal.create(TopicConfig::new("data", 1)).await.unwrap();
    for number in 0..pages {
        let record = NewRecord::anonymous(RecordKind::Samples, format!("record {number}")).with_key("key");
        journal.append(&at(), vec![record]).await.unwrap();
    }
    journal.close().await;
    store
}

async fn get(store: &InMemory, path: &Path) -> Vec<u8> {
    store.get(path).await.unwrap().bytes().await.unwrap().to_vec()
}

/// Reads all records as a process that has just started.
async fn read_all(store: &Arc<InMemory>) -> std::result::Result<usize, JournalError> {
    let journal = open(store, Settings::local()).await?;
    let (mut from, mut count) = (Offset(0), 0);
    loop {
        let batch = journal.read(&at(), from, ReadLimits::default()).await?;
        if batch.records.is_empty() {
            return Ok(count);
        }
        (from, count) = (batch.next, count + batch.records.len());
    }
}

#[tokio::test]
async fn every_flipped_bit_of_a_page_is_found() {
    let store = written(3).await;
    let whole = get(&store, &page(1)).await;
    assert_eq!(read_all(&store).await.unwrap(), 3);
    for bit in 0..whole.len() * 8 {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        store.put(&page(1), damaged.into()).await.unwrap();
        let error = read_all(&store).await.expect_err("damage is found");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "bit {bit}: {error}");
    }
}

#[tokio::test]
async fn a_page_cut_short_or_gone_is_found() {
    let store = written(3).await;
    let whole = get(&store, &page(1)).await;
    for length in [0, 1, 191, 192, whole.len() - 1] {
        store.put(&page(1), whole[..length].to_vec().into()).await.unwrap();
        let error = read_all(&store).await.expect_err("damage is found");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{length} bytes: {error}");
    }
    for pages in [3, 30] {
        let store = written(pages).await;
        store.delete(&page(1)).await.unwrap();
        let error = read_all(&store).await.expect_err("the hole is found");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    }
}

#[tokio::test]
async fn a_page_of_another_history_is_found() {
    let store = written(3).await;
    let journal = open(&store, Settings::local()).await.unwrap();
    // The same journal, another past: pages 1 and 2 are replaced by a fork's page 1 and the old page 2.
    let fork = Arc::new(InMemory::new());
    for key in ["j/journal", "j/topic/data/00000000000000000001"] {
        fork.put(&Path::from(key), get(&store, &Path::from(key)).await.into()).await.unwrap();
    }
    fork.put(&page(0), get(&store, &page(0)).await.into()).await.unwrap();
    let other = open(&fork, Settings::local()).await.unwrap();
    other.append(&at(), vec![NewRecord::anonymous(RecordKind::Samples, "forged")]).await.unwrap();
    store.put(&page(1), get(&fork, &page(1)).await.into()).await.unwrap();
    let error = read_all(&store).await.expect_err("the forgery is found");
    assert!(error.to_string().contains("history was replaced"), "{error}");
    journal.close().await;
}

#[tokio::test]
async fn a_place_with_something_else_is_refused() {
    let store = written(1).await;
    let key = Path::from("j/journal");
    let whole = get(&store, &key).await;
    let mut newer = whole.clone();
    newer[4] = 2;
    let crc = crc32c::crc32c(&newer[..44]);
    newer[44..].copy_from_slice(&crc.to_le_bytes());
    let cases: [(&[u8], &str); 4] = [
        (b"something else entirely", "has 48 bytes"),
        (&whole[..47], "has 48 bytes"),
        (&newer, "upgrade"),
        (&[7; 48], "is not a journal"),
    ];
    for (bytes, message) in cases {
        store.put(&key, Bytes::copy_from_slice(bytes).into()).await.unwrap();
        let error = open(&store, Settings::local()).await.err().unwrap();
        assert!(error.to_string().contains(message), "{error}");
    }
    store.delete(&key).await.unwrap();
    let error = open(&store, Settings::local()).await.err().unwrap();
    assert!(error.to_string().contains("choose an empty prefix"), "{error}");
}

#[tokio::test]
async fn another_journal_than_the_expected_one_is_refused() {
    let store = written(1).await;
    let expected = Some(JournalIdentity { id: 1, generation: 1 });
    let error = open(&store, Settings { expected, ..Settings::local() }).await.err().unwrap();
    assert!(matches!(error, JournalError::WrongJournal { .. }), "{error}");
}

#[tokio::test]
async fn unknown_settings_and_impossible_values_are_refused() {
    for (url, message) in [
        ("object://memory?colour=blue", "no setting \"colour\""),
        ("s3://bucket/prefix?region=eu&colour=blue", "no setting \"colour\""),
        ("object://memory?pipeline=9", "pipeline is 1 to 8"),
        ("object://memory?linger_ms=soon", "whole number"),
        ("object://memory?grace_ms=1", "grace_ms must be more"),
        ("ftp://bucket/prefix", "names no object store"),
    ] {
        let error = ObjectJournal::open(url, Vec::new(), SystemEnv::new()).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{url}");
        assert!(error.to_string().contains(message), "{url}: {error}");
    }
}

/// A store that overwrites although asked not to.
#[derive(Debug)]
struct Careless(InMemory);

impl std::fmt::Display for Careless {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("careless")
    }
}

#[async_trait]
impl ObjectStore for Careless {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.0.put_opts(location, payload, PutOptions { mode: PutMode::Overwrite, ..options }).await
    }

    async fn put_multipart_opts(&self, at: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn a_store_without_put_if_absent_is_refused_and_left_clean() {
    let store = Arc::new(Careless(InMemory::new()));
    let opened = ObjectJournal::open_on(store.clone(), "j", Settings::local(), SystemEnv::new()).await;
    let error = opened.err().unwrap();
    assert!(error.to_string().contains("careless/j puts an object where one is already"), "{error}");
    let left = futures::StreamExt::collect::<Vec<_>>(store.0.list(None)).await;
    assert!(left.is_empty(), "{left:?}");
}
