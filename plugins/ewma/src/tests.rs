//! The average from the outside, with answers known by hand.

use super::*;
use tidemill_sdk::testing::Harness;

fn at(second: i64, value: f64) -> Row {
    Row::good(0, 0, Time::from_seconds(second), value)
}

fn ewma(params: &str, rows: &[Row]) -> Vec<Row> {
    Harness::<Ewma>::new(params).and_then(|mut ewma| ewma.process(rows)).expect("valid parameters")
}

fn values(params: &str, rows: &[Row]) -> Vec<f64> {
    ewma(params, rows).iter().map(|row| row.value).collect()
}

fn assert_near(got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len(), "{got:?}");
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= 1e-15 * want.abs(), "{got} instead of {want}");
    }
}

#[test]
fn one_step_of_one_time_constant() {
    let rows = [at(0, 0.0), at(10, 1.0)];
    let e = std::f64::consts::E;
    assert_near(&values(r#"{"tau_s": 10}"#, &rows), &[0.0, 1.0 / e]);
    assert_near(&values(r#"{"tau_s": 10, "between": "next"}"#, &rows), &[0.0, 1.0 - 1.0 / e]);
    assert_near(&values(r#"{"tau_s": 10, "between": "last"}"#, &rows), &[0.0, 0.0]);
    let step = [at(0, 0.0), at(0, 1.0), at(10, 1.0)];
    assert_near(&values(r#"{"tau_s": 10, "between": "last"}"#, &step), &[0.0, 1.0, 1.0]);
}

/// Samples on a line may be taken away without changing the average at the others: that is what the integral means.
#[test]
fn samples_on_the_assumed_signal_do_not_matter() {
    let coarse = [at(0, 3.0), at(8, 11.0), at(20, 5.0)];
    let fine = [at(0, 3.0), at(1, 4.0), at(5, 8.0), at(8, 11.0), at(10, 10.0), at(14, 8.0), at(20, 5.0)];
    let params = r#"{"tau_s": 7}"#;
    assert_near(&[*values(params, &fine).last().expect("a value")], &values(params, &coarse)[2..]);
}

#[test]
fn a_constant_stays_what_it_is() {
    let rows: Vec<Row> = (0..1000).map(|second| at(second * second, 0.1)).collect();
    for between in ["linear", "last", "next"] {
        let params = format!(r#"{{"tau_s": 30, "between": "{between}"}}"#);
        assert!(values(&params, &rows).iter().all(|value| *value == 0.1));
    }
}

#[test]
fn bad_rows_nans_and_late_rows_are_left_out() {
    let bad = Row { quality: Quality::BAD, ..at(12, 900.0) };
    let rows = [at(0, 0.0), at(10, 1.0), bad, at(13, f64::NAN), at(14, f64::INFINITY), at(5, 800.0), at(20, 2.0)];
    let params = r#"{"tau_s": 10}"#;
    assert_eq!(ewma(params, &rows), ewma(params, &[at(0, 0.0), at(10, 1.0), at(20, 2.0)]));
}

#[test]
fn a_row_of_the_newest_time_takes_its_place() {
    let corrected = values(r#"{"tau_s": 10}"#, &[at(0, 0.0), at(10, 7.0), at(10, 1.0), at(20, 2.0)]);
    let plain = values(r#"{"tau_s": 10}"#, &[at(0, 0.0), at(10, 1.0), at(20, 2.0)]);
    assert_eq!(corrected[2..], plain[1..]);
}

#[test]
fn a_long_silence_and_an_overflow_start_over() {
    let rows = [at(0, 0.0), at(10, 5.0), at(21, 9.0)];
    assert_eq!(values(r#"{"tau_s": 10, "gap_s": 10}"#, &rows)[2], 9.0);
    assert!(values(r#"{"tau_s": 10, "gap_s": 11}"#, &rows)[2] < 9.0);
    let huge = [at(0, -1.7e308), at(100, 1.7e308), at(101, 1.0)];
    assert!(values(r#"{"tau_s": 10}"#, &huge).iter().all(|value| value.is_finite()));
}

#[test]
fn quality_is_the_worse_of_the_two_ends() {
    let uncertain = Row { quality: Quality::UNCERTAIN, ..at(1, 1.0) };
    let qualities: Vec<Quality> = ewma(r#"{"tau_s": 10}"#, &[at(0, 1.0), uncertain, at(2, 1.0), at(3, 1.0)])
        .iter()
        .map(|row| row.quality)
        .collect();
    assert_eq!(qualities, [Quality::GOOD, Quality::UNCERTAIN, Quality::UNCERTAIN, Quality::GOOD]);
}

#[test]
fn groups_do_not_see_each_other_and_batches_do_not_matter() {
    let rows: Vec<Row> = (0..90)
        .map(|index| Row { group: index / 30, ..at(i64::from(index % 30), f64::from(index * index % 23)) })
        .collect();
    let whole = ewma(r#"{"tau_s": 4}"#, &rows);
    let mut cut = Harness::<Ewma>::new(r#"{"tau_s": 4}"#).expect("valid parameters");
    let pieces: Vec<Row> = rows.chunks(7).flat_map(|piece| cut.process(piece).expect("no problem")).collect();
    assert_eq!(whole, pieces);
    assert_eq!(ewma(r#"{"tau_s": 4}"#, &rows[30..60]), whole[30..60]);
}

#[test]
fn parameters_are_checked() {
    let text = |params: &str| Harness::<Ewma>::new(params).err().expect("wrong parameters").text;
    assert_eq!(text("{}"), "parameter `tau_s` is missing; give a number");
    assert_eq!(text(r#"{"tau_s": 0}"#), "parameter `tau_s` is 0, but must be more than 0");
    assert_eq!(
        text(r#"{"tau_s": 1, "between": "cubic"}"#),
        "parameter `between` is \"cubic\", but must be \"linear\", \"last\" or \"next\""
    );
    assert_eq!(text(r#"{"tau_s": 1, "gap_s": -1}"#), "parameter `gap_s` is -1, but must be 0 or more");
}
