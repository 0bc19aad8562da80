//! A journal is copied from one kind to another and back, cut off in the middle and resumed, and a node lives on the copy.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tidemill_tests::node::wait_for;
use tidemill_tests::tool::Ended;
use tidemill_tests::{Client, Node, NodeOptions, binary, tidemill};

use crate::{pump_lines, pump_table};

fn write(client: &Client, count: i64) -> Result<String> {
    let lines = pump_lines(count);
    let mut position = None;
    for chunk in lines.lines().collect::<Vec<_>>().chunks(500) {
        position = client.write(&chunk.join("\n"))?.ok()?.position;
    }
    position.context("a receipt")
}

fn copy_arguments(from: &str, to: &str, map: &Path, more: &[&str]) -> Vec<String> {
    let map = map.display().to_string();
    let fixed = ["journal", "copy", "--json", "--from", from, "--to", to, "--map", &map];
    fixed.iter().chain(more).map(|text| (*text).to_owned()).collect()
}

fn copy(from: &str, to: &str, map: &Path, more: &[&str]) -> Result<Ended> {
    tidemill(copy_arguments(from, to, map, more))
}

/// Records and digest of every partition that a copy reports.
fn digests(copied: &Ended) -> Result<Vec<(String, u64, String)>> {
    let line = |line: &str| -> Result<_> {
        let value: Value = serde_json::from_str(line)?;
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        Ok((text("topic"), value["records"].as_u64().unwrap_or_default(), text("digest")))
    };
    copied.out.lines().map(line).collect()
}

#[test]
fn a_journal_goes_to_objects_and_back_and_a_node_goes_on_with_it() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let at = |name: &str| directory.path().join(name);
    let place = |name: &str| at(name).display().to_string();
    let mut node = Node::start(&at("old"), NodeOptions::default())?;
    let inputs = json!({"value": "pump:pressure"});
    node.deploy("deadband", json!({"name": "band", "inputs": inputs, "params": {"width": 3.0}, "start": "earliest"}))?;
    write(&node.client(), 500)?;

    let objects = format!("object://{}", place("objects"));
    let live = copy(&place("old/journal"), &objects, &at("there.map"), &[])?.ok()?;
    ensure!(digests(&live)?.iter().any(|(topic, records, _)| topic == "data" && *records > 0), "{live:?}");
    let receipt = write(&node.client(), 600)?;
    node.wait_until_settled()?;
    let table = pump_table(&node.client(), &[])?;
    node.stop()?;

    let again = copy(&place("old/journal"), &objects, &at("there.map"), &[])?;
    ensure!(again.code == Some(4) && again.err.contains("--resume"), "nothing is copied twice by mistake: {again:?}");
    let there = copy(&place("old/journal"), &objects, &at("there.map"), &["--resume"])?.ok()?;
    let back = copy(&objects, &place("new/journal"), &at("back.map"), &[])?.ok()?;
    ensure!(digests(&there)? == digests(&back)?, "the same records: {there:?} {back:?}");
    let once_more = copy(&objects, &place("new/journal"), &at("back.map"), &["--resume"])?.ok()?;
    ensure!(digests(&once_more)? == digests(&back)?, "a copy that is complete stays as it is: {once_more:?}");

    let node = Node::start(&at("new"), NodeOptions::default())?;
    // Not the digest: the old node's last outputs may have come after it was settled.
    node.wait_until_settled()?;
    ensure!(pump_table(&node.client(), &[])? == table, "the answers are those of the old node");
    let translated = |token: &str, map: &str| -> Result<String> {
        let map = place(map);
        Ok(tidemill(["journal", "position", "--after", "--map", &map, token])?.ok()?.out.trim().to_owned())
    };
    let position = translated(&translated(&receipt, "there.map")?, "back.map")?;
    let query = [format!("at_least={position}"), "wait=60s".to_owned()];
    let answer = node.client().sql("SELECT count(*) AS n FROM pump", &query.each_ref().map(String::as_str))?.ok()?;
    ensure!(answer.body.contains("6000"), "an old receipt, translated, covers what it covered: {}", answer.body);

    let derived = |node: &Node| -> Result<u64> {
        let answer = node.client().sql("SELECT count(*) AS n FROM pump_band", &[])?.ok()?.body;
        Ok(answer.lines().nth(1).unwrap_or_default().parse()?)
    };
    let before = derived(&node)?;
    let later: String = (0..100)
        .map(|i| format!("pump,site=north,id=p0 pressure={} {}\n", i * 10, 1_767_300_000_000_000_000_i64 + i))
        .collect();
    node.client().write(&later)?.ok()?;
    wait_for("the operator to go on", || Ok(derived(&node)? >= before + 100))
}

#[test]
fn a_copy_that_is_killed_goes_on_where_it_was_and_writes_nothing_twice() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let at = |name: &str| directory.path().join(name);
    let place = |name: &str| at(name).display().to_string();
    let mut node = Node::start(&at("old"), NodeOptions { partitions: 2, ..NodeOptions::default() })?;
    for _ in 0..4 {
        write(&node.client(), 2_000)?;
    }
    node.stop()?;

    let (from, to) = (place("old/journal"), format!("object://{}", place("objects")));
    for kill in 0..6 {
        let more: &[&str] = if at("map").exists() { &["--resume"] } else { &[] };
        let mut child = Command::new(binary()?)
            .args(copy_arguments(&from, &to, &at("map"), more))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        // Killed a little later each time, by how much of the copy there is.
        let lines = || std::fs::read_to_string(at("map")).unwrap_or_default().lines().count();
        let start = lines();
        wait_for("some of the copy", || Ok(lines() > start + kill / 2 || child.try_wait()?.is_some()))?;
        child.kill()?;
        child.wait()?;
    }
    let resumed = copy(&from, &to, &at("map"), &["--resume"])?.ok()?;
    std::fs::remove_file(at("map"))?;
    let compared = copy(&from, &to, &at("map"), &["--resume"])?.ok()?;
    ensure!(digests(&resumed)? == digests(&compared)?, "without its map, the copy is compared from the beginning");
    let fresh = copy(&from, &place("fresh"), &at("fresh.map"), &[])?.ok()?;
    ensure!(digests(&resumed)? == digests(&fresh)?, "as if it had never been cut off: {resumed:?} {fresh:?}");
    Ok(())
}

#[test]
fn a_copy_is_not_mixed_with_anything_else() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let place = |name: &str| directory.path().join(name).display().to_string();
    for name in ["one", "two"] {
        let mut node = Node::start(&directory.path().join(name), NodeOptions::default())?;
        node.client().write(&format!("tank,id={name} level=1"))?.ok()?;
        node.stop()?;
    }
    let map = directory.path().join("map");
    let (one, two) = (place("one/journal"), place("two/journal"));
    let mixed = copy(&one, &two, &map, &[])?;
    ensure!(mixed.code == Some(4) && mixed.err.contains("holds"), "{mixed:?}");
    ensure!(!map.exists(), "nothing was begun");
    let pretended = copy(&one, &two, &map, &["--resume"])?;
    ensure!(pretended.code == Some(1) && pretended.err.contains("differ"), "it is no copy: {pretended:?}");
    let itself = copy(&one, &format!("file://{one}"), &directory.path().join("itself.map"), &[])?;
    ensure!(itself.code == Some(4) && itself.err.contains("the same journal"), "{itself:?}");
    let missing = copy(&place("nowhere"), &two, &map, &["--topic", "data"])?;
    ensure!(missing.code == Some(3), "a journal that is not there: {missing:?}");
    let topic = copy(&one, &place("three"), &map, &["--topic", "date"])?;
    ensure!(topic.code == Some(3) && topic.err.contains("catalog, data"), "a topic that is not there: {topic:?}");
    Ok(())
}
