//! The neighbours of hostile operators: a deadband and a rollup that go on as if nothing were.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tidemill_tests::node::wait_for;
use tidemill_tests::{Client, Node, NodeOptions};

/// Where source times begin: 2026-01-01.
const START_S: i64 = 1_767_225_600;
/// Series that are written.
const SERIES: i64 = 3;
/// Lag, in records, of an operator that keeps up: heartbeats come all the time.
const LAG_MAX: u64 = 3;

/// A node with two well-behaved operators and a stream of samples.
pub(crate) struct Town {
    pub(crate) node: Node,
    pub(crate) client: Client,
    seconds: i64,
    written: i64,
}

impl Town {
    /// Starts the node and deploys the two.
    pub(crate) fn found(data: &std::path::Path) -> Result<Self> {
        let node = Node::start(data, NodeOptions { replicas: 1, ..NodeOptions::default() })?;
        node.deploy("deadband", json!({"name": "band", "inputs": {"value": "load"}, "params": {"width": 0.5}}))?;
        let rollup = json!({"name": "roll", "inputs": {"value": "load"}, "window": "1s", "lateness": "200ms"});
        node.deploy("rollup", rollup)?;
        let client = node.client();
        Ok(Self { node, client, seconds: 0, written: 0 })
    }

    /// Writes a second of samples: two of every series, in one record.
    pub(crate) fn write(&mut self) -> Result<()> {
        self.write_values(|_, row| (row % 2 * 10) as f64)
    }

    /// Writes a second of samples with values by second and row.
    pub(crate) fn write_values(&mut self, value: impl Fn(i64, i64) -> f64) -> Result<()> {
        let mut lines = String::new();
        for id in 0..SERIES {
            for row in 0..2 {
                let time = (START_S + self.seconds) * 1_000_000_000 + row * 500_000_000;
                lines += &format!("load,id=s{id} value={} {time}\n", value(self.seconds, row));
            }
        }
        self.client.write(&lines)?.ok()?;
        self.seconds += 1;
        self.written += SERIES * 2;
        Ok(())
    }

    /// The deployed operators.
    pub(crate) fn operators(&self) -> Result<Vec<Value>> {
        let all = self.client.get("/api/v1/operators")?.ok()?.json()?;
        Ok(all["operators"].as_array().context("operators are a list")?.clone())
    }

    /// Insists that the node answers and that the two keep up, without errors and with every result.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.write()?;
        let mut seen = Vec::new();
        let kept_up = wait_for("the neighbours to keep up", || {
            seen = self.operators()?;
            seen.retain(|operator| operator["name"] == "band" || operator["name"] == "roll");
            if let Some(hurt) = seen.iter().find(|one| one["errors"] != 0 || one["state"] == "failed") {
                bail!("a neighbour was hurt: {hurt}");
            }
            let keeps_up = |one: &Value| one["lag_records"].as_u64().is_some_and(|lag| lag <= LAG_MAX);
            let (banded, rolled) = (self.count("count(*)", "load_band")?, self.count("sum(value_count)", "load_roll")?);
            Ok(seen.iter().all(keeps_up) && banded == self.written && rolled == self.written)
        });
        kept_up.with_context(|| format!("{} samples were written; operators: {seen:?}", self.written))?;
        ensure!(seen.len() == 2, "a neighbour is missing: {seen:?}");
        Ok(())
    }

    /// A number that a query returns; 0 when there is nothing to ask yet.
    fn count(&self, what: &str, table: &str) -> Result<i64> {
        let answer = self.client.sql(&format!("SELECT {what} FROM {table}"), &[])?;
        let number = answer.body.lines().nth(1).unwrap_or_default();
        Ok(if answer.status == 200 { number.parse::<f64>().unwrap_or(0.0) as i64 } else { 0 })
    }
}
