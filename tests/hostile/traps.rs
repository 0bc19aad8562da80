//! What is left of a call that was cut off: nothing. State and outputs are those of the records that went well.

use anyhow::{Result, ensure};
use serde_json::json;
use tidemill_tests::node::wait_for;

use crate::guest::Guest;
use crate::neighbours::Town;

/// Records are given to it; those with these numbers fail.
const RECORDS: i64 = 30;
const BAD: [i64; 4] = [0, 7, 8, 29];

/// Answers every record with the number of records so far, from memory, from a global and from the state by key; has
/// changed all three before it traps on 666 and above.
fn counting() -> Guest {
    let kv = "tidemill:plugin/kv@0.2.0";
    Guest::calculation(2)
        .import(kv, "get", "(func $get (param i32 i32 i32 i32))")
        .import(kv, "set", "(func $set (param i32 i32 i32 i32 i32))")
        .item("(global $count (mut f64) (f64.const 0))")
        .before(
            "process",
            "(global.set $count (f64.add (global.get $count) (f64.const 1)))
            (f64.store (i32.const 2048) (f64.add (f64.load (i32.const 2048)) (f64.const 1)))
            (call $get (i32.const 0) (i32.const 256) (i32.const 4) (i32.const 2056))
            (f64.store (i32.const 2072) (if (result f64) (i32.load8_u (i32.const 2056))
              (then (f64.add (f64.load (i32.load (i32.const 2060))) (f64.const 1))) (else (f64.const 1))))
            (call $set (i32.const 0) (i32.const 256) (i32.const 4) (i32.const 2072) (i32.const 8))
            (if (f64.ge (f64.load (local.get $values)) (f64.const 666)) (then unreachable))
            (f64.store (local.get $values) (f64.add (global.get $count)
              (f64.mul (f64.const 1000) (f64.add (f64.load (i32.const 2048)) (f64.mul (f64.const 1000)
              (f64.load (i32.const 2072)))))))",
        )
}

#[test]
fn a_record_that_fails_leaves_no_trace() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut town = Town::found(directory.path())?;
    let wasm = wat::parse_str(counting().wat())?;
    let hash = town.client.post("/api/v1/plugins", &[], &wasm)?.ok()?.json()?["hash"].clone();
    let request = json!({"name": "count", "plugin": hash, "inputs": {"value": "load"}, "start": "earliest"});
    let json = [("Content-Type", "application/json")];
    town.client.post("/api/v1/operators", &json, request.to_string().as_bytes())?.ok()?;
    for record in 0..RECORDS {
        let value = if BAD.contains(&record) { 666.0 } else { -1.0 };
        // Every row of a bad record is bad, or the others would be applied.
        town.write_values(|_, row| value + row as f64)?;
    }
    let good = RECORDS - BAD.len() as i64;
    let expected: Vec<_> = (1..=good).map(|n| format!("{:?}", n as f64 * 1_001_001.0)).collect();
    let mut seen = Vec::new();
    wait_for("the counts of the good records", || {
        let answer = town.client.sql("SELECT value FROM load_count WHERE value > 1000 ORDER BY time", &[])?;
        seen = answer.body.lines().skip(1).map(str::to_owned).collect();
        Ok(answer.status == 200 && seen.len() >= expected.len())
    })?;
    ensure!(seen == expected, "expected {expected:?}, got {seen:?}");
    let operators = town.operators()?;
    let count = operators.iter().find(|one| one["name"] == "count");
    ensure!(count.is_some_and(|count| count["errors"] == BAD.len()), "{count:?}");
    town.check()
}
