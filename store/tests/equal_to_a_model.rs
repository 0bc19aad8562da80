//! Replicas with different flush thresholds, restarted at different moments, hold exactly what a map would hold.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use support::{Driver, World};
use tidemill_model::{Quality, Sample, TimeRange, Value, ValueType};

const TYPES: [ValueType; 4] = [ValueType::Float, ValueType::Int, ValueType::Text, ValueType::Bool];
const TIMES: std::ops::Range<i64> = 0..60;

type Model = Vec<BTreeMap<i64, (Value, u32)>>;

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<(usize, i64, i64, bool)>),
    Ascend(usize, i64),
    Delete(usize, i64, i64),
    /// Restart without and with a last flush.
    Crash,
    Stop,
}

fn some_step() -> impl Strategy<Value = Step> {
    let sample = (0..TYPES.len(), TIMES, -3..3i64, any::<bool>());
    prop_oneof![
        4 => proptest::collection::vec(sample, 1..12).prop_map(Step::Write),
        3 => (0..TYPES.len(), TIMES).prop_map(|(series, time)| Step::Ascend(series, time)),
        2 => (0..TYPES.len(), TIMES, TIMES).prop_map(|(series, start, end)| Step::Delete(series, start, end)),
        1 => Just(Step::Crash),
        1 => Just(Step::Stop),
    ]
}

fn value(value_type: ValueType, number: i64) -> Value {
    match value_type {
        ValueType::Float => Value::Float(number as f64 / 4.0),
        ValueType::Int => Value::Int(number),
        ValueType::Uint => Value::Uint(number as u64),
        ValueType::Bool => Value::Bool(number > 0),
        ValueType::Text => Value::Text("x".repeat(number.unsigned_abs() as usize)),
    }
}

fn write(world: &mut World, model: &mut Model, samples: &[(usize, i64, i64, bool)]) {
    let quality = |is_bad: bool| if is_bad { Quality::BAD.0 } else { 0 };
    let mut samples: Vec<_> =
        samples.iter().map(|(s, time, number, bad)| (*s, *time, value(TYPES[*s], *number), quality(*bad))).collect();
    // A record is applied column by column; sorting by type makes that the order here too, which counts within a series.
    samples.sort_by_key(|(series, ..)| TYPES[*series]);
    for (series, time, value, quality) in &samples {
        model[*series].insert(*time, (value.clone(), *quality));
    }
    world.write(&samples);
}

fn take(world: &mut World, model: &mut Model, step: &Step) {
    match step {
        Step::Write(samples) => write(world, model, samples),
        Step::Ascend(series, start) => {
            let samples: Vec<_> = (*start..*start + 20).map(|time| (*series, time, time % 3, false)).collect();
            write(world, model, &samples);
        }
        Step::Delete(series, start, end) => {
            let range = TimeRange::new(*start, *end);
            model[*series].retain(|time, _| !range.contains(*time));
            world.delete(&[*series], range);
        }
        Step::Crash | Step::Stop => {}
    }
}

fn check(world: &World, model: &Model, driver: &Driver) {
    let snapshot = driver.replica.snapshot();
    for (series, expected) in world.series.iter().zip(model) {
        for range in [TimeRange::ALL, TimeRange::new(10, 40)] {
            let found = snapshot.scan(series.id, range).unwrap();
            let found: Vec<_> = (0..found.len()).map(|row| found.get(row).unwrap()).collect();
            let sample = |(time, (value, quality)): (&i64, &(Value, u32))| Sample {
                time: *time,
                value: value.clone(),
                quality: Quality(*quality),
            };
            let inside = expected.iter().filter(|(time, _)| range.contains(**time));
            assert_eq!(found, inside.map(sample).collect::<Vec<_>>(), "{} in {range:?}", series.key);
            if range == TimeRange::ALL {
                assert_eq!(snapshot.last(series.id), expected.iter().next_back().map(sample), "last of {}", series.key);
            }
        }
    }
    let digest = driver.replica.digest();
    assert_eq!(digest, driver.replica.verify().unwrap());
    assert_eq!(digest.samples, model.iter().map(|series| series.len() as u64).sum::<u64>());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn replicas_hold_what_a_map_would_hold(steps in proptest::collection::vec(some_step(), 1..60), rows_max in 1..60usize) {
        let mut world = World::new(&TYPES);
        let mut model: Model = vec![BTreeMap::new(); TYPES.len()];
        let (small_dir, large_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut small = world.open(small_dir.path(), rows_max).unwrap();
        let mut large = world.open(large_dir.path(), 1_000_000).unwrap();
        for step in &steps {
            take(&mut world, &mut model, step);
            if matches!(step, Step::Stop) {
                small.stop();
                large.stop();
            }
            if matches!(step, Step::Crash | Step::Stop) {
                drop(small);
                small = world.open(small_dir.path(), rows_max).unwrap();
                if rows_max % 2 == 0 {
                    drop(large);
                    large = world.open(large_dir.path(), 1_000_000).unwrap();
                }
            }
            small.follow(&world);
            large.follow(&world);
            check(&world, &model, &small);
            check(&world, &model, &large);
            prop_assert_eq!(small.replica.digest(), large.replica.digest());
        }
    }
}
