//! Every single bit of a log of 64 KiB is turned over: 524,288 times.
//!
//! Of each flip it is shown that
//! 1. no record is ever read that was not appended so, and none goes missing without an error that names the file;
//! 2. all records outside the frame that was hit are still read, unless the journal refuses to open and says where;
//! 3. what neither opening nor reading notices, because it carries no information (zeros that fill a block), is found by
//!    `verify`, and does no harm; behind the last record nothing is found, since nothing is there, and the next append
//!    goes on.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "common/sim.rs"]
mod sim;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use sim::{Clients, Shape, at, create, goes_on, look, on_all_cores, open};
use tempfile::TempDir;
use tidemill_journal::{Env, Journal, JournalError, ReadLimits};
use tidemill_journal_embedded::{Head, verify_against};
use tidemill_journal_sim::{Faults, History, Rng, SimDisk, SimEnv, Trace, World};
use tidemill_model::{Offset, Record};

const LOG_BYTES: u64 = 64 << 10;
/// Bytes that one thread takes at a time.
const SHARE_BYTES: u64 = 256;

/// A log, and what is in it.
struct Log {
    world: World,
    shape: Shape,
    records: Vec<Record>,
    /// Behind the last record.
    end: Offset,
    /// Segment files with their lengths, which make up the log.
    files: Vec<(String, u64)>,
}

/// What became of the flips.
#[derive(Default)]
struct Tally {
    refused: AtomicU64,
    read: AtomicU64,
    verified: AtomicU64,
    behind: AtomicU64,
}

fn shape() -> Shape {
    Shape {
        partitions: 1,
        segment_bytes: 16 << 10,
        block_bytes: 64,
        kept_bytes: None,
        appends: 0,
        payload_max: 0,
        trims: 0,
        readers: 0,
        may_refuse: false,
    }
}

/// A journal of at least [`LOG_BYTES`] in segments, the last of which is not full, closed.
fn log() -> Log {
    let (mut rng, shape, trace) = (Rng::new(1), shape(), Trace::default());
    let env = SimEnv::new(rng.fork(), trace.clone());
    let disk = SimDisk::new(World::default(), Faults::default(), rng.fork(), trace);
    let journal = open(&disk, &threads(&env), &shape).unwrap();
    let clients = Clients::new(&shape);
    let mut history = History::new(0);
    let records = async {
        create(&*journal, &clients, &shape).await.unwrap();
        while segments(&disk.world()).iter().map(|(_, bytes)| bytes).sum::<u64>() < LOG_BYTES + 4096 {
            let sizes: Vec<usize> = (0..1 + rng.below(4)).map(|_| rng.below(3000) as usize).collect();
            journal.append(&at(0), history.append(&sizes).1).await.unwrap();
        }
        let (bounds, records) = look(&*journal, &shape, true).await.unwrap().remove(0);
        journal.close().await;
        (bounds.durable, records)
    };
    let (end, records) = env.run(records, || false).unwrap();
    env.kill();
    let (world, files) = (disk.world(), segments(&disk.world()));
    Log { world, shape, records, end, files }
}

fn threads(env: &Arc<SimEnv>) -> Arc<dyn Env> {
    env.clone()
}

fn segments(world: &World) -> Vec<(String, u64)> {
    world.files().into_iter().filter(|(path, _)| path.ends_with(".seg")).collect()
}

#[test]
fn every_flipped_bit_is_noticed_and_harms_one_frame() {
    let log = log();
    assert!(log.files.iter().map(|(_, bytes)| bytes).sum::<u64>() >= LOG_BYTES);
    let tally = Tally::default();
    let (last, end) = (&log.files.last().unwrap().0, log.end.0 % log.shape.segment_bytes);
    let mut shares = Vec::new();
    let mut left = LOG_BYTES;
    // From the end, so that the last segment and its end are in it.
    for (path, bytes) in log.files.iter().rev() {
        let first = bytes.saturating_sub(left);
        left -= bytes - first;
        shares.extend(
            (first..*bytes).step_by(SHARE_BYTES as usize).map(|from| (path, from..(from + SHARE_BYTES).min(*bytes))),
        );
    }
    on_all_cores(&shares, |(path, bytes)| {
        let mut copy = None;
        for bit in bytes.start * 8..bytes.end * 8 {
            let is_behind = *path == last && bit / 8 >= end;
            if !flip(&log, path, bit, &tally) && !is_behind {
                let copy = copy.get_or_insert_with(|| Copy::of(&log));
                copy.verify(&log, path, bit);
                tally.verified.fetch_add(1, Relaxed);
            }
        }
    });
    let (refused, read, verified) = (tally.refused.into_inner(), tally.read.into_inner(), tally.verified.into_inner());
    let behind = tally.behind.into_inner();
    println!("{refused} flips noticed when opened, {read} when read, {verified} by verify; {behind} behind the end");
    assert_eq!(refused + read + verified + behind, 8 * LOG_BYTES);
}

/// Opens and reads the log with one bit turned over; whether that was noticed.
fn flip(log: &Log, path: &str, bit: u64, tally: &Tally) -> bool {
    let mut world = log.world.clone();
    world.flip(path, bit);
    let (mut rng, trace) = (Rng::new(bit), Trace::default());
    let env = SimEnv::new(rng.fork(), trace.clone());
    let disk = SimDisk::new(world, Faults::default(), rng.fork(), trace);
    let journal = match open(&disk, &threads(&env), &log.shape) {
        Ok(journal) => journal,
        Err(JournalError::Corrupt { file, remedy, .. }) => {
            assert!(file == path && !remedy.is_empty(), "bit {bit} of {path}: {file} is named");
            tally.refused.fetch_add(1, Relaxed);
            return true;
        }
        Err(error) => panic!("bit {bit} of {path}: {error}"),
    };
    let is_behind = *path == log.files.last().unwrap().0 && bit / 8 >= log.end.0 % log.shape.segment_bytes;
    let lost = env.run(read_around(&*journal, log, path, bit), || false).unwrap();
    if is_behind && lost == 0 {
        let all = env.run(look(&*journal, &log.shape, true), || false).unwrap().unwrap();
        env.run(goes_on(&*journal, &all), || false).unwrap().unwrap();
        tally.behind.fetch_add(1, Relaxed);
    }
    drop(journal);
    env.kill();
    // A frame is one record, or none.
    assert!(lost <= 1, "bit {bit} of {path}: {lost} records are lost");
    tally.read.fetch_add(lost, Relaxed);
    lost == 1
}

/// Reads everything that can be read; how many records cannot.
async fn read_around(journal: &dyn Journal, log: &Log, path: &str, bit: u64) -> u64 {
    let (mut from, mut next, mut lost) = (Offset(0), 0, 0);
    loop {
        let limits = ReadLimits { bytes: 64 << 10, ..ReadLimits::default() };
        match journal.read(&at(0), from, limits).await {
            Ok(batch) if batch.records.is_empty() => break,
            Ok(batch) => {
                let end = next + batch.records.len();
                assert_eq!(batch.records, log.records[next..end.min(log.records.len())], "bit {bit} of {path}");
                (from, next) = (batch.next, end);
            }
            Err(JournalError::Corrupt { file, .. }) => {
                assert_eq!(file, path, "bit {bit}: another file is named");
                lost += 1;
                next += 1;
                let Some(record) = log.records.get(next) else { break };
                from = record.offset;
            }
            Err(error) => panic!("bit {bit} of {path}: {error}"),
        }
    }
    assert_eq!(next, log.records.len(), "bit {bit} of {path}: records are missing");
    lost
}

/// The log in a real directory, for `verify`.
struct Copy {
    dir: TempDir,
    heads: Vec<Head>,
}

impl Copy {
    fn of(log: &Log) -> Self {
        let dir = TempDir::new().unwrap();
        for (path, _) in log.world.files() {
            let to = dir.path().join(&path[1..]);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::write(to, log.world.contents(&path)).unwrap();
        }
        let report = verify_against(&dir.path().join("journal"), &[], |_| {}).unwrap();
        assert_eq!((report.damage.len(), report.records), (0, log.records.len() as u64));
        Self { dir, heads: report.heads }
    }

    /// Turns a bit over, and back.
    fn verify(&self, log: &Log, path: &str, bit: u64) {
        let byte = log.world.contents(path)[(bit / 8) as usize];
        let file = fs::File::options().write(true).open(self.dir.path().join(&path[1..])).unwrap();
        file.write_all_at(&[byte ^ 1 << (bit % 8)], bit / 8).unwrap();
        let report = verify_against(&self.dir.path().join("journal"), &self.heads, |_| {}).unwrap();
        file.write_all_at(&[byte], bit / 8).unwrap();
        assert!(!report.damage.is_empty(), "bit {bit} of {path} goes unnoticed");
        let is_named = |name: &str| Path::new(name).ends_with(&path[1..]) || name.contains("data/0");
        assert!(report.damage.iter().all(|damage| is_named(&damage.file)), "bit {bit} of {path}: {:?}", report.damage);
        assert_eq!(report.records, log.records.len() as u64, "bit {bit} of {path}: no record is lost");
    }
}
