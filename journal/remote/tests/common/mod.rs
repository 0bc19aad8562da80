//! Nodes that serve a journal over TCP, and a proxy that cuts connections.
#![allow(clippy::unwrap_used, dead_code, reason = "helpers of tests fail like tests, and no test uses all of them")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use futures::FutureExt;
use parking_lot::Mutex;
use tidemill_journal::env::Task;
use tidemill_journal::{Env, Journal, ReadLimits, SystemEnv, TopicPartition};
use tidemill_journal_embedded::{EmbeddedConfig, EmbeddedJournal, Sync};
use tidemill_journal_remote::service::{Access, JournalService, PATH};
use tidemill_journal_remote::{RemoteJournal, RemoteSettings};
use tidemill_model::{NewRecord, Offset, ProducerId, Record, RecordKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) fn embedded(dir: &Path, segment_bytes: u64) -> Arc<EmbeddedJournal> {
    let config = EmbeddedConfig { segment_bytes, sync: Sync::Never, ..EmbeddedConfig::new(dir) };
    EmbeddedJournal::open(config, SystemEnv::new()).unwrap()
}

/// A node's server, with nothing but its journal.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    stop: watch::Sender<bool>,
    task: Task,
}

impl Served {
    pub(crate) async fn start(journal: Arc<dyn Journal>, access: Access) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = watch::Sender::new(false);
        let service = JournalService::mount(journal, access, "test", stop.subscribe());
        let router = axum::Router::new().route_service(PATH, service);
        let mut stopped = stop.subscribe();
        let serve = async move {
            let stopped = async move { drop(stopped.wait_for(|stop| *stop).await) };
            axum::serve(listener, router).with_graceful_shutdown(stopped).await.unwrap();
        };
        let task = SystemEnv::new().spawn("serve", serve.boxed());
        Self { address, stop, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("grpc://{}", self.address)
    }

    /// Ends as a node does, once every stream has ended.
    pub(crate) async fn end(self) {
        self.stop.send_replace(true);
        assert!(self.task.join().await);
    }
}

pub(crate) async fn remote(url: &str) -> Arc<RemoteJournal> {
    RemoteJournal::open(url, RemoteSettings::new("test"), SystemEnv::new()).await.unwrap()
}

/// Passes bytes on to a node, and cuts connections.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    state: Arc<ProxyState>,
}

struct ProxyState {
    target: Mutex<SocketAddr>,
    /// Connections end after about so many bytes each; 0: they don't.
    cut_after: AtomicU64,
    random: AtomicU64,
    connections: AtomicU64,
    /// On connections up to this number, what the node says goes nowhere.
    deaf_until: AtomicU64,
    /// Changes when all connections end.
    cut: watch::Sender<()>,
}

impl Proxy {
    pub(crate) async fn start(target: SocketAddr, seed: u64, cut_after: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(ProxyState {
            target: Mutex::new(target),
            cut_after: AtomicU64::new(cut_after),
            random: AtomicU64::new(seed),
            connections: AtomicU64::new(0),
            deaf_until: AtomicU64::new(0),
            cut: watch::Sender::new(()),
        });
        let accept = state.clone().accept(listener);
        SystemEnv::new().spawn("proxy", accept.boxed());
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("grpc://{}", self.address)
    }

    pub(crate) fn connections(&self) -> u64 {
        self.state.connections.load(Relaxed)
    }

    /// From now on, what the node says on the connections there are goes nowhere.
    pub(crate) fn lose_answers(&self) {
        self.state.deaf_until.store(self.connections(), Relaxed);
    }

    /// Ends all connections; new ones go to `target`.
    pub(crate) fn turn_to(&self, target: SocketAddr) {
        *self.state.target.lock() = target;
        self.state.cut.send_replace(());
    }
}

impl ProxyState {
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        let env = SystemEnv::new();
        while let Ok((client, _)) = listener.accept().await {
            let number = self.connections.fetch_add(1, Relaxed) + 1;
            env.spawn("connection", self.clone().connection(number, client).boxed());
        }
    }

    async fn connection(self: Arc<Self>, number: u64, mut client: TcpStream) {
        let mut cut = self.cut.subscribe();
        let target = *self.target.lock();
        let Ok(mut node) = TcpStream::connect(target).await else { return };
        let mut left = self.budget();
        let (mut up, mut down) = (vec![0; 16 << 10], vec![0; 16 << 10]);
        loop {
            let (bytes, is_up) = tokio::select! {
                read = client.read(&mut up) => (read.unwrap_or(0), true),
                read = node.read(&mut down) => (read.unwrap_or(0), false),
                _ = cut.changed() => return,
            };
            let passed = bytes.min(usize::try_from(left).unwrap());
            left -= passed as u64;
            let is_lost = !is_up && number <= self.deaf_until.load(Relaxed);
            let written = match is_up {
                _ if is_lost => Ok(()),
                true => node.write_all(&up[..passed]).await,
                false => client.write_all(&down[..passed]).await,
            };
            if bytes == 0 || left == 0 || written.is_err() {
                return;
            }
        }
    }

    /// Bytes until the end of a connection.
    fn budget(&self) -> u64 {
        match self.cut_after.load(Relaxed) {
            0 => u64::MAX,
            most => 1 + most / 8 + next_random(&self.random) % most,
        }
    }
}

/// The next number of a sequence that a seed determines.
pub(crate) fn next_random(state: &AtomicU64) -> u64 {
    let mut x = state.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

pub(crate) fn record(sequence: u64, bytes: usize) -> NewRecord {
    let producer = ProducerId::from_name("test");
    let payload = vec![sequence as u8; bytes];
    NewRecord { producer, sequence, ..NewRecord::anonymous(RecordKind::Samples, payload) }
}

pub(crate) fn at() -> TopicPartition {
    TopicPartition::new("data", 0)
}

pub(crate) async fn read_all(journal: &dyn Journal, at: &TopicPartition) -> Vec<Record> {
    let (mut all, mut from) = (Vec::new(), Offset(0));
    loop {
        let batch = journal.read(at, from, ReadLimits::default()).await.unwrap();
        if batch.records.is_empty() {
            return all;
        }
        from = batch.next;
        all.extend(batch.records);
    }
}
