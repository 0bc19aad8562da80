//! Aggregates against exact fractions, of whole windows and of parts put together: `plugins/check/rollup.py`, which says what the
//! lines of the file are.

use tidemill_plugin_rollup::Rollup;
use tidemill_sdk::prelude::*;
use tidemill_sdk::testing::AggregationHarness;

/// Of the mean of |x|: the sum is rounded once or twice, the mean once more.
const RELATIVE: f64 = 4.0 * f64::EPSILON;
/// Of the squared spread: squares of deviations are rounded, and the mean that they are from.
const RELATIVE_VARIANCE: f64 = 1e-12;

#[test]
fn windows_whole_and_in_parts_are_those_of_the_reference() {
    let other = std::env::var("TIDEMILL_REFERENCE").ok().map(|path| std::fs::read_to_string(path).expect("a file"));
    let mut harness = AggregationHarness::<Rollup>::new("{}").expect("no parameters");
    let (mut bounds, mut rows, mut parts) = ((Time(0), Time(0)), Vec::new(), Vec::new());
    let mut compared = 0;
    for line in other.as_deref().unwrap_or(include_str!("reference.csv")).lines() {
        let (kind, rest) = line.split_once(',').unwrap_or((line, ""));
        let fields: Vec<&str> = rest.split(',').collect();
        match kind {
            "window" => {
                bounds = (Time(number(fields[0])), Time(number(fields[1])));
                rows.clear();
            }
            "in" => rows.push(Row {
                quality: Quality(number(fields[2])),
                ..Row::good(0, 0, Time(number(fields[0])), number(fields[1]))
            }),
            "out" => {
                let got = harness.window(bounds.0, bounds.1, &rows);
                compare(&got, &fields, bounds.0, 0.0);
                parts.push(got);
            }
            "parts" => parts.clear(),
            "whole" => {
                assert_eq!(parts.len(), 3);
                // The means of parts were rounded, and their distance is squared.
                compare(&harness.combine(&parts), &fields, bounds.0, RELATIVE);
                compared += 1;
            }
            comment => assert!(comment.starts_with('#'), "unknown line `{comment}`"),
        }
    }
    assert!(compared > 0, "there are windows");
}

/// `rounded` is the relative error of the means that a variance is put together from.
fn compare(got: &[f64], fields: &[&str], start: Time, rounded: f64) {
    let want: Vec<f64> = fields.iter().map(|field| number(field)).collect();
    let [count, sum, mean, min, max, variance, size] = want[..] else { panic!("seven fields: {fields:?}") };
    assert_eq!(got[0], count, "count of the window at {start:?}");
    let spread = max - min;
    let variance_bound = RELATIVE_VARIANCE * spread * spread + rounded * size * spread + (RELATIVE * size).powi(2);
    let bounds = [
        (got[1], sum, RELATIVE * size * count),
        (got[2], mean, RELATIVE * size),
        (got[3], min, 0.0),
        (got[4], max, 0.0),
        (got[5], variance, variance_bound),
    ];
    for (output, (got, want, bound)) in bounds.into_iter().enumerate() {
        let is_near = (got - want).abs() <= bound || (got.is_nan() && want.is_nan());
        assert!(is_near, "output {}: {got} instead of {want} in the window at {start:?}", output + 1);
    }
}

fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(field: &str) -> T {
    field.parse().expect("a number")
}
