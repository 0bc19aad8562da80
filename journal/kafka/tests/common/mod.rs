//! A real broker: one for all tests of a binary, or one of its own for tests that kill it.
#![allow(dead_code, reason = "every test file uses its own part of it")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]
#![expect(clippy::disallowed_methods, reason = "tests live in the real world")]
#![allow(clippy::zombie_processes, reason = "what takes the broker away outlives the test")]

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use tempfile::TempDir;
use tidemill_journal::{Journal, JournalError, ReadLimits, SystemEnv, TopicConfig, TopicPartition};
use tidemill_journal_kafka::KafkaJournal;
use tidemill_model::{NewRecord, Offset, ProducerId, Record, RecordKind};

/// A broker may fetch its jars before it starts.
const START_TIMEOUT: Duration = Duration::from_secs(300);

/// What the broker says when it takes connections.
const UP: &str = "Kafka Server started";

/// Writes what a broker says to its log, and tells when it is up.
fn keep(output: impl Read, mut log: File, up: &mpsc::Sender<()>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if line.contains(UP) {
            // Whoever waited may have given up.
            let _ = up.send(());
        }
        writeln!(log, "{line}").unwrap();
    }
}

/// A broker's process and its data.
pub(crate) struct Broker {
    process: Option<Child>,
    directory: PathBuf,
    settings: Vec<String>,
    is_guarded: bool,
    /// `host:port`.
    pub(crate) address: String,
    _data: Option<TempDir>,
}

impl Broker {
    /// Starts a broker with further settings; with `is_guarded`, clients need user `tidemill` and `tidemill-secret`.
    pub(crate) fn start(settings: &[&str], is_guarded: bool) -> Self {
        let data = TempDir::new().unwrap();
        let directory = data.path().to_owned();
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let mut broker =
            Self { process: None, directory, settings, is_guarded, address: String::new(), _data: Some(data) };
        broker.launch(&[]);
        broker
    }

    /// Starts it again where it was.
    pub(crate) fn restart(&mut self) {
        let ports: Vec<_> = std::fs::read_to_string(self.directory.join("server.properties"))
            .unwrap()
            .lines()
            .find_map(|line| line.strip_prefix("listeners=").map(ports))
            .unwrap();
        self.launch(&ports);
    }

    fn launch(&mut self, ports: &[String]) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let log = self.directory.join("log");
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let address = self.directory.join("address");
        let _ = std::fs::remove_file(&address);
        let mut command = Command::new(root.join("tests/kafka/broker.sh"));
        command.arg(&self.directory).args(ports);
        if ports.is_empty() && !self.settings.is_empty() {
            command.args(["auto", "auto"]);
        }
        command.args(&self.settings).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file.try_clone().unwrap());
        if self.is_guarded {
            command.env("SASL", "1");
        }
        let mut process = command.spawn().expect("tests/kafka/broker.sh can be run");
        let (up, is_up) = mpsc::channel();
        let output = process.stdout.take().unwrap();
        // Reads as long as the broker talks, or it would have to wait.
        std::thread::spawn(move || keep(output, file, &up));
        if let Err(error) = is_up.recv_timeout(START_TIMEOUT) {
            panic!("the broker does not come up ({error}):\n{}", tail(&log));
        }
        std::fs::read_to_string(&address).unwrap().trim().clone_into(&mut self.address);
        self.process = Some(process);
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Stops it from running, or lets it run on, without any connection being closed.
    pub(crate) fn freeze(&self, is_frozen: bool) {
        let signal = if is_frozen { rustix::process::Signal::STOP } else { rustix::process::Signal::CONT };
        let pid = rustix::process::Pid::from_child(self.process.as_ref().unwrap());
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// The address of a journal nobody has used yet.
    pub(crate) fn fresh_url(&self) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        format!("kafka://{}/t{}-{}", self.address, std::process::id(), NEXT.fetch_add(1, Relaxed))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

fn ports(listeners: &str) -> Vec<String> {
    listeners.split(',').filter_map(|listener| Some(listener.rsplit_once(':')?.1.to_owned())).collect()
}

fn tail(log: &Path) -> String {
    let mut text = String::new();
    let _ = std::fs::File::open(log).and_then(|mut file| file.read_to_string(&mut text));
    text.chars().skip(text.chars().count().saturating_sub(4000)).collect()
}

/// The broker that all tests of this binary share. It ends with the process.
pub(crate) fn shared() -> &'static Broker {
    static SHARED: OnceLock<Broker> = OnceLock::new();
    SHARED.get_or_init(|| {
        let settings = ["log.cleaner.backoff.ms=100", "log.retention.check.interval.ms=500"];
        let broker = Broker::start(&settings, false);
        let pid = broker.process.as_ref().unwrap().id();
        let directory = broker.directory.display().to_string();
        // A static is never dropped: something that outlives the process takes broker and data away.
        let script = format!(
            "while kill -0 {} 2>/dev/null; do sleep 1; done; kill -9 {pid}; rm -rf '{directory}'",
            std::process::id()
        );
        Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        broker
    })
}

pub(crate) const TOPIC: &str = "data";

pub(crate) fn at() -> TopicPartition {
    TopicPartition::new(TOPIC, 0)
}

pub(crate) async fn open(url: &str) -> Result<Arc<KafkaJournal>, JournalError> {
    KafkaJournal::open(url, Vec::new(), SystemEnv::new()).await
}

/// A journal of its own in the shared broker, with one topic of one partition.
pub(crate) async fn fresh() -> Arc<KafkaJournal> {
    let journal = open(&shared().fresh_url()).await.unwrap();
    journal.create(TopicConfig::new(TOPIC, 1)).await.unwrap();
    journal
}

/// A record of a producer that can be told from others by its sequence.
pub(crate) fn record(sequence: u64, bytes: usize) -> NewRecord {
    let mut payload = sequence.to_le_bytes().repeat(bytes / 8 + 1);
    payload.truncate(bytes);
    let producer = ProducerId::from_name("test");
    NewRecord { producer, sequence, ..NewRecord::anonymous(RecordKind::Samples, payload) }
}

pub(crate) async fn read_all(journal: &dyn Journal, mut from: Offset) -> Result<Vec<Record>, JournalError> {
    let mut all = Vec::new();
    loop {
        let batch = journal.read(&at(), from, ReadLimits::default()).await?;
        if batch.records.is_empty() && batch.next == from {
            return Ok(all);
        }
        from = batch.next;
        all.extend(batch.records);
    }
}
