//! Alarms from the outside: rows in, states out.

use super::*;
use tidemill_sdk::testing::Harness;

fn at(second: i64, value: f64) -> Row {
    Row::good(0, 0, Time::from_seconds(second), value)
}

fn alarm(params: &str) -> Harness<Alarm> {
    Harness::new(params).expect("valid parameters")
}

/// (second, state) of the text rows of `out`.
fn states(harness: &Harness<Alarm>, out: &[Row]) -> Vec<(i64, String)> {
    let texts = out.iter().filter(|row| row.port == STATE);
    texts.map(|row| (row.time.0 / 1_000_000_000, harness.text(row).expect("a text").to_owned())).collect()
}

fn after(harness: &mut Harness<Alarm>, rows: &[Row]) -> Vec<(i64, String)> {
    let out = harness.process(rows).expect("no problem");
    states(harness, &out)
}

fn passed(harness: &mut Harness<Alarm>, second: i64) -> Vec<(i64, String)> {
    let out = harness.advance(Time::from_seconds(second)).expect("no problem");
    states(harness, &out)
}

fn pairs(expected: &[(i64, &str)]) -> Vec<(i64, String)> {
    expected.iter().map(|(second, state)| (*second, (*state).to_owned())).collect()
}

#[test]
fn the_deadband_keeps_a_value_at_the_setpoint_from_chattering() {
    let rows: Vec<Row> =
        (0..).zip([10.0, 10.1, 9.9, 10.1, 9.1, 9.0, 9.9, 0.0, -0.1, 0.9, 1.0]).map(|(s, v)| at(s, v)).collect();
    let mut alarm = alarm(r#"{"high": 10, "low": 0, "deadband": 1}"#);
    let expected = [(0, "normal"), (1, "high"), (5, "normal"), (8, "low"), (10, "normal")];
    assert_eq!(after(&mut alarm, &rows), pairs(&expected));
}

#[test]
fn active_follows_the_state_and_stays_when_one_alarm_follows_the_other() {
    let out = alarm(r#"{"high": 10, "low": 0}"#).process(&[at(0, 5.0), at(1, 11.0), at(2, -1.0), at(3, 1.0)]);
    let out = out.expect("no problem");
    let active: Vec<f64> = out.iter().filter(|row| row.port == ACTIVE).map(|row| row.value).collect();
    assert_eq!(active, [0.0, 1.0, 1.0, 0.0]);
}

#[test]
fn only_what_lasts_is_raised_and_cleared() {
    let mut alarm = alarm(r#"{"high": 10, "on_delay_s": 2, "off_delay_s": 3}"#);
    let values = [11.0, 11.0, 9.0, 11.0, 12.0, 11.0, 9.0, 9.0, 11.0, 9.0, 9.0, 9.0, 9.0];
    let rows: Vec<Row> = (0..).zip(values).map(|(second, value)| at(second, value)).collect();
    assert_eq!(after(&mut alarm, &rows), pairs(&[(0, "normal"), (5, "high"), (12, "normal")]));
}

#[test]
fn a_delay_ends_without_rows_at_its_own_time() {
    let mut alarm = alarm(r#"{"high": 10, "on_delay_s": 5}"#);
    assert_eq!(after(&mut alarm, &[at(0, 11.0)]), pairs(&[(0, "normal")]));
    assert_eq!(passed(&mut alarm, 5), [], "a row of second 5 may still come");
    assert_eq!(passed(&mut alarm, 60), pairs(&[(5, "high")]));
    let mut told_by_a_row = self::alarm(r#"{"high": 10, "on_delay_s": 5}"#);
    let rows = [at(0, 11.0), at(60, 9.0)];
    assert_eq!(after(&mut told_by_a_row, &rows), pairs(&[(0, "normal"), (5, "high"), (60, "normal")]));
    let mut in_time = self::alarm(r#"{"high": 10, "on_delay_s": 5}"#);
    assert_eq!(after(&mut in_time, &[at(0, 11.0), at(5, 9.0)]), pairs(&[(0, "normal")]));
}

#[test]
fn of_two_raised_alarms_the_later_is_shown() {
    let mut alarm = alarm(r#"{"high": 10, "low": 0, "off_delay_s": 10}"#);
    let rows = [at(0, 11.0), at(2, -1.0), at(3, 5.0)];
    assert_eq!(after(&mut alarm, &rows), pairs(&[(0, "high"), (2, "low")]));
    assert_eq!(passed(&mut alarm, 99), pairs(&[(13, "normal")]));
}

#[test]
fn bad_rows_and_nans_show_in_the_quality_but_hold_the_alarm() {
    let bad = Row { quality: Quality::BAD, ..at(1, 99.0) };
    let mut alarm = alarm(r#"{"high": 10, "on_delay_s": 3}"#);
    let out = alarm.process(&[at(0, 11.0), bad, at(2, f64::NAN), at(5, 11.0)]).expect("no problem");
    let shown: Vec<(i64, f64, Quality)> = out
        .iter()
        .filter(|row| row.port == ACTIVE)
        .map(|row| (row.time.0 / 1_000_000_000, row.value, row.quality))
        .collect();
    let (good, bad) = (Quality::GOOD, Quality::BAD);
    assert_eq!(shown, [(0, 0.0, good), (1, 0.0, bad), (3, 1.0, bad), (5, 1.0, good)]);
}

#[test]
fn late_rows_are_left_out_and_what_comes_after_the_watermark_never_goes_back() {
    let mut alarm = alarm(r#"{"high": 10, "on_delay_s": 5}"#);
    assert_eq!(after(&mut alarm, &[at(10, 5.0), at(3, 99.0), at(11, 12.0)]), pairs(&[(10, "normal")]));
    assert_eq!(passed(&mut alarm, 60), pairs(&[(16, "high")]));
    // It was normal again at second 13, which nobody knew: the alarm ends when it began.
    assert_eq!(after(&mut alarm, &[at(13, 5.0)]), pairs(&[(16, "normal")]));
}

#[test]
fn a_group_that_appears_later_starts_with_its_own_row() {
    let mut alarm = alarm(r#"{"low": 0}"#);
    after(&mut alarm, &[at(0, -1.0)]);
    let out = alarm.process(&[Row { group: 5, ..at(9, 1.0) }]).expect("no problem");
    assert_eq!((out.len(), out[0].group, states(&alarm, &out)), (2, 5, pairs(&[(9, "normal")])));
}

#[test]
fn parameters_are_checked() {
    let text = |params: &str| Harness::<Alarm>::new(params).err().expect("wrong parameters").text;
    assert_eq!(text("{}"), "parameter `high` or `low` is needed; give a setpoint");
    assert_eq!(text(r#"{"high": 1, "low": 1}"#), "parameter `low` is 1, but must be below `high`, 1");
    assert_eq!(
        text(r#"{"high": 3, "low": 1, "deadband": 2}"#),
        "parameter `deadband` is 2, but must be below `high` - `low`, 2"
    );
    assert_eq!(text(r#"{"high": 3, "on_delay_s": -1}"#), "parameter `on_delay_s` is -1, but must be 0 or more");
}
