//! The same node on every kind of journal: telemetry flows, operators calculate, replicas agree and are rebuilt, and
//! `kill -9` loses nothing.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tidemill_tests::node::wait_for;
use tidemill_tests::{Broker, Client, Node, NodeOptions};

use crate::{pump_lines, pump_table};

fn on(journal: &str) -> NodeOptions {
    NodeOptions { arguments: vec!["--journal".into(), journal.into()], ..NodeOptions::default() }
}

/// One half of the lines of [`pump_lines`], written in several requests.
fn write_part(client: &Client, part: usize) -> Result<()> {
    let lines = pump_lines(1_000);
    let lines: Vec<_> = lines.lines().collect();
    for (number, chunk) in (0..).zip(lines[part * 5_000..(part + 1) * 5_000].chunks(500)) {
        client.write_as("writer", part as u64 * 1_000 + number + 1, &chunk.join("\n"))?.ok()?;
    }
    Ok(())
}

/// What a node must do, whatever journal it is on.
fn check_node(data: &Path, journal: &str) -> Result<()> {
    let mut node = Node::start(data, on(journal))?;
    let client = node.client();
    let inputs = json!({"value": "pump:pressure"});
    node.deploy("deadband", json!({"name": "band", "inputs": inputs, "params": {"width": 3.0}, "start": "earliest"}))?;
    write_part(&client, 0)?;
    let status = client.status()?;
    ensure!(status["journal"]["place"] == journal, "the status names the journal: {}", status["journal"]);

    node.kill()?;
    node.restart()?;
    write_part(&client, 1)?;
    let repeated = client.write_as("writer", 1, "pump,id=p0 pressure=99 1")?;
    ensure!(repeated.duplicate, "a repetition is known after the restart: {repeated:?}");
    node.wait_until_settled()?;
    let table = pump_table(&client, &["replica=r1"])?;
    ensure!(table.lines().count() == 10_001, "{} rows", table.lines().count() - 1);
    let derived = client.sql("SELECT count(*) AS n FROM pump_band", &[])?.ok()?.body;
    ensure!(derived.lines().nth(1).is_some_and(|n| n.len() > 3), "the operator has calculated: {derived}");

    std::fs::remove_dir_all(data.join("replicas/r1"))?;
    wait_for("the replica to be rebuilt", || Ok(data.join("replicas/r1").is_dir()))?;
    // Settled replicas agree.
    node.wait_until_settled()?;
    ensure!(client.status()?["replicas"][0]["rebuilds"] == 1, "r1 was rebuilt: {}", client.status()?);
    ensure!(pump_table(&client, &["replica=r1"])? == table, "and answers the same");
    let metrics = client.get("/metrics")?.ok()?.body;
    ensure!(metrics.contains("tidemill_journal_use_seconds_count{operation=\"append\"}"), "{metrics}");
    node.stop()
}

#[test]
fn a_node_lives_on_an_object_journal() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let journal = format!("object://{}", directory.path().join("objects").display());
    check_node(&directory.path().join("data"), &journal)?;
    ensure!(!directory.path().join("data/journal").exists(), "nothing is embedded");
    Ok(())
}

#[test]
fn a_node_lives_on_an_embedded_journal_elsewhere() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let journal = directory.path().join("journal").display().to_string();
    check_node(&directory.path().join("data"), &journal)
}

#[test]
fn a_node_lives_on_kafka() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let broker = Broker::start(&directory.path().join("broker"))?;
    check_node(&directory.path().join("data"), &format!("kafka://{}/plant", broker.address()))
}

#[test]
fn a_node_lives_on_the_journal_of_another_node() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let first = Node::start(&directory.path().join("first"), NodeOptions::default())?;
    let journal = first.client().base().replace("http://", "grpc://");
    check_node(&directory.path().join("second"), &journal)?;
    let table = pump_table(&first.client(), &[])?;
    ensure!(
        table.lines().count() == 10_001,
        "the first node has what was written to the second: {}",
        table.lines().count()
    );
    let again = Node::start(&directory.path().join("second"), on(&journal))?;
    let (one, other) = (first.wait_until_settled()?, again.wait_until_settled()?);
    ensure!(one == other, "two nodes on one journal: digests {one} and {other}");
    let identity = |client: Client| client.status().map(|status| status["journal"]["id"].clone());
    ensure!(identity(first.client())? == identity(again.client())?, "one journal");
    Ok(())
}

#[test]
fn two_nodes_share_an_object_journal() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let journal = format!("object://{}", directory.path().join("objects").display());
    let (one, two) = (
        Node::start(&directory.path().join("one"), on(&journal))?,
        Node::start(&directory.path().join("two"), on(&journal))?,
    );
    let written = one.client().write("tank,id=a level=1 1767225600000000000")?.ok()?;
    let other = two.client().write("tank,id=b level=2 1767225600000000000")?.ok()?;
    for (node, position, row) in [(&one, other.position, "b,2"), (&two, written.position, "a,1")] {
        let position = position.context("a receipt")?;
        let options = [format!("at_least={position}"), "wait=60s".to_owned()];
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        let answer = node.client().sql("SELECT id, level FROM tank ORDER BY id", &options)?.ok()?.body;
        ensure!(answer.contains(row), "what the other node wrote: {answer}");
    }
    ensure!(one.wait_until_settled()? == two.wait_until_settled()?, "the replicas of both nodes agree");
    Ok(())
}
