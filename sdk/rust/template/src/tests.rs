//! Runs the plugin natively. Every expected number is computed by hand.

use tidemill_sdk::prelude::*;
use tidemill_sdk::testing::Harness;

use super::{Plugin, STATE, VALUE};

fn at(seconds: i64) -> Time {
    Time::from_seconds(seconds)
}

fn plugin(params: &str) -> Harness<Plugin> {
    Harness::new(params).expect("valid parameters")
}

/// What a batch of (group, second, value, quality) gives: group, port, second, value; fresh is 1, stale 0.
fn process(plugin: &mut Harness<Plugin>, rows: &[(u32, i64, f64, Quality)]) -> Vec<(u32, u32, i64, f64)> {
    let rows: Vec<Row> = rows
        .iter()
        .map(|(group, s, value, quality)| Row { quality: *quality, ..Row::good(*group, 0, at(*s), *value) })
        .collect();
    let emitted = plugin.process(&rows).expect("no problem");
    plain(plugin, &emitted)
}

fn advance(plugin: &mut Harness<Plugin>, second: i64) -> Vec<(u32, u32, i64, f64)> {
    let emitted = plugin.advance(at(second)).expect("no problem");
    plain(plugin, &emitted)
}

fn plain(plugin: &Harness<Plugin>, rows: &[Row]) -> Vec<(u32, u32, i64, f64)> {
    let value = |row: &Row| match plugin.text(row) {
        Some("fresh") => 1.0,
        Some("stale") => 0.0,
        Some(other) => panic!("unknown state {other}"),
        None => row.value,
    };
    rows.iter().map(|row| (row.group, row.port, row.time.0 / 1_000_000_000, value(row))).collect()
}

const GOOD: Quality = Quality::GOOD;

#[test]
fn two_groups_are_kept_apart() {
    let mut plugin = plugin(r#"{"alpha": 0.5}"#);
    let rows = [(0, 10, 8.0, GOOD), (0, 20, 4.0, GOOD), (1, 15, 100.0, Quality::UNCERTAIN), (0, 30, 0.0, GOOD)];
    let expected = [
        (0, STATE, 10, 1.0),
        (0, VALUE, 10, 8.0),
        (0, VALUE, 20, 6.0),
        (1, STATE, 15, 1.0),
        (1, VALUE, 15, 100.0),
        (0, VALUE, 30, 3.0),
    ];
    assert_eq!(process(&mut plugin, &rows), expected);
}

#[test]
fn bad_rows_nan_and_late_rows_change_nothing() {
    let mut plugin = plugin(r#"{"alpha": 0.5}"#);
    process(&mut plugin, &[(0, 20, 8.0, GOOD)]);
    let skipped = [(0, 30, 1.0, Quality::BAD), (0, 40, f64::NAN, GOOD), (0, 19, 1.0, GOOD)];
    assert_eq!(process(&mut plugin, &skipped), []);
    assert_eq!(process(&mut plugin, &[(0, 20, 4.0, GOOD)]), [(0, VALUE, 20, 6.0)]);
}

#[test]
fn silence_is_told_once_and_ends_with_the_next_row() {
    let mut plugin = plugin(r#"{"alpha": 0.25, "stale_s": 2}"#);
    process(&mut plugin, &[(1, 2, 1.0, GOOD), (0, 3, 4.0, GOOD)]);
    assert_eq!(advance(&mut plugin, 3), []);
    assert_eq!(advance(&mut plugin, 9), [(0, STATE, 5, 0.0), (1, STATE, 4, 0.0)]);
    assert_eq!(advance(&mut plugin, 10), []);
    assert_eq!(process(&mut plugin, &[(0, 11, 8.0, GOOD)]), [(0, STATE, 11, 1.0), (0, VALUE, 11, 5.0)]);
}

#[test]
fn wrong_parameters_are_refused_by_name() {
    let check = |params: &str, text: &str| {
        let problem = Harness::<Plugin>::new(params).err().expect("refused");
        assert_eq!((problem.code, problem.text.as_str()), (Problem::PARAMETER, text), "{params}");
    };
    check("{}", "parameter `alpha` is missing; give a number");
    check(r#"{"alpha": 0}"#, "parameter `alpha` must lie above 0 and be at most 1");
    check(r#"{"alpha": 1.5}"#, "parameter `alpha` must lie above 0 and be at most 1");
    check(r#"{"alpha": 0.5, "stale_s": -1}"#, "parameter `stale_s` is -1, but must be 0 or more");
    check(r#"{"alpha": 0.5, "apha": 1}"#, "parameter `apha` is unknown; this plugin takes `alpha`, `stale_s`");
}
