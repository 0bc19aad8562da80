//! A shift computed by hand, counters, order and refusals. `tests/reference.rs` has the brute force.

use super::*;
use std::collections::BTreeMap;
use tidemill_sdk::testing::{Harness, mixed_batch};

const PARAMS: &str =
    r#"{"running": "run;slow", "not_planned": "pause", "ideal_cycle_s": 2, "every_s": 100, "max_age_s": 1000}"#;
const AVAILABILITY: u32 = 0;
const PERFORMANCE: u32 = 1;
const QUALITY: u32 = 2;
const OEE: u32 = 3;

type Given = (Row, Option<&'static str>);

fn state(second: i64, text: &'static str) -> Given {
    (Row::good(0, STATE, Time::from_seconds(second), 0.0), Some(text))
}

fn number(second: i64, port: u32, value: f64) -> Given {
    (Row::good(0, port, Time::from_seconds(second), value), None)
}

/// (value, quality) for (port, second), with the rows in one batch and the watermark at `watermark`.
fn results(params: &str, rows: &[Given], watermark: i64) -> BTreeMap<(u32, i64), (f64, Quality)> {
    let mut harness = Harness::<Oee>::new(params).expect("valid parameters");
    let mut out = harness.process_to_rows(&mixed_batch(rows.iter().copied())).expect("no problem");
    out.extend(harness.advance(Time::from_seconds(watermark)).expect("no problem"));
    out.iter().map(|row| ((row.port, row.time.0 / 1_000_000_000), (row.value, row.quality))).collect()
}

fn values(results: &BTreeMap<(u32, i64), (f64, Quality)>, second: i64) -> [Option<f64>; 8] {
    [0, 1, 2, 3, 4, 5, 6, 7].map(|port| results.get(&(port, second)).map(|(value, _)| *value))
}

/// 100 s: 20 s pause, so PBT = 80; 40 s run and slow, so APT = 40. 16 items, 4 of them rejected, of 2 s each.
fn shift() -> Vec<Given> {
    vec![
        state(0, "pause"),
        state(20, "run"),
        state(50, "fault"),
        state(90, "slow"),
        number(0, COUNT, 100.0),
        number(30, COUNT, 110.0),
        number(99, COUNT, 116.0),
        number(5, REJECT, 7.0),
        number(60, REJECT, 11.0),
    ]
}

#[test]
fn a_shift_by_hand() {
    let out = results(PARAMS, &shift(), 100);
    let expected = [40.0 / 80.0, 2.0 * 16.0 / 40.0, 12.0 / 16.0, 12.0 * 2.0 / 80.0, 80.0, 40.0, 16.0, 4.0];
    assert_eq!(values(&out, 0), expected.map(Some));
    assert!(out.values().all(|(_, quality)| *quality == Quality::GOOD));
    let product = out[&(AVAILABILITY, 0)].0 * out[&(PERFORMANCE, 0)].0 * out[&(QUALITY, 0)].0;
    assert!((product - out[&(OEE, 0)].0).abs() < 1e-15);
}

#[test]
fn nothing_is_said_before_the_watermark_has_reached_the_end() {
    assert!(results(PARAMS, &shift(), 99).is_empty());
}

#[test]
fn the_order_of_inputs_and_batches_does_not_matter() {
    let expected = results(PARAMS, &shift(), 100);
    let mut reversed = shift();
    reversed.reverse();
    assert_eq!(results(PARAMS, &reversed, 100), expected);
    let mut harness = Harness::<Oee>::new(PARAMS).expect("valid parameters");
    for row in shift() {
        assert_eq!(harness.process_to_rows(&mixed_batch([row])).expect("no problem"), []);
    }
    assert_eq!(harness.advance(Time::from_seconds(100)).expect("no problem").len(), expected.len());
}

#[test]
fn a_counter_that_falls_has_begun_anew() {
    let mut rows = shift();
    rows.push(number(70, COUNT, 3.0));
    let out = results(PARAMS, &rows, 100);
    assert_eq!(out[&(6, 0)].0, 10.0 + 3.0 + 113.0);
}

#[test]
fn rows_can_be_numbers_of_items() {
    let params = PARAMS.replace("\"every_s\"", "\"counters\": false, \"every_s\"");
    let rows = [state(0, "run"), number(10, COUNT, 5.0), number(20, COUNT, 7.0), number(20, REJECT, 1.0)];
    assert_eq!(values(&results(&params, &rows, 100), 0)[6..], [Some(12.0), Some(1.0)]);
    let (row, _) = number(30, COUNT, 9.0);
    let missing = [rows.as_slice(), &[(Row { quality: Quality::BAD, ..row }, None)]].concat();
    assert_eq!(results(&params, &missing, 100)[&(6, 0)], (12.0, Quality(0x40A4_0000)));
}

#[test]
fn ratios_without_a_denominator_are_not_emitted() {
    let out = results(PARAMS, &[state(0, "pause"), number(0, COUNT, 1.0), number(50, COUNT, 1.0)], 100);
    assert_eq!(values(&out, 0), [None, None, None, None, Some(0.0), Some(0.0), Some(0.0), Some(0.0)]);
    let out = results(PARAMS, &[state(0, "fault")], 100);
    assert_eq!(values(&out, 0)[..4], [Some(0.0), None, None, Some(0.0)]);
}

#[test]
fn impossible_ratios_are_uncertain() {
    let out = results(PARAMS, &[state(0, "run"), number(0, COUNT, 0.0), number(50, COUNT, 60.0)], 100);
    assert_eq!(out[&(PERFORMANCE, 0)], (1.2, Quality::UNCERTAIN_OUT_OF_RANGE));
    assert_eq!(out[&(AVAILABILITY, 0)], (1.0, Quality::GOOD));
}

#[test]
fn unknown_time_is_not_planned_and_makes_results_uncertain() {
    let (row, text) = state(60, "run");
    let rows = [state(20, "run"), (Row { quality: Quality::BAD, ..row }, text), state(90, "fault")];
    let out = results(PARAMS, &rows, 100);
    assert_eq!(out[&(AVAILABILITY, 0)], (40.0 / 50.0, Quality(0x40A4_0000)));
}

#[test]
fn a_silent_machine_stops_saying_anything() {
    let out = results(PARAMS, &[state(30, "run")], 1_000_000);
    let of_time: Vec<i64> = out.keys().filter(|(port, _)| *port == AVAILABILITY).map(|(_, second)| *second).collect();
    assert_eq!(of_time, (0..11).map(|n| n * 100).collect::<Vec<_>>());
    assert_eq!(out[&(5, 1000)].0, 30.0, "it is too old at 1030");
    let mut harness = Harness::<Oee>::new(PARAMS).expect("valid parameters");
    harness.process_to_rows(&mixed_batch([state(30, "run")])).expect("no problem");
    harness.advance(Time::from_seconds(1_000_000)).expect("no problem");
    harness.process_to_rows(&mixed_batch([state(1_000_050, "run")])).expect("no problem");
    let again = harness.advance(Time::from_seconds(1_000_100)).expect("no problem");
    assert_eq!(again.iter().find(|row| row.port == 5).map(|row| row.value), Some(50.0));
}

#[test]
fn rows_below_the_watermark_are_left_out_and_counters_catch_up() {
    let mut harness = Harness::<Oee>::new(PARAMS).expect("valid parameters");
    let mut produced = |rows: &[Given], watermark| {
        harness.process_to_rows(&mixed_batch(rows.iter().copied())).expect("no problem");
        let out = harness.advance(Time::from_seconds(watermark)).expect("no problem");
        out.iter().filter(|row| row.port == 6).map(|row| row.value).collect::<Vec<_>>()
    };
    assert_eq!(produced(&[state(0, "run"), number(10, COUNT, 0.0)], 100), [0.0]);
    assert_eq!(produced(&[number(90, COUNT, 40.0), number(110, COUNT, 50.0)], 200), [50.0]);
}

#[test]
fn wrong_parameters_are_refused() {
    let text = |params: &str| Harness::<Oee>::new(params).err().expect("wrong parameters").text;
    assert_eq!(text("{}"), "parameter `running` is missing; give a string");
    let rest = r#""ideal_cycle_s": 1, "every_s": 60"#;
    assert_eq!(
        text(&format!(r#"{{"running": ";", {rest}}}"#)),
        "parameter `running` names no state; give some, as in `running;slow`"
    );
    assert_eq!(
        text(&format!(r#"{{"running": "a;b", "not_planned": "b", {rest}}}"#)),
        "parameter `not_planned` has `b`, which is in `running` too"
    );
    assert_eq!(
        text(r#"{"running": "a", "ideal_cycle_s": 0, "every_s": 60}"#),
        "parameter `ideal_cycle_s` is 0, but must be above 0"
    );
    assert_eq!(
        text(r#"{"running": "a", "ideal_cycle_s": 1, "every_s": 60, "max_age_s": 1e6}"#),
        "parameter `max_age_s` is 1000000, but must not be above 1000 times `every_s`, 60"
    );
}
