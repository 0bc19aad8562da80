//! What hostile operators cost their neighbour: how soon its output can be read, without and beside them, in turns.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;
use tidemill_tests::{Client, Node, NodeOptions};

use crate::load::START_NS;
use crate::report::Figure;

/// Turns without and with hostile operators; writes per turn, one at a time.
const TURNS: i64 = 6;
const WRITES: i64 = 200;

/// What `process` of each hostile operator does.
const BODIES: [(&str, &str); 4] = [
    ("loops", "(loop $l (br $l))"),
    ("traps", "unreachable"),
    ("grows", "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))"),
    ("floods", "(i32.store (i32.const 92) (i32.const 250000)) (i32.store (i32.const 100) (i32.const 250000))"),
];

/// A calculation of contract 0.1 with one port `value` in and out, and this body of `process`.
fn module(body: &str) -> String {
    format!(
        r#"(module (memory (export "memory") 64)
          (data (i32.const 256) "hostilevalue")
          (data (i32.const 320) "\00\01\00\00\07\00\00\00" "\00\01\00\00\01\00\00\00"
            "\60\01\00\00\01\00\00\00" "\60\01\00\00\01\00\00\00")
          (data (i32.const 352) "\07\01\00\00\05\00\00\00")
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 32768))
          (func (export "describe") (result i32) (i32.const 320))
          (func (export "configure") (param i32 i32) (result i32) (i32.const 512))
          (func (export "advance") (param i64) (result i32) (i32.const 1024))
          (func (export "process") (param i64 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
            {body} (i32.const 64)))"#
    )
}

/// The 99th percentile of a neighbour's delay beside hostile operators, and divided by that without them.
///
/// # Errors
/// When the node fails.
pub(crate) fn neighbour_p99() -> Result<Vec<Figure>> {
    let directory = tempfile::tempdir()?;
    let node = Node::start(directory.path(), NodeOptions { replicas: 1, ..NodeOptions::default() })?;
    let client = node.client();
    node.deploy("deadband", json!({"name": "band", "inputs": {"value": "probe"}, "params": {"width": 0}}))?;
    for (name, body) in BODIES {
        let wasm = wat::parse_str(module(body))?;
        let hash = client.post("/api/v1/plugins", &[], &wasm)?.ok()?.json()?["hash"].clone();
        let request = json!({"name": name, "plugin": hash, "inputs": {"value": "probe"}});
        let json = [("Content-Type", "application/json")];
        client.post("/api/v1/operators", &json, request.to_string().as_bytes())?.ok()?;
    }
    set_hostile(&client, "pause")?;
    // The first writes make the series and warm the engine up.
    (0..20).try_for_each(|i| delay(&client, i).map(drop))?;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        let is_beside = turn % 2 == 1;
        set_hostile(&client, if is_beside { "resume" } else { "pause" })?;
        let delays = if is_beside { &mut beside } else { &mut alone };
        for i in 0..WRITES {
            delays.push(delay(&client, 20 + turn * WRITES + i)?);
        }
    }
    let (alone, beside) = (p99_ms(&mut alone), p99_ms(&mut beside));
    Ok(vec![Figure {
        name: "hostile-neighbour-p99",
        value: beside / alone,
        unit: "ratio",
        against: format!("target 1.1; p99 {alone:.2} ms alone, {beside:.2} ms beside"),
        ratio: beside / alone / 1.1,
    }])
}

fn set_hostile(client: &Client, what: &str) -> Result<()> {
    BODIES
        .iter()
        .try_for_each(|(name, _)| client.post(&format!("/api/v1/operators/{name}/{what}"), &[], b"")?.ok().map(drop))
}

fn p99_ms(delays: &mut [Duration]) -> f64 {
    delays.sort_unstable();
    delays[delays.len() * 99 / 100].as_secs_f64() * 1e3
}

/// From the durable acknowledgement of a sample to an answer that contains what the deadband has made of it.
#[expect(clippy::disallowed_methods, reason = "a benchmark is a composition root")]
fn delay(client: &Client, i: i64) -> Result<Duration> {
    let time = START_NS + i * 1_000_000;
    client.write(&format!("probe,id=a value={i} {time}"))?.ok()?.position.context("a receipt")?;
    let acknowledged = Instant::now();
    loop {
        let answer = client.sql("SELECT max(value) FROM probe_band", &[])?;
        if answer.status == 200 && answer.body.lines().nth(1).and_then(|v| v.parse().ok()) == Some(i as f64) {
            return Ok(acknowledged.elapsed());
        }
    }
}
