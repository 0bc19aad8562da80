//! Guests that mean no good, or were built wrongly: each is refused or cut off with a reason, and the host lives on.

#![expect(clippy::unwrap_used, reason = "what fails a test may panic in its helpers too")]

use std::sync::Arc;

use tidemill_journal::SystemEnv;
use tidemill_runtime::guest::{
    BatchColumns, Instance, Kind, Logs, OutputBounds, OutputRows, Plugin, WindowColumns, engine, inspect,
};
use tidemill_runtime::{CallError, InstallError, Limits};

const BOUNDS: OutputBounds<'_> = OutputBounds { groups: 2, ports: &[Kind::Number] };

/// A calculation whose `process` has this body, and whose return area at 64 can be filled by data segments.
fn calculation(body: &str, data: &str) -> String {
    format!(
        r#"(module
          (memory (export "memory") 1)
          (global $heap (mut i32) (i32.const 32768))
          {data}
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 32768))
          (func (export "describe") (result i32) (i32.const 512))
          (func (export "configure") (param i32 i32) (result i32) (i32.const 1024))
          (func (export "advance") (param i64) (result i32) (i32.const 1024))
          (func $deep (param i64) (result i64) (i64.add (i64.const 1) (call $deep (local.get 0))))
          (func (export "process") (param i64 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) {body}))"#
    )
}

fn install(wat: &str) -> Result<Plugin, InstallError> {
    let engine = engine().unwrap();
    Plugin::compile(&engine, &inspect(&wat::parse_str(wat).unwrap())?)
}

fn start(wat: &str) -> Result<Instance, CallError> {
    let limits = Limits { fuel_per_call: 1_000_000, memory_bytes: 1 << 20, output_rows: 1000, ..Limits::default() };
    Instance::new(&install(wat).unwrap(), limits, Arc::new(Logs::default()), SystemEnv::new())
}

fn process(wat: &str) -> Result<OutputRows, CallError> {
    let batch =
        BatchColumns { runs: vec![[0, 0, 2]], dt: vec![0, 1], values: vec![1.0, 2.0], ..BatchColumns::default() };
    let mut out = OutputRows::default();
    start(wat)?.process(10, &batch, BOUNDS, &mut out).map(|()| out)
}

#[track_caller]
fn refused(wat: &str, needle: &str) {
    let reason = install(wat).err().expect("it is refused").to_string();
    assert!(reason.contains(needle), "{reason}");
}

#[track_caller]
fn failed(body: &str, data: &str, needle: &str) {
    let reason = process(&calculation(body, data)).expect_err("it is cut off").to_string();
    assert!(reason.contains(needle), "{reason}");
}

#[tokio::test]
async fn traps_loops_and_recursion_are_cut_off() {
    failed("unreachable", "", "unreachable");
    failed("(loop $l (br $l)) (i32.const 0)", "", "fuel");
    failed("(drop (call $deep (i64.const 1))) (i32.const 0)", "", "stack exhausted");
    failed("(i32.div_u (i32.const 1) (i32.const 0))", "", "divide by zero");
    failed("(i32.load (i32.const -4))", "", "out of bounds");
}

#[tokio::test]
async fn memory_does_not_grow_beyond_its_limit() {
    let body = "(if (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0)) (then unreachable)) (i32.const 1024)";
    assert!(process(&calculation(body, "")).is_ok(), "grow answers -1");
    let wat = calculation("(i32.const 1024)", "")
        .replace("(memory (export \"memory\") 1)", "(memory (export \"memory\") 17)");
    assert!(matches!(start(&wat), Err(CallError::Start { .. })));
}

#[tokio::test]
async fn a_return_area_is_believed_in_nothing() {
    let area = |at: u32, bytes: &str| format!("(data (i32.const {at}) \"{bytes}\")");
    let body = "(i32.const 64)";
    failed("(i32.const 65533)", "", "not aligned");
    failed("(i32.const 65528)", "", "outside");
    failed("(i32.const -8)", "", "outside");
    failed(body, &area(64, "\\02"), "0 or 1");
    failed(
        body,
        &area(64, "\\01\\00\\00\\00\\00\\00\\00\\00\\07\\00\\00\\00\\ff\\ff\\ff\\ff\\01\\00\\00\\00"),
        "outside",
    );
    let problem = process(&calculation(
        body,
        &area(64, "\\01\\00\\00\\00\\00\\00\\00\\00\\07\\00\\00\\00\\40\\00\\00\\00\\01\\00\\00\\00"),
    ));
    assert!(matches!(problem, Err(CallError::Problem { code: 7, .. })), "{problem:?}");
    // rows without values
    failed(body, &area(92, "\\01\\00\\00\\00"), "1 times, 0 values");
    // a flood
    failed(body, &area(92, "\\ff\\ff\\ff\\ff\\00\\00\\00\\00\\ff\\ff\\ff\\ff"), "at most 1000");
    // more runs than rows
    failed(body, &area(84, "\\ff\\ff\\ff\\ff"), "runs");
    // lists that lie outside or are not aligned; one run, one row
    let lists = |runs: &str, dt: &str, values: &str| {
        let one = "\\01\\00\\00\\00";
        area(80, &format!("{runs}{one}{dt}{one}{values}{one}"))
    };
    let (good, odd, far) = ("\\00\\02\\00\\00", "\\01\\02\\00\\00", "\\f8\\ff\\ff\\ff");
    failed(body, &lists(odd, good, good), "not aligned");
    failed(body, &lists(far, good, good), "outside");
    failed(body, &lists(good, odd, good), "not aligned");
    failed(body, &lists(good, far, good), "outside");
    failed(body, &lists(good, good, far), "outside");
    // a run of no rows for one row; a group and a port that are not there; a time that is none
    let run = |bytes: &str| lists(good, "\\20\\02\\00\\00", "\\20\\02\\00\\00") + &area(512, bytes);
    failed(body, &run("\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00"), "cover 0 rows");
    failed(body, &run("\\02\\00\\00\\00\\00\\00\\00\\00\\01\\00\\00\\00"), "group 2");
    failed(body, &run("\\00\\00\\00\\00\\01\\00\\00\\00\\01\\00\\00\\00"), "port 1");
    let late = run("\\00\\00\\00\\00\\00\\00\\00\\00\\01\\00\\00\\00") + &area(544, "\\ff\\ff\\ff\\ff\\ff\\ff\\ff\\7f");
    failed(body, &late, "out of range");
}

#[tokio::test]
async fn a_lying_allocator_is_found_out() {
    for (at, needle) in [("-8", "outside"), ("3", "not aligned"), ("65528", "outside")] {
        let wat = calculation("(i32.const 1024)", "").replacen("(i32.const 32768))", &format!("(i32.const {at}))"), 2);
        let wat = wat.replacen(&format!("(mut i32) (i32.const {at})"), "(mut i32) (i32.const 0)", 1);
        let reason = process(&wat).expect_err("it is found out").to_string();
        assert!(reason.contains(needle), "{at}: {reason}");
    }
}

#[tokio::test]
async fn every_nan_is_the_same_one() {
    let data = "(data (i32.const 80) \"\\00\\02\\00\\00\\01\\00\\00\\00\\10\\02\\00\\00\\01\\00\\00\\00\\18\\02\\00\\00\\01\\00\\00\\00\")
        (data (i32.const 520) \"\\01\\00\\00\\00\") (data (i32.const 536) \"\\01\\02\\03\\00\\00\\00\\f8\\ff\")";
    let out = process(&calculation("(i32.const 64)", data)).unwrap();
    assert_eq!(out.values[0].to_bits(), f64::NAN.to_bits());
}

#[tokio::test]
async fn an_aggregation_must_answer_for_every_window() {
    let wat = r#"(module (memory (export "memory") 1)
      (data (i32.const 64) "\00\00\00\00\00\02\00\00\03\00\00\00")
      (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 32768))
      (func (export "describe") (result i32) (i32.const 512))
      (func (export "configure") (param i32 i32) (result i32) (i32.const 1024))
      (func (export "aggregate") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 64)))"#;
    let input = WindowColumns {
        windows: vec![(0, 1, 0, 10); 2],
        dt: vec![0; 2],
        values: vec![1.0; 2],
        ..WindowColumns::default()
    };
    let reason = start(wat).unwrap().aggregate(&input, 1, &mut Vec::new()).expect_err("it is found out").to_string();
    assert!(reason.contains("returned 3 values, 2 were expected"), "{reason}");
}

#[test]
fn modules_that_cannot_be_plugins_are_refused_with_the_reason() {
    let good = calculation("(i32.const 64)", "");
    assert!(install(&good).is_ok());
    let with = |item: &str| good.replacen("(memory", &format!("{item} (memory"), 1);
    refused(
        &with(r#"(import "wasi_snapshot_preview1" "path_open" (func)) (import "env" "x" (global i32))"#),
        "wasi_snapshot_preview1.path_open, env.x",
    );
    refused(&with(r#"(import "tidemill:plugin/host@0.3.0" "log" (func))"#), "built for contract 0.3.0");
    refused(&with("(table 1 funcref) (elem $e func 0) (func (elem.drop $e))"), "drops a segment");
    refused(&good.replace("\"advance\"", "\"other\""), "must also export advance");
    refused(&good.replace("\"process\"", "\"other\""), "neither process");
    refused(&good.replace("\"memory\"", "\"mem\""), "must also export memory");
    refused(&with("(global (mut funcref) (ref.null func))"), "mutable reference");
    refused(&with("(table 1 funcref) (func (table.set (i32.const 0) (ref.null func)))"), "changes a table");
    refused("(module)", "0 memories");
    refused(&with("(export \"tidemill:global:0\" (global 0))"), "may not begin with");
    refused(&with(&format!("(func {})", "(local i64)".repeat(20_000))), "20000 locals");
    let component = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];
    let reason = inspect(&component).unwrap_err().to_string();
    assert!(reason.contains("0 memories"), "{reason}");
    assert!(inspect(b"#!/bin/sh").is_err());
    assert!(matches!(inspect(&vec![0; 49 << 20]), Err(InstallError::TooLarge { .. })));
}

#[tokio::test]
async fn functions_with_other_signatures_are_refused() {
    let wat = calculation("(i32.const 64)", "")
        .replace("(export \"advance\") (param i64)", "(export \"advance\") (param i32)");
    let reason = start(&wat).err().expect("it is refused").to_string();
    assert!(reason.contains("signature must be (i64) -> i32"), "{reason}");
}

#[tokio::test]
async fn no_cut_of_a_good_module_brings_the_host_down() {
    let wasm = wat::parse_str(include_str!("guests/sums.wat")).unwrap();
    let accepted = (0..wasm.len()).filter(|cut| inspect(&wasm[..*cut]).is_ok()).count();
    assert!(accepted <= 2, "only the data and the names, which come last, may be missing");
}

/// The guest of `sums.wat` as a component whose module gets its log through a table, as tools for components make it.
fn component_of_sums() -> String {
    let module = include_str!("guests/sums.wat").replacen("(module", "(core module $main", 1);
    format!(
        r#"(component
          (import "tidemill:plugin/host@0.1.0" (instance $host (export "log" (func (param "level" u8) (param "text" string)))))
          {module}
          (core module $shim
            (table (export "$imports") 1 1 funcref)
            (type $log (func (param i32 i32 i32)))
            (func (export "0") (type $log)
              (call_indirect (type $log) (local.get 0) (local.get 1) (local.get 2) (i32.const 0))))
          (core module $fixup
            (import "" "0" (func (param i32 i32 i32)))
            (import "" "$imports" (table 1 1 funcref))
            (elem (i32.const 0) func 0))
          (core instance $shim (instantiate $shim))
          (core instance $log (export "log" (func $shim "0")))
          (core instance $main (instantiate $main (with "tidemill:plugin/host@0.1.0" (instance $log))))
          (alias core export $main "memory" (core memory $memory))
          (core func $lowered (canon lower (func $host "log") (memory $memory) string-encoding=utf8))
          (core instance $fixed (export "0" (func $lowered)) (export "$imports" (table $shim "$imports")))
          (core instance (instantiate $fixup (with "" (instance $fixed))))
          (type $problem (record (field "code" u32) (field "text" string)))
          (import "problem" (type $named-problem (eq $problem)))
          (func (export "configure") (param "params" string) (result (result (error $named-problem)))
            (canon lift (core func $main "configure") (memory $memory) (realloc (core func $main "cabi_realloc"))
              string-encoding=utf8)))"#
    )
}

#[test]
fn a_component_without_the_functions_of_a_world_is_refused() {
    let reason = inspect(&wat::parse_str(component_of_sums()).unwrap()).unwrap_err().to_string();
    assert!(reason.contains("neither process"), "{reason}");
}

/// The fuel that a call of `process` takes which does this with a function that it imports.
fn fuel_of(import: &str, call: &str) -> u64 {
    let wat = calculation(&format!("{call} (i32.const 1024)"), "");
    let mut guest = start(&wat.replacen("(module", &format!("(module {import}"), 1)).unwrap();
    let batch = BatchColumns::default();
    guest.process(0, &batch, BOUNDS, &mut OutputRows::default()).unwrap();
    guest.fuel_used()
}

#[tokio::test]
async fn what_the_host_does_for_a_guest_costs_fuel() {
    let wasi = |name: &str, types: &str| format!(r#"(import "wasi_snapshot_preview1" "{name}" (func $f {types}))"#);
    let kv = |name: &str, types: &str| format!(r#"(import "tidemill:plugin/kv@0.2.0" "{name}" (func $f {types}))"#);
    let log = r#"(import "tidemill:plugin/host@0.1.0" "log" (func $f (param i32 i32 i32)))"#;
    let (no, all) = ("(i32.const 0)", "(i32.const 0) (i32.const 65536)");
    let random = fuel_of(
        &wasi("random_get", "(param i32 i32) (result i32)"),
        "(drop (call $f (i32.const 4096) (i32.const 61440)))",
    );
    assert!(random >= 61_440, "{random}");
    let write = "(drop (call $f (i32.const 1) (i32.const 0) (i32.const 64) (i32.const 8192)))";
    let write = fuel_of(&wasi("fd_write", "(param i32 i32 i32 i32) (result i32)"), write);
    assert!(write >= 64 * 4096, "{write}");
    let set = fuel_of(&kv("set", "(param i32 i32 i32 i32 i32)"), &format!("(call $f {no} {all} {all})"));
    assert!(set >= 2 * 65_536, "{set}");
    let remove = fuel_of(&kv("remove", "(param i32 i32 i32)"), &format!("(call $f {no} {all})"));
    assert!(remove >= 65_536, "{remove}");
    let get = fuel_of(&kv("get", "(param i32 i32 i32 i32)"), &format!("(call $f {no} {all} (i32.const 64))"));
    assert!(get >= 65_536, "{get}");
    let log = fuel_of(log, &format!("(call $f {no} {no} (i32.const 4096))"));
    assert!(log >= 4096, "{log}");
}

#[test]
fn modules_that_would_weigh_on_the_node_are_refused() {
    let good = calculation("(i32.const 64)", "");
    let with = |item: &str| good.replacen("(memory", &format!("{item} (memory"), 1);
    refused(&with(&"(table 1000000 funcref)".repeat(2)), "2000000 elements");
    refused(&with(&"(global i32 (i32.const 0))".repeat(100_001)), "100002 globals");
    refused(&with(&"(func)".repeat(200_000)), "functions, at most 200000");
    let copies = "(local.set 0 (local.get 1))".repeat(4000);
    refused(&with(&format!("(func {} {copies})", "(local i64)".repeat(9000))), "too much to compile");
    let imports: String = (0..100).map(|n| format!("(import \"env\" \"f{n}\" (func))")).collect();
    refused(&with(&imports), "env.f31 and 68 more");
}
