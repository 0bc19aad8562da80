//! Hand-computed grids for every method. `tests/reference.rs` has the brute force.

use super::*;
use tidemill_sdk::testing::Harness;

fn at(second: i64, value: f64) -> Row {
    Row::good(0, 0, Time::from_seconds(second), value)
}

fn resample(params: &str) -> Harness<Resample> {
    Harness::new(params).expect("valid parameters")
}

fn points(rows: &[Row]) -> Vec<(i64, f64)> {
    rows.iter().map(|row| (row.time.0 / 1_000_000_000, row.value)).collect()
}

const LAST: &str = r#"{"every_s": 10, "max_age_s": 30}"#;
const LINEAR: &str = r#"{"every_s": 10, "max_age_s": 30, "method": "linear"}"#;
const MEAN: &str = r#"{"every_s": 10, "method": "mean"}"#;

#[test]
fn last_holds_a_value_until_the_next_or_until_it_is_too_old() {
    let out = resample(LAST).process(&[at(3, 1.0), at(10, 2.0), at(25, 3.0), at(90, 4.0)]).expect("no problem");
    assert_eq!(points(&out), [(10, 2.0), (20, 2.0), (30, 3.0), (40, 3.0), (50, 3.0), (90, 4.0)]);
}

#[test]
fn the_watermark_lets_held_values_out_and_a_row_after_it_revises_them() {
    let mut series = resample(LAST);
    assert_eq!(points(&series.process(&[at(3, 1.0)]).expect("no problem")), []);
    assert_eq!(points(&series.advance(Time::from_seconds(20)).expect("no problem")), [(10, 1.0)], "20 may still come");
    assert_eq!(points(&series.advance(Time::from_seconds(90)).expect("no problem")), [(20, 1.0), (30, 1.0)]);
    assert_eq!(points(&series.process(&[at(20, 5.0)]).expect("no problem")), [(20, 5.0)]);
    let revised = series.advance(Time::from_seconds(91)).expect("no problem");
    assert_eq!(points(&revised), [(30, 5.0), (40, 5.0), (50, 5.0)]);
    assert_eq!(series.advance(Time::from_seconds(200)).expect("no problem"), []);
}

#[test]
fn linear_takes_the_line_between_rows_that_are_near_enough() {
    let rows = [at(5, 0.0), at(25, 20.0), at(40, 50.0), at(71, 0.0), at(75, 4.0), at(95, 24.0)];
    let out = resample(LINEAR).process(&rows).expect("no problem");
    assert_eq!(points(&out), [(10, 5.0), (20, 15.0), (30, 30.0), (40, 50.0), (80, 9.0), (90, 19.0)]);
}

#[test]
fn linear_waits_for_the_next_row_however_late_it_is() {
    let mut series = resample(LINEAR);
    series.process(&[at(5, 0.0)]).expect("no problem");
    assert_eq!(series.advance(Time::from_seconds(100)).expect("no problem"), []);
    assert_eq!(points(&series.process(&[at(15, 10.0)]).expect("no problem")), [(10, 5.0)]);
}

#[test]
fn mean_is_of_the_rows_of_an_interval_and_has_its_begin() {
    let mut series = resample(MEAN);
    let out = series.process(&[at(10, 1.0), at(15, 2.0), at(19, 6.0), at(20, 7.0), at(45, 8.0)]).expect("no problem");
    assert_eq!(points(&out), [(10, 3.0), (20, 7.0)]);
    assert_eq!(series.advance(Time::from_seconds(49)).expect("no problem"), []);
    assert_eq!(points(&series.advance(Time::from_seconds(50)).expect("no problem")), [(40, 8.0)]);
    assert_eq!(series.advance(Time::from_seconds(51)).expect("no problem"), []);
    series.process(&[at(46, 10.0)]).expect("no problem");
    assert_eq!(points(&series.advance(Time::from_seconds(52)).expect("no problem")), [(40, 9.0)], "revised");
}

#[test]
fn a_row_written_again_takes_the_place_of_the_first() {
    let again = |params: &str, rows: &[Row]| {
        let out = resample(params).process(rows).expect("no problem");
        let in_the_end: std::collections::BTreeMap<i64, f64> = points(&out).into_iter().collect();
        in_the_end.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(again(LAST, &[at(10, 1.0), at(10, 2.0), at(25, 9.0)]), [(10, 2.0), (20, 2.0)]);
    assert_eq!(again(LINEAR, &[at(5, 0.0), at(15, 90.0), at(15, 10.0), at(25, 20.0)]), [(10, 5.0), (20, 15.0)]);
    assert_eq!(again(MEAN, &[at(10, 1.0), at(12, 9.0), at(12, 3.0), at(20, 0.0)]), [(10, 2.0)]);
}

#[test]
fn late_rows_are_left_out() {
    for params in [LAST, LINEAR, MEAN] {
        let on_time = resample(params).process(&[at(10, 1.0), at(25, 2.0), at(40, 3.0)]).expect("no problem");
        let with_late = resample(params).process(&[at(10, 1.0), at(25, 2.0), at(20, 99.0), at(40, 3.0)]);
        assert_eq!(with_late.expect("no problem"), on_time, "{params}");
    }
}

#[test]
fn qualities_are_those_of_what_went_in() {
    let with = |row: Row, quality| Row { quality, ..row };
    let bad = |params: &str| {
        let rows = [at(10, 1.0), with(at(15, 2.0), Quality::BAD), with(at(18, 5.0), Quality::UNCERTAIN), at(30, 3.0)];
        let out = resample(params).process(&rows).expect("no problem");
        out.iter().map(|row| (row.time.0 / 1_000_000_000, row.value, row.quality)).collect::<Vec<_>>()
    };
    let (good, uncertain) = (Quality::GOOD, Quality::UNCERTAIN);
    assert_eq!(bad(LAST), [(10, 1.0, good), (20, 5.0, uncertain), (30, 3.0, good)]);
    let at_20 = 5.0 + (3.0 - 5.0) * (2.0 / 12.0);
    assert_eq!(bad(LINEAR), [(10, 1.0, good), (20, at_20, uncertain), (30, 3.0, good)]);
    assert_eq!(bad(MEAN), [(10, 3.0, uncertain)]);

    let subnormal = resample(MEAN).process(&[at(10, 1.0), at(11, f64::NAN), at(20, 0.0)]).expect("no problem");
    assert_eq!((subnormal[0].value, subnormal[0].quality), (1.0, Quality(0x40A4_0000)));
    let nothing = resample(MEAN).process(&[with(at(10, 1.0), Quality::BAD), at(20, 0.0)]).expect("no problem");
    assert!(nothing[0].value.is_nan() && nothing[0].quality.is_bad());
    let nan = resample(LAST).process(&[at(10, f64::NAN)]).expect("no problem");
    assert!(nan[0].value.is_nan() && nan[0].quality.is_bad());
}

#[test]
fn the_grid_can_be_moved_and_is_the_same_for_all_series() {
    let rows = [at(1, 1.0), Row { group: 4, ..at(2, 2.0) }, at(31, 3.0), Row { group: 4, ..at(32, 4.0) }];
    let out = resample(r#"{"every_s": 10, "offset_s": 2.5}"#).process(&rows).expect("no problem");
    let times = |group: u32| {
        out.iter().filter(|row| row.group == group).map(|row| row.time.0 / 100_000_000).collect::<Vec<_>>()
    };
    assert_eq!((times(0), times(4)), (vec![25, 125, 225], vec![25, 125, 225]));
}

#[test]
fn a_jump_of_the_watermark_is_let_out_in_portions() {
    let mut series = resample(r#"{"every_s": 1, "max_age_s": 1000}"#);
    let rows: Vec<Row> = (0..100).map(|group| Row { group, ..at(0, 1.0) }).collect();
    series.process(&rows).expect("no problem");
    let counts: Vec<usize> =
        (1..4).map(|n| series.advance(Time::from_seconds(10_000 + n)).expect("no problem").len()).collect();
    assert_eq!(counts, [66_000, 34_000, 0]);
}

#[test]
fn wrong_parameters_are_refused() {
    let text = |params: &str| Harness::<Resample>::new(params).err().expect("wrong parameters").text;
    assert_eq!(text("{}"), "parameter `every_s` is missing; give a number");
    assert_eq!(text(r#"{"every_s": 0}"#), "parameter `every_s` is 0, but must be from 1e-9 to 1e9");
    assert_eq!(text(r#"{"every_s": 1, "offset_s": 1}"#), "parameter `offset_s` is 1, but must be below `every_s`, 1");
    assert_eq!(
        text(r#"{"every_s": 1, "max_age_s": 2000}"#),
        "parameter `max_age_s` is 2000, but must not be above 1000 times `every_s`, 1"
    );
    assert_eq!(
        text(r#"{"every_s": 1, "method": "spline"}"#),
        "parameter `method` is \"spline\", but must be `last`, `linear` or `mean`"
    );
}
