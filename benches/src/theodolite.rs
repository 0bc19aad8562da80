//! Dataflows in the shape of Theodolite's use cases UC1 to UC4, from the durable journal with a checkpoint every second: samples per
//! second from the deploy until the operators have caught up, the plugins installed before. 1,000 series every 100 ms.
//!
//! - UC1 passes every sample on (`unit-convert`: a row out for a row in).
//! - UC2 aggregates every series over minutes (`rollup`: six aggregates); samples come as ticks of one sample per series and
//!   record, or as batches of 100 samples of a series; `replay` reads larger batches back, as a backfill leaves them.
//! - UC3 is UC2 over hopping windows of five minutes, every minute.
//! - UC4 is UC2 and over its means again, by site: an operator on an operator's outputs.
//! - `across` is UC2 by site on four partitions, which every site has series in: merged into one order, or in two stages.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};
use tidemill_tests::node::{plugin_file, wait_for};
use tidemill_tests::{Node, NodeOptions};

use crate::ingest::node;
use crate::load::{START_NS, Walk, send};
use crate::report::Figure;

const SECOND_NS: i64 = 1_000_000_000;
const STEP_NS: i64 = SECOND_NS / 10;
const SERIES: usize = 1_000;
/// Samples per dataflow.
const SAMPLES: usize = 20_000_000;
/// Samples of a series per record of the replay.
const REPLAY_ROWS: usize = 1_000;

/// How the samples come.
#[derive(Clone, Copy)]
enum Shape {
    /// One sample of every series per record.
    Ticks,
    /// So many samples of a series in a row.
    Batches(usize),
}

/// UC1: every sample passes through an operator.
///
/// # Errors
/// When the node fails.
pub(crate) fn uc1() -> Result<Vec<Figure>> {
    let request = json!({
        "name": "convert", "inputs": {"value": "temperature"}, "params": {"from": "kW", "to": "W"}, "start": "earliest",
    });
    let samples = SAMPLES / 10;
    let rate = rate(Shape::Ticks, samples, &[("unit-convert", request)], |node| {
        expect(node, "SELECT count(*) AS n FROM temperature_convert", samples as u64 * 99 / 100)
    })?;
    Ok(vec![Figure::with_target("uc1-durable", rate, "samples/s", 1e6)])
}

/// UC2: every series over minutes.
///
/// # Errors
/// When the node fails.
pub(crate) fn uc2() -> Result<Vec<Figure>> {
    let request = json!({"name": "roll", "inputs": {"value": "temperature"}, "window": "60s", "start": "earliest"});
    let run = |shape, name, target| {
        let rate = rate(shape, SAMPLES, &[("rollup", request.clone())], check_minutes)?;
        Ok::<_, anyhow::Error>(Figure::with_target(name, rate, "samples/s", target))
    };
    Ok(vec![
        run(Shape::Ticks, "uc2-tick-durable", 10e6)?,
        run(Shape::Batches(100), "uc2-batch-durable", 20e6)?,
        run(Shape::Batches(REPLAY_ROWS), "uc2-replay", 30e6)?,
    ])
}

/// UC3: overlapping windows.
///
/// # Errors
/// When the node fails.
pub(crate) fn uc3() -> Result<Vec<Figure>> {
    let window = json!({"length": "5m", "every": "1m"});
    let request = json!({"name": "roll", "inputs": {"value": "temperature"}, "window": window, "start": "earliest"});
    let rate = rate(Shape::Ticks, SAMPLES, &[("rollup", request)], |node| {
        expect(node, "SELECT count(*) AS n FROM temperature_roll WHERE value_count > 2900", 15_000)
    })?;
    Ok(vec![Figure::with_target("uc3-durable", rate, "samples/s", 5e6)])
}

/// UC4: an operator on another one's outputs, by group.
///
/// # Errors
/// When the node fails.
pub(crate) fn uc4() -> Result<Vec<Figure>> {
    let first = json!({"name": "roll", "inputs": {"value": "temperature"}, "window": "60s", "start": "earliest"});
    let second = json!({
        "name": "sites", "inputs": {"value": "temperature_roll:value_mean"}, "group_by": ["site"], "window": "60s",
        "output": "site", "start": "earliest",
    });
    let rate = rate(Shape::Ticks, SAMPLES, &[("rollup", first), ("rollup", second)], |node| {
        // 20 sites and 33 minutes; the last ones are open.
        expect(node, "SELECT count(*) AS n FROM site WHERE count = 50", 300)
    })?;
    Ok(vec![Figure::with_target("uc4-durable", rate, "samples/s", 5e6)])
}

/// Sites whose series are spread over four partitions, against all in one.
///
/// # Errors
/// When the node fails.
pub(crate) fn across_partitions() -> Result<Vec<Figure>> {
    let request = |way: Option<&str>| {
        let mut request = json!({
            "name": "sites", "inputs": {"value": "temperature"}, "group_by": ["site"], "window": "60s", "output": "site",
            "start": "earliest",
        });
        if let Some(way) = way {
            request[way] = true.into();
        }
        request
    };
    // 20 sites of 50 series and 33 minutes; jitter moves a sample over the edge of most.
    let check = |node: &Node| expect(node, "SELECT count(*) AS n FROM site WHERE count > 29900", 500);
    let measure = |partitions, way| rate_on(partitions, Shape::Ticks, SAMPLES, &[("rollup", request(way))], check);
    let one = measure(1, None)?;
    let figure = |name, value: f64| {
        let against = format!("the same in one partition: {one:.0} samples/s");
        Figure { name, value, unit: "samples/s", against, ratio: value / one }
    };
    Ok(vec![
        figure("across-merged", measure(4, Some("merge_partitions"))?),
        figure("across-staged", measure(4, Some("two_stage"))?),
    ])
}

/// Samples per second of a dataflow.
fn rate(shape: Shape, samples: usize, operators: &[(&str, Value)], check: impl Fn(&Node) -> Result<()>) -> Result<f64> {
    rate_on(1, shape, samples, operators, check)
}

/// The same, on a journal of so many partitions.
fn rate_on(
    partitions: u32,
    shape: Shape,
    samples: usize,
    operators: &[(&str, Value)],
    check: impl Fn(&Node) -> Result<()>,
) -> Result<f64> {
    let directory = tempfile::tempdir()?;
    let node = Node::start(directory.path(), NodeOptions { replicas: 1, partitions, ..NodeOptions::default() })?;
    load(&node, shape, samples)?;
    let mut requests = Vec::new();
    for (plugin, request) in operators {
        let hash = node.client().install(&std::fs::read(plugin_file(plugin)?)?)?;
        let mut request = request.clone();
        request["plugin"] = hash.into();
        requests.push(request);
    }
    node.wait_until_settled()?;
    let begun = now();
    requests.into_iter().try_for_each(|request| node.deploy_installed(request))?;
    wait_for("the operators to catch up", || {
        let status = node.client().status()?;
        let all = status["operators"].as_array().cloned().unwrap_or_default();
        let first = all.iter().any(|operator| operator["rows_in"].as_u64() >= Some(samples as u64));
        // A heartbeat of every partition may be waiting for those of the others.
        let idle = 2 * u64::from(partitions);
        Ok(first && all.iter().all(|operator| operator["lag_records"].as_u64() <= Some(idle)))
    })?;
    let elapsed = begun.elapsed();
    node.wait_until_settled()?;
    check(&node)?;
    Ok(samples as f64 / elapsed.as_secs_f64())
}

fn load(node: &Node, shape: Shape, samples: usize) -> Result<()> {
    let client = node.client();
    let mut walk = Walk::new(SERIES);
    match shape {
        Shape::Ticks => walk.ticks(samples / SERIES, STEP_NS, SERIES, |body| send(&client, body)),
        Shape::Batches(rows) => walk.batches(samples / SERIES / rows, rows, STEP_NS, |body| send(&client, body)),
    }
}

/// A rate without results would be worth nothing: most windows are there, with all their samples.
fn check_minutes(node: &Node) -> Result<()> {
    // 2,000 s of 1,000 series are 33,000 windows; jitter moves a sample over the edge of some, and the last are open.
    expect(node, "SELECT count(*) AS n FROM temperature_roll WHERE value_count = 600", 15_000)
}

fn expect(node: &Node, query: &str, least: u64) -> Result<()> {
    let answer = node.client().sql(query, &[])?.ok()?;
    let found: u64 = answer.body.lines().nth(1).unwrap_or_default().parse()?;
    if found < least {
        bail!("{query}: {found}, at least {least} were expected");
    }
    Ok(())
}

/// The 99th percentile of the time from the durable acknowledgement of a sample to an SQL answer with its output, while 1,000
/// series report at half of what writer and node can do.
///
/// # Errors
/// When the node fails.
pub(crate) fn append_to_output() -> Result<Vec<Figure>> {
    const PROBES: i64 = 300;
    const TARGET_MS: f64 = 50.0;
    /// Ticks of 1,000 samples per second of the load: a million samples a second, about half of what one writer and the node
    /// reach on two cores that they share.
    const TICKS_PER_SECOND: u64 = 1_000;
    let directory = tempfile::tempdir()?;
    let node = node(&directory, 1)?;
    let request = json!({"name": "roll", "inputs": {"value": "temperature"}, "window": "60s", "start": "earliest"});
    node.deploy("rollup", request)?;
    node.deploy("deadband", json!({"name": "band", "inputs": {"value": "probe"}, "params": {"width": 0}}))?;
    let client = node.client();
    let writer = Background::start(node.client(), TICKS_PER_SECOND);
    let mut delays = Vec::new();
    for i in 0..PROBES {
        client.write(&format!("probe,id=a value={i} {}", START_NS + i * 1_000_000))?.ok()?;
        let acknowledged = now();
        wait_until(|| {
            let answer = client.sql("SELECT max(value) FROM probe_band", &[])?;
            Ok(answer.status == 200 && answer.body.lines().nth(1).and_then(|v| v.parse().ok()) == Some(i as f64))
        })?;
        delays.push(acknowledged.elapsed());
    }
    let sent = writer.stop()?;
    ensure!(sent > 0, "the load did not run");
    delays.sort_unstable();
    let p99 = delays[delays.len() * 99 / 100].as_secs_f64() * 1e3;
    Ok(vec![Figure::with_target("append-output-p99", p99, "ms", TARGET_MS)])
}

fn wait_until(mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    while !condition()? {}
    Ok(())
}

/// A writer of ticks at a fixed rate, on a thread of its own.
pub(crate) struct Background {
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    thread: std::thread::JoinHandle<Result<u64>>,
}

impl Background {
    #[expect(clippy::disallowed_methods, reason = "a benchmark is a composition root")]
    pub(crate) fn start(client: tidemill_tests::Client, ticks_per_second: u64) -> Self {
        use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
        let stop = std::sync::Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let (mut walk, begun, mut sent) = (Walk::new(SERIES), Instant::now(), 0);
            while !stopped.load(Relaxed) {
                let mut body = String::new();
                (0..SERIES).for_each(|i| walk.push(&mut body, i, START_NS + sent as i64 * STEP_NS));
                send(&client, &body)?;
                sent += 1;
                let due = Duration::from_secs_f64(sent as f64 / ticks_per_second as f64);
                std::thread::sleep(due.saturating_sub(begun.elapsed()));
            }
            Ok(sent)
        });
        Self { stop, thread }
    }

    pub(crate) fn stop(self) -> Result<u64> {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        self.thread.join().unwrap_or_else(|_| bail!("the writer of the load has panicked"))
    }
}

/// Seconds from the start of a killed node until an operator with a state of 100 MB has caught up.
///
/// # Errors
/// When the node fails.
pub(crate) fn recovery() -> Result<Vec<Figure>> {
    const KEYS: usize = 400_000;
    const TARGET_S: f64 = 2.0;
    let directory = tempfile::tempdir()?;
    let mut node = node(&directory, 1)?;
    let wasm = wat::parse_str(include_str!("checkpoint.wat"))?;
    let hash = node.client().post("/api/v1/plugins", &[], &wasm)?.ok()?.json()?["hash"].clone();
    let request = json!({
        "name": "keys", "plugin": hash, "inputs": {"value": "temperature"}, "limits": {"memory_bytes": 268_435_456u64},
    });
    node.deploy_installed(request)?;
    let client = node.client();
    Walk::new(KEYS).ticks(1, STEP_NS, 5_000, |body| send(&client, body))?;
    node.wait_until_settled()?;
    wait_for("a checkpoint of the whole state", || {
        let operator = client.status()?["operators"][0].clone();
        Ok(operator["state_bytes"].as_u64() >= Some(90_000_000)
            && operator["checkpoint_age_ms"].as_u64() <= Some(5_000)
            && operator["rows_in"].as_u64() == Some(KEYS as u64))
    })?;
    // What the operator has to compute again.
    Walk::new(SERIES).ticks(50, STEP_NS, SERIES, |body| send(&client, body))?;
    node.kill()?;
    let begun = now();
    node.restart()?;
    let client = node.client();
    wait_for("the operator to catch up", || {
        let operator = client.status()?["operators"][0].clone();
        let rows = (KEYS + 50 * SERIES) as u64;
        Ok(operator["rows_in"].as_u64() >= Some(rows) && operator["lag_records"].as_u64() <= Some(2))
    })?;
    Ok(vec![Figure::with_target("operator-recovery", begun.elapsed().as_secs_f64(), "s", TARGET_S)])
}

#[expect(clippy::disallowed_methods, reason = "a benchmark is a composition root")]
fn now() -> Instant {
    Instant::now()
}
