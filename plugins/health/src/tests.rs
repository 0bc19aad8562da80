//! Health from the outside: rows in, rows out.

use super::*;
use crate::settings::{BEARING_TEMPERATURE, FLOW, HEAD, POWER, VIBRATION};
use tidemill_sdk::testing::Harness;

fn health(params: &str) -> Harness<Health> {
    Harness::new(params).expect("valid parameters")
}

fn at(second: i64, port: u32, value: f64) -> Row {
    Row::good(0, port, Time::from_seconds(second), value)
}

/// Rows of one output port as (second, value, quality).
fn of_port(rows: &[Row], port: u32) -> Vec<(f64, f64, Quality)> {
    let seconds = |time: Time| time.seconds_since(Time(0));
    rows.iter().filter(|row| row.port == port).map(|row| (seconds(row.time), row.value, row.quality)).collect()
}

fn levels(rows: &[Row]) -> Vec<(f64, f64)> {
    of_port(rows, ALARM).iter().map(|(second, level, _)| (*second, *level)).collect()
}

#[test]
fn efficiency_is_power_over_hydraulic_power() {
    let rows = [at(1, FLOW, 100.0), at(1, HEAD, 6.0), at(1, POWER, 5000.0)];
    let emitted = of_port(&health("{}").process(&rows).expect("no problem"), EFFICIENCY);
    // 1025 kg/m³ · 9.80665 m/s² · 100 m³/s · 6 m = 6 031 089.75 W
    assert_eq!(emitted.len(), 1, "rows of one time give one efficiency");
    assert!((emitted[0].1 - 5_000_000.0 / 6_031_089.75).abs() < 1e-12);
    assert_eq!((emitted[0].0, emitted[0].2), (1.0, Quality::GOOD));

    let in_mw = [at(1, FLOW, 100.0), at(1, HEAD, 6.0), at(1, POWER, 5.0)];
    assert_eq!(
        of_port(&health(r#"{"power_unit_kw": 1000}"#).process(&in_mw).expect("no problem"), EFFICIENCY),
        emitted
    );
}

#[test]
fn efficiency_takes_the_worst_quality_and_doubts_what_cannot_be() {
    let uncertain = Row { quality: Quality::UNCERTAIN, ..at(1, HEAD, 6.0) };
    let bad = Row { quality: Quality::BAD, ..at(2, FLOW, 100.0) };
    let mut health = health("{}");
    let mut quality_after =
        |rows: &[Row]| of_port(&health.process(rows).expect("no problem"), EFFICIENCY).last().map(|e| e.2);
    assert_eq!(quality_after(&[at(1, FLOW, 100.0), uncertain, at(1, POWER, 5000.0)]), Some(Quality::UNCERTAIN));
    assert_eq!(quality_after(&[bad]), Some(Quality::BAD));
    assert_eq!(
        quality_after(&[at(3, FLOW, 100.0), at(3, HEAD, 6.0), at(3, POWER, 7000.0)]),
        Some(Quality::UNCERTAIN_OUT_OF_RANGE)
    );
}

#[test]
fn a_standing_machine_and_inputs_far_apart_have_no_efficiency() {
    let standing = [at(1, FLOW, 0.0), at(1, HEAD, 6.0), at(1, POWER, 0.0)];
    assert_eq!(of_port(&health("{}").process(&standing).expect("no problem"), EFFICIENCY), []);
    let apart = [at(1, FLOW, 100.0), at(1, HEAD, 6.0), at(61, POWER, 5000.0)];
    assert_eq!(of_port(&health("{}").process(&apart).expect("no problem"), EFFICIENCY), []);
}

#[test]
fn alarms_rise_after_the_delay_and_fall_below_the_hysteresis() {
    let temperatures = [60.0, 71.0, 71.0, 71.0, 86.0, 86.0, 86.0, 69.0, 69.0, 69.0, 67.0, 67.0, 67.0];
    let rows: Vec<Row> =
        (0..).zip(temperatures).map(|(second, value)| at(second, BEARING_TEMPERATURE, value)).collect();
    let out = health(r#"{"delay_s": 2}"#).process(&rows).expect("no problem");
    assert_eq!(levels(&out), [(0.0, 0.0), (3.0, 1.0), (6.0, 2.0), (9.0, 1.0), (12.0, 0.0)]);
}

#[test]
fn a_delay_ends_without_further_rows() {
    let mut health = health(r#"{"delay_s": 5}"#);
    assert_eq!(levels(&health.process(&[at(0, VIBRATION, 9.0)]).expect("no problem")), [(0.0, 0.0)]);
    assert_eq!(
        levels(&health.advance(Time::from_seconds(5)).expect("no problem")),
        [],
        "a row of second 5 may still come"
    );
    assert_eq!(levels(&health.advance(Time::from_seconds(30)).expect("no problem")), [(5.0, 2.0)]);
}

#[test]
fn a_silent_input_raises_a_warning_until_it_speaks() {
    let mut health = health("{}");
    health.process(&[at(0, BEARING_TEMPERATURE, 50.0), at(0, VIBRATION, 1.0)]).expect("no problem");
    health.process(&[at(40, VIBRATION, 1.0)]).expect("no problem");
    let raised = health.advance(Time::from_seconds(90)).expect("no problem");
    assert_eq!(of_port(&raised, ALARM), [(60.0, 1.0, Quality::UNCERTAIN_LAST_USABLE)]);
    assert_eq!(health.advance(Time::from_seconds(95)).expect("no problem"), []);
    let cleared = health.process(&[at(95, BEARING_TEMPERATURE, 50.0), at(95, VIBRATION, 1.0)]).expect("no problem");
    assert_eq!(of_port(&cleared, ALARM), [(95.0, 0.0, Quality::GOOD)]);
}

#[test]
fn bad_and_late_rows_do_not_move_the_alarm() {
    let mut health = health(r#"{"delay_s": 0}"#);
    let hot_but_bad = Row { quality: Quality::BAD, ..at(11, BEARING_TEMPERATURE, 200.0) };
    let rows = [at(10, BEARING_TEMPERATURE, 50.0), hot_but_bad, at(12, BEARING_TEMPERATURE, 50.0)];
    let out = health.process(&rows).expect("no problem");
    assert_eq!(
        of_port(&out, ALARM),
        [(10.0, 0.0, Quality::GOOD), (11.0, 0.0, Quality::BAD), (12.0, 0.0, Quality::GOOD)]
    );
    assert_eq!(health.process(&[at(5, BEARING_TEMPERATURE, 200.0)]).expect("no problem"), []);
}

/// The same rows, whole and cut into single rows with watermarks between them, give the same alarms.
#[test]
fn how_rows_are_cut_into_batches_does_not_matter() {
    let mut state = 99_u64;
    let mut random = move |range: f64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 11) as f64 / (1_u64 << 53) as f64 * range
    };
    let mut second = 0;
    let rows: Vec<Row> = (0..2000)
        .map(|_| {
            second += random(30.0) as i64 + 1;
            if random(2.0) < 1.0 {
                at(second, BEARING_TEMPERATURE, random(120.0))
            } else {
                at(second, VIBRATION, random(10.0))
            }
        })
        .collect();
    let whole = health("{}").process(&rows).expect("no problem");
    let mut cut = health("{}");
    let mut pieces = Vec::new();
    for row in &rows {
        pieces.extend(cut.advance(row.time.plus_nanos(-3_000_000_000)).expect("no problem"));
        pieces.extend(cut.process(&[*row]).expect("no problem"));
    }
    assert!(levels(&whole).len() > 100, "the walk must raise alarms");
    assert_eq!(levels(&whole), levels(&pieces));
}

#[test]
fn limits_that_contradict_each_other_are_refused() {
    let problem = Harness::<Health>::new(r#"{"bearing_warning_c": 90}"#).err().expect("the alarm is below the warning");
    assert_eq!(problem.text, "parameter `bearing_alarm_c` is 85, but must not be below `bearing_warning_c`, 90");
}
