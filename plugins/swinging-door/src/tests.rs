//! Swinging door from the outside: hand-made series, and the guarantee on a walk.

use super::*;
use tidemill_sdk::testing::Harness;

fn at(second: i64, value: f64) -> Row {
    Row::good(0, 0, Time::from_seconds(second), value)
}

fn door(params: &str) -> Harness<SwingingDoor> {
    Harness::new(params).expect("valid parameters")
}

fn filter(params: &str, rows: &[Row]) -> Vec<Row> {
    door(params).process(rows).expect("no problem")
}

#[test]
fn a_straight_line_keeps_its_ends_and_a_bend_its_corner() {
    let rows = [at(0, 0.0), at(1, 1.0), at(2, 2.0), at(3, 3.0), at(4, 2.0), at(5, 1.0), at(6, 5.0)];
    assert_eq!(filter(r#"{"width": 0.25}"#, &rows), [at(0, 0.0), at(3, 3.0), at(5, 1.0)]);
}

#[test]
fn a_deviation_of_exactly_the_width_is_dropped() {
    assert_eq!(filter(r#"{"width": 0.5}"#, &[at(0, 0.0), at(1, 0.5), at(2, 0.0)]), [at(0, 0.0)]);
    assert_eq!(filter(r#"{"width": 0.5}"#, &[at(0, 0.0), at(1, 0.75), at(2, 0.0)]), [at(0, 0.0), at(1, 0.75)]);
}

/// A line within the width of both rows exists (slope 0.5), so the doors are not past parallel, but the one to the
/// newest row does not fit.
#[test]
fn the_line_that_is_stored_must_fit_not_just_any() {
    assert_eq!(filter(r#"{"width": 1}"#, &[at(0, 0.0), at(1, 1.5), at(2, 0.0)]), [at(0, 0.0), at(1, 1.5)]);
}

#[test]
fn a_change_of_quality_or_of_being_a_number_ends_the_line() {
    let bad = |second| Row { quality: Quality::BAD, ..at(second, 2.0) };
    let rows = [at(0, 0.0), at(1, 1.0), bad(2), bad(3), bad(4), at(5, 5.0), at(6, 6.0)];
    assert_eq!(filter(r#"{"width": 1}"#, &rows), [at(0, 0.0), at(1, 1.0), bad(2), bad(4), at(5, 5.0)]);
    let rows = [0.0, f64::NAN, f64::NAN, f64::NAN, 1.0, f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY];
    let rows: Vec<Row> = (0..).zip(rows).map(|(second, value)| at(second, value)).collect();
    let times: Vec<i64> = filter(r#"{"width": 1}"#, &rows).iter().map(|row| row.time.0 / 1_000_000_000).collect();
    assert_eq!(times, [0, 1, 3, 4, 5, 6, 7]);
}

#[test]
fn late_rows_pass_and_move_no_door() {
    let rows = [at(10, 0.0), at(12, 2.0), at(3, 7.0), at(11, 9.0), at(13, 3.0), at(14, 0.0)];
    assert_eq!(filter(r#"{"width": 0.1}"#, &rows), [at(10, 0.0), at(3, 7.0), at(11, 9.0), at(13, 3.0)]);
}

#[test]
fn a_row_of_the_same_time_takes_the_place_of_the_newest() {
    let params = r#"{"width": 0.1}"#;
    let rows = [at(0, 0.0), at(0, 1.0), at(1, 2.0), at(2, 9.0), at(2, 3.0), at(3, 4.0), at(4, 0.0)];
    // 9 makes 2 a corner; 3 then replaces 9.
    assert_eq!(filter(params, &rows), [at(0, 0.0), at(0, 1.0), at(1, 2.0), at(3, 4.0)]);
    let rows = [at(0, 0.0), at(1, 1.0), at(2, 2.0), at(3, 3.0), at(3, 7.0), at(4, 12.0), at(5, 12.0)];
    // 7 cannot be seen from 0 past 1 and 2, so the line ends at 2, not at the 3 that 7 has replaced.
    assert_eq!(filter(params, &rows), [at(0, 0.0), at(2, 2.0), at(4, 12.0)]);
}

#[test]
fn a_line_ends_after_the_longest_interval_told_by_rows_or_by_the_watermark() {
    let rows: Vec<Row> = (0..10).map(|second| at(second, 1.0)).collect();
    let params = r#"{"width": 1, "max_interval_s": 4}"#;
    assert_eq!(filter(params, &rows), [at(0, 1.0), at(4, 1.0), at(8, 1.0)]);
    let mut door = door(params);
    door.process(&rows[..4]).expect("no problem");
    assert_eq!(door.advance(Time::from_seconds(4)).expect("no problem"), [], "the row of second 4 may still come");
    assert_eq!(door.advance(Time(4_000_000_001)).expect("no problem"), [at(3, 1.0)]);
    assert_eq!(door.advance(Time::from_seconds(60)).expect("no problem"), [], "there is nothing left to end");
}

#[test]
fn groups_do_not_see_each_other_and_batches_do_not_matter() {
    let other = |second, value| Row { group: 3, ..at(second, value) };
    let rows = [at(0, 0.0), other(0, 5.0), at(1, 1.0), other(1, 5.0), at(2, 0.0), other(2, 9.0), at(3, 7.0)];
    let expected = [at(0, 0.0), other(0, 5.0), at(1, 1.0), other(1, 5.0), at(2, 0.0)];
    assert_eq!(filter(r#"{"width": 0.1}"#, &rows), expected);
    let mut door = door(r#"{"width": 0.1}"#);
    let one_by_one: Vec<Row> = rows.iter().flat_map(|row| door.process(&[*row]).expect("no problem")).collect();
    assert_eq!(one_by_one, expected);
}

/// What the page promises, checked from the outside on a walk: every dropped row is within the width of the line over
/// it.
#[test]
fn lines_between_emitted_rows_are_within_the_width_of_every_row() {
    let mut state = 7_u64;
    let mut level = 100.0;
    let mut random = move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as f64 / f64::from(1_u32 << 31)
    };
    let mut time = 0;
    let rows: Vec<Row> = (0..20_000)
        .map(|_| {
            time += 1 + (random() * 2e9) as i64;
            level += random() - 0.5;
            Row::good(0, 0, Time(time), level)
        })
        .collect();
    let mut emitted = filter(r#"{"width": 1}"#, &rows);
    assert!(emitted.len() < rows.len() / 4, "{} of {} passed", emitted.len(), rows.len());
    emitted.push(rows[rows.len() - 1]);
    for pair in emitted.windows(2) {
        let slope = (pair[1].value - pair[0].value) / (pair[1].time - pair[0].time) as f64;
        for row in rows.iter().filter(|row| pair[0].time <= row.time && row.time <= pair[1].time) {
            let line = pair[0].value + slope * (row.time - pair[0].time) as f64;
            assert!((line - row.value).abs() <= 1.0 + 1e-12, "{} off at {:?}", line - row.value, row.time);
        }
    }
}

#[test]
fn a_width_is_required_and_not_negative() {
    let text = |params: &str| Harness::<SwingingDoor>::new(params).err().expect("wrong parameters").text;
    assert_eq!(text("{}"), "parameter `width` is missing; give a number");
    assert_eq!(text(r#"{"width": -1}"#), "parameter `width` must be 0 or more");
    assert_eq!(
        text(r#"{"width": 1, "max_interval_s": -1}"#),
        "parameter `max_interval_s` is -1, but must be 0 or more"
    );
}
