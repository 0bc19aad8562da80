//! `kill -9` while three languages calculate in a chain: what C makes of the samples goes to Go, what Go makes of
//! that to Python, and what Python makes of it into windows. Each has state, and each finds its place again from its
//! own checkpoint.
//!
//! Afterwards a second chain, deployed under other names, reads the whole journal. Then:
//!
//! 1. a dashboard that has watched the first chain through all crashes saw what one on the second chain sees: every
//!    sample of every series once, in the same order;
//! 2. the tables are the same, bit for bit, windows included.
//!
//! How long the chain takes to catch up after a restart is measured by a mark: a sample that is written as soon as
//! the node is ready.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tidemill_tests::examples::{examples, lay_in};
use tidemill_tests::node::wait_for;
use tidemill_tests::{Client, Event, Example, LiveReader, Node, NodeOptions, Random};

use crate::load::History;
use crate::{await_requests, check_replicas, check_tables, setting, write};

const ROUNDS: u64 = 4;
const STAGES: [&str; 3] = ["c", "go", "python"];
/// What tells the second chain from the first.
const AGAIN: &str = "_again";
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
    let first = Dashboard::open(&node, "");

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

    deploy(&node, &stages, AGAIN)?;
    let again = Dashboard::open(&node, AGAIN);
    node.wait_until_settled()?;
    check_dashboards(&node, first, again)?;
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

/// A dashboard on a chain: what a live stream shows of it, resumed after every crash.
struct Dashboard {
    shown: Arc<Mutex<Shown>>,
    stop: Arc<AtomicBool>,
}

/// Series → (time, value) in the order of arrival. The key is that of the first chain.
type Samples = BTreeMap<String, Vec<(i64, u64)>>;

#[derive(Default)]
struct Shown {
    samples: Samples,
    rows: usize,
    gaps: usize,
    /// Nothing came since the last heartbeat.
    is_at_rest: bool,
}

impl Dashboard {
    #[expect(clippy::disallowed_methods, reason = "tests are composition roots")]
    fn open(node: &Node, suffix: &str) -> Self {
        let selector = (1..=STAGES.len()).map(|number| format!("chain{number}{suffix}")).collect::<Vec<_>>().join(";");
        let reader = LiveReader::new(node.client().base(), &selector, "earliest");
        let dashboard = Self { shown: Arc::default(), stop: Arc::default() };
        let (shown, stop) = (dashboard.shown.clone(), dashboard.stop.clone());
        std::thread::spawn(move || {
            reader.run(&stop, |event| shown.lock().expect("no panic while locked").take(&event))
        });
        dashboard
    }

    /// Everything, once `rows` samples came and nothing more happens.
    fn close(self, rows: usize) -> Result<Samples> {
        let mut seen = 0;
        let complete = wait_for("a dashboard to show everything", || {
            let shown = self.shown.lock().expect("no panic while locked");
            seen = shown.rows;
            Ok(shown.rows >= rows && shown.is_at_rest)
        });
        complete.with_context(|| format!("{seen} of {rows} samples"))?;
        self.stop.store(true, Relaxed);
        let shown = std::mem::take(&mut *self.shown.lock().expect("no panic while locked"));
        ensure!(shown.gaps == 0, "{} gaps", shown.gaps);
        Ok(shown.samples)
    }
}

impl Shown {
    fn take(&mut self, event: &Event) {
        self.is_at_rest = event.name == "heartbeat";
        self.gaps += usize::from(event.name == "gap");
        for series in event.data["series"].as_array().into_iter().flatten().filter(|_| event.name == "samples") {
            let key = series["key"].as_str().unwrap_or_default().replacen(AGAIN, "", 1);
            let start: i64 = series["t0"].as_str().and_then(|t| t.parse().ok()).unwrap_or_default();
            let times = series["dt"].as_array().into_iter().flatten().map(|dt| start + dt.as_i64().unwrap_or(0));
            let values = series["values"].as_array().into_iter().flatten().map(bits);
            let samples = self.samples.entry(key).or_default();
            let before = samples.len();
            samples.extend(times.zip(values));
            self.rows += samples.len() - before;
        }
    }
}

/// A number's bits, or the first letters of a text.
fn bits(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.bytes().take(8).fold(0, |bits, byte| bits << 8 | u64::from(byte)),
        number => number.as_f64().unwrap_or(f64::NAN).to_bits(),
    }
}

/// How many rows the stages of a chain count as written.
fn rows_out(node: &Node, suffix: &str) -> Result<Vec<u64>> {
    let status = node.client().status()?;
    let operators = status["operators"].as_array().map(Vec::as_slice).unwrap_or_default();
    let count = |number| {
        let name = format!("stage{number}{suffix}");
        let found = operators.iter().find(|one| one["name"] == name.as_str()).context("no operator of that name")?;
        found["rows_out"].as_u64().context("it counts no rows")
    };
    (1..=STAGES.len()).map(count).collect()
}

/// Both dashboards have shown the same samples of every series, in the same order.
fn check_dashboards(node: &Node, first: Dashboard, again: Dashboard) -> Result<()> {
    let (mut found, mut wanted) = (Vec::new(), Vec::new());
    let counted = wait_for("both chains to count the same rows", || {
        (found, wanted) = (rows_out(node, "")?, rows_out(node, AGAIN)?);
        Ok(found == wanted)
    });
    counted.with_context(|| format!("the first chain counts {found:?} rows, the second {wanted:?}"))?;
    ensure!(wanted.iter().all(|rows| *rows > 1_000), "hardly any rows: {wanted:?}");
    let rows = wanted.iter().sum::<u64>() as usize;
    let (first, again) = (first.close(rows).context("first chain")?, again.close(rows).context("second chain")?);
    for (key, wanted) in &again {
        let found = first.get(key).map(Vec::as_slice).unwrap_or_default();
        let at = found.iter().zip(wanted).position(|(found, wanted)| found != wanted);
        ensure!(found == wanted, "{key}: {} samples for {}, other at {at:?}", found.len(), wanted.len());
    }
    ensure!(first.len() == again.len(), "{} series for {}", first.len(), again.len());
    Ok(())
}
