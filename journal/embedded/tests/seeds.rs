//! Many short random lives: writers, readers and trims at the same time, restarts, kills, losses of power at any I/O, and
//! a disk that fails, fills up and lies. Every seed draws its own mixture, so that rare combinations occur.
//!
//! After a sync that lied no journal can keep everything: what is read must be genuine all the same, or the damage named.
//!
//! A failure names its seed. `TIDEMILL_SEED=n` runs that one, `TIDEMILL_SEEDS=n` so many. Seeds that once failed are in
//! `corpus/` and run first.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "common/sim.rs"]
mod sim;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use sim::{Clients, Shape, create, goes_on, look, on_all_cores, open, start_clients};
use tidemill_journal::{Env, ErrorKind, Journal, JournalError};
use tidemill_journal_embedded::EmbeddedJournal;
use tidemill_journal_sim::{Faults, Rng, SimDisk, SimEnv, Survives, Trace, World};

/// Seeds per run, unless the environment asks for more.
const SEEDS: u64 = 10_000;
/// Every so many seeds are run twice, to see whether they do the same.
const TWICE_EVERY: u64 = 100;
/// Every so many seeds are about large segments.
const LARGE_EVERY: u64 = 97;
/// Every so many seeds have records of one size.
const ALIKE_EVERY: u64 = 53;
/// Seeds that once failed, one a line, with a word on why.
const CORPUS: &str = include_str!("corpus/seeds.txt");

#[test]
fn every_seed_keeps_the_promises() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let mut seeds: Vec<u64> = CORPUS.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect();
    match number("TIDEMILL_SEED") {
        Some(one) => seeds = vec![one],
        None => seeds.extend(0..number("TIDEMILL_SEEDS").unwrap_or(SEEDS)),
    }
    let failures = Mutex::new(Vec::new());
    let records = AtomicU64::new(0);
    on_all_cores(&seeds, |seed| {
        let first = std::panic::catch_unwind(|| run(*seed)).unwrap_or_else(|_| Err("it panicked".to_owned()));
        match first {
            Ok(told) if seed % TWICE_EVERY == 0 => {
                let again = run(*seed);
                if again.as_ref().map(|told| told.trace) != Ok(told.trace) {
                    failures.lock().push((*seed, "two runs differ".to_owned()));
                }
            }
            Ok(told) => drop(records.fetch_add(told.records, Relaxed)),
            Err(problem) => failures.lock().push((*seed, problem)),
        }
    });
    println!("{} seeds, {} acknowledged records", seeds.len(), records.into_inner());
    let mut failures = failures.into_inner();
    failures.sort();
    for (seed, problem) in failures.iter().take(20) {
        eprintln!(
            "seed {seed}: {problem}\n  again: TIDEMILL_SEED={seed} cargo test -p tidemill-journal-embedded --test seeds"
        );
    }
    assert!(failures.is_empty(), "{} seeds failed", failures.len());
}

struct Told {
    trace: u64,
    records: u64,
}

/// What a seed is about.
#[derive(Debug)]
struct Plan {
    shape: Shape,
    lives: u64,
    faults: Faults,
    /// The power goes at some I/O, also while the journal is opened.
    has_crashes: bool,
    /// The disk is full now and then.
    has_shortage: bool,
    /// The wall clock jumps.
    has_jumps: bool,
}

fn draw(seed: u64, rng: &mut Rng) -> Plan {
    let some = |rng: &mut Rng, of_1000| if rng.chance(250) { of_1000 } else { 0 };
    let has_shortage = rng.chance(250);
    let segment_bytes = [1024, 2048, 4096, 8192, 16_384][rng.below(5) as usize];
    if seed % LARGE_EVERY == LARGE_EVERY - 1 {
        return draw_large(rng);
    }
    // Frames of one length: what a torn write left lies where a later frame may begin.
    let are_alike = seed % ALIKE_EVERY == ALIKE_EVERY - 1;
    let mut shape = Shape {
        partitions: 1 + rng.below(3) as u32,
        segment_bytes,
        block_bytes: [8, 64, 512, 512, 512, 1024][rng.below(6) as usize],
        kept_bytes: rng.chance(300).then(|| rng.below(5 * segment_bytes)),
        appends: 2 + rng.below(25),
        payload_max: segment_bytes / [2, 4, 16, 64][rng.below(4) as usize],
        trims: some(rng, 50),
        readers: rng.below(3) as u32,
        may_refuse: has_shortage,
    };
    if are_alike {
        (shape.payload_max, shape.block_bytes) = (0, 8);
    }
    let faults = Faults {
        crash_at: None,
        read_errors: some(rng, 10),
        write_errors: some(rng, 5),
        sync_errors: some(rng, 5),
        syncs_last: false,
        lying_syncs: if rng.chance(50) { 50 } else { 0 },
        name_errors: some(rng, 20),
        room: None,
    };
    Plan {
        shape,
        lives: 2 + rng.below(4),
        faults,
        has_crashes: rng.chance(600),
        has_shortage,
        has_jumps: rng.chance(200),
    }
}

/// Segments so large that files are made ahead, zeros are written in front of small groups, and what retention drops is
/// used again.
fn draw_large(rng: &mut Rng) -> Plan {
    let shape = Shape {
        partitions: 1,
        segment_bytes: (1 << 20) + (64 << 10),
        block_bytes: 512,
        kept_bytes: Some(0),
        appends: 60 + rng.below(60),
        payload_max: 100_000,
        trims: 0,
        readers: 1,
        may_refuse: false,
    };
    Plan { shape, lives: 3, faults: Faults::default(), has_crashes: true, has_shortage: false, has_jumps: false }
}

/// One journal through several lives.
struct Run {
    rng: Rng,
    trace: Trace,
    plan: Plan,
    disk: SimDisk,
    clients: Arc<Clients>,
}

fn run(seed: u64) -> Result<Told, String> {
    let mut rng = Rng::new(seed);
    let (plan, trace) = (draw(seed, &mut rng), Trace::default());
    let disk = SimDisk::new(World::default(), Faults::default(), rng.fork(), trace.clone());
    let clients = Clients::new(&plan.shape);
    let mut run = Run { rng, trace, plan, disk, clients };
    let mut life = 0;
    let outcome = loop {
        let is_last = life == run.plan.lives;
        match run.live(is_last) {
            Ok(true) if is_last => break Ok(()),
            Ok(has_lived) => life += u64::from(has_lived),
            Err(Ending::Damage(_)) if run.disk.lies() > 0 => break Ok(()),
            Err(Ending::Damage(problem) | Ending::Wrong(problem)) => break Err(problem),
        }
    };
    let records = run.clients.histories.lock().iter().map(|history| history.acknowledged_count()).sum();
    let told = Told { trace: run.trace.hash(), records };
    outcome.map(|()| told).map_err(|problem| format!("life {life}: {problem}\n  {:?}", run.plan))
}

enum Ending {
    /// The journal says that stored bytes are damaged.
    Damage(String),
    Wrong(String),
}

impl Run {
    /// One life, if the journal can be opened; the last one only looks.
    fn live(&mut self, is_last: bool) -> Result<bool, Ending> {
        let env = SimEnv::new(self.rng.fork(), self.trace.clone());
        let lived = self.live_in(&env, is_last);
        env.kill();
        if self.disk.is_down() || self.plan.has_crashes && self.rng.chance(200) {
            self.disk = self.disk.power_cycle(Survives::draw(&mut self.rng));
        }
        self.disk.set_faults(Faults::default());
        lived
    }

    fn live_in(&mut self, env: &Arc<SimEnv>, is_last: bool) -> Result<bool, Ending> {
        if !is_last && self.plan.has_crashes && self.rng.chance(300) {
            self.disk.set_faults(Faults {
                crash_at: Some(self.disk.io_count() + 1 + self.rng.below(30)),
                ..Faults::default()
            });
        } else if !is_last && self.rng.chance(100) {
            self.disk.set_faults(self.plan.faults.clone());
        }
        let journal = match open(&self.disk, &threads(env), &self.plan.shape) {
            Ok(journal) => journal,
            Err(JournalError::Io { .. }) => return Ok(false),
            Err(error) => return Err(ending(&error)),
        };
        let opened = env.run(self.look(journal.clone()), || self.disk.is_down());
        let Ok(opened) = opened else { return Ok(false) };
        if !opened? {
            return Ok(false);
        }
        if is_last {
            let looked = env.run(look(&*journal, &self.plan.shape, false), || false).expect("nothing stops it");
            let went_on =
                env.run(goes_on(&*journal, &looked.map_err(|e| ending(&e))?), || false).expect("nothing stops it");
            env.run(journal.close(), || false).expect("nothing stops it");
            return went_on.map(|()| true).map_err(Ending::Wrong);
        }
        self.work(env, &journal);
        match self.clients.problem.lock().take() {
            Some(problem) if self.disk.lies() == 0 => Err(Ending::Wrong(problem)),
            _ => Ok(true),
        }
    }

    /// Compares what is there with what clients know, makes the topic if there is none; `false` when the disk failed.
    async fn look(&self, journal: Arc<EmbeddedJournal>) -> Result<bool, Ending> {
        let must_be_created = *self.clients.is_created.lock();
        let all = match look(&*journal, &self.plan.shape, must_be_created).await {
            Ok(all) => all,
            Err(JournalError::Io { .. }) => return Ok(false),
            Err(error) => return Err(ending(&error)),
        };
        let moment = self.disk.io_count();
        for (history, (bounds, found)) in self.clients.histories.lock().iter_mut().zip(&all) {
            if self.disk.lies() > 0 {
                history.forgive();
            }
            history.check(bounds, found, moment, self.plan.shape.may_refuse).map_err(Ending::Wrong)?;
            history.settle(bounds, found, moment);
        }
        if all.is_empty() {
            return Ok(create(&*journal, &self.clients, &self.plan.shape).await.is_ok());
        }
        Ok(true)
    }

    /// Lets clients work, until they are done or the power goes; then perhaps closes the journal.
    fn work(&mut self, env: &Arc<SimEnv>, journal: &Arc<EmbeddedJournal>) {
        let crash_at = self.plan.has_crashes.then(|| self.disk.io_count() + 1 + self.rng.below(400));
        self.disk.set_faults(Faults { crash_at, ..self.plan.faults.clone() });
        let writers = start_clients(journal, &self.clients, &self.disk, &threads(env), &self.plan.shape, &mut self.rng);
        if self.plan.has_shortage {
            env.spawn("shortage", Box::pin(shortage(self.disk.clone(), env.clone(), self.rng.fork())));
        }
        if self.plan.has_jumps {
            env.spawn("jumps", Box::pin(jumps(env.clone(), self.rng.fork())));
        }
        let closes = self.rng.chance(500);
        let all = async {
            for writer in writers {
                writer.join().await;
            }
            if closes {
                journal.close().await;
            }
        };
        // The power may go meanwhile.
        let _ = env.run(all, || self.disk.is_down());
    }
}

fn threads(env: &Arc<SimEnv>) -> Arc<dyn Env> {
    env.clone()
}

fn ending(error: &JournalError) -> Ending {
    match error.kind() {
        ErrorKind::Corrupt => Ending::Damage(error.to_string()),
        _ => Ending::Wrong(error.to_string()),
    }
}

/// Takes the room on the disk and gives it back.
async fn shortage(disk: SimDisk, env: Arc<SimEnv>, mut rng: Rng) {
    loop {
        env.sleep(Duration::from_micros(rng.below(10_000))).await;
        disk.set_free(rng.chance(500).then(|| rng.below(3000)));
    }
}

/// Moves the wall clock by up to an hour.
async fn jumps(env: Arc<SimEnv>, mut rng: Rng) {
    const HOUR_NS: i64 = 3_600_000_000_000;
    loop {
        env.sleep(Duration::from_micros(rng.below(20_000))).await;
        env.jump(rng.below(2 * HOUR_NS as u64) as i64 - HOUR_NS);
    }
}
