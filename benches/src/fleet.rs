//! A thousand operators on one node, each on a series of its own, while 1,000 series report ten times a second.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;
use tidemill_tests::Node;
use tidemill_tests::node::{plugin_file, wait_for};

use crate::ingest::node;
use crate::process::{cpu_time, resident_bytes};
use crate::report::Figure;
use crate::theodolite::Background;

/// The figures.
pub(crate) const NAMES: &[&str] = &["operators-1000-deploy", "operators-1000-memory", "operators-1000-cpu"];
const OPERATORS: usize = 1_000;
const TICKS_PER_SECOND: u64 = 10;
const WATCHED: Duration = Duration::from_secs(20);

/// Seconds to deploy them, MiB that the node has grown by, and processors that it takes while they work.
///
/// # Errors
/// When the node fails, or an operator does not keep up.
pub(crate) fn thousand_operators() -> Result<Vec<Figure>> {
    let directory = tempfile::tempdir()?;
    let node = node(&directory, 1)?;
    let writer = Background::start(node.client(), TICKS_PER_SECOND);
    let hash = node.client().install(&std::fs::read(plugin_file("rollup")?)?)?;
    let empty = resident_bytes(node.pid())?;
    let begun = now();
    for number in 0..OPERATORS {
        let input = format!("temperature{{sensor=s{number:05}}}");
        node.deploy_installed(json!({
            "name": format!("roll{number}"), "plugin": hash, "inputs": {"value": input}, "window": "1s",
        }))?;
    }
    let deployed = begun.elapsed().as_secs_f64();
    wait_for("every operator to put something out", || Ok(outputs(&node)? == OPERATORS))?;
    let (before, since) = (cpu_time(node.pid())?, now());
    pause(WATCHED);
    let cores = (cpu_time(node.pid())? - before).as_secs_f64() / since.elapsed().as_secs_f64();
    let grown = resident_bytes(node.pid())?.saturating_sub(empty) as f64 / f64::from(1 << 20);
    wait_for("every operator to keep up", || {
        let status = node.client().status()?;
        let all = status["operators"].as_array().cloned().unwrap_or_default();
        Ok(all.iter().all(|operator| operator["lag_records"].as_u64() <= Some(20) && operator["errors"] == 0))
    })?;
    writer.stop()?;
    Ok(vec![
        Figure::with_target(NAMES[0], deployed, "s", 60.0),
        Figure::with_target(NAMES[1], grown, "MiB", 2_048.0),
        Figure::with_target(NAMES[2], cores, "cores", 0.5),
    ])
}

/// Operators that have put something out.
fn outputs(node: &Node) -> Result<usize> {
    let status = node.client().status()?;
    let all = status["operators"].as_array().cloned().unwrap_or_default();
    Ok(all.iter().filter(|operator| operator["rows_out"].as_u64() > Some(0)).count())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark is a composition root")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark is a composition root")]
fn pause(length: Duration) {
    std::thread::sleep(length);
}
