//! What a replica costs: applying records, flushing, and bytes on disk.
//!
//! `cargo bench -p tidemill-store`. Each applied sample is a sample through parse, check, digest and memtable.

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use support::World;
use tidemill_model::payload::SamplesBuilder;
use tidemill_model::{Quality, RecordKind, ValueType};

const SERIES: usize = 1_000;

/// Records of a walk of two decimals with 0 to 4 ms of jitter.
fn fill(world: &mut World, ticks: usize, rows_per_run: usize) {
    let mut state = 1u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let mut values = vec![5_000i64; SERIES];
    for tick in (0..ticks).step_by(rows_per_run) {
        let mut builder = SamplesBuilder::new();
        for (series, value) in world.series.iter().zip(&mut values) {
            for row in 0..rows_per_run {
                *value += (0..6).map(|_| (random() % 57) as i64 - 28).sum::<i64>();
                let time = ((tick + row) as i64 * 1_000 + (random() % 5) as i64) * 1_000_000;
                builder.push_bits(series.id, ValueType::Float, time, (*value as f64 / 100.0).to_bits(), Quality::GOOD);
            }
        }
        world.push(RecordKind::Samples, builder.encode());
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn measure(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

fn apply(criterion: &mut Criterion) {
    for (name, ticks, rows_per_run) in [("ticks of 1000 x 1", 600, 1), ("batches of 1000 x 100", 600, 100)] {
        let mut world = World::new(&[ValueType::Float; SERIES]);
        fill(&mut world, ticks, rows_per_run);
        let mut group = criterion.benchmark_group("apply");
        group.sample_size(10).throughput(Throughput::Elements((ticks * SERIES) as u64));
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| {
                let mut total = Duration::ZERO;
                for _ in 0..rounds {
                    let dir = tempfile::tempdir().expect("a temporary directory");
                    let mut driver = world.open(dir.path(), usize::MAX).expect("a new replica");
                    total += measure(|| driver.apply(&world).expect("good records"));
                }
                total
            });
        });
    }
}

#[expect(clippy::print_stdout, reason = "a benchmark reports what criterion cannot measure")]
fn rebuild(criterion: &mut Criterion) {
    let mut world = World::new(&[ValueType::Float; SERIES]);
    fill(&mut world, 6_000, 100);
    let mut group = criterion.benchmark_group("rebuild");
    group.sample_size(10).throughput(Throughput::Elements((6_000 * SERIES) as u64));
    let mut per_sample = 0.0;
    group.bench_function("apply and flush, 6 M samples", |bencher| {
        bencher.iter_custom(|rounds| {
            let mut total = Duration::ZERO;
            for _ in 0..rounds {
                let dir = tempfile::tempdir().expect("a temporary directory");
                let mut driver = world.open(dir.path(), 2_000_000).expect("a new replica");
                total += measure(|| {
                    driver.follow(&world);
                    driver.stop();
                });
                let stats = driver.replica.stats();
                per_sample = stats.bytes_on_disk as f64 / stats.samples as f64;
            }
            total
        });
    });
    group.finish();
    println!("bytes per sample on disk: {per_sample:.3}");
}

fn scan(criterion: &mut Criterion) {
    let mut world = World::new(&[ValueType::Float; SERIES]);
    fill(&mut world, 2_000, 100);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut driver = world.open(dir.path(), 500_000).expect("a new replica");
    driver.follow(&world);
    driver.stop();
    let mut group = criterion.benchmark_group("scan");
    group.sample_size(10).throughput(Throughput::Elements(100 * 2_000));
    group.bench_function("100 series x 2000 rows, warm", |bencher| {
        let snapshot = driver.replica.snapshot();
        bencher.iter(|| {
            let scan = |series: &std::sync::Arc<tidemill_model::Series>| {
                snapshot.scan(series.id, tidemill_model::TimeRange::ALL).expect("good blocks").len()
            };
            snapshot.series()[..100].iter().map(scan).sum::<usize>()
        });
    });
}

criterion_group!(benches, apply, rebuild, scan);
criterion_main!(benches);
