//! Counters from the outside, with rates and totals known by hand.

use super::*;
use tidemill_sdk::testing::Harness;

fn at(second: i64, value: f64) -> Row {
    Row::good(0, 0, Time::from_seconds(second), value)
}

fn counter(params: &str, rows: &[Row]) -> Vec<Row> {
    Harness::<Counter>::new(params).and_then(|mut counter| counter.process(rows)).expect("valid parameters")
}

/// Rows of an output as (second, value).
fn of_port(rows: &[Row], port: u32) -> Vec<(i64, f64)> {
    rows.iter().filter(|row| row.port == port).map(|row| (row.time.0 / 1_000_000_000, row.value)).collect()
}

fn quality_at(rows: &[Row], second: i64) -> Quality {
    rows.iter().rfind(|row| row.time == Time::from_seconds(second)).expect("a row").quality
}

#[test]
fn increases_are_rates_and_add_up() {
    let out = counter(r#"{"scale": 0.5}"#, &[at(0, 100.0), at(10, 120.0), at(12, 120.0), at(16, 150.0)]);
    assert_eq!(of_port(&out, RATE), [(10, 1.0), (12, 0.0), (16, 3.75)]);
    assert_eq!(of_port(&out, TOTAL), [(0, 0.0), (10, 10.0), (12, 10.0), (16, 25.0)]);
}

#[test]
fn a_counter_wraps_around_at_its_modulus() {
    let out = counter(r#"{"modulus": 65536}"#, &[at(0, 65_530.0), at(10, 4.0), at(20, 65_535.0), at(21, 0.0)]);
    assert_eq!(of_port(&out, TOTAL), [(0, 0.0), (10, 10.0), (20, 65_541.0), (21, 65_542.0)]);
    assert!(out.iter().all(|row| row.quality == Quality::GOOD));
}

#[test]
fn without_a_modulus_a_decrease_is_a_reset_and_uncertain() {
    let out = counter("{}", &[at(0, 1000.0), at(10, 30.0), at(20, 50.0)]);
    assert_eq!(of_port(&out, TOTAL), [(0, 0.0), (10, 30.0), (20, 50.0)]);
    assert_eq!(of_port(&out, RATE), [(10, 3.0), (20, 2.0)]);
    assert_eq!((quality_at(&out, 10), quality_at(&out, 20)), (Quality::UNCERTAIN, Quality::GOOD));
}

#[test]
fn the_largest_rate_tells_wrapping_from_resets_replacements_and_spikes() {
    let params = r#"{"modulus": 1000, "rate_max": 10}"#;
    let wrapped = counter(params, &[at(0, 950.0), at(10, 40.0)]);
    assert_eq!((of_port(&wrapped, TOTAL)[1], quality_at(&wrapped, 10)), ((10, 90.0), Quality::GOOD));
    let reset = counter(params, &[at(0, 500.0), at(10, 40.0)]);
    assert_eq!((of_port(&reset, TOTAL)[1], quality_at(&reset, 10)), ((10, 40.0), Quality::UNCERTAIN));
    let replaced = counter(params, &[at(0, 500.0), at(10, 300.0)]);
    assert_eq!((of_port(&replaced, TOTAL)[1], quality_at(&replaced, 10)), ((10, 0.0), Quality::UNCERTAIN));
    let spike = counter(params, &[at(0, 500.0), at(10, 900.0), at(20, 520.0)]);
    assert_eq!(of_port(&spike, TOTAL), [(0, 0.0), (20, 20.0)]);
}

#[test]
fn jitter_counts_nothing_and_not_twice() {
    let out = counter(r#"{"tolerance": 0.5}"#, &[at(0, 10.0), at(1, 9.75), at(2, 9.5), at(3, 10.25), at(4, 9.0)]);
    assert_eq!(of_port(&out, TOTAL), [(0, 0.0), (1, 0.0), (2, 0.0), (3, 0.25), (4, 9.25)]);
}

#[test]
fn a_gap_has_no_rate_and_makes_the_total_uncertain() {
    let out = counter(r#"{"gap_s": 10}"#, &[at(0, 0.0), at(10, 5.0), at(21, 9.0), at(22, 10.0)]);
    assert_eq!(of_port(&out, RATE), [(10, 0.5), (22, 1.0)]);
    assert_eq!(of_port(&out, TOTAL)[2], (21, 9.0));
    assert_eq!([10, 21, 22].map(|s| quality_at(&out, s)), [Quality::GOOD, Quality::UNCERTAIN, Quality::GOOD]);
}

#[test]
fn bad_impossible_and_late_readings_are_left_out_and_the_newest_may_be_corrected() {
    let bad = Row { quality: Quality::BAD, ..at(2, 50.0) };
    let rows = [at(0, 10.0), at(1, 20.0), bad, at(3, f64::NAN), at(4, -1.0), at(5, 1000.0), at(0, 15.0), at(6, 25.0)];
    let out = counter(r#"{"modulus": 1000}"#, &rows);
    assert_eq!(of_port(&out, TOTAL), [(0, 0.0), (1, 10.0), (6, 15.0)]);
    let corrected = counter("{}", &[at(0, 10.0), at(1, 90.0), at(1, 20.0), at(2, 21.0)]);
    assert_eq!(of_port(&corrected, TOTAL), [(0, 0.0), (1, 80.0), (1, 10.0), (2, 11.0)]);
}

#[test]
fn a_long_total_does_not_drift() {
    let rows: Vec<Row> = (0..1_000_001).map(|index| at(index, if index % 2 == 0 { 0.0 } else { 0.1 })).collect();
    let out = counter("{}", &rows);
    // Half a million times 0.1 as it is in binary, rounded once; added plainly it would be 49,999.9999995529.
    assert_eq!(of_port(&out, TOTAL).last().expect("a total").1, 50_000.0);
}

#[test]
fn groups_do_not_see_each_other_and_batches_do_not_matter() {
    let reading = |index: i64| Row { group: (index % 2) as u32, ..at(index, (index * index % 97) as f64) };
    let rows: Vec<Row> = (0..200).map(reading).collect();
    let mut whole = counter(r#"{"modulus": 100}"#, &rows);
    let mut cut = Harness::<Counter>::new(r#"{"modulus": 100}"#).expect("valid parameters");
    let mut pieces: Vec<Row> = rows.chunks(3).flat_map(|piece| cut.process(piece).expect("no problem")).collect();
    whole.sort_by_key(|row| (row.group, row.port, row.time));
    pieces.sort_by_key(|row| (row.group, row.port, row.time));
    assert_eq!(whole, pieces);
}

#[test]
fn the_state_moves_into_another_instance() {
    let (mut old, mut new) = (Counter::default(), Counter::default());
    for row in [at(0, 1.0), at(1, 7.0)] {
        old.counters.of(0).take(&Settings::default(), &row);
    }
    new.load(0, &old.save(0)).expect("a state");
    let step = new.counters.of(0).take(&Settings::default(), &at(2, 9.0)).expect("a reading");
    assert_eq!((step.rate, step.total), (Some(2.0), 8.0));
    assert!(old.save(1).is_empty());
    let problem = new.load(0, &old.save(0)[1..]).expect_err("a byte is missing");
    assert_eq!(problem.text, "the state of group 0, 74 bytes, is not one of `counter`");
}

#[test]
fn parameters_are_checked() {
    let text = |params: &str| Harness::<Counter>::new(params).err().expect("wrong parameters").text;
    assert_eq!(text(r#"{"modulus": -1}"#), "parameter `modulus` is -1, but must be 0 or more");
    assert_eq!(text(r#"{"scale": 0}"#), "parameter `scale` must not be 0");
    assert_eq!(text(r#"{"modulus": 5, "tolerance": 5}"#), "parameter `tolerance` must be below `modulus`");
}
