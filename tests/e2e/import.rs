//! CSV files are imported once, however often they are imported.

use std::process::{Command, Output};

use anyhow::{Result, ensure};
use tidemill_tests::{Node, NodeOptions, binary};

fn import(node: &Node, file: &std::path::Path) -> Result<Output> {
    let mut command = Command::new(binary()?);
    let base = node.client().base().to_owned();
    Ok(command.args(["import", "--measurement", "machine", "--server", &base]).arg(file).output()?)
}

#[test]
fn a_csv_file_is_imported_and_a_second_import_changes_nothing() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let node = Node::start(&directory.path().join("data"), NodeOptions::default())?;
    let file = directory.path().join("machine.csv");
    let row = |i: u32| format!("2026-01-0{} 0{}:{:02}:00,{}.5\n", 1 + i / 600, i / 60 % 10, i % 60, i);
    std::fs::write(&file, "timestamp,value\n".to_owned() + &(0..1_200).map(row).collect::<String>())?;

    let first = import(&node, &file)?;
    ensure!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let digest = node.wait_until_settled()?;
    let second = import(&node, &file)?;
    ensure!(second.status.success(), "{}", String::from_utf8_lossy(&second.stderr));
    ensure!(node.wait_until_settled()? == digest, "the digest is the same");

    let answer = node.client().sql("SELECT count(*) AS n, min(value) AS a, max(value) AS b FROM machine", &[])?.ok()?;
    ensure!(answer.body.trim_end().ends_with("1200,0.5,1199.5"), "{}", answer.body);
    Ok(())
}

#[test]
fn bad_rows_are_reported_with_their_line_and_cost_no_good_ones() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let node = Node::start(&directory.path().join("data"), NodeOptions::default())?;
    let file = directory.path().join("machine.csv");
    std::fs::write(&file, "timestamp,value\n2026-01-01 00:00:00,1.5\nnever,2.5\n2026-01-01 00:02:00,3.5\n")?;
    let outcome = import(&node, &file)?;
    let said = String::from_utf8_lossy(&outcome.stderr);
    ensure!(!outcome.status.success() && said.contains("line 3"), "{said}");
    node.wait_until_settled()?;
    let answer = node.client().sql("SELECT count(*) AS n FROM machine", &[])?.ok()?;
    ensure!(answer.body.trim_end().ends_with('2'), "{}", answer.body);
    Ok(())
}
