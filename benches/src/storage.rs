//! How small history gets, and how fast it is read again: by a replica that is rebuilt, and by an aggregation.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};
use serde_json::json;
use tidemill_tests::Node;
use tidemill_tests::node::wait_for;

use crate::ingest::node;
use crate::load::{BODY_LINES, Walk, send};
use crate::report::Figure;

const SECOND_NS: i64 = 1_000_000_000;

/// Bytes on disk per sample of a replica: 1,000 series, 600 s, two decimals, up to 4 ms of jitter.
///
/// # Errors
/// When the node fails.
pub(crate) fn bytes_per_sample() -> Result<Vec<Figure>> {
    const TICKS: usize = 600;
    let directory = tempfile::tempdir()?;
    let mut node = node(&directory, 1)?;
    let client = node.client();
    Walk::new(1_000).ticks(TICKS, SECOND_NS, BODY_LINES, |body| send(&client, body))?;
    node.wait_until_settled()?;
    // A clean stop flushes what is still in memory.
    node.stop()?;
    let bytes = size_of(&directory.path().join("replicas/r1"))?;
    Ok(vec![Figure::with_target("bytes-per-sample", bytes as f64 / (TICKS * 1_000) as f64, "B/sample", 1.3)])
}

fn size_of(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { size_of(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

/// Samples per second of a replica that is rebuilt from the journal.
///
/// # Errors
/// When the node fails.
pub(crate) fn rebuild() -> Result<Vec<Figure>> {
    const TICKS: usize = 20_000;
    let directory = tempfile::tempdir()?;
    let node = node(&directory, 1)?;
    let client = node.client();
    Walk::new(1_000).ticks(TICKS, SECOND_NS, BODY_LINES, |body| send(&client, body))?;
    let digest = node.wait_until_settled()?;
    let begun = now();
    client.post("/api/v1/replicas/r1/rebuild", &[], b"")?.ok()?;
    let again = node.wait_until_settled()?;
    let rate = (TICKS * 1_000) as f64 / begun.elapsed().as_secs_f64();
    if again != digest {
        bail!("the rebuilt replica has digest {again}, before it was {digest}");
    }
    Ok(vec![Figure::with_target("rebuild", rate, "samples/s", 5e6)])
}

/// Samples per second through the rollup plugin, from the journal, with a checkpoint every second: 1,000 series every
/// 100 ms and windows of a minute; with one sample of every series per record, and with 100 samples of a series in a row.
///
/// # Errors
/// When the node fails.
pub(crate) fn rollup() -> Result<Vec<Figure>> {
    const TICKS: usize = 20_000;
    const STEP_NS: i64 = SECOND_NS / 10;
    let ticks = rollup_rate(TICKS * 1_000, |node| {
        let client = node.client();
        Walk::new(1_000).ticks(TICKS, STEP_NS, 1_000, |body| send(&client, body))
    })?;
    let batches = rollup_rate(TICKS * 1_000, |node| {
        let client = node.client();
        Walk::new(1_000).batches(TICKS / 100, 100, STEP_NS, |body| send(&client, body))
    })?;
    Ok(vec![
        Figure::with_target("rollup", ticks, "samples/s", 10e6),
        Figure::with_target("rollup-batch", batches, "samples/s", 20e6),
    ])
}

fn rollup_rate(samples: usize, load: impl Fn(&Node) -> Result<()>) -> Result<f64> {
    let directory = tempfile::tempdir()?;
    let node = node(&directory, 1)?;
    load(&node)?;
    node.wait_until_settled()?;
    let begun = now();
    let request = json!({"name": "roll", "inputs": {"value": "temperature"}, "window": "60s", "start": "earliest"});
    node.deploy("rollup", request)?;
    wait_for("the operator to catch up", || {
        let status = node.client().status()?;
        let operator = &status["operators"][0];
        Ok(operator["rows_in"].as_u64() >= Some(samples as u64) && operator["lag_records"].as_u64() <= Some(2))
    })?;
    let elapsed = begun.elapsed();
    check_windows(&node)?;
    Ok(samples as f64 / elapsed.as_secs_f64())
}

/// A rate without results would be worth nothing: most windows are there, with all their samples.
fn check_windows(node: &Node) -> Result<()> {
    node.wait_until_settled()?;
    let answer = node.client().sql("SELECT count(*) AS n FROM temperature_roll WHERE value_count = 600", &[])?.ok()?;
    let full: u64 = answer.body.lines().nth(1).unwrap_or_default().parse()?;
    // 2,000 s of 1,000 series are 33,000 windows; jitter moves a sample over the edge of some, and the last are open.
    if full < 15_000 {
        bail!("only {full} windows hold 600 samples");
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark is a composition root")]
fn now() -> Instant {
    Instant::now()
}
