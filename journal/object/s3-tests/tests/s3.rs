//! The object journal keeps every promise of the seam over HTTP, with several writers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use futures::future::{BoxFuture, FutureExt, join_all};
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;
use tidemill_journal::conformance::{Rig, Shape, run_all};
use tidemill_journal::{Journal, ReadLimits, SystemEnv, TopicConfig, TopicPartition};
use tidemill_journal_object::ObjectJournal;
use tidemill_model::{JournalIdentity, NewRecord, Offset, RecordKind};

const BUCKET: &str = "journals";

/// A server on a port of its own, with one bucket.
struct Server {
    _files: TempDir,
    endpoint: String,
    prefixes: AtomicU64,
}

impl Server {
    async fn start() -> Self {
        let files = TempDir::new().unwrap();
        std::fs::create_dir(files.path().join(BUCKET)).unwrap();
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(files.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single("key", "secret"));
        let service = builder.build();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let one_at_a_time = Arc::new(tokio::sync::Mutex::new(()));
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (service, one_at_a_time) = (service.clone(), one_at_a_time.clone());
                // The server looks whether an object is there and then writes it: two requests at once could both
                // find it absent, which the journal would refuse to work with.
                let service = service_fn(move |request: Request<Incoming>| {
                    let (service, one_at_a_time) = (service.clone(), one_at_a_time.clone());
                    async move {
                        let _only = one_at_a_time.lock().await;
                        service.call(request.map(s3s::Body::from)).await
                    }
                });
                tokio::spawn(async move {
                    // A client that goes away is none of our business.
                    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { _files: files, endpoint, prefixes: AtomicU64::new(0) }
    }

    /// A place where nothing is yet.
    fn url(&self) -> String {
        let (endpoint, prefix) = (&self.endpoint, self.prefixes.fetch_add(1, SeqCst));
        let credentials = "access_key_id=key&secret_access_key=secret";
        format!("s3://{BUCKET}/p{prefix}?region=us-east-1&endpoint={endpoint}&allow_http=true&{credentials}")
    }
}

type Made = Arc<Mutex<HashMap<JournalIdentity, (String, Shape, Arc<ObjectJournal>)>>>;

async fn open(url: String, shape: Shape, made: Made) -> Arc<dyn Journal> {
    let page_bytes = if shape == Shape::SmallFiles { 16 << 10 } else { 8 << 20 };
    let settings = [("page_bytes", page_bytes.to_string()), ("run_pages", "8".into()), ("linger_ms", "1".into())];
    let settings = settings.map(|(name, value)| (name.to_owned(), value)).to_vec();
    let journal = ObjectJournal::open(&url, settings, SystemEnv::new()).await.unwrap();
    made.lock().unwrap().insert(journal.identity(), (url, shape, journal.clone()));
    journal
}

struct Prefixes {
    server: Server,
    made: Made,
}

impl Rig for Prefixes {
    fn make(&self, shape: Shape) -> BoxFuture<'static, Arc<dyn Journal>> {
        open(self.server.url(), shape, self.made.clone()).boxed()
    }

    fn reopen(&self, journal: JournalIdentity) -> BoxFuture<'static, Option<Arc<dyn Journal>>> {
        let (url, shape, _) = self.made.lock().unwrap().remove(&journal).unwrap();
        open(url, shape, self.made.clone()).map(Some).boxed()
    }

    fn compact(&self, journal: JournalIdentity, at: &TopicPartition) -> BoxFuture<'static, bool> {
        let (journal, at) = (self.made.lock().unwrap()[&journal].2.clone(), at.clone());
        async move { journal.maintain(&at).await.is_ok() }.boxed()
    }

    fn can_hold(&self) -> bool {
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_object_journal_conforms_over_http() {
    let rig = Prefixes { server: Server::start().await, made: Made::default() };
    // Retention is forced nowhere but in the crate's own tests.
    assert_eq!(run_all(rig).await, ["what_is_held_survives_retention"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_writers_over_http_lose_nothing() {
    const APPENDS: u64 = 60;
    let server = Server::start().await;
    let url = server.url();
    let at = TopicPartition::new("data", 0);
    let mut writers = Vec::new();
    for _ in 0..3 {
        let writer = ObjectJournal::open(&url, Vec::new(), SystemEnv::new()).await.unwrap();
        writer.create(TopicConfig::new("data", 1)).await.unwrap();
        writers.push(writer);
    }
    let write = |number: u64| {
        let (writer, at) = (writers[number as usize].clone(), at.clone());
        async move {
            let mut receipts = Vec::new();
            for i in 0..APPENDS {
                let payload = format!("{number}/{i}");
                let record = NewRecord::anonymous(RecordKind::Samples, payload.clone());
                receipts.push((writer.append(&at, vec![record]).await.unwrap().first, payload));
            }
            receipts
        }
    };
    let receipts: Vec<_> = join_all((0..3).map(write)).await.into_iter().flatten().collect();
    let reader = ObjectJournal::open(&url, Vec::new(), SystemEnv::new()).await.unwrap();
    let (mut from, mut found) = (Offset(0), HashMap::new());
    loop {
        let batch = reader.read(&at, from, ReadLimits::default()).await.unwrap();
        if batch.records.is_empty() {
            break;
        }
        from = batch.next;
        found.extend(batch.records.into_iter().map(|record| (record.offset, record.payload)));
    }
    assert_eq!(found.len(), receipts.len());
    for (offset, payload) in receipts {
        assert_eq!(found[&offset], payload.as_bytes(), "what was acknowledged at {offset}");
    }
}
