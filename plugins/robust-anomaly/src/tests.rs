//! What is decided about first, late, bad and NaN rows, and hand-computed scores. `tests/reference.rs` has the brute
//! force.

use super::*;
use tidemill_sdk::testing::Harness;

fn at(second: i64, value: f64) -> Row {
    Row::good(0, 0, Time::from_seconds(second), value)
}

fn rows(values: &[f64]) -> Vec<Row> {
    (0..).zip(values).map(|(second, value)| at(second, *value)).collect()
}

fn of_port(params: &str, rows: &[Row], port: u32) -> Vec<(i64, f64, Quality)> {
    let emitted = Harness::<RobustAnomaly>::new(params).and_then(|mut h| h.process(rows)).expect("no problem");
    let chosen = emitted.iter().filter(|row| row.port == port);
    chosen.map(|row| (row.time.0 / 1_000_000_000, row.value, row.quality)).collect()
}

const FIVE: &str = r#"{"count": 5, "min_count": 5}"#;

#[test]
fn the_score_is_the_distance_from_the_median_in_scaled_mads() {
    // 1, 2, 4, 7, 11: median 4, distances 3, 2, 0, 3, 7 with median 3.
    let given = rows(&[7.0, 1.0, 11.0, 2.0, 4.0, 10.0]);
    assert_eq!(of_port(FIVE, &given, SCORE), [(5, 6.0 / (1.4826 * 3.0), Quality::GOOD)]);
}

#[test]
fn a_flagged_row_is_replaced_by_the_median() {
    let given = rows(&[7.0, 1.0, 11.0, 2.0, 4.0, 18.0, 9.0]);
    assert_eq!(of_port(FIVE, &given, FLAG), [(5, 1.0, Quality::GOOD), (6, 0.0, Quality::GOOD)]);
    assert_eq!(of_port(FIVE, &given, CLEAN), [(5, 4.0, Quality::GOOD), (6, 9.0, Quality::GOOD)]);
}

#[test]
fn nearly_half_of_the_window_may_be_outliers() {
    let given = rows(&[10.0, 1e12, 11.0, -1e12, 9.0, 10.0]);
    assert_eq!(of_port(FIVE, &given, SCORE)[0].1, 0.0);
}

#[test]
fn a_value_that_fills_half_the_window_leaves_no_deviation() {
    let given = rows(&[5.0, 5.0, 5.0, 6.0, 7.0, 5.0, 4.5]);
    let scores: Vec<f64> = of_port(FIVE, &given, SCORE).iter().map(|row| row.1).collect();
    assert_eq!(scores, [0.0, -1e9]);
    let params = r#"{"count": 5, "min_count": 5, "min_deviation": 0.25}"#;
    assert_eq!(of_port(params, &given, SCORE)[1].1, -2.0);
}

#[test]
fn late_rows_and_what_is_no_number_are_left_out() {
    let mut given = rows(&[7.0, 1.0, 11.0, 2.0, 4.0, 10.0]);
    given.insert(3, at(1, 900.0));
    given.insert(4, at(2, f64::NAN));
    given.insert(5, at(2, f64::NEG_INFINITY));
    assert_eq!(of_port(FIVE, &given, SCORE), [(5, 6.0 / (1.4826 * 3.0), Quality::GOOD)]);
}

#[test]
fn bad_rows_are_judged_but_not_learnt() {
    let mut given = rows(&[7.0, 1.0, 11.0, 2.0, 4.0, 10.0, 10.0]);
    given[5].quality = Quality::BAD;
    let score = 6.0 / (1.4826 * 3.0);
    assert_eq!(of_port(FIVE, &given, SCORE), [(5, score, Quality::BAD), (6, score, Quality::GOOD)]);
}

#[test]
fn the_quality_is_the_worst_of_what_is_in_the_window() {
    let mut given = rows(&[1.0, 2.0, 3.0, 4.0, 5.0]);
    given[1].quality = Quality::UNCERTAIN_LAST_USABLE;
    let qualities: Vec<Quality> =
        of_port(r#"{"count": 3, "min_count": 2}"#, &given, CLEAN).iter().map(|row| row.2).collect();
    let uncertain = Quality::UNCERTAIN_LAST_USABLE;
    assert_eq!(qualities, [uncertain, uncertain, uncertain]);
    given.push(at(5, 6.0));
    assert_eq!(of_port(r#"{"count": 3, "min_count": 2}"#, &given, CLEAN)[3].2, Quality::GOOD);
}

#[test]
fn groups_do_not_see_each_other() {
    let given: Vec<Row> = (0..6).flat_map(|n| [at(n, n as f64), Row { group: 2, ..at(n, 100.0) }]).collect();
    let emitted = Harness::<RobustAnomaly>::new(FIVE).and_then(|mut h| h.process(&given)).expect("no problem");
    let of_other = emitted.iter().find(|row| row.group == 2 && row.port == SCORE).map(|row| row.value);
    assert_eq!(of_other, Some(0.0));
}

#[test]
fn wrong_parameters_are_refused() {
    let text = |params: &str| Harness::<RobustAnomaly>::new(params).err().expect("wrong parameters").text;
    assert_eq!(text(r#"{"count": 2}"#), "parameter `count` is 2, but must be a whole number from 3 to 10000");
    assert_eq!(
        text(r#"{"count": 5, "min_count": 9}"#),
        "parameter `min_count` is 9, but must be a whole number from 2 to 5"
    );
    assert_eq!(text(r#"{"threshold": -3}"#), "parameter `threshold` is -3, but must be above 0");
    assert_eq!(text(r#"{"min_deviation": -1}"#), "parameter `min_deviation` is -1, but must be 0 or more");
}
