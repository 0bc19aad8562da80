//! The same calculation in Wasm and natively: `deadband`, 1,024 groups, 4,096 samples per call.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use tidemill_journal::SystemEnv;
use tidemill_plugin_deadband::Deadband;
use tidemill_runtime::Limits;
use tidemill_runtime::guest::{BatchColumns, Instance, Kind, Logs, OutputBounds, OutputRows, Plugin, engine, inspect};
use tidemill_sdk::testing::{Harness, batch};
use tidemill_sdk::{Batch, Problem, Row, Time};
use tidemill_tests::plugin_file;

use crate::load::{Random, START_NS};
use crate::report::Figure;

pub(crate) const GROUPS: u32 = 1_024;
const ROWS_PER_GROUP: u32 = 4;
pub(crate) const SAMPLES_PER_CALL: u32 = GROUPS * ROWS_PER_GROUP;
const CALLS: usize = 500;
/// The best of so many rounds counts: what disturbs a round only ever makes it slower.
const ROUNDS: usize = 9;
const PARAMS: &str = r#"{"width": 1}"#;

/// Nanoseconds per sample in Wasm, divided by those of the same code compiled natively.
///
/// # Errors
/// When the plugin has not been built or fails.
pub(crate) fn against_native() -> Result<Vec<Figure>> {
    let calls = batches();
    let mut native = Harness::<Deadband>::new(PARAMS)?;
    let inputs: Vec<_> = calls.iter().map(for_sdk).collect();
    let natively = best_round(CALLS, |call| {
        black_box(native.process_batch(black_box(&inputs[call]))?);
        Ok::<_, Problem>(())
    })?;

    let runtime = tokio::runtime::Runtime::new()?;
    let _inside = runtime.enter();
    let engine = engine()?;
    let plugin = Plugin::compile(&engine, &inspect(&std::fs::read(plugin_file("deadband")?)?)?)?;
    let mut guest = Instance::new(&plugin, Limits::default(), Arc::new(Logs::default()), SystemEnv::new())?;
    guest.configure(PARAMS)?;
    let bounds = OutputBounds { groups: GROUPS, ports: &[Kind::Number] };
    let mut out = OutputRows::default();
    let in_wasm = best_round(CALLS, |call| {
        out.clear();
        guest.process(START_NS, black_box(&calls[call]), bounds, &mut out)
    })?;

    let samples = CALLS as f64 * f64::from(SAMPLES_PER_CALL);
    let nanos = |round: Duration| round.as_nanos() as f64 / samples;
    let against = format!("native {:.1} ns/sample, Wasm {:.1}; target ≤ 1.6", nanos(natively), nanos(in_wasm));
    let ratio = nanos(in_wasm) / nanos(natively);
    Ok(vec![Figure { name: "wasm-native", value: ratio, unit: "ratio", against, ratio }])
}

/// A walk of every group, cut into calls.
pub(crate) fn batches() -> Vec<BatchColumns> {
    let mut random = Random::new(3);
    let mut levels = vec![20.0; GROUPS as usize];
    let mut call = |call: usize| {
        let mut batch = BatchColumns::default();
        for group in 0..GROUPS {
            batch.runs.push([group, 0, ROWS_PER_GROUP]);
            for row in 0..ROWS_PER_GROUP {
                levels[group as usize] += (random.below(57) as f64 - 28.0) / 100.0;
                batch.dt.push((call as i64 * i64::from(ROWS_PER_GROUP) + i64::from(row)) * 100_000_000);
                batch.values.push(levels[group as usize]);
            }
        }
        batch
    };
    (0..CALLS).map(&mut call).collect()
}

/// The same rows as the SDK's columns.
pub(crate) fn for_sdk(columns: &BatchColumns) -> Batch {
    let mut samples = columns.dt.iter().zip(&columns.values);
    let mut rows = Vec::with_capacity(columns.dt.len());
    for [group, port, count] in &columns.runs {
        let row = |(dt, value): (&i64, &f64)| Row::good(*group, *port, Time(START_NS + dt), *value);
        rows.extend(samples.by_ref().take(*count as usize).map(row));
    }
    batch(&rows)
}

/// The time of the fastest round of so many calls.
#[expect(clippy::disallowed_methods, reason = "a benchmark is a composition root")]
pub(crate) fn best_round<E>(calls: usize, mut call: impl FnMut(usize) -> Result<(), E>) -> Result<Duration, E> {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        (0..calls).try_for_each(&mut call)?;
        best = best.min(begun.elapsed());
    }
    Ok(best)
}
