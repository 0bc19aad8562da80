//! Time-weighted means of signals whose area is known by hand.

use super::*;
use tidemill_sdk::testing::AggregationHarness;

fn at(second: i64, value: f64) -> Row {
    Row::good(0, 0, Time::from_seconds(second), value)
}

/// Outputs for a window of seconds 10 to 20.
fn window(params: &str, rows: &[Row]) -> [f64; 3] {
    let mut harness = AggregationHarness::<TimeWeighted>::new(params).expect("valid parameters");
    let out = harness.window(Time::from_seconds(10), Time::from_seconds(20), rows);
    out.try_into().expect("three outputs")
}

#[test]
fn a_value_counts_for_as_long_as_it_lasts() {
    let rows = [at(10, 0.0), at(12, 10.0), at(19, 100.0)];
    // 2 s of 0, 7 s of 10, 1 s of 100
    assert_eq!(window(r#"{"between": "last"}"#, &rows), [17.0, 170.0, 1.0]);
    // 2 s of 5 on average, 7 s of 55, 1 s of 100
    assert_eq!(window("{}", &rows), [49.5, 495.0, 1.0]);
}

#[test]
fn edges_are_extended_held_or_left_out() {
    let rows = [at(12, 1.0), at(14, 3.0)];
    assert_eq!(window("{}", &rows), [2.4, 24.0, 1.0]);
    assert_eq!(window(r#"{"edges": "hold"}"#, &rows), [22.0 / 8.0, 22.0, 0.8]);
    assert_eq!(window(r#"{"edges": "inside"}"#, &rows), [2.0, 4.0, 0.2]);
    assert_eq!(window(r#"{"between": "last"}"#, &rows), [2.2, 22.0, 1.0]);
    assert_eq!(window(r#"{"between": "last", "edges": "inside"}"#, &rows), [1.0, 2.0, 0.2]);
}

#[test]
fn without_rows_or_time_there_is_no_mean() {
    let bad = Row { quality: Quality::BAD, ..at(11, 5.0) };
    for rows in [vec![], vec![bad], vec![at(11, f64::NAN)], vec![at(11, f64::INFINITY)]] {
        let [mean, integral, covered] = window("{}", &rows);
        assert!(mean.is_nan() && integral.is_nan() && covered == 0.0);
    }
    assert!(window(r#"{"edges": "inside"}"#, &[at(15, 5.0)])[0].is_nan());
    assert_eq!(window("{}", &[at(15, 5.0)]), [5.0, 50.0, 1.0]);
}

#[test]
fn from_a_bad_row_until_the_next_usable_one_nothing_is_known() {
    let bad = Row { quality: Quality::BAD, ..at(14, 900.0) };
    let uncertain = Row { quality: Quality::UNCERTAIN, ..at(18, 2.0) };
    // 4 s of 1 are held up to the bad row, 2 s of 2 after the hole of 4 s
    assert_eq!(window("{}", &[at(10, 1.0), bad, uncertain]), [8.0 / 6.0, 8.0, 0.6]);
    assert_eq!(window("{}", &[bad, uncertain]), [2.0, 4.0, 0.2]);
    assert_eq!(window("{}", &[at(10, 1.0), bad]), [1.0, 4.0, 0.4]);
}

#[test]
fn nothing_is_assumed_over_a_gap() {
    let rows = [at(13, 1.0), at(14, 3.0), at(18, 7.0)];
    assert_eq!(window(r#"{"gap_s": 2}"#, &rows), [16.0 / 3.0, 16.0, 0.3]);
    assert_eq!(window(r#"{"gap_s": 4}"#, &rows), window("{}", &rows));
}

#[test]
fn nothing_is_carried_from_one_window_to_the_next() {
    let mut harness = AggregationHarness::<TimeWeighted>::new("{}").expect("valid parameters");
    let (start, end) = (Time::from_seconds(0), Time::from_seconds(9));
    let first = harness.window(start, end, &[at(1, 2.0), at(5, 7.0)]);
    harness.window(start, end, &[at(3, -1e9)]);
    assert_eq!(harness.window(start, end, &[at(1, 2.0), at(5, 7.0)]), first);
}

#[test]
fn parameters_are_checked() {
    let text = |params: &str| AggregationHarness::<TimeWeighted>::new(params).err().expect("wrong parameters").text;
    assert_eq!(text(r#"{"between": "next"}"#), "parameter `between` is \"next\", but must be \"linear\" or \"last\"");
    assert_eq!(
        text(r#"{"edges": "none"}"#),
        "parameter `edges` is \"none\", but must be \"extend\", \"hold\" or \"inside\""
    );
    assert_eq!(text(r#"{"gap_s": -1}"#), "parameter `gap_s` is -1, but must be 0 or more");
}
