//! A journal in a simulated world: opening it, what clients do to it, and what must be there afterwards.

#![allow(dead_code, reason = "every test file uses its own part of it")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tidemill_journal::env::Task;
use tidemill_journal::{
    Bounds, Env, ErrorKind, Journal, JournalError, ReadLimits, Retention, TopicConfig, TopicPartition,
};
use tidemill_journal_embedded::{EmbeddedConfig, EmbeddedJournal};
use tidemill_journal_sim::{History, Rng, SimDisk, stamped};
use tidemill_model::{Offset, Record};

pub(crate) const TOPIC: &str = "data";

/// How a journal is made and what is done to it.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) partitions: u32,
    pub(crate) segment_bytes: u64,
    pub(crate) block_bytes: u64,
    /// Retention by size.
    pub(crate) kept_bytes: Option<u64>,
    /// Appends per partition and life.
    pub(crate) appends: u64,
    /// Largest payload.
    pub(crate) payload_max: u64,
    /// How many of 1000 steps of a reader trim.
    pub(crate) trims: u64,
    pub(crate) readers: u32,
    /// Whether the disk may be full.
    pub(crate) may_refuse: bool,
}

/// What clients know, and the first thing that was wrong.
pub(crate) struct Clients {
    pub(crate) histories: Mutex<Vec<History>>,
    pub(crate) problem: Mutex<Option<String>>,
    pub(crate) is_created: Mutex<bool>,
}

impl Clients {
    pub(crate) fn new(shape: &Shape) -> Arc<Self> {
        let histories = (0..shape.partitions).map(|number| {
            let mut history = History::new(number);
            shape.kept_bytes.into_iter().for_each(|bytes| history.retains(bytes));
            history
        });
        let histories = Mutex::new(histories.collect());
        Arc::new(Self { histories, problem: Mutex::default(), is_created: Mutex::default() })
    }

    fn complain(&self, problem: String) {
        self.problem.lock().get_or_insert(problem);
    }
}

pub(crate) fn at(number: u32) -> TopicPartition {
    TopicPartition::new(TOPIC, number)
}

pub(crate) fn open(disk: &SimDisk, env: &Arc<dyn Env>, shape: &Shape) -> Result<Arc<EmbeddedJournal>, JournalError> {
    let config = EmbeddedConfig {
        segment_bytes: shape.segment_bytes,
        block_bytes: shape.block_bytes,
        ..EmbeddedConfig::new(PathBuf::from("/journal"))
    };
    EmbeddedJournal::open_on(Arc::new(disk.clone()), config, env.clone())
}

pub(crate) async fn create(journal: &dyn Journal, clients: &Clients, shape: &Shape) -> Result<(), JournalError> {
    let retention = Retention { bytes: shape.kept_bytes, ..Retention::default() };
    journal.create(TopicConfig { retention, ..TopicConfig::new(TOPIC, shape.partitions) }).await?;
    *clients.is_created.lock() = true;
    Ok(())
}

/// Bounds and records of each partition; nothing of a topic that was never acknowledged and is not there.
pub(crate) async fn look(
    journal: &dyn Journal,
    shape: &Shape,
    must_be_created: bool,
) -> Result<Vec<(Bounds, Vec<Record>)>, JournalError> {
    let mut all = Vec::new();
    for number in 0..shape.partitions {
        let bounds = match journal.bounds(&at(number)).await {
            Err(JournalError::NoSuchPartition { .. }) if !must_be_created => return Ok(Vec::new()),
            other => other?,
        };
        all.push((bounds, read_all(journal, number, bounds.start).await?));
    }
    Ok(all)
}

async fn read_all(journal: &dyn Journal, number: u32, mut from: Offset) -> Result<Vec<Record>, JournalError> {
    let mut all = Vec::new();
    loop {
        let batch = journal.read(&at(number), from, ReadLimits::default()).await?;
        if batch.records.is_empty() {
            return Ok(all);
        }
        from = batch.next;
        all.extend(batch.records);
    }
}

/// Appends one record to each partition and reads it at the place where a follower of everything stands.
pub(crate) async fn goes_on(journal: &dyn Journal, all: &[(Bounds, Vec<Record>)]) -> Result<(), String> {
    for (number, (bounds, _)) in (0..).zip(all) {
        let new = tidemill_model::NewRecord::anonymous(tidemill_model::RecordKind::Heartbeat, &b"goes on"[..]);
        let receipt = journal.append(&at(number), vec![new]).await.map_err(|e| format!("an append afterwards: {e}"))?;
        let read = journal.read(&at(number), bounds.durable, ReadLimits::default()).await;
        let batch = read.map_err(|e| format!("a read afterwards: {e}"))?;
        let found = batch.records.first().map(|r| (r.offset, r.ordinal, &r.payload[..]));
        if found != Some((receipt.first, bounds.records, b"goes on")) || batch.next != receipt.end {
            return Err(format!("after {bounds:?} comes {found:?}, not the record at {receipt:?}"));
        }
    }
    Ok(())
}

/// Starts writers, readers and trims; returns the writers, which end.
pub(crate) fn start_clients(
    journal: &Arc<EmbeddedJournal>,
    clients: &Arc<Clients>,
    disk: &SimDisk,
    env: &Arc<dyn Env>,
    shape: &Shape,
    rng: &mut Rng,
) -> Vec<Task> {
    let mut writers = Vec::new();
    for number in 0..shape.partitions {
        let client = |rng: &mut Rng| Client {
            journal: journal.clone(),
            clients: clients.clone(),
            disk: disk.clone(),
            env: env.clone(),
            rng: rng.fork(),
            shape: shape.clone(),
            number,
        };
        writers.push(env.spawn("writer", Box::pin(client(rng).write())));
        for _ in 0..shape.readers {
            env.spawn("reader", Box::pin(client(rng).read()));
        }
    }
    writers
}

struct Client {
    journal: Arc<EmbeddedJournal>,
    clients: Arc<Clients>,
    disk: SimDisk,
    env: Arc<dyn Env>,
    rng: Rng,
    shape: Shape,
    number: u32,
}

impl Client {
    /// Appends, without waiting for the answers.
    async fn write(mut self) {
        let mut waiting = Vec::new();
        for _ in 0..self.shape.appends {
            let sizes = self.sizes();
            let count = sizes.len();
            let (first, records) = self.clients.histories.lock()[self.number as usize].append(&sizes);
            let answer = stamped(&self.disk, self.journal.append(&at(self.number), records));
            let (clients, number) = (self.clients.clone(), self.number);
            let hear = async move {
                let (answer, moment) = answer.await;
                let history = &mut clients.histories.lock()[number as usize];
                match answer {
                    Ok(receipt) => history.acknowledged(first, count, receipt, moment),
                    Err(error) if error.kind() == ErrorKind::Retry => history.refused(first, count),
                    Err(JournalError::Poisoned { .. }) => {}
                    Err(error) => clients.complain(format!("an append was refused: {error}")),
                }
            };
            waiting.push(self.env.spawn("answer", Box::pin(hear)));
            if self.rng.chance(700) {
                self.env.sleep(Duration::from_micros(self.rng.below(3000))).await;
            }
            if self.rng.chance(100) {
                for task in waiting.drain(..) {
                    task.join().await;
                }
            }
        }
        for task in waiting {
            task.join().await;
        }
    }

    fn sizes(&mut self) -> Vec<usize> {
        let count = if self.rng.chance(700) { 1 } else { 1 + self.rng.below(5) };
        let most = self.shape.payload_max;
        (0..count).map(|_| if self.rng.chance(300) { 0 } else { self.rng.below(most + 1) as usize }).collect()
    }

    /// Follows the partition, jumps over what is gone, and trims now and then.
    async fn read(mut self) {
        let mut from = Offset(0);
        loop {
            let bytes = self.rng.below(3000) as usize;
            let limits = ReadLimits { bytes, wait: Duration::from_micros(self.rng.below(5000)) };
            match self.journal.read(&at(self.number), from, limits).await {
                Ok(batch) => {
                    let seen =
                        self.clients.histories.lock()[self.number as usize].sees(&batch.records, self.disk.io_count());
                    seen.unwrap_or_else(|problem| self.clients.complain(problem));
                    from = batch.next;
                }
                Err(JournalError::Trimmed { from: asked, start }) if asked == from && start > from => from = start,
                Err(JournalError::Io { .. }) => {}
                Err(error) => self.clients.complain(format!("a read from {from}: {error}")),
            }
            if self.rng.chance(self.shape.trims) {
                self.clients.histories.lock()[self.number as usize].trims(from, self.disk.io_count());
                // It may fail as the disk does.
                let _ = self.journal.trim(&at(self.number), from).await;
            }
            self.env.sleep(Duration::from_micros(self.rng.below(2000))).await;
        }
    }
}

/// Calls `work` for every item, on as many threads as the machine has.
pub(crate) fn on_all_cores<T: Send + Sync>(items: &[T], work: impl Fn(&T) + Send + Sync) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    work(item);
                }
            });
        }
    });
}
