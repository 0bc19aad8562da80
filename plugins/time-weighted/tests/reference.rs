//! Means and integrals against exact fractions: `plugins/check/time_weighted.py`, which says what the lines of the file
//! are.

use tidemill_plugin_time_weighted::TimeWeighted;
use tidemill_sdk::prelude::*;
use tidemill_sdk::testing::AggregationHarness;

/// Of the mean of |X|: areas, sum, division and reference round a few times, and positive and negative areas may
/// cancel.
const RELATIVE: f64 = 4.0 * f64::EPSILON;

#[test]
fn means_integrals_and_covered_shares_are_those_of_the_reference() {
    let other = std::env::var("TIDEMILL_REFERENCE").ok().map(|path| std::fs::read_to_string(path).expect("a file"));
    let mut harness = AggregationHarness::<TimeWeighted>::new("{}").expect("valid parameters");
    let (mut bounds, mut rows, mut compared) = ((Time(0), Time(0)), Vec::new(), 0);
    for line in other.as_deref().unwrap_or(include_str!("reference.csv")).lines() {
        let (kind, rest) = line.split_once(',').unwrap_or((line, ""));
        let fields: Vec<&str> = rest.split(',').collect();
        match kind {
            "case" => {
                let (_, params) = rest.split_once(',').expect("name and parameters");
                harness = AggregationHarness::new(params).expect("valid parameters");
            }
            "window" => {
                bounds = (Time(number(fields[0])), Time(number(fields[1])));
                rows.clear();
            }
            "in" => rows.push(Row {
                quality: Quality(number(fields[2])),
                ..Row::good(0, 0, Time(number(fields[0])), number(fields[1]))
            }),
            "out" => {
                compare(&harness.window(bounds.0, bounds.1, &rows), &fields, bounds);
                compared += 1;
            }
            comment => assert!(comment.starts_with('#'), "unknown line `{comment}`"),
        }
    }
    assert!(compared > 0, "there are windows");
}

fn compare(got: &[f64], fields: &[&str], bounds: (Time, Time)) {
    let want: Vec<f64> = fields.iter().map(|field| number(field)).collect();
    let [mean, integral, covered, mean_of_sizes] = want[..] else { panic!("four fields: {fields:?}") };
    let covered_s = covered * bounds.1.seconds_since(bounds.0);
    for (got, want, size) in
        [(got[0], mean, mean_of_sizes), (got[1], integral, mean_of_sizes * covered_s), (got[2], covered, 1.0)]
    {
        let is_near = (got - want).abs() <= RELATIVE * size || (got.is_nan() && want.is_nan());
        assert!(is_near, "{got} instead of {want} in the window from {:?}", bounds.0);
    }
}

fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(field: &str) -> T {
    field.parse().expect("a number")
}
