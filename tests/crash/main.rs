//! `kill -9` at random moments under mixed load, and what must be true afterwards.
//!
//! Writers keep sending new series, late samples and rewrites under a producer's sequence, repeating a request until it is
//! acknowledged. Operators run. A dashboard listens and resumes. The node is killed again and again. Then:
//!
//! 1. every acknowledged sample is there exactly once, with the value that was written last;
//! 2. the dashboard saw every sample exactly once, in order;
//! 3. both replicas have the same digest at the same position;
//! 4. derived series are what operators compute that are deployed afterwards and read the whole journal, bit for bit.
//!
//! The same is done over a chain of operators in three languages. On a Kafka journal the broker is killed too, alone
//! or together with the node.
//!
//! `TIDEMILL_CRASH_ROUNDS` sets the number of kills, `TIDEMILL_CRASH_SEED` the randomness.

mod chain;
mod load;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use load::{History, Writer};
use serde_json::json;
use tidemill_tests::node::wait_for;
use tidemill_tests::{Broker, Client, Event, LiveReader, Node, NodeOptions, Random};

const ROUNDS: u64 = 6;
/// How long no request may be acknowledged.
const PATIENCE: Duration = Duration::from_secs(120);

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn nothing_is_lost_or_doubled_when_the_node_is_killed_under_load() -> Result<()> {
    check(1, None)
}

#[test]
fn nor_with_several_partitions() -> Result<()> {
    check(3, None)
}

#[test]
fn nor_on_kafka_when_the_broker_is_killed_as_well() -> Result<()> {
    let directory = tempfile::tempdir()?;
    check(2, Some(Broker::start(directory.path())?))
}

fn check(partitions: u32, mut broker: Option<Broker>) -> Result<()> {
    let seed = setting("TIDEMILL_CRASH_SEED", 7);
    eprintln!("seed {seed}");
    let directory = tempfile::tempdir()?;
    let url = broker.iter().flat_map(|b| ["--journal".to_owned(), format!("kafka://{}/crash", b.address())]).collect();
    let options = NodeOptions { partitions, arguments: url, ..NodeOptions::default() };
    let mut node = Node::start(directory.path(), options)?;
    deploy(&node, "")?;

    let stop = Arc::new(AtomicBool::new(false));
    let seen = Arc::new(Mutex::new(Seen::default()));
    let (listener, listener_stop) = listen(node.client().base(), seen.clone());
    let (acknowledged, requests) = channel();
    let start = |number| write(node.client(), number, seed, stop.clone(), acknowledged.clone());
    let writers: Vec<_> = (0..2).map(start).collect();
    // A broker takes its time to come back.
    let rounds = setting("TIDEMILL_CRASH_ROUNDS", if broker.is_some() { ROUNDS / 2 } else { ROUNDS });
    kill_again_and_again(&mut node, broker.as_mut(), &requests, &mut Random::new(seed), rounds)?;
    stop.store(true, Relaxed);
    let histories =
        writers.into_iter().map(|w| w.join().expect("a writer runs to its end")).collect::<Result<Vec<_>>>()?;

    node.wait_until_settled()?;
    let mut all = History::default();
    histories.into_iter().for_each(|history| all.merge(history));
    eprintln!("{} samples of {} series acknowledged", all.samples(), all.series());
    check_replicas(&node.client(), &all)?;
    check_dashboard(&seen, &all)?;
    listener_stop.store(true, Relaxed);
    drop(listener);
    check_derived(&node)
}

/// Deploys ready-made plugins, by series, by groups in one partition, and by groups across partitions; `suffix` tells one
/// deployment from another.
fn deploy(node: &Node, suffix: &str) -> Result<()> {
    let deploy = |plugin: &str, name: &str, mut request: serde_json::Value| {
        request["name"] = format!("{name}{suffix}").into();
        request["start"] = "earliest".into();
        node.deploy(plugin, request)
    };
    deploy("rollup", "roll", json!({"inputs": {"value": "load"}, "window": "1s", "lateness": "200ms"}))?;
    deploy("deadband", "band", json!({"inputs": {"value": "load"}, "params": {"width": 3.0}}))?;
    let inputs: BTreeMap<_, _> = ["flow", "head", "power", "bearing_temperature", "vibration"]
        .map(|port| (port, format!("turbine:{port}")))
        .into_iter()
        .collect();
    deploy("health", "health", json!({"inputs": inputs, "group_by": ["unit"]}))?;
    // What passes depends on the order of all series of a writer.
    let across = json!({"inputs": {"value": "load"}, "group_by": ["writer"], "merge_partitions": true});
    let mut order = across.clone();
    order["params"] = json!({"width": 3.0});
    deploy("deadband", "order", order)?;
    let mut merged = across;
    (merged["window"], merged["lateness"]) = ("1s".into(), "200ms".into());
    deploy("rollup", "merged", merged.clone())?;
    (merged["merge_partitions"], merged["two_stage"]) = (false.into(), true.into());
    deploy("rollup", "staged", merged)
}

#[expect(clippy::disallowed_methods, reason = "tests are composition roots")]
fn write(
    client: Client,
    number: u64,
    seed: u64,
    stop: Arc<AtomicBool>,
    acknowledged: Sender<()>,
) -> std::thread::JoinHandle<Result<History>> {
    std::thread::spawn(move || Writer::new(number, seed).run(&client, &stop, &acknowledged))
}

/// Kills after a random number of acknowledged requests, while others are under way.
fn kill_again_and_again(
    node: &mut Node,
    mut broker: Option<&mut Broker>,
    requests: &Receiver<()>,
    random: &mut Random,
    rounds: u64,
) -> Result<()> {
    for round in 0..rounds {
        await_requests(requests, 10 + random.below(300))?;
        // With a broker: it, both, and the node, in turn.
        if let Some(broker) = broker.as_mut().filter(|_| round % 3 < 2) {
            broker.kill()?;
            if round % 3 == 1 {
                node.kill()?;
            }
            broker.restart()?;
            if round % 3 == 1 {
                node.restart()?;
            }
            continue;
        }
        node.kill()?;
        node.restart()?;
    }
    Ok(())
}

/// Waits until so many further requests are acknowledged.
fn await_requests(requests: &Receiver<()>, count: u64) -> Result<()> {
    // Those of the round before do not count.
    requests.try_iter().for_each(drop);
    for _ in 0..count {
        requests.recv_timeout(PATIENCE).context("no request is acknowledged any more")?;
    }
    Ok(())
}

/// Samples as the dashboard saw them: series key → (time, value bits) in order of arrival.
#[derive(Default)]
struct Seen {
    samples: BTreeMap<String, Vec<(i64, u64)>>,
    gaps: u64,
}

#[expect(clippy::disallowed_methods, reason = "tests are composition roots")]
fn listen(base: &str, seen: Arc<Mutex<Seen>>) -> (std::thread::JoinHandle<()>, Arc<AtomicBool>) {
    let stop = Arc::new(AtomicBool::new(false));
    let reader = LiveReader::new(base, "load", "earliest");
    let until = stop.clone();
    let thread = std::thread::spawn(move || {
        reader.run(&until, |event| seen.lock().expect("no panic while locked").take(&event));
    });
    (thread, stop)
}

impl Seen {
    fn take(&mut self, event: &Event) {
        self.gaps += u64::from(event.name == "gap");
        if event.name != "samples" {
            return;
        }
        for series in event.data["series"].as_array().into_iter().flatten() {
            let key = series["key"].as_str().unwrap_or_default().to_owned();
            let start: i64 = series["t0"].as_str().and_then(|t| t.parse().ok()).unwrap_or_default();
            let times = series["dt"].as_array().into_iter().flatten().map(|dt| start + dt.as_i64().unwrap_or(0));
            let values = series["values"].as_array().into_iter().flatten();
            let samples = times.zip(values.map(|v| v.as_f64().unwrap_or(f64::NAN).to_bits()));
            self.samples.entry(key).or_default().extend(samples);
        }
    }
}

/// Each replica alone answers with exactly the acknowledged samples.
fn check_replicas(client: &Client, all: &History) -> Result<()> {
    for replica in ["r1", "r2"] {
        let query = "SELECT series, CAST(time AS BIGINT) AS t, value FROM samples WHERE measurement = 'load'";
        let csv = client.sql(query, &[&format!("replica={replica}")])?.ok()?.body;
        let mut found: BTreeMap<(String, i64), u64> = BTreeMap::new();
        for row in csv.lines().skip(1) {
            let (key, rest) = split_key(row);
            let (time, value) = rest.split_once(',').unwrap_or((rest, ""));
            let before = found.insert((key, time.parse()?), value.parse::<f64>()?.to_bits());
            ensure!(before.is_none(), "{replica} has two samples for {row}");
        }
        ensure!(found == all.latest(), "{replica}: {}", difference(&found, &all.latest()));
    }
    Ok(())
}

/// The first column, which CSV quotes when it holds a comma.
fn split_key(row: &str) -> (String, &str) {
    match row.strip_prefix('"').and_then(|row| row.split_once("\",")) {
        Some((key, rest)) => (key.to_owned(), rest),
        None => row.split_once(',').map(|(key, rest)| (key.to_owned(), rest)).unwrap_or((row.to_owned(), "")),
    }
}

fn difference(found: &BTreeMap<(String, i64), u64>, wanted: &BTreeMap<(String, i64), u64>) -> String {
    let missing: Vec<_> = wanted.iter().filter(|(key, _)| !found.contains_key(key)).take(3).collect();
    let extra: Vec<_> = found.iter().filter(|(key, _)| !wanted.contains_key(key)).take(3).collect();
    let other: Vec<_> = wanted.iter().filter(|(key, v)| found.get(key).is_some_and(|f| f != *v)).take(3).collect();
    format!("{} of {} samples; missing {missing:?}, extra {extra:?}, other value {other:?}", found.len(), wanted.len())
}

/// The dashboard saw every write of every series, exactly once and in order.
fn check_dashboard(seen: &Mutex<Seen>, all: &History) -> Result<()> {
    let wanted = all.samples();
    wait_for("the dashboard to see everything", || {
        let seen = seen.lock().expect("no panic while locked");
        Ok(seen.samples.values().map(Vec::len).sum::<usize>() >= wanted)
    })?;
    let seen = seen.lock().expect("no panic while locked");
    ensure!(seen.gaps == 0, "{} gaps", seen.gaps);
    for (key, writes) in all.writes() {
        let got = seen.samples.get(key).map(Vec::as_slice).unwrap_or_default();
        let first = got.iter().zip(writes).position(|(a, b)| a != b);
        ensure!(
            got == writes,
            "{key}: {} events for {} writes, first difference at {first:?}",
            got.len(),
            writes.len()
        );
    }
    Ok(())
}

/// Operators that read the whole journal afterwards come to the same results, bit for bit.
fn check_derived(node: &Node) -> Result<()> {
    deploy(node, "_again")?;
    node.wait_until_settled()?;
    check_tables(node, &["load_roll", "load_band", "turbine_health", "load_order", "load_merged", "load_staged"])
}

/// Each table has the rows of the one with `_again` behind its name, bit for bit.
fn check_tables(node: &Node, measurements: &[&str]) -> Result<()> {
    for measurement in measurements {
        let table = |name: &str| -> Result<String> {
            let query = format!("SELECT * EXCLUDE (quality) FROM {name}");
            Ok(node.client().sql(&query, &[])?.ok()?.body)
        };
        let (mut first, mut second) = (String::new(), String::new());
        // Windows at the end close when their series has been silent for two heartbeats.
        let equal = wait_for("derived series to be equal", || {
            first = table(measurement)?;
            second = table(&format!("{measurement}_again")).unwrap_or_default();
            Ok(first == second)
        });
        equal.with_context(|| format!("{measurement}: {}", first_difference(&first, &second)))?;
        ensure!(first.lines().count() > 10, "{measurement} has hardly any rows:\n{first}");
    }
    Ok(())
}

fn first_difference(first: &str, second: &str) -> String {
    let rows = (first.lines().count(), second.lines().count());
    let differing = first.lines().zip(second.lines()).find(|(a, b)| a != b);
    format!("{rows:?} rows; first difference {differing:?}")
}
