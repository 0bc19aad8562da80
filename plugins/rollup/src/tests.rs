//! Rollup against computations of another kind: exact integers, and values with known answers.

use super::*;
use tidemill_sdk::testing::AggregationHarness;

fn rollup(rows: &[Row]) -> Vec<f64> {
    let end = Time::from_seconds(1_000_000);
    AggregationHarness::<Rollup>::new("{}").expect("no parameters").window(Time(0), end, rows)
}

fn rows(values: &[f64]) -> Vec<Row> {
    values.iter().zip(0..).map(|(value, second)| Row::good(0, 0, Time::from_seconds(second), *value)).collect()
}

#[test]
fn integers_agree_with_exact_integer_arithmetic() {
    // A linear congruential generator: any spread of values with exact sums will do.
    let mut state = 12345_u64;
    let values: Vec<i64> = (0..5000)
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as i64 - 8_000_000
        })
        .collect();
    let out = rollup(&rows(&values.iter().map(|value| *value as f64).collect::<Vec<_>>()));

    let n = values.len() as i128;
    let sum: i128 = values.iter().map(|value| i128::from(*value)).sum();
    let squares: i128 = values.iter().map(|value| i128::from(*value) * i128::from(*value)).sum();
    // n²·variance = n·Σx² − (Σx)², exactly.
    let variance = (n * squares - sum * sum) as f64 / (n * n) as f64;
    assert_eq!(out[COUNT], 5000.0);
    assert_eq!(out[SUM], sum as f64);
    assert_eq!(out[MEAN], sum as f64 / 5000.0);
    assert_eq!(out[MIN], *values.iter().min().expect("not empty") as f64);
    assert_eq!(out[MAX], *values.iter().max().expect("not empty") as f64);
    assert!((out[VARIANCE] - variance).abs() <= 1e-12 * variance, "{} against {variance}", out[VARIANCE]);
}

#[test]
fn a_large_mean_does_not_drown_the_variance() {
    // NIST StRD NumAcc4: 10000000.2 once, then alternating .1 and .3; mean 10000000.2, sample standard deviation 0.1.
    let mut values = vec![10_000_000.2];
    (0..500).for_each(|_| values.extend([10_000_000.1, 10_000_000.3]));
    let out = rollup(&rows(&values));
    let sample_deviation = (out[VARIANCE] * 1001.0 / 1000.0).sqrt();
    assert!((out[MEAN] - 10_000_000.2).abs() < 1e-8);
    assert!((sample_deviation - 0.1).abs() < 1e-8, "{sample_deviation}");
}

#[test]
fn the_sum_survives_cancellation() {
    assert_eq!(rollup(&rows(&[1e16, 1.0, 1.0, -1e16]))[SUM], 2.0);
    assert_eq!(rollup(&rows(&[f64::INFINITY, 1.0]))[SUM], f64::INFINITY);
}

#[test]
fn bad_rows_and_nans_are_skipped_and_uncertain_rows_count() {
    let mut given = rows(&[1.0, 100.0, 3.0, f64::NAN]);
    given[1].quality = Quality::BAD;
    given[2].quality = Quality::UNCERTAIN;
    let out = rollup(&given);
    assert_eq!(out, [2.0, 4.0, 2.0, 1.0, 3.0, 1.0]);
}

#[test]
fn without_usable_rows_only_the_count_has_a_value() {
    let bad = Row { quality: Quality::BAD, ..Row::good(0, 0, Time(1), 1.0) };
    for given in [vec![], vec![bad], rows(&[f64::NAN])] {
        let out = rollup(&given);
        assert_eq!(out[COUNT], 0.0);
        assert!(out[SUM..].iter().all(|value| value.is_nan()));
    }
}

#[test]
fn nothing_is_carried_from_one_window_to_the_next() {
    let mut harness = AggregationHarness::<Rollup>::new("").expect("no parameters");
    let end = Time::from_seconds(10);
    let first = harness.window(Time(0), end, &rows(&[1.0, 2.0, 4.0]));
    harness.window(Time(0), end, &rows(&[1e300, -5.0]));
    assert_eq!(harness.window(Time(0), end, &rows(&[1.0, 2.0, 4.0])), first);
}

#[test]
fn parameters_are_refused() {
    let problem = AggregationHarness::<Rollup>::new(r#"{"window": 60}"#).err().expect("there are no parameters");
    assert_eq!(problem.text, "parameter `window` is unknown; this plugin takes none");
}

#[test]
fn parts_put_together_are_the_whole() {
    let values: Vec<f64> = (0..997).map(|i| f64::from(i * 7919 % 1009) + 1e6).collect();
    let whole = rollup(&rows(&values));
    for cuts in [vec![], vec![1], vec![400], vec![0, 10, 10, 996]] {
        let mut parts = Vec::new();
        let mut from = 0;
        for cut in cuts.iter().copied().chain([values.len()]) {
            parts.push(rollup(&rows(&values[from..cut])));
            from = cut;
        }
        let combined = AggregationHarness::<Rollup>::new("{}").expect("no parameters").combine(&parts);
        for exact in [COUNT, SUM, MEAN, MIN, MAX] {
            assert_eq!(combined[exact], whole[exact], "output {exact} of parts cut at {cuts:?}");
        }
        assert!((combined[VARIANCE] - whole[VARIANCE]).abs() <= 1e-9 * whole[VARIANCE], "cut at {cuts:?}");
    }
}

#[test]
fn parts_without_values_are_none() {
    let empty = rollup(&[]);
    let combined = AggregationHarness::<Rollup>::new("{}").expect("no parameters").combine(&[empty.clone(), empty]);
    assert_eq!(combined[COUNT], 0.0);
    assert!(combined[SUM..].iter().all(|value| value.is_nan()));
}
