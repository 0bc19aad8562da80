//! An aggregation of a plugin in a query, against the engine's own.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tidemill_tests::node::plugin_file;
use tidemill_tests::{Client, Node, NodeOptions};

use crate::load::{BODY_LINES, Walk};
use crate::report::Figure;

const SERIES: usize = 100;
/// Samples of each, ten a second.
const TICKS: usize = 20_000;
/// The best of so many rounds counts: what disturbs a round only ever makes it slower.
const ROUNDS: usize = 9;

/// Nanoseconds per sample of `rollup_mean` by series and minute, and what they are of those of `avg`.
///
/// # Errors
/// When the plugin has not been built or the node fails.
pub(crate) fn rollup_in_sql() -> Result<Vec<Figure>> {
    let directory = tempfile::tempdir()?;
    let node = Node::start(directory.path(), NodeOptions { replicas: 1, ..NodeOptions::default() })?;
    let client = node.client();
    Walk::new(SERIES).ticks(TICKS, 100_000_000, BODY_LINES, |body| client.write(body)?.ok().map(drop))?;
    client.post("/api/v1/plugins", &[], &std::fs::read(plugin_file("rollup")?)?)?.ok()?;
    node.wait_until_settled()?;

    // In turns, so that both meet the same machine.
    let (mut engine, mut plugin) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        engine = engine.min(time_of(&client, "avg(value)")?);
        plugin = plugin.min(time_of(&client, "rollup_mean(time, value)")?);
    }
    let nanos = |round: Duration| round.as_nanos() as f64 / (SERIES * TICKS) as f64;
    let (engine, plugin) = (nanos(engine), nanos(plugin));
    let against = format!("avg {engine:.1} ns/sample in the same query");
    Ok(vec![Figure { name: "sql-rollup", value: plugin, unit: "ns/sample", against, ratio: plugin / engine }])
}

/// How long a query with this aggregate takes, from sending it to the last row.
#[expect(clippy::disallowed_methods, reason = "a benchmark is a composition root")]
fn time_of(client: &Client, aggregate: &str) -> Result<Duration> {
    let sql =
        format!("SELECT date_bin('1 minute', time) AS t, sensor, {aggregate} AS a FROM temperature GROUP BY 1, 2");
    let begun = Instant::now();
    let answer = client.sql(&sql, &[])?.ok()?;
    let elapsed = begun.elapsed();
    // 2,000 s are 34 windows of each series; jitter can open one more.
    let rows = answer.body.lines().count() - 1;
    if rows < SERIES * 34 {
        bail!("only {rows} windows came back");
    }
    Ok(elapsed)
}
