//! Hand-computed intervals. `tests/reference.rs` has the brute force.

use super::*;
use std::collections::BTreeMap;
use tidemill_sdk::testing::{Harness, text_batch};
use tidemill_sdk::{Quality, Row};

const PARAMS: &str = r#"{"states": "run;idle", "every_s": 10, "max_age_s": 100}"#;
const RUN: u32 = 0;
const IDLE: u32 = 1;
const OTHER: u32 = 8;
const UNKNOWN: u32 = 9;
const TRANSITIONS: u32 = 10;

fn at(second: i64, text: &str) -> (Row, &str) {
    (Row::good(0, 0, Time::from_seconds(second), 0.0), text)
}

/// What stands in the end for (port, second), with rows in one batch and the watermark at `watermark`.
fn results(rows: &[(Row, &str)], watermark: i64) -> BTreeMap<(u32, i64), f64> {
    let mut harness = Harness::<StateDuration>::new(PARAMS).expect("valid parameters");
    let mut out = harness.process_to_rows(&text_batch(rows)).expect("no problem");
    out.extend(harness.advance(Time::from_seconds(watermark)).expect("no problem"));
    out.iter().map(|row| ((row.port, row.time.0 / 1_000_000_000), row.value)).collect()
}

fn of_port(results: &BTreeMap<(u32, i64), f64>, port: u32) -> Vec<(i64, f64)> {
    results.iter().filter(|((of, _), _)| *of == port).map(|((_, second), value)| (*second, *value)).collect()
}

#[test]
fn time_goes_to_the_state_that_holds() {
    let out = results(&[at(0, "run"), at(4, "idle"), at(12, "run"), at(15, "repair"), at(17, "run")], 30);
    assert_eq!(of_port(&out, RUN), [(0, 4.0), (10, 6.0), (20, 10.0)]);
    assert_eq!(of_port(&out, IDLE), [(0, 6.0), (10, 2.0), (20, 0.0)]);
    assert_eq!(of_port(&out, OTHER), [(0, 0.0), (10, 2.0), (20, 0.0)]);
    assert_eq!(of_port(&out, UNKNOWN), [(0, 0.0), (10, 0.0), (20, 0.0)]);
    assert_eq!(of_port(&out, TRANSITIONS), [(0, 1.0), (10, 3.0), (20, 0.0)]);
    assert!(!out.contains_key(&(2, 0)), "a third state is not named");
}

#[test]
fn what_is_said_again_is_no_transition() {
    let out = results(&[at(0, "run"), at(1, "run"), at(2, "x"), at(3, "x"), at(4, "y")], 10);
    assert_eq!(of_port(&out, TRANSITIONS), [(0, 2.0)]);
}

#[test]
fn before_the_first_row_and_after_too_long_nothing_is_known() {
    let out = results(&[at(3, "run")], 1000);
    assert_eq!(of_port(&out, UNKNOWN).first(), Some(&(0, 3.0)));
    assert_eq!(of_port(&out, UNKNOWN).last(), Some(&(100, 7.0)), "103 is where the state is too old");
    assert_eq!(of_port(&out, RUN).last(), Some(&(100, 3.0)));
}

#[test]
fn a_bad_row_makes_the_state_unknown() {
    let (row, text) = at(4, "idle");
    let out = results(&[at(0, "run"), (Row { quality: Quality::BAD, ..row }, text), at(7, "idle")], 10);
    assert_eq!([RUN, IDLE, UNKNOWN].map(|port| out[&(port, 0)]), [4.0, 3.0, 3.0]);
    assert_eq!(out[&(TRANSITIONS, 0)], 1.0, "from run to idle, with a gap between");
}

#[test]
fn the_watermark_assumes_that_the_state_holds_and_a_row_behind_it_revises() {
    let mut harness = Harness::<StateDuration>::new(PARAMS).expect("valid parameters");
    let mut of_run = |rows: &[(Row, &str)], watermark| {
        let mut out = harness.process_to_rows(&text_batch(rows)).expect("no problem");
        out.extend(harness.advance(Time::from_seconds(watermark)).expect("no problem"));
        let of_run = out.iter().filter(|row| row.port == RUN);
        of_run.map(|row| (row.time.0 / 1_000_000_000, row.value)).collect::<Vec<_>>()
    };
    assert_eq!(of_run(&[at(0, "run")], 25), [(0, 10.0), (10, 10.0)]);
    assert_eq!(of_run(&[], 29), []);
    assert_eq!(of_run(&[at(14, "idle")], 30), [(10, 4.0), (20, 0.0)]);
    assert_eq!(of_run(&[at(14, "run")], 31), [(10, 10.0), (20, 10.0)], "written again");
    assert_eq!(of_run(&[at(13, "idle")], 32), [], "older than the newest");
}

#[test]
fn qualities_say_what_is_missing() {
    let (row, text) = at(12, "idle");
    let rows = [at(2, "run"), (Row { quality: Quality::UNCERTAIN, ..row }, text), at(25, "run"), at(40, "idle")];
    let mut harness = Harness::<StateDuration>::new(PARAMS).expect("valid parameters");
    let out = harness.process_to_rows(&text_batch(&rows)).expect("no problem");
    let qualities: Vec<Quality> = out.iter().filter(|row| row.port == RUN).map(|row| row.quality).collect();
    assert_eq!(qualities, [Quality(0x40A4_0000), Quality::UNCERTAIN, Quality::UNCERTAIN, Quality::GOOD]);

    let (row, text) = at(0, "run");
    let mut harness = Harness::<StateDuration>::new(PARAMS).expect("valid parameters");
    harness.process_to_rows(&text_batch(&[(Row { quality: Quality::BAD, ..row }, text)])).expect("no problem");
    let out = harness.advance(Time::from_seconds(10)).expect("no problem");
    assert!(out.iter().all(|row| row.quality.is_bad()) && out.len() == 5);
}

#[test]
fn groups_do_not_see_each_other() {
    let (row, text) = at(5, "idle");
    let out = results(&[at(0, "run"), (Row { group: 1, ..row }, text), at(10, "run")], 0);
    assert_eq!(out[&(RUN, 0)], 10.0);
}

#[test]
fn wrong_parameters_are_refused() {
    let text = |params: &str| Harness::<StateDuration>::new(params).err().expect("wrong parameters").text;
    assert_eq!(text(r#"{"every_s": 1}"#), "parameter `states` is missing; give a string");
    assert_eq!(text(r#"{"states": "a;b;a", "every_s": 1}"#), "parameter `states` has `a` twice");
    assert_eq!(
        text(r#"{"states": " ; ", "every_s": 1}"#),
        "parameter `states` has 0 states, but must have 1 to 8, as in `running;idle;fault`"
    );
    assert_eq!(text(r#"{"states": "a", "every_s": 0}"#), "parameter `every_s` is 0, but must be from 0.001 to 1e6");
    assert_eq!(
        text(r#"{"states": "a", "every_s": 60, "offset_s": 60}"#),
        "parameter `offset_s` is 60, but must be below `every_s`, 60"
    );
    assert_eq!(
        text(r#"{"states": "a", "every_s": 1, "max_age_s": 1001}"#),
        "parameter `max_age_s` is 1001, but must not be above 1000 times `every_s`, 1"
    );
}
