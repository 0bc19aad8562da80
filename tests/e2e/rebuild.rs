//! A replica is deleted, while its node runs or while it does not, and rebuilds itself from the journal.

use anyhow::{Context, Result, ensure};
use tidemill_tests::node::wait_for;
use tidemill_tests::{Client, Node, NodeOptions};

use crate::{pump_lines, pump_table};

fn write_in_chunks(client: &Client) -> Result<()> {
    let lines = pump_lines(2_000);
    let all: Vec<_> = lines.lines().collect();
    for chunk in all.chunks(1_000) {
        client.write(&chunk.join("\n"))?.ok()?;
    }
    Ok(())
}

#[test]
fn a_replica_deleted_under_a_running_node_comes_back_while_the_other_serves() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let node = Node::start(directory.path(), NodeOptions::default())?;
    write_in_chunks(&node.client())?;
    let digest = node.wait_until_settled()?;
    let table = pump_table(&node.client(), &["replica=r1"])?;

    std::fs::remove_dir_all(directory.path().join("replicas/r1"))?;
    wait_for("the loss to be noticed and repaired", || {
        let answer = node.client().sql("SELECT count(*) AS n FROM pump", &[])?;
        ensure!(answer.status == 200, "queries go on: {}", answer.body);
        ensure!(answer.body.contains("20000"), "no query sees a hole: {}", answer.body);
        Ok(directory.path().join("replicas/r1").is_dir())
    })?;
    let again = node.wait_until_settled()?;
    ensure!(again == digest, "digest {again} after the rebuild, {digest} before");
    ensure!(
        pump_table(&node.client(), &["replica=r1"])? == table,
        "the rebuilt replica answers byte for byte the same"
    );
    Ok(())
}

#[test]
fn a_replica_deleted_under_a_stopped_node_comes_back() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut node = Node::start(directory.path(), NodeOptions::default())?;
    write_in_chunks(&node.client())?;
    let digest = node.wait_until_settled()?;
    let table = pump_table(&node.client(), &["replica=r2"])?;
    node.stop()?;
    std::fs::remove_dir_all(directory.path().join("replicas/r2"))?;
    node.restart()?;
    ensure!(node.wait_until_settled()? == digest, "the digest is the same");
    ensure!(pump_table(&node.client(), &["replica=r2"])? == table, "and so is the answer");
    Ok(())
}

#[test]
fn a_rebuild_on_request_ends_with_the_same_digest() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let node = Node::start(directory.path(), NodeOptions::default())?;
    write_in_chunks(&node.client())?;
    let digest = node.wait_until_settled()?;
    node.client().post("/api/v1/replicas/r1/rebuild", &[], b"")?.ok()?;
    let again = node.wait_until_settled()?;
    ensure!(again == digest, "digest {again} after the rebuild, {digest} before");
    let missing = node.client().post("/api/v1/replicas/r9/rebuild", &[], b"")?;
    ensure!(missing.status == 404, "an unknown replica is not found: {}", missing.body);
    Ok(())
}

#[test]
fn a_query_at_a_receipt_is_refused_at_once_when_no_replica_can_have_it() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let node = Node::start(directory.path(), NodeOptions::default())?;
    let receipt = node.client().write("pump,id=p1 pressure=1 1767225600000000000")?.ok()?;
    let position = receipt.position.context("a receipt")?;
    wait_for("the write to be readable", || {
        let answer = node.client().sql("SELECT pressure FROM pump", &[&format!("at_least={position}")])?;
        Ok(answer.status == 200 && answer.body.contains('1'))
    })?;
    let (head, offset) = position.rsplit_once('-').context("a position has offsets")?;
    let ahead = u64::from_str_radix(offset, 16)? + (1 << 30);
    let refused = node.client().sql("SELECT 1", &[&format!("at_least={head}-{ahead:016x}")])?;
    ensure!(refused.status == 503, "status {}: {}", refused.status, refused.body);
    ensure!(refused.json()?["best"]["replica"].is_string(), "the answer names the best replica: {}", refused.body);
    Ok(())
}
