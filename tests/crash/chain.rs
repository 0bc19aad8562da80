//! `kill -9` while three languages calculate in a chain: what C makes of the samples goes to Go, what Go makes of
//! that to Python, and what Python makes of it into windows. Each has state, and each finds its place again from its
//! own checkpoint.
//!
//! Afterwards a second chain, deployed under other names, reads the whole journal. Then:
//!
//! 1. every series of the first chain has the samples of the second, in the same order, and none twice;
//! 2. so do the windows, bit for bit.
//!
//! How long the chain takes to catch up after a restart is measured by a mark: a sample that is written as soon as
//! the node is ready.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tidemill_tests::examples::{examples, lay_in};
use tidemill_tests::node::wait_for;
use tidemill_tests::{Client, Example, LiveReader, Node, NodeOptions, Random};

use crate::load::History;
use crate::{await_requests, check_replicas, check_tables, setting, write};

const ROUNDS: u64 = 4;
const STAGES: [&str; 3] = ["c", "go", "python"];
/// 2026-01-01, in the time of the load.
const MARKS_NS: i64 = 1_767_225_600_000_000_000;

#[test]
fn nor_over_a_chain_in_three_languages() -> Result<()> {
    let seed = setting("TIDEMILL_CRASH_SEED", 7);
    eprintln!("seed {seed}");
    let directory = tempfile::tempdir()?;
    let stages = examples(&STAGES)?;
    lay_in(&stages, directory.path())?;
    let mut node = Node::start(directory.path(), NodeOptions::default())?;
    deploy(&node, &stages, "")?;

    let stop = Arc::new(AtomicBool::new(false));
    let (acknowledged, requests) = channel();
    let start = |number| write(node.client(), number, seed, stop.clone(), acknowledged.clone());
    let writers: Vec<_> = (0..2).map(start).collect();
    let rounds = setting("TIDEMILL_CRASH_ROUNDS", ROUNDS);
    kill_again_and_again(&mut node, &requests, &mut Random::new(seed), rounds)?;
    stop.store(true, Relaxed);
    let mut all = History::default();
    for writer in writers {
        all.merge(writer.join().expect("a writer runs to its end")?);
    }
    node.wait_until_settled()?;
    eprintln!("{} samples of {} series acknowledged", all.samples(), all.series());
    check_replicas(&node.client(), &all)?;

    deploy(&node, &stages, "_again")?;
    node.wait_until_settled()?;
    check_sequences(&node)?;
    check_tables(&node, &["chain1", "chain2", "chain3", "chain_windows"])
}

/// Deploys the chain; `suffix` tells one chain from another.
fn deploy(node: &Node, stages: &[Example], suffix: &str) -> Result<()> {
    for (number, stage) in (1..).zip(stages) {
        let hash = node.client().install(&std::fs::read(&stage.wasm)?)?;
        let input = if number == 1 { "load;mark".to_owned() } else { format!("chain{}{suffix}:value", number - 1) };
        // Timers follow the watermark, and the clock moves that when inputs rest: only the first stage, whose input
        // is the same whenever it is read, may depend on it.
        let stale_s = if number == 1 { 1.5 } else { 0.0 };
        node.deploy_installed(json!({
            "name": format!("stage{number}{suffix}"), "plugin": hash, "start": "earliest", "inputs": {"value": input},
            "output": format!("chain{number}{suffix}"), "params": {"alpha": 0.3, "stale_s": stale_s},
            "limits": {"fuel_per_call": 10_000_000_000_u64},
        }))?;
    }
    let windows = json!({
        "name": format!("windows{suffix}"), "start": "earliest", "inputs": {"value": format!("chain3{suffix}:value")},
        "output": format!("chain_windows{suffix}"), "window": "1s", "lateness": "200ms",
    });
    node.deploy("rollup", windows)
}

#[expect(clippy::disallowed_methods, reason = "tests are composition roots")]
fn kill_again_and_again(node: &mut Node, requests: &Receiver<()>, random: &mut Random, rounds: u64) -> Result<()> {
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        await_requests(requests, 10 + random.below(300))?;
        node.kill()?;
        let killed = Instant::now();
        node.restart()?;
        let ready = killed.elapsed();
        await_mark(&node.client(), round)?;
        let caught_up = killed.elapsed() - ready;
        slowest = slowest.max(caught_up);
        eprintln!("round {round}: ready after {ready:.1?}, the chain had caught up {caught_up:.1?} later");
    }
    eprintln!("the chain had caught up after {slowest:.1?} at the latest");
    Ok(())
}

/// Writes a sample and waits until it has come out of the chain.
fn await_mark(client: &Client, round: u64) -> Result<()> {
    let time = MARKS_NS + round as i64;
    client.write(&format!("mark value={round} {time}"))?.ok()?;
    let query = format!("SELECT count(*) FROM chain3 WHERE writer IS NULL AND CAST(time AS BIGINT) = {time}");
    wait_for("the chain to catch up", || {
        // Replicas may be behind, or know nothing of the chain yet.
        let answer = client.sql(&query, &[])?;
        Ok(answer.status == 200 && answer.body.lines().nth(1) == Some("1"))
    })
}

/// Series → (time, value as JSON), in the order of the journal.
type Sequences = BTreeMap<String, Vec<(i64, String)>>;

/// A live stream of the whole journal shows both chains with the same samples.
fn check_sequences(node: &Node) -> Result<()> {
    let rows_out = |name: &str| -> Result<usize> {
        let status = node.client().status()?;
        let mut operators = status["operators"].as_array().into_iter().flatten();
        let found = operators.find(|one| one["name"] == name).with_context(|| format!("no operator {name}"))?;
        Ok(found["rows_out"].as_u64().unwrap_or_default() as usize)
    };
    for number in 1..=STAGES.len() {
        let (name, again) = (format!("stage{number}"), format!("stage{number}_again"));
        let mut rows = 0;
        let counted = wait_for("both chains to count the same rows", || {
            rows = rows_out(&again)?;
            Ok(rows_out(&name)? == rows)
        });
        counted.with_context(|| format!("{again} counts {rows} rows, {name} others"))?;
        ensure!(rows > 1_000, "{again} has hardly any rows: {rows}");
        let wanted = sequences(node, &format!("chain{number}_again"), rows);
        let found = sequences(node, &format!("chain{number}"), rows);
        let differing = wanted.iter().find(|(key, samples)| found.get(*key) != Some(samples));
        if let Some((key, wanted)) = differing {
            let found = found.get(key).map(Vec::as_slice).unwrap_or_default();
            let first = found.iter().zip(wanted).find(|(found, wanted)| found != wanted);
            anyhow::bail!("{name} {key}: {} samples for {}, first difference {first:?}", found.len(), wanted.len());
        }
        ensure!(found.len() == wanted.len(), "{name}: {} series for {}", found.len(), wanted.len());
    }
    Ok(())
}

/// What a live stream shows of a measurement until `rows` samples came and nothing more happens.
fn sequences(node: &Node, measurement: &str, rows: usize) -> Sequences {
    let (stop, mut samples, mut seen) = (Arc::new(AtomicBool::new(false)), Sequences::new(), 0);
    LiveReader::new(node.client().base(), measurement, "earliest").run(&stop, |event| {
        if event.name == "heartbeat" && seen >= rows {
            stop.store(true, Relaxed);
        }
        for series in event.data["series"].as_array().into_iter().flatten().filter(|_| event.name == "samples") {
            let key = series["key"].as_str().unwrap_or_default().replacen(measurement, "", 1);
            let start: i64 = series["t0"].as_str().and_then(|t| t.parse().ok()).unwrap_or_default();
            let times = series["dt"].as_array().into_iter().flatten().map(|dt| start + dt.as_i64().unwrap_or(0));
            let values = series["values"].as_array().into_iter().flatten().map(ToString::to_string);
            let to = samples.entry(key).or_default();
            let before = to.len();
            to.extend(times.zip(values));
            seen += to.len() - before;
        }
    });
    samples
}
