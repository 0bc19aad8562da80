//! Whatever the network, crashes, pauses and other writers do: nothing acknowledged is lost, nothing is invented, nothing
//! changes places, and all readers see the same.
//!
//! `TIDEMILL_SEEDS=100000` runs more seeds, `TIDEMILL_SEEDS=from..to` just those. Seeds in `tests/corpus` failed once and
//! are run first.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use common::history::History;
use common::network::{Network, Weather};
use common::world::{NETWORK, World};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use tidemill_journal::{Env, Journal, JournalError, ReadLimits, Retention, TopicConfig, TopicPartition};
use tidemill_journal_object::{ObjectJournal, Settings};
use tidemill_model::{Offset, Record};

const SEEDS: std::ops::Range<u64> = 0..3000;

fn at() -> TopicPartition {
    TopicPartition::new("data", 0)
}

/// What happens in one run.
#[derive(Clone)]
struct Scenario {
    world: World,
    store: Arc<InMemory>,
    weather: Weather,
    settings: Settings,
    history: History,
    processes: Arc<AtomicU64>,
    trims: bool,
}

impl Scenario {
    fn new(seed: u64) -> Self {
        let world = World::new(seed);
        let mut settings = Settings {
            linger: Duration::from_millis(world.below(3) * 20),
            page_bytes: 1 << 10,
            pipeline: 1 + world.below(8),
            patience: Duration::from_secs(20),
            request_max: Duration::from_secs(10),
            grace: Duration::from_secs(15),
            maintenance: Duration::from_millis(200 + world.below(3000)),
            lease: Duration::from_secs(2),
            run_pages: 8,
            ..Settings::remote()
        };
        if world.chance(30) {
            settings.cache_bytes = 1;
        }
        let (weather, trims) = (Weather::random(&world), world.chance(30));
        let (store, processes) = (Arc::new(InMemory::new()), Arc::new(AtomicU64::new(NETWORK + 1)));
        Self { world, store, weather, settings, history: History::default(), processes, trims }
    }

    fn process(&self) -> u64 {
        self.processes.fetch_add(1, SeqCst)
    }

    fn network(&self, weather: Weather) -> Arc<dyn ObjectStore> {
        Arc::new(Network { store: self.store.clone(), weather, world: self.world.clone() })
    }

    /// Opens the journal as `process`, trying until that works.
    async fn open(&self, process: u64, weather: Weather) -> Arc<ObjectJournal> {
        loop {
            let env: Arc<dyn Env> = self.world.process(process);
            let opened = async {
                let journal = ObjectJournal::open_on(self.network(weather), "j", self.settings, env).await?;
                let retention = match self.trims {
                    true => Retention { bytes: Some(4000), ..Retention::default() },
                    false => Retention::default(),
                };
                journal.create(TopicConfig { retention, ..TopicConfig::new("data", 1) }).await?;
                Ok::<_, JournalError>(journal)
            };
            match opened.await {
                Ok(journal) => return journal,
                Err(JournalError::Unavailable { .. }) => self.world.sleep(Duration::from_millis(500)).await,
                Err(error) => {
                    self.history.problem(format!("opening failed: {error}"));
                    std::future::pending::<()>().await;
                }
            }
        }
    }

    /// A process that writes until it is killed or done.
    async fn write(self, process: u64, appends: u64, done: Arc<AtomicU64>) {
        let journal = self.open(process, self.weather).await;
        let env = self.world.process(process);
        let pending = Arc::new(AtomicU64::new(appends));
        for _ in 0..appends {
            let (number, records) = self.history.ask(process, 1 + self.world.below(3), self.world.below(300) as usize);
            let append = journal.append(&at(), records);
            let (history, pending) = (self.history.clone(), pending.clone());
            env.go(async move {
                history.answer(number, append.await);
                pending.fetch_sub(1, SeqCst);
            });
            let pause = [0, 1, 30, 400][self.world.below(4) as usize];
            self.world.sleep(Duration::from_millis(pause)).await;
        }
        if self.world.chance(30) {
            journal.close().await;
        }
        while pending.load(SeqCst) > 0 {
            self.world.sleep(Duration::from_millis(100)).await;
        }
        done.fetch_add(1, SeqCst);
        if self.world.chance(50) {
            // Its maintenance goes on.
            std::future::pending::<()>().await;
        }
    }

    /// A process that reads along.
    async fn read(self, process: u64) {
        let journal = self.open(process, self.weather).await;
        let mut from = Offset(0);
        loop {
            let limits = ReadLimits { bytes: 1 + self.world.below(3000) as usize, wait: Duration::from_secs(5) };
            match journal.read(&at(), from, limits).await {
                Ok(batch) => {
                    self.history.saw(from, &batch.records);
                    from = batch.next;
                }
                Err(JournalError::Trimmed { start, .. }) if self.trims && start > from => from = start,
                Err(JournalError::Unavailable { .. }) => {}
                Err(error) => return self.history.problem(format!("a read from {from}: {error}")),
            }
            if self.world.chance(5) {
                from = if self.trims { from } else { Offset(0) };
            }
        }
    }

    /// Kills and pauses writers, and starts new ones in their place.
    async fn run(self) {
        let done = Arc::new(AtomicU64::new(0));
        let writers = 1 + self.world.below(3);
        let mut alive = Vec::new();
        for _ in 0..1 + self.world.below(2) {
            let process = self.process();
            self.world.process(process).go(self.clone().read(process));
        }
        let start = |alive: &mut Vec<u64>| {
            let (process, appends) = (self.process(), 3 + self.world.below(12));
            self.world.process(process).go(self.clone().write(process, appends, done.clone()));
            alive.push(process);
        };
        (0..writers).for_each(|_| start(&mut alive));
        let mut expected = writers;
        for _ in 0..self.world.below(6) {
            self.world.sleep(Duration::from_millis(self.world.below(3000))).await;
            let one = self.world.below(alive.len() as u64) as usize;
            if self.world.chance(50) {
                let length = Duration::from_millis([50, 2500, 12_000, 60_000][self.world.below(4) as usize]);
                self.world.pause(alive[one], length);
            } else {
                let before = done.load(SeqCst);
                self.world.kill(alive.swap_remove(one));
                start(&mut alive);
                // Whether the dead one was done already cannot be told: wait for the new one only.
                expected = expected.max(before + 1);
            }
        }
        let give_up = self.world.now() + Duration::from_secs(900);
        while done.load(SeqCst) < expected && self.world.now() < give_up {
            self.world.sleep(Duration::from_millis(300)).await;
        }
        self.world.sleep(Duration::from_secs(self.world.below(2) * 120)).await;
    }

    /// What a new process finds in the end, on a fine day.
    async fn left(&self) -> Result<(Offset, Vec<Record>), JournalError> {
        let fine =
            Weather { lost_request: 0, lost_answer: 0, throttled: 0, false_conflict: 0, late: 0, delay_max_ms: 1 };
        let journal = self.open(self.process(), fine).await;
        let start = journal.bounds(&at()).await?.start;
        let (mut from, mut all) = (start, Vec::new());
        loop {
            let batch = journal.read(&at(), from, ReadLimits::default()).await?;
            if batch.records.is_empty() {
                assert_eq!(journal.bounds(&at()).await?.durable, from.max(start), "all that is durable was read");
                return Ok((start, all));
            }
            from = batch.next;
            all.extend(batch.records);
        }
    }
}

/// Runs a seed; how many appends were acknowledged, and what was wrong.
fn check(seed: u64) -> (usize, Vec<String>) {
    let scenario = Scenario::new(seed);
    let history = scenario.history.clone();
    let problems = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (found, this) = (problems.clone(), scenario.clone());
    scenario.world.run(Box::pin(async move {
        this.clone().run().await;
        (1..this.processes.load(SeqCst)).for_each(|process| this.world.kill(process));
        *found.lock().unwrap() = match this.left().await {
            Ok((start, left)) => this.history.judge(start, &left),
            Err(error) => vec![format!("reading in the end: {error}")],
        };
    }));
    let problems = problems.lock().unwrap().clone();
    (history.acknowledged(), problems)
}

fn seeds() -> Vec<u64> {
    let corpus = include_str!("corpus").lines().filter_map(|line| line.split('#').next()?.trim().parse().ok());
    let asked = match std::env::var("TIDEMILL_SEEDS") {
        Ok(text) => match text.split_once("..") {
            Some((from, to)) => from.parse().unwrap()..to.parse().unwrap(),
            None => 0..text.parse().unwrap(),
        },
        Err(_) => SEEDS,
    };
    corpus.chain(asked).collect()
}

#[test]
fn nothing_acknowledged_is_lost_whatever_happens() {
    let seeds = Arc::new(seeds());
    let next = Arc::new(AtomicU64::new(0));
    let (acknowledged, failed) = (Arc::new(AtomicU64::new(0)), Arc::new(std::sync::Mutex::new(Vec::new())));
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, SeqCst) as usize) {
                    let outcome = std::panic::catch_unwind(|| check(*seed));
                    let (count, problems) = outcome.unwrap_or_else(|_| (0, vec!["it panicked".to_owned()]));
                    acknowledged.fetch_add(count as u64, SeqCst);
                    if !problems.is_empty() {
                        failed.lock().unwrap().push((*seed, problems));
                    }
                }
            });
        }
    });
    let failed = failed.lock().unwrap();
    let seeds_that_failed: Vec<_> = failed.iter().map(|(seed, _)| seed).collect();
    let first =
        failed.iter().min_by_key(|(seed, _)| seed).map(|(seed, problems)| format!("seed {seed}: {problems:#?}"));
    assert!(failed.is_empty(), "{} seeds failed: {seeds_that_failed:?}\n{}", failed.len(), first.unwrap_or_default());
    let count = acknowledged.load(SeqCst);
    assert!(count > 5 * seeds.len() as u64, "only {count} appends were acknowledged in {} runs", seeds.len());
}

#[test]
fn a_seed_says_everything() {
    for seed in [1, 7, 1234] {
        let run = || {
            let scenario = Scenario::new(seed);
            let this = scenario.clone();
            scenario.world.run(Box::pin(async move { this.run().await }));
            (scenario.world.now(), scenario.world.random(), scenario.history.acknowledged())
        };
        assert_eq!(run(), run(), "seed {seed} runs the same every time");
    }
}
