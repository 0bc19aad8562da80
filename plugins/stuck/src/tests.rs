//! The watch from the outside: rows in, states out.

use super::*;
use tidemill_sdk::testing::Harness;

fn at(second: i64, value: f64) -> Row {
    Row::good(0, 0, Time::from_seconds(second), value)
}

fn stuck(params: &str) -> Harness<Stuck> {
    Harness::new(params).expect("valid parameters")
}

/// (second, state) of `out`.
fn states(harness: &Harness<Stuck>, out: &[Row]) -> Vec<(i64, String)> {
    out.iter().map(|row| (row.time.0 / 1_000_000_000, harness.text(row).expect("a text").to_owned())).collect()
}

fn after(harness: &mut Harness<Stuck>, rows: &[Row]) -> Vec<(i64, String)> {
    let out = harness.process(rows).expect("no problem");
    states(harness, &out)
}

fn passed(harness: &mut Harness<Stuck>, second: i64) -> Vec<(i64, String)> {
    let out = harness.advance(Time::from_seconds(second)).expect("no problem");
    states(harness, &out)
}

fn pairs(expected: &[(i64, &str)]) -> Vec<(i64, String)> {
    expected.iter().map(|(second, state)| (*second, (*state).to_owned())).collect()
}

#[test]
fn a_value_that_does_not_leave_the_tolerance_is_stuck_until_it_does() {
    let values = [1.0, 5.0, 5.5, 4.5, 5.25, 5.5, 5.75, 5.75];
    let rows: Vec<Row> = (0..).zip(values).map(|(second, value)| at(second, value)).collect();
    let mut stuck = stuck(r#"{"tolerance": 0.5, "hold_s": 3}"#);
    assert_eq!(after(&mut stuck, &rows), pairs(&[(0, "normal"), (4, "stuck"), (6, "normal")]));
}

#[test]
fn a_slow_drift_is_not_stuck() {
    let rows: Vec<Row> = (0..100).map(|second| at(second, second as f64 / 8.0)).collect();
    assert_eq!(after(&mut stuck(r#"{"tolerance": 0.5, "hold_s": 6}"#), &rows), pairs(&[(0, "normal")]));
}

#[test]
fn a_gap_begins_at_its_own_time_told_by_the_next_row_or_by_the_watermark() {
    let mut told_by_a_row = stuck(r#"{"gap_s": 10}"#);
    let rows = [at(0, 1.0), at(10, 1.0), at(21, 1.0)];
    assert_eq!(after(&mut told_by_a_row, &rows), pairs(&[(0, "normal"), (20, "gap"), (21, "normal")]));
    let mut told_by_the_watermark = stuck(r#"{"gap_s": 10}"#);
    after(&mut told_by_the_watermark, &rows[..2]);
    assert_eq!(passed(&mut told_by_the_watermark, 20), [], "a row of second 20 may still come");
    assert_eq!(passed(&mut told_by_the_watermark, 90), pairs(&[(20, "gap")]));
    assert_eq!(passed(&mut told_by_the_watermark, 99), []);
    assert_eq!(after(&mut told_by_the_watermark, &[at(100, 1.0)]), pairs(&[(100, "normal")]));
}

#[test]
fn a_gap_ends_the_run_and_comes_before_being_stuck() {
    let mut stuck = stuck(r#"{"hold_s": 10, "gap_s": 6}"#);
    let rows = [at(0, 1.0), at(4, 1.0), at(12, 1.0), at(18, 1.0), at(22, 1.0)];
    // The run from 0 would be stuck at 10, when the gap begins; the one from 12 is.
    let expected = [(0, "normal"), (10, "gap"), (12, "normal"), (22, "stuck")];
    assert_eq!(after(&mut stuck, &rows), pairs(&expected));
    assert_eq!(passed(&mut stuck, 60), pairs(&[(28, "gap")]));
}

#[test]
fn without_a_watch_for_gaps_a_silent_series_is_stuck() {
    let mut stuck = stuck(r#"{"hold_s": 10}"#);
    after(&mut stuck, &[at(0, 1.0)]);
    assert_eq!(passed(&mut stuck, 60), pairs(&[(10, "stuck")]));
}

#[test]
fn bad_rows_and_nans_show_that_samples_come_and_nothing_else() {
    let bad = |second, value| Row { quality: Quality::BAD, ..at(second, value) };
    let mut stuck = stuck(r#"{"hold_s": 10, "gap_s": 5}"#);
    let rows = [at(0, 1.0), bad(4, 9.0), at(8, f64::NAN), at(11, 1.0), bad(17, 1.0), at(18, 1.0)];
    let out = stuck.process(&rows).expect("no problem");
    let expected =
        [(0, "normal"), (4, "normal"), (10, "stuck"), (11, "stuck"), (16, "gap"), (17, "normal"), (18, "normal")];
    assert_eq!(states(&stuck, &out), pairs(&expected));
    let is_bad: Vec<bool> = out.iter().map(|row| row.quality.is_bad()).collect();
    assert_eq!(is_bad, [false, true, true, false, false, true, false]);
}

#[test]
fn late_rows_are_left_out_and_what_comes_after_the_watermark_never_goes_back() {
    let mut stuck = stuck(r#"{"gap_s": 10}"#);
    assert_eq!(after(&mut stuck, &[at(5, 1.0), at(1, 2.0)]), pairs(&[(5, "normal")]));
    assert_eq!(passed(&mut stuck, 60), pairs(&[(15, "gap")]));
    // There was no gap, which nobody knew: it ends when it began.
    assert_eq!(after(&mut stuck, &[at(14, 1.0), at(20, 1.0)]), pairs(&[(15, "normal")]));
    assert_eq!(passed(&mut stuck, 61), pairs(&[(30, "gap")]));
}

#[test]
fn a_group_that_appears_later_starts_with_its_own_row() {
    let mut stuck = stuck(r#"{"gap_s": 10}"#);
    after(&mut stuck, &[at(0, 1.0)]);
    let out = stuck.process(&[Row { group: 2, ..at(500, 1.0) }]).expect("no problem");
    assert_eq!((out[0].group, states(&stuck, &out)), (2, pairs(&[(500, "normal")])));
    let out = stuck.advance(Time::from_seconds(505)).expect("no problem");
    assert_eq!((out[0].group, states(&stuck, &out)), (0, pairs(&[(10, "gap")])));
}

#[test]
fn parameters_are_checked() {
    let text = |params: &str| Harness::<Stuck>::new(params).err().expect("wrong parameters").text;
    assert_eq!(text(r#"{"tolerance": 1}"#), "parameter `hold_s` or `gap_s` must be more than 0");
    assert_eq!(text(r#"{"tolerance": -1, "gap_s": 1}"#), "parameter `tolerance` is -1, but must be 0 or more");
    assert_eq!(text(r#"{"gap_s": -1}"#), "parameter `gap_s` is -1, but must be 0 or more");
}
