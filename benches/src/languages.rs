//! The example plugin `smooth` in every language, 1,024 groups, 4,096 samples per call, against the same calculation
//! in native Rust.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tidemill_journal::SystemEnv;
use tidemill_runtime::Limits;
use tidemill_runtime::guest::{BatchColumns, Instance, Kind, Logs, OutputBounds, OutputRows, Plugin, engine, inspect};
use tidemill_sdk::Problem;
use tidemill_sdk::testing::Harness;
use tidemill_tests::examples::example_file;

use crate::load::START_NS;
use crate::report::Figure;
use crate::smooth::Plugin as Smooth;
use crate::wasm::{GROUPS, SAMPLES_PER_CALL, batches, best_round, for_sdk};

const PARAMS: &str = r#"{"alpha": 0.2}"#;
const PORTS: &[Kind] = &[Kind::Number, Kind::Text];

/// Figure, folder of the SDK, and how many calls make a round: interpreters take a thousand times longer.
const CASES: &[(&str, &str, usize)] = &[
    ("lang-rust", "rust", 200),
    ("lang-c", "c", 200),
    ("lang-cpp", "cpp", 200),
    ("lang-zig", "zig", 200),
    ("lang-go", "go", 200),
    ("lang-assemblyscript", "assemblyscript", 200),
    ("lang-javascript", "js", 20),
    ("lang-typescript", "ts", 20),
    ("lang-python", "python", 10),
];
pub(crate) const NAMES: &[&str] = &[
    "lang-native",
    "lang-rust",
    "lang-c",
    "lang-cpp",
    "lang-zig",
    "lang-go",
    "lang-assemblyscript",
    "lang-javascript",
    "lang-typescript",
    "lang-python",
];

/// Nanoseconds per sample in every language.
///
/// # Errors
/// When an example has not been built or fails.
pub(crate) fn against_native() -> Result<Vec<Figure>> {
    let calls = batches_at_one_time();
    let native = natively(&calls)?;
    let mut figures =
        vec![Figure { name: "lang-native", value: native, unit: "ns/sample", against: "itself".into(), ratio: 1.0 }];
    for (name, language, round) in CASES {
        figures.push(in_wasm(name, language, &calls[..*round], native).with_context(|| format!("in {language}"))?);
    }
    Ok(figures)
}

/// All rows have the same time: so none is late, however often the calls are repeated.
fn batches_at_one_time() -> Vec<BatchColumns> {
    let mut calls = batches();
    calls.iter_mut().for_each(|call| call.dt.fill(0));
    calls
}

fn natively(calls: &[BatchColumns]) -> Result<f64> {
    let mut native = Harness::<Smooth>::new(PARAMS)?;
    let inputs: Vec<_> = calls.iter().map(for_sdk).collect();
    let best = best_round(inputs.len(), |call| {
        black_box(native.process_batch(black_box(&inputs[call]))?);
        Ok::<_, Problem>(())
    })?;
    Ok(nanos_per_sample(best, inputs.len()))
}

#[expect(clippy::disallowed_methods, reason = "a benchmark is a composition root")]
fn in_wasm(name: &'static str, language: &str, calls: &[BatchColumns], native: f64) -> Result<Figure> {
    let runtime = tokio::runtime::Runtime::new()?;
    let _inside = runtime.enter();
    let bytes = std::fs::read(example_file(language)?)?;
    let begun = Instant::now();
    let plugin = Plugin::compile(&engine()?, &inspect(&bytes)?)?;
    let compiled = begun.elapsed();
    let limits = Limits { fuel_per_call: 10_000_000_000, ..Limits::default() };
    let mut guest = Instance::new(&plugin, limits, Arc::new(Logs::default()), SystemEnv::new())?;
    guest.configure(PARAMS)?;
    let bounds = OutputBounds { groups: GROUPS, ports: PORTS };
    let mut out = OutputRows::default();
    let best = best_round(calls.len(), |call| {
        out.clear();
        guest.process(START_NS, black_box(&calls[call]), bounds, &mut out)
    })?;
    let value = nanos_per_sample(best, calls.len());
    let against = format!(
        "native {native:.1} ns/sample; module {:.0} KB, compiled in {:.2} s, memory {:.1} MiB, fuel {:.0} per sample",
        bytes.len() as f64 / 1e3,
        compiled.as_secs_f64(),
        guest.memory_bytes() as f64 / f64::from(1 << 20),
        guest.fuel_used() as f64 / f64::from(SAMPLES_PER_CALL),
    );
    Ok(Figure { name, value, unit: "ns/sample", against, ratio: value / native })
}

fn nanos_per_sample(round: Duration, calls: usize) -> f64 {
    round.as_nanos() as f64 / (calls as f64 * f64::from(SAMPLES_PER_CALL))
}
