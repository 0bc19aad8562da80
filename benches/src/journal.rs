//! The embedded journal against the file system it stands on.
//!
//! Raw means: write, fdatasync, again, to one file. It is measured in turns with the journal, so that both meet the same
//! neighbours: once to a file that grows, and once to one that was written before, which is the most a device can do. Ratios
//! are against the first where throughput is meant, since that is what a program gets that appends to a file, and
//! against the second, harder one for the latency of small appends. Both are printed.

use std::collections::VecDeque;
use std::fs::File;
use std::future::Future;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use tempfile::TempDir;
use tidemill_journal::{Journal, ReadLimits, Retention, SystemEnv, TopicConfig, TopicPartition};
use tidemill_journal_embedded::{EmbeddedConfig, EmbeddedJournal};
use tidemill_model::{NewRecord, RecordKind};
use tokio::task::JoinSet;

use crate::report::Figure;

/// Turns of each measurement; the median counts.
const ROUNDS: usize = 5;
/// Heads and padding of a group of one record, so that group and raw write are of one size.
const HEADS_BYTES: usize = 128;
/// What the journal keeps, so that it recycles files as one in service does.
const KEPT_BYTES: u64 = 256 << 20;
const MB: f64 = 1e6;

/// Durable appends of 4 KiB, 64 KiB and 1 MiB groups, and the latency of one small append.
///
/// # Errors
/// When files cannot be written.
pub(crate) fn appends() -> Result<Vec<Figure>> {
    const NAMES: [[&str; 2]; 3] = [
        ["journal-append-4kib", "journal-append-4kib-ratio"],
        ["journal-append-64kib", "journal-append-64kib-ratio"],
        ["journal-append-1mib", "journal-append-1mib-ratio"],
    ];
    let mut figures = Vec::new();
    for ([name, ratio_name], (bytes, count, in_flight)) in
        NAMES.into_iter().zip([(4 << 10, 1_000, 1), (64 << 10, 500, 2), (1 << 20, 200, 2)])
    {
        let measured = groups(bytes, count, in_flight)?;
        let (ratio, rewritten) = (measured.journal / measured.growing, measured.journal / measured.rewritten);
        let against = format!(
            "raw, growing file {:.0} MB/s; rewritten file {:.0} MB/s, ratio {rewritten:.2}",
            measured.growing, measured.rewritten
        );
        figures.push(Figure { name, value: measured.journal, unit: "MB/s", against: against.clone(), ratio });
        figures.push(Figure { name: ratio_name, value: ratio, unit: "of raw", against, ratio });
        if bytes == 4 << 10 {
            let (ours, raw) = (measured.latency_us, measured.rewritten_latency_us);
            let against = format!("raw p50 {raw:.0} µs to a rewritten file; the journal's {ours:.0} µs");
            let (value, ratio) = (ours / raw, ours / raw);
            figures.push(Figure { name: "journal-small-append-ratio", value, unit: "of raw", against, ratio });
        }
    }
    Ok(figures)
}

/// Medians over the rounds: MB/s, and µs per append.
struct Groups {
    growing: f64,
    rewritten: f64,
    journal: f64,
    rewritten_latency_us: f64,
    latency_us: f64,
}

fn groups(bytes: usize, count: usize, in_flight: usize) -> Result<Groups> {
    let directory = directory()?;
    let payload = Bytes::from(vec![7; bytes]);
    let path = directory.path().join("rewritten");
    let rewritten = File::create(&path)?;
    raw(&rewritten, &payload, count)?;
    let small = payload.slice(..bytes - HEADS_BYTES);
    run(async {
        let journal = open(directory.path()).await?;
        // Until the first files are recycled.
        append(&journal, &payload.slice(..(1 << 20).min(bytes)), KEPT_BYTES as usize * 3 / 2 / bytes.max(64 << 10), 4)
            .await?;
        let mut rounds: [Vec<f64>; 5] = Default::default();
        for round in 0..ROUNDS {
            let growing = directory.path().join(format!("growing-{round}"));
            rounds[0].push(raw(&File::create(&growing)?, &payload, count)?.0);
            std::fs::remove_file(growing)?;
            let (rate, latency) = raw(&rewritten, &payload, count)?;
            rounds[1].push(rate);
            rounds[3].push(latency);
            let (rate, latency) = append(&journal, &small, count, in_flight).await?;
            rounds[2].push(rate * bytes as f64 / small.len() as f64);
            rounds[4].push(latency);
        }
        journal.close().await;
        let [growing, rewritten, journal, rewritten_latency_us, latency_us] = rounds.map(median);
        Ok(Groups { growing, rewritten, journal, rewritten_latency_us, latency_us })
    })
}

/// Writes and syncs `count` times: MB/s, and the median µs of one.
fn raw(file: &File, payload: &[u8], count: usize) -> Result<(f64, f64)> {
    let (begun, mut each) = (now(), Vec::with_capacity(count));
    for n in 0..count {
        let one = now();
        file.write_all_at(payload, (n * payload.len()) as u64)?;
        file.sync_data()?;
        each.push(one.elapsed().as_secs_f64() * 1e6);
    }
    Ok(((count * payload.len()) as f64 / MB / begun.elapsed().as_secs_f64(), median(each)))
}

/// Appends `count` records, `in_flight` at a time: MB/s of payload, and the median µs from one call to its answer.
async fn append(journal: &EmbeddedJournal, payload: &Bytes, count: usize, in_flight: usize) -> Result<(f64, f64)> {
    let (begun, mut each, mut waiting) = (now(), Vec::with_capacity(count), VecDeque::new());
    let at = TopicPartition::new("data", 0);
    for n in 0..count + in_flight {
        if n < count {
            let record = NewRecord::anonymous(RecordKind::Samples, payload.clone());
            waiting.push_back((now(), journal.append(&at, vec![record])));
        }
        if waiting.len() >= in_flight || n >= count {
            let Some((called, answer)) = waiting.pop_front() else { break };
            answer.await?;
            each.push(called.elapsed().as_secs_f64() * 1e6);
        }
    }
    Ok(((count * payload.len()) as f64 / MB / begun.elapsed().as_secs_f64(), median(each)))
}

/// Durable records of 100 B per second, one record per append: from one writer that waits for each, and from 16 and 256
/// that keep 16 appends in flight each, as an agent that pipelines does.
///
/// # Errors
/// When files cannot be written.
pub(crate) fn small_records() -> Result<Vec<Figure>> {
    let cases =
        [("journal-100b-1w", 1, 1, 5e3), ("journal-100b-16w", 16, 16, 5e5), ("journal-100b-256w", 256, 16, 1e6)];
    let measure = |(name, writers, in_flight, target)| {
        let directory = directory()?;
        let rates = run(async {
            let journal = open(directory.path()).await?;
            let mut rates = Vec::new();
            for _ in 0..ROUNDS {
                rates.push(writers_rate(&journal, writers, in_flight).await?);
            }
            journal.close().await;
            Ok(rates)
        })?;
        Ok(Figure::with_target(name, median(rates), "records/s", target))
    };
    cases.into_iter().map(measure).collect()
}

async fn writers_rate(journal: &Arc<EmbeddedJournal>, writers: usize, in_flight: usize) -> Result<f64> {
    let (begun, payload) = (now(), Bytes::from(vec![7; 100]));
    let mut tasks = JoinSet::new();
    for _ in 0..writers {
        let (journal, payload) = (journal.clone(), payload.clone());
        tasks.spawn(async move {
            let (at, mut waiting, mut count) = (TopicPartition::new("data", 0), VecDeque::new(), 0);
            while begun.elapsed() < Duration::from_millis(600) {
                let record = NewRecord::anonymous(RecordKind::Samples, payload.clone());
                waiting.push_back(journal.append(&at, vec![record]));
                count += 1;
                if waiting.len() >= in_flight
                    && let Some(oldest) = waiting.pop_front()
                {
                    oldest.await?;
                }
            }
            for answer in waiting {
                answer.await?;
            }
            anyhow::Ok(count)
        });
    }
    let mut count = 0;
    while let Some(done) = tasks.join_next().await {
        count += done??;
    }
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

/// The share of a writer's throughput that ten followers of the end cost it: 64 KiB appends, two in flight.
///
/// # Errors
/// When files cannot be written, or a follower fell behind.
pub(crate) fn ten_readers() -> Result<Vec<Figure>> {
    const APPENDS: usize = 2_000;
    let directory = directory()?;
    let payload = Bytes::from(vec![7; (64 << 10) - HEADS_BYTES]);
    run(async {
        let journal = open(directory.path()).await?;
        append(&journal, &payload, APPENDS, 2).await?;
        let (mut alone, mut followed) = (Vec::new(), Vec::new());
        for _ in 0..2 * ROUNDS {
            alone.push(append(&journal, &payload, APPENDS, 2).await?.0);
            let followers = Followers::start(&journal, 10).await?;
            followed.push(append(&journal, &payload, APPENDS, 2).await?.0);
            followers.finish(APPENDS as u64).await?;
        }
        journal.close().await;
        let (alone, followed) = (median(alone), median(followed));
        let against = format!("{alone:.0} MB/s alone, {followed:.0} MB/s followed; target 0.05");
        let value = 1.0 - followed / alone;
        Ok(vec![Figure { name: "journal-10-readers-cost", value, unit: "share", against, ratio: value / 0.05 }])
    })
}

struct Followers {
    tasks: JoinSet<Result<u64>>,
    stop: Arc<AtomicBool>,
}

impl Followers {
    async fn start(journal: &Arc<EmbeddedJournal>, count: usize) -> Result<Self> {
        let (mut tasks, stop) = (JoinSet::new(), Arc::new(AtomicBool::new(false)));
        let at = TopicPartition::new("data", 0);
        let end = journal.bounds(&at).await?.durable;
        for _ in 0..count {
            let (journal, stop, at) = (journal.clone(), stop.clone(), at.clone());
            tasks.spawn(async move {
                let (mut from, mut records) = (end, 0);
                loop {
                    let limits = ReadLimits { bytes: 2 << 20, wait: Duration::from_millis(50) };
                    let batch = journal.read(&at, from, limits).await?;
                    if batch.records.is_empty() && stop.load(Relaxed) {
                        return Ok(records);
                    }
                    records += batch.records.len() as u64;
                    from = batch.next;
                }
            });
        }
        Ok(Self { tasks, stop })
    }

    async fn finish(mut self, expected: u64) -> Result<()> {
        self.stop.store(true, Relaxed);
        while let Some(read) = self.tasks.join_next().await {
            let read = read??;
            anyhow::ensure!(read == expected, "a follower read {read} of {expected} records");
        }
        Ok(())
    }
}

/// Sequential reads of 64 KiB records from files, MB/s.
///
/// # Errors
/// When files cannot be written or read.
pub(crate) fn sequential_read() -> Result<Vec<Figure>> {
    const RECORDS: usize = 3_000;
    let directory = directory()?;
    run(async {
        let journal = open(directory.path()).await?;
        let at = TopicPartition::new("data", 0);
        append(&journal, &Bytes::from(vec![7; 64 << 10]), RECORDS, 16).await?;
        let mut rates = Vec::new();
        for _ in 0..ROUNDS {
            let (begun, mut bytes) = (now(), 0);
            let bounds = journal.bounds(&at).await?;
            let mut from = bounds.start;
            while from < bounds.durable {
                let limits = ReadLimits { bytes: 2 << 20, ..ReadLimits::default() };
                let batch = journal.read(&at, from, limits).await?;
                bytes += batch.records.iter().map(|record| record.payload.len()).sum::<usize>();
                from = batch.next;
            }
            rates.push(bytes as f64 / MB / begun.elapsed().as_secs_f64());
        }
        journal.close().await;
        Ok(vec![Figure::with_target("journal-read", median(rates), "MB/s", 1_000.0)])
    })
}

/// A directory on the file system of the build, which is a disk where the temporary one may not be.
fn directory() -> Result<TempDir> {
    std::fs::create_dir_all("target")?;
    tempfile::tempdir_in("target").context("cannot make a directory in target/")
}

async fn open(directory: &Path) -> Result<Arc<EmbeddedJournal>> {
    let journal = EmbeddedJournal::open(EmbeddedConfig::new(directory.join("journal")), SystemEnv::new())?;
    let retention = Retention { bytes: Some(KEPT_BYTES), ..Retention::default() };
    journal.create(TopicConfig { retention, ..TopicConfig::new("data", 1) }).await?;
    Ok(journal)
}

fn run<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Runtime::new()?.block_on(future)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}
