//! The plugins in a node: installed, deployed, fed through ingest and asked for by a query.
//!
//! A request becomes one record. Within one the order of groups does not matter, because every group occurs in one
//! stretch only. The times lie ahead of the clock, so the clock does not move the watermark: the newest row alone
//! does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tidemill_tests::examples::lay_in;
use tidemill_tests::node::wait_for;
use tidemill_tests::{Example, Node, NodeOptions};

use crate::input::{Step, steps};
use crate::reference::{Output, Reference, Row, Value};

const SECOND_NS: i64 = 1_000_000_000;
/// 2100-01-01.
const BASE_NS: i64 = 4_102_444_800 * SECOND_NS;
const LATENESS_NS: i64 = SECOND_NS / 2;

/// What a query finds: (group, whether it is a state, time) → value and quality.
type Found = BTreeMap<Place, (Value, u32)>;
/// Group, whether it is a state, and source time.
type Place = (u32, bool, i64);

pub(super) fn check(examples: &[Example]) -> Result<()> {
    let directory = tempfile::tempdir()?;
    lay_in(examples, directory.path())?;
    let node = Node::start(directory.path(), NodeOptions { replicas: 1, ..NodeOptions::default() })?;
    for example in examples {
        let hash = node.client().install(&std::fs::read(&example.wasm)?)?;
        ensure!(hash == example.hash, "{} changed while the test ran", example.wasm.display());
        node.deploy_installed(json!({
            "name": example.language, "plugin": hash, "inputs": {"value": "load"},
            "start": "earliest", "lateness": "500ms", "params": {"alpha": 0.3, "stale_s": 2.5},
            "limits": {"fuel_per_call": 10_000_000_000_u64},
        }))?;
    }
    let requests = requests();
    for request in &requests {
        node.client().write(&lines(request))?.ok()?;
    }
    let wanted = reference(&requests);
    ensure!(wanted.len() > 5_000, "only {} rows", wanted.len());
    wait_until_written(&node, wanted.len())?;
    let latest =
        wanted.iter().map(|o| ((o.group, matches!(o.value, Value::Text(_)), o.time), (o.value.clone(), o.quality)));
    let latest: Found = latest.collect();
    for example in examples {
        let found = query(&node, example.language)?;
        let first = latest.iter().find(|(key, value)| found.get(*key) != Some(value));
        ensure!(
            found == latest,
            "{}: {} samples for {}, first difference {first:?}, found {:?}",
            example.language,
            found.len(),
            latest.len(),
            first.map(|(key, _)| found.get(key))
        );
    }
    Ok(())
}

/// The rows of the input that line protocol can write, in requests.
fn requests() -> Vec<Vec<Row>> {
    let mut requests: Vec<Vec<Row>> = vec![Vec::new()];
    let mut groups = BTreeSet::new();
    for step in steps(5, BASE_NS) {
        let Step::Row(row) = step else { continue };
        if !row.value.is_finite() || row.value.abs() > 1e300 {
            continue;
        }
        let request = requests.last_mut().expect("there is always one");
        let goes_on = request.last().is_some_and(|last| last.group == row.group && last.time <= row.time);
        if goes_on || groups.insert(row.group) {
            request.push(row);
        } else {
            groups = BTreeSet::from([row.group]);
            requests.push(vec![row]);
        }
    }
    requests
}

fn lines(rows: &[Row]) -> String {
    let mut lines = String::new();
    for Row { group, time, value, quality } in rows {
        writeln!(lines, "load,group={group} value={value:e},_quality={quality}u {time}")
            .expect("strings take everything");
    }
    lines
}

fn reference(requests: &[Vec<Row>]) -> Vec<Output> {
    let (mut reference, mut out) = (Reference::new(0.3, 5 * SECOND_NS / 2), Vec::new());
    let (mut watermark, mut second) = (i64::MIN, i64::MIN);
    for request in requests {
        for row in request {
            reference.process(row, &mut out);
            watermark = watermark.max(row.time - LATENESS_NS);
        }
        if watermark.div_euclid(SECOND_NS) > second {
            second = watermark.div_euclid(SECOND_NS);
            reference.advance(watermark, &mut out);
        }
    }
    out
}

/// Waits until every operator has written so many rows and replicas have them; more would be an error.
fn wait_until_written(node: &Node, rows: usize) -> Result<()> {
    let mut last = serde_json::Value::Null;
    let written = wait_for("operators to write their rows", || {
        last = node.client().status()?["operators"].clone();
        let all = last.as_array().map(Vec::as_slice).unwrap_or_default();
        let failed = all.iter().find(|one| one["errors"] != 0 || one["state"] == "failed");
        ensure!(failed.is_none(), "failed: {failed:?}");
        Ok(all.iter().all(|one| one["rows_out"].as_u64() >= Some(rows as u64)))
    });
    written.with_context(|| format!("{rows} rows are wanted, last status {last}"))?;
    node.wait_until_settled()?;
    for one in node.client().status()?["operators"].as_array().into_iter().flatten() {
        ensure!(one["rows_out"] == rows, "{} wrote {} rows, {rows} are wanted", one["name"], one["rows_out"]);
    }
    Ok(())
}

fn query(node: &Node, language: &str) -> Result<Found> {
    let query = format!(
        "SELECT CAST(time AS BIGINT) AS t, quality, value, text, series FROM samples \
         WHERE measurement = 'load_{language}'"
    );
    let csv = node.client().sql(&query, &[])?.ok()?.body;
    csv.lines().skip(1).map(|line| sample(line).with_context(|| format!("in {line:?}"))).collect()
}

/// A line of the answer.
fn sample(line: &str) -> Result<(Place, (Value, u32))> {
    let [time, quality, value, text, series] = line.splitn(5, ',').collect::<Vec<_>>()[..] else {
        anyhow::bail!("not five columns");
    };
    let is_state = series.contains(":value_state{");
    let (_, group) = series.split_once("group=").context("no group")?;
    let group = group.trim_end_matches(['"', '}']).parse()?;
    let value = if is_state { Value::Text(text.to_owned()) } else { Value::Number(value.parse::<f64>()?.to_bits()) };
    Ok(((group, is_state, time.parse()?), (value, quality.parse()?)))
}
