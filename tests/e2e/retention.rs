//! Retention is changed by restarting a node, and what replicas still need is not lost to it.

use anyhow::{Result, ensure};
use serde_json::Value;
use tidemill_tests::node::wait_for;
use tidemill_tests::{Node, NodeOptions, tidemill};

use crate::{pump_lines, pump_table};

fn data_topic(status: &Value, list: &str) -> Value {
    let all = status["journal"][list].as_array().cloned().unwrap_or_default();
    all.into_iter().find(|one| one["topic"] == "data").unwrap_or_default()
}

fn options(settings: &str, more: &[&str]) -> NodeOptions {
    let arguments = ["--journal-settings", settings].into_iter().chain(more.iter().copied()).map(str::to_owned);
    NodeOptions { arguments: arguments.collect(), ..NodeOptions::default() }
}

#[test]
fn a_retention_that_serve_names_takes_effect_on_an_existing_journal() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let data = directory.path().join("data");
    let settings = directory.path().join("journal.conf");
    std::fs::write(&settings, "# small, so that files can be dropped\nsegment_bytes = 65536\n")?;
    let settings = settings.display().to_string();
    let mut node = Node::start(&data, options(&settings, &[]))?;
    let lines = pump_lines(1_000);
    let lines: Vec<_> = lines.lines().collect();
    for chunk in lines.chunks(200) {
        node.client().write(&chunk.join("\n"))?.ok()?;
    }
    node.wait_until_settled()?;
    let table = pump_table(&node.client(), &[])?;
    let status = node.client().status()?;
    ensure!(data_topic(&status, "partitions")["start"] == 0, "everything is kept: {status}");
    ensure!(data_topic(&status, "topics")["retention_bytes"].is_null(), "and said to be: {status}");
    ensure!(status["replicas"][0]["falls_off_in_ms"].is_null(), "nobody falls off: {status}");
    node.stop()?;

    let mut node = Node::start(&data, options(&settings, &["--retention-bytes", "100kB", "--retention-age", "30d"]))?;
    wait_for("old records to be dropped", || {
        let start = data_topic(&node.client().status()?, "partitions")["start"].as_u64();
        Ok(start.is_some_and(|start| start > 0))
    })?;
    ensure!(pump_table(&node.client(), &[])? == table, "the replicas had them already");
    let status = node.client().status()?;
    ensure!(status["replicas"][0]["gaps"] == 0, "no gap: {status}");
    let falls_off = status["replicas"][0]["falls_off_in_ms"].as_u64().unwrap_or_default();
    ensure!(falls_off > 0 && falls_off <= 30 * 86_400_000, "it is known when a replica would fall off: {status}");
    node.stop()?;

    let node = Node::start(&data, options(&settings, &["--retention-age", "never"]))?;
    let topic = data_topic(&node.client().status()?, "topics");
    ensure!(topic["retention_age_s"].is_null() && topic["retention_bytes"] == 100_000, "one of two changed: {topic}");
    Ok(())
}

#[test]
fn a_journal_is_trimmed_by_hand_and_not_under_a_running_node() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let data = directory.path().join("data");
    let settings = directory.path().join("journal.conf");
    std::fs::write(&settings, "segment_bytes=65536")?;
    let settings = settings.display().to_string();
    let mut node = Node::start(&data, options(&settings, &[]))?;
    for chunk in pump_lines(500).lines().collect::<Vec<_>>().chunks(200) {
        node.client().write(&chunk.join("\n"))?.ok()?;
    }
    node.wait_until_settled()?;
    let place = data.display().to_string();
    let start = |json: &str| -> Result<Value> { Ok(serde_json::from_str::<Value>(json)?["start"].clone()) };
    let trim = |more: &[&str]| {
        tidemill(["journal", "trim", "--json", "--data", &place, "--before-time", "now"].iter().chain(more))
    };

    let refused = trim(&["--yes"])?;
    ensure!(refused.code == Some(4) && refused.err.contains("grpc://"), "it says how to do it: {refused:?}");
    let tried = trim(&["--dry-run"])?.ok()?;
    ensure!(start(&tried.out)? == 0, "nothing has changed: {tried:?}");
    let grpc = node.client().base().replace("http://", "grpc://");
    let through = tidemill(["journal", "trim", "--json", "--journal", &grpc, "--before-time", "now", "--yes"])?.ok()?;
    ensure!(start(&through.out)?.as_u64() > Some(0), "trimmed through the node: {through:?}");
    for chunk in pump_lines(500).lines().collect::<Vec<_>>().chunks(200) {
        node.client().write(&chunk.join("\n"))?.ok()?;
    }
    node.stop()?;

    let unconfirmed = trim(&[])?;
    ensure!(unconfirmed.code == Some(4) && unconfirmed.err.contains("--yes"), "without a terminal: {unconfirmed:?}");
    let before = start(&through.out)?.as_u64();
    let trimmed = trim(&["--yes"])?.ok()?;
    ensure!(start(&trimmed.out)?.as_u64() >= before, "{trimmed:?}");
    let beyond = ["journal", "trim", "--data", &place, "--partition", "0", "--before", "99999999999", "--yes"];
    ensure!(tidemill(beyond)?.err.contains("beyond the end"), "an offset that is not there");
    Ok(())
}
