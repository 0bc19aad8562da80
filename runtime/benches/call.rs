//! What a call into a guest costs per sample, by the number of rows in it.
//!
//! `sums.wat` adds every value to its group's sum and returns as many rows as it got, so that the figures are those of the
//! calling convention: allocate, copy in, call, check, copy out.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tidemill_journal::SystemEnv;
use tidemill_runtime::Limits;
use tidemill_runtime::guest::{BatchColumns, Instance, Kind, Logs, OutputBounds, OutputRows, Plugin, engine, inspect};

const GROUPS: u32 = 1000;

fn process(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a tokio runtime");
    let _inside = runtime.enter();
    let engine = engine().expect("this machine runs wasm");
    let wasm = wat::parse_str(include_str!("../tests/guests/sums.wat")).expect("the guest is well-formed");
    let plugin = Plugin::compile(&engine, &inspect(&wasm).expect("a plugin")).expect("it compiles");
    let mut guest =
        Instance::new(&plugin, Limits::default(), Arc::new(Logs::default()), SystemEnv::new()).expect("it starts");
    guest.configure("{}").expect("it takes no parameters");
    let bounds = OutputBounds { groups: GROUPS, ports: &[Kind::Number; 2] };
    let mut group = criterion.benchmark_group("process");
    for rows in [1u32, 256, 4096] {
        let batch = BatchColumns {
            runs: (0..rows).map(|row| [row % GROUPS, 0, 1]).collect(),
            dt: (0..i64::from(rows)).collect(),
            values: (0..rows).map(|row| f64::from(row) + 0.5).collect(),
            ..BatchColumns::default()
        };
        let mut out = OutputRows::default();
        group.throughput(Throughput::Elements(u64::from(rows)));
        group.bench_with_input(BenchmarkId::from_parameter(rows), &batch, |bencher, batch| {
            bencher.iter(|| {
                out.clear();
                guest.process(1_700_000_000_000_000_000, black_box(batch), bounds, &mut out).expect("it answers");
            });
        });
        let mut sums = vec![0.0; GROUPS as usize];
        group.bench_with_input(BenchmarkId::new("native", rows), &batch, |bencher, batch| {
            bencher.iter(|| native(black_box(batch), &mut sums, &mut out));
        });
    }
    group.finish();
}

/// The same work without a guest.
fn native(batch: &BatchColumns, sums: &mut [f64], out: &mut OutputRows) {
    out.clear();
    for (row, [group, port, rows]) in batch.runs.iter().enumerate() {
        let sum = &mut sums[*group as usize];
        *sum += batch.values[row];
        out.runs.push([*group, *port, *rows]);
        out.times.push(1_700_000_000_000_000_000 + batch.dt[row]);
        out.values.push(*sum);
        out.qualities.push(0);
    }
}

criterion_group!(benches, process);
criterion_main!(benches);
