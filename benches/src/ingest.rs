//! What a line costs the node, with a durable acknowledgement.

use std::time::Duration;

use anyhow::Result;
use tidemill_tests::{Node, NodeOptions};

use crate::load::{BODY_LINES, Random, START_NS, Walk, push_tsbs, send};
use crate::process::cpu_of;
use crate::report::Figure;

/// A node with `replicas` replicas in a directory of its own.
pub(crate) fn node(directory: &tempfile::TempDir, replicas: usize) -> Result<Node> {
    Node::start(directory.path(), NodeOptions { replicas, ..NodeOptions::default() })
}

/// CPU per line of a load, on a node without replicas and on one with a replica that has applied everything.
fn cpu_per_line(lines: usize, load: impl Fn(&Node) -> Result<()>) -> Result<[f64; 2]> {
    let mut micros = [0.0; 2];
    for (replicas, micros) in micros.iter_mut().enumerate() {
        let directory = tempfile::tempdir()?;
        let node = node(&directory, replicas)?;
        let cpu = cpu_of(node.pid(), || {
            load(&node)?;
            node.wait_until_settled().map(drop)
        })?;
        *micros = per(cpu, lines);
    }
    Ok(micros)
}

fn per(cpu: Duration, lines: usize) -> f64 {
    cpu.as_secs_f64() * 1e6 / lines as f64
}

/// Lines with one field, 1,000 series, 5,000 lines per request.
///
/// # Errors
/// When the node fails.
pub(crate) fn single_field_lines() -> Result<Vec<Figure>> {
    const TICKS: usize = 3_000;
    let load = |node: &Node| {
        let client = node.client();
        Walk::new(1_000).ticks(TICKS, 1_000_000_000, BODY_LINES, |body| send(&client, body))
    };
    let [journal, replica] = cpu_per_line(TICKS * 1_000, load)?;
    Ok(vec![
        Figure::with_target("ingest-line", journal, "µs/line", 0.5),
        Figure::with_target("ingest-line-replica", replica - journal, "µs/line", 0.2),
    ])
}

/// Rows of ten labels and ten fields, 100 hosts, 1,000 rows per request.
///
/// # Errors
/// When the node fails.
pub(crate) fn tsbs_rows() -> Result<Vec<Figure>> {
    const TICKS: usize = 4_000;
    let load = |node: &Node| {
        let (client, mut random, mut body) = (node.client(), Random::new(2), String::new());
        for tick in 0..TICKS {
            let time = START_NS + tick as i64 * 10_000_000_000;
            (0..100).for_each(|host| push_tsbs(&mut body, &mut random, host, time));
            if tick % 10 == 9 {
                send(&client, &body)?;
                body.clear();
            }
        }
        Ok(())
    };
    let [journal, replica] = cpu_per_line(TICKS * 100, load)?;
    Ok(vec![
        Figure::with_target("ingest-tsbs", journal, "µs/row", 2.5),
        Figure::with_target("ingest-tsbs-replica", replica - journal, "µs/row", 2.0),
    ])
}
