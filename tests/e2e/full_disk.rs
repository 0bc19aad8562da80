//! The disk fills up under a writer: writes are refused for now, nothing acknowledged is lost, and the node lives on.
//!
//! The disk is a small tmpfs in a mount namespace of the node's own, which Linux lets any user make.

use anyhow::{Result, ensure};
use tidemill_tests::{Node, NodeOptions};

const LINES: usize = 3_000;

#[test]
fn a_full_disk_refuses_writes_for_now_and_loses_nothing() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let node = Node::start(directory.path(), NodeOptions { disk_mib: Some(8), ..NodeOptions::default() })?;
    let body = |i: usize| -> String {
        let time = 1_767_225_600_000_000_000 + i * 1_000_000_000;
        (0..LINES).map(|series| format!("m,s=s{series} value={i}.{series} {time}\n")).collect()
    };
    let mut acknowledged = 0;
    let refusal = loop {
        let answer = node.client().write(&body(acknowledged))?;
        if answer.status != 204 {
            break answer;
        }
        acknowledged += 1;
        ensure!(acknowledged < 10_000, "an 8 MiB disk never fills up");
    };
    ensure!(refusal.status == 503, "writers are to come again: {} {}", refusal.status, refusal.body);
    ensure!(refusal.body.contains("space"), "the reason is named: {}", refusal.body);
    node.wait_until_settled()?;
    let count = node.client().sql("SELECT count(*) AS n FROM m", &[])?.ok()?.body;
    ensure!(count.lines().nth(1) == Some(&(acknowledged * LINES).to_string()), "{acknowledged} bodies: {count}");
    ensure!(node.client().get("/livez")?.status == 200, "the node lives on");
    Ok(())
}
