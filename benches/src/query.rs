//! How soon an acknowledged write can be read.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tidemill_tests::{Client, NodeOptions};

use crate::load::START_NS;
use crate::report::Figure;

const WRITES: i64 = 500;

/// From a durable acknowledgement to a query that returns the sample, one write at a time.
///
/// # Errors
/// When the node fails.
pub(crate) fn ack_to_readable() -> Result<Vec<Figure>> {
    let directory = tempfile::tempdir()?;
    let node = tidemill_tests::Node::start(directory.path(), NodeOptions { replicas: 1, ..NodeOptions::default() })?;
    let client = node.client();
    // The first queries warm the engine up.
    (0..20).try_for_each(|i| readable_after(&client, -1 - i).map(drop))?;
    let mut delays = (0..WRITES).map(|i| readable_after(&client, i)).collect::<Result<Vec<_>>>()?;
    delays.sort_unstable();
    let millis = |share: f64| delays[(delays.len() as f64 * share) as usize].as_secs_f64() * 1e3;
    Ok(vec![
        Figure::with_target("ack-readable-p50", millis(0.50), "ms", 2.5),
        Figure::with_target("ack-readable-p99", millis(0.99), "ms", 5.0),
    ])
}

/// Writes one sample; how long after its receipt a query at that receipt is answered.
#[expect(clippy::disallowed_methods, reason = "a benchmark is a composition root")]
fn readable_after(client: &Client, i: i64) -> Result<Duration> {
    let time = START_NS + i * 1_000_000;
    let receipt = client.write(&format!("probe,id=a value={i} {time}"))?.ok()?.position.context("a receipt")?;
    let acknowledged = Instant::now();
    let query = "SELECT value FROM probe ORDER BY time DESC LIMIT 1";
    loop {
        let answer = client.sql(query, &[&format!("at_least={receipt}")])?;
        if answer.status == 200 {
            return Ok(acknowledged.elapsed());
        }
    }
}
