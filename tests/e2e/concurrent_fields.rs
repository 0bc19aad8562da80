//! Two writers add different fields to one measurement at the same moment, and clash over the type of another.

use std::sync::Barrier;

use anyhow::{Result, ensure};
use tidemill_tests::node::wait_for;
use tidemill_tests::{Node, NodeOptions, Reply};

/// Sends two bodies at the same moment.
fn both(node: &Node, first: &str, second: &str) -> Result<(Reply, Reply)> {
    let (client, start) = (node.client(), Barrier::new(2));
    let send = |body: &str| {
        start.wait();
        client.write(body)
    };
    let (a, b) = std::thread::scope(|scope| {
        let other = scope.spawn(|| send(second));
        (send(first), other.join().expect("no panic while sending"))
    });
    Ok((a?, b?))
}

#[test]
fn two_writers_that_add_fields_at_once_both_succeed() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let node = Node::start(directory.path(), NodeOptions::default())?;
    for round in 0..20 {
        let time = 1_767_225_600_000_000_000_i64 + round;
        let (a, b) = both(&node, &format!("m{round},id=x left=1 {time}"), &format!("m{round},id=x right=2 {time}"))?;
        ensure!((a.status, b.status) == (204, 204), "{} {}", a.body, b.body);
        wait_for("both fields in one row", || {
            let answer = node.client().sql(&format!("SELECT \"left\", \"right\" FROM m{round}"), &[])?;
            Ok(answer.status == 200 && answer.body.trim_end().ends_with("1.0,2.0"))
        })?;
    }
    Ok(())
}

#[test]
fn a_clash_of_types_costs_only_the_line_that_clashes() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let node = Node::start(directory.path(), NodeOptions::default())?;
    node.client().write("valve,id=v1 state=1.5 1767225600000000000")?.ok()?;
    let body = "valve,id=v1 other=1 1767225601000000000\nvalve,id=v1 state=\"open\" 1767225601000000000\nvalve,id=v1 state=2.5 1767225602000000000";
    let answer = node.client().write(body)?;
    ensure!(answer.status == 400, "status {}", answer.status);
    ensure!(
        ["float", "string", "2"].iter().all(|word| answer.body.contains(word)),
        "names both types: {}",
        answer.body
    );
    ensure!(answer.json()?["lines"][0]["line"] == 2, "names the line: {}", answer.body);
    wait_for("the good lines to be there", || {
        let table = node.client().sql("SELECT state, other FROM valve ORDER BY time", &[])?.ok()?.body;
        Ok(table.lines().count() == 4 && table.contains("2.5"))
    })
}
