//! The whole system through its binary and its HTTP port, one scenario per file.

mod concurrent_fields;
mod damaged_files;
mod first_plugin;
mod full_disk;
mod import;
mod journal_copy;
mod journal_refusals;
mod journals;
mod partitions;
mod rebuild;
mod retention;
mod slow_client;
mod sql_aggregates;
mod versions;

use anyhow::Result;
use serde_json::Value;
use tidemill_tests::{Client, Node};

/// Lines of a small fleet: `count` samples for each of ten pumps.
fn pump_lines(count: i64) -> String {
    let line = |i: i64| {
        let (pump, time) = (i % 10, 1_767_225_600_000_000_000 + i * 10_000_000);
        format!("pump,site=north,id=p{pump} pressure={}.25,running=true,starts={i}i {time}\n", i % 97)
    };
    (0..count * 10).map(line).collect()
}

/// The answer to a query that touches everything that [`pump_lines`] wrote.
fn pump_table(client: &Client, options: &[&str]) -> Result<String> {
    Ok(client.sql("SELECT * FROM pump ORDER BY id, time", options)?.ok()?.body)
}

/// Writes lines whose times are seconds.
fn write(node: &Node, lines: &str) -> Result<()> {
    node.client().post("/api/v2/write?precision=s", &[], lines.as_bytes())?.ok()?;
    Ok(())
}

/// Posts JSON; returns the answer's.
fn post(node: &Node, path: &str, body: &Value) -> Result<Value> {
    let json = [("Content-Type", "application/json")];
    node.client().post(path, &json, body.to_string().as_bytes())?.ok()?.json()
}
