//! Truncated, bit-flipped and foreign files in the data directory: one clear error each, never a wrong answer.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use tidemill_tests::node::wait_for;
use tidemill_tests::{Node, NodeOptions, binary};

use crate::{pump_lines, pump_table};

/// A stopped node's data directory with some history in it.
fn history() -> Result<tempfile::TempDir> {
    let directory = tempfile::tempdir()?;
    let mut node = Node::start(directory.path(), NodeOptions::default())?;
    node.client().write(&pump_lines(100))?.ok()?;
    node.wait_until_settled()?;
    node.stop()?;
    Ok(directory)
}

/// Every file below `directory` whose name ends in `ending`, sorted.
fn files(directory: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let (mut found, mut open) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn flip(file: &Path, at: usize) -> Result<()> {
    let mut bytes = std::fs::read(file)?;
    *bytes.get_mut(at).context("the file is long enough")? ^= 0x10;
    std::fs::write(file, bytes)?;
    Ok(())
}

fn serve(data: &Path) -> Result<Output> {
    let mut command = Command::new(binary()?);
    Ok(command.args(["serve", "--http", "127.0.0.1:0", "--data"]).arg(data).output()?)
}

/// Every acknowledged sample is there, and nothing else.
fn check_answers(data: &Path, replica: &str) -> Result<()> {
    let node = Node::start(data, NodeOptions::default())?;
    let table = pump_table(&node.client(), &[&format!("replica={replica}")])?;
    ensure!(table.lines().count() == 1_001, "{} rows from {replica}", table.lines().count() - 1);
    Ok(())
}

#[test]
fn a_flipped_bit_in_the_journal_is_named_and_nothing_starts() -> Result<()> {
    let directory = history()?;
    let segments = files(&directory.path().join("journal/data"), ".seg")?;
    let segment = segments.first().context("a segment")?;
    // Somewhere in a record: what lies between records is nobody's.
    let record = std::fs::read(segment)?.windows(4).position(|bytes| bytes == b"TMR1").context("a record")?;
    flip(segment, record + 50)?;
    let verify = Command::new(binary()?).args(["journal", "verify", "--data"]).arg(directory.path()).output()?;
    let said = String::from_utf8_lossy(&verify.stdout).into_owned() + &String::from_utf8_lossy(&verify.stderr);
    ensure!(!verify.status.success() && said.contains(".seg"), "verify names the file: {said}");
    let started = serve(directory.path())?;
    let said = String::from_utf8_lossy(&started.stderr);
    ensure!(!started.status.success() && said.contains(".seg"), "serve names the file: {said}");
    ensure!(!said.contains("panicked"), "no panic: {said}");
    Ok(())
}

#[test]
fn a_truncated_journal_is_refused_because_acknowledged_records_are_missing() -> Result<()> {
    let directory = history()?;
    let segments = files(&directory.path().join("journal/data"), ".seg")?;
    let file = std::fs::OpenOptions::new().write(true).open(segments.last().context("a segment")?)?;
    file.set_len(4_096)?;
    let started = serve(directory.path())?;
    let said = String::from_utf8_lossy(&started.stderr);
    ensure!(!started.status.success() && said.contains(".seg"), "serve names the file: {said}");
    Ok(())
}

#[test]
fn a_damaged_block_fails_its_replica_and_the_other_one_serves() -> Result<()> {
    let directory = history()?;
    for block in files(&directory.path().join("replicas/r1"), ".tmb")? {
        let middle = std::fs::metadata(&block)?.len() as usize / 2;
        flip(&block, middle)?;
    }
    let node = Node::start(directory.path(), NodeOptions::default())?;
    let answer = node.client().sql("SELECT * FROM pump ORDER BY id, time", &["replica=r1"])?;
    let complete = answer.status == 200 && answer.body.lines().count() == 1_001;
    ensure!(complete || answer.status >= 500, "an error or the truth, never less: {} {}", answer.status, answer.body);
    ensure!(complete || answer.body.contains(".tmb"), "the error names the file: {}", answer.body);
    ensure!(complete || answer.body.contains("rebuild"), "and what to do: {}", answer.body);
    drop(node);
    check_answers(directory.path(), "r2")
}

#[test]
fn a_foreign_manifest_fails_its_replica_with_a_remedy() -> Result<()> {
    let directory = history()?;
    let manifests = files(&directory.path().join("replicas/r1"), "manifest")?;
    std::fs::write(manifests.first().context("a manifest")?, "this is somebody else's file")?;
    let node = Node::start(directory.path(), NodeOptions::default())?;
    let mut error = String::new();
    wait_for("the status to name the file", || {
        error = node.client().status()?["replicas"][0]["error"].as_str().unwrap_or_default().to_owned();
        Ok(!error.is_empty())
    })?;
    ensure!(error.contains("manifest") && error.contains("rebuild"), "status names file and remedy: {error}");
    node.client().post("/api/v1/replicas/r1/rebuild", &[], b"")?.ok()?;
    node.wait_until_settled()?;
    drop(node);
    check_answers(directory.path(), "r1")
}
