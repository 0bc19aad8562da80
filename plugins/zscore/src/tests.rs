//! What is decided about first, late, bad and NaN rows, and hand-computed scores. `tests/reference.rs` has the brute
//! force.

use super::*;
use tidemill_sdk::testing::Harness;

fn at(second: i64, value: f64) -> Row {
    Row::good(0, 0, Time::from_seconds(second), value)
}

fn zscore(params: &str) -> Harness<Zscore> {
    Harness::new(params).expect("valid parameters")
}

/// (second, score) of what is emitted for `rows` in one batch.
fn scores(params: &str, rows: &[Row]) -> Vec<(i64, f64)> {
    let emitted = zscore(params).process(rows).expect("no problem");
    let scores = emitted.iter().filter(|row| row.port == SCORE);
    scores.map(|row| (row.time.0 / 1_000_000_000, row.value)).collect()
}

#[test]
fn a_row_is_judged_by_the_rows_before_it() {
    // 1, 2, 3, 4: mean 2.5, sample variance 5/3. 5: mean of 2, 3, 4, 5 is 3.5.
    let rows: Vec<Row> = (1..=6).map(|n| at(n, n as f64)).collect();
    let deviation = (5.0_f64 / 3.0).sqrt();
    let expected = [(5, 2.5 / deviation), (6, 2.5 / deviation)];
    let got = scores(r#"{"count": 4}"#, &rows);
    assert_eq!(got.len(), 2);
    got.iter().zip(expected).for_each(|(got, expected)| {
        assert_eq!(got.0, expected.0);
        assert!((got.1 - expected.1).abs() < 1e-14);
    });
}

#[test]
fn equal_times_make_exponential_weights_equal() {
    let rows = [1.0, 2.0, 3.0, 4.0, 5.0].map(|value| at(7, value));
    let got = scores(r#"{"tau_s": 10, "min_count": 4}"#, &rows);
    assert_eq!(got.len(), 1, "from the fifth row on");
    assert!((got[0].1 - 2.5 / (5.0_f64 / 3.0).sqrt()).abs() < 1e-14);
}

#[test]
fn the_flag_says_whether_the_score_is_beyond_the_threshold() {
    let rows = [at(0, -1.0), at(1, 1.0), at(2, 5.0), at(3, 1.0)];
    let emitted = zscore(r#"{"count": 3, "min_count": 2}"#).process(&rows).expect("no problem");
    let flags: Vec<f64> = emitted.iter().filter(|row| row.port == FLAG).map(|row| row.value).collect();
    assert_eq!(flags, [1.0, 0.0], "5 is 5/√2 = 3.5 deviations away; then the window knows 5");
}

#[test]
fn a_constant_series_has_no_deviation_to_divide_by() {
    let rows = [at(0, 4.0), at(1, 4.0), at(2, 4.0), at(3, 4.5), at(4, 3.0)];
    let got = scores(r#"{"count": 2}"#, &rows);
    assert_eq!(got[..2], [(2, 0.0), (3, 1e9)]);
    // 3 against 4 and 4.5: mean 4.25, deviation 0.5/√2.
    assert!((got[2].1 + 2.5 * 2.0_f64.sqrt()).abs() < 1e-14, "{}", got[2].1);
    let bounded = scores(r#"{"count": 2, "min_deviation": 0.5}"#, &rows);
    assert_eq!(bounded[1], (3, 1.0), "0.5 of 0.5");
}

#[test]
fn a_spike_leaves_no_trace_when_it_has_left_the_window() {
    let mut rows: Vec<Row> = (0..50).map(|n| at(n, if n % 2 == 0 { 1.0 } else { -1.0 })).collect();
    rows[10].value = 1e15;
    let got = scores(r#"{"count": 8}"#, &rows);
    let score = got.last().expect("scores").1;
    assert!((score + 1.0 / (8.0_f64 / 7.0).sqrt()).abs() < 1e-15, "{score}");
}

#[test]
fn late_rows_are_left_out_and_rows_of_the_same_time_count() {
    let rows = [at(10, 1.0), at(11, 2.0), at(5, 900.0), at(11, 3.0), at(12, 4.0)];
    let got = scores(r#"{"count": 3}"#, &rows);
    assert_eq!(got, [(12, 2.0)], "mean 2, deviation 1 of 1, 2, 3");
}

#[test]
fn bad_rows_are_judged_but_not_learnt_and_what_is_no_number_is_left_out() {
    let bad = Row { quality: Quality::BAD, ..at(3, 4.0) };
    let rows = [at(0, 1.0), at(1, 2.0), at(2, 3.0), bad, at(4, f64::NAN), at(5, f64::INFINITY), at(6, 4.0)];
    let emitted = zscore(r#"{"count": 3}"#).process(&rows).expect("no problem");
    let of_score: Vec<_> = emitted.iter().filter(|row| row.port == SCORE).map(|row| (row.value, row.quality)).collect();
    assert_eq!(of_score, [(2.0, Quality::BAD), (2.0, Quality::GOOD)]);
}

#[test]
fn the_quality_is_the_worst_of_what_is_in_the_window() {
    let uncertain = Row { quality: Quality::UNCERTAIN, ..at(1, 2.0) };
    let rows = [at(0, 1.0), uncertain, at(2, 3.0), at(3, 5.0), at(4, 4.0)];
    let emitted = zscore(r#"{"count": 2}"#).process(&rows).expect("no problem");
    let qualities: Vec<_> = emitted.iter().filter(|row| row.port == SCORE).map(|row| row.quality).collect();
    assert_eq!(qualities, [Quality::UNCERTAIN, Quality::UNCERTAIN, Quality::GOOD]);

    let faded =
        [uncertain, at(2, 1.0), at(3, 3.0), at(4, 2.0), at(1000, 2.0), at(1001, 1.0), at(1002, 2.0), at(1003, 2.0)];
    let emitted = zscore(r#"{"tau_s": 10, "min_count": 2}"#).process(&faded).expect("no problem");
    let qualities: Vec<_> = emitted.iter().filter(|row| row.port == FLAG).map(|row| row.quality.is_good()).collect();
    assert_eq!(qualities, [false, false, true], "after a silence of 100 time constants it learns anew");
}

#[test]
fn groups_do_not_see_each_other() {
    let rows: Vec<Row> = (0..6).flat_map(|n| [at(n, n as f64), Row { group: 3, ..at(n, 100.0) }]).collect();
    let emitted = zscore(r#"{"count": 4}"#).process(&rows).expect("no problem");
    let of_other: Vec<f64> =
        emitted.iter().filter(|row| row.group == 3 && row.port == SCORE).map(|row| row.value).collect();
    assert_eq!(of_other, [0.0, 0.0]);
}

#[test]
fn wrong_parameters_are_refused() {
    let text = |params: &str| Harness::<Zscore>::new(params).err().expect("wrong parameters").text;
    assert_eq!(text("{}"), "parameter `count` or `tau_s` is needed, and not both");
    assert_eq!(text(r#"{"count": 5, "tau_s": 5}"#), "parameter `count` or `tau_s` is needed, and not both");
    assert_eq!(text(r#"{"count": 1}"#), "parameter `count` is 1, but must be a whole number from 2 to 100000");
    assert_eq!(text(r#"{"tau_s": -1}"#), "parameter `tau_s` is -1, but must be above 0");
    assert_eq!(text(r#"{"count": 5, "threshold": 0}"#), "parameter `threshold` is 0, but must be above 0");
    assert_eq!(
        text(r#"{"count": 5, "min_count": 6}"#),
        "parameter `min_count` is 6, but must be 2 or more and not above `count`"
    );
}
