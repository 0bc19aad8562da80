//! Moving average from the outside, with means known by hand.

use super::*;
use tidemill_sdk::testing::Harness;

fn at(second: i64, value: f64) -> Row {
    Row::good(0, 0, Time::from_seconds(second), value)
}

fn average(params: &str, rows: &[Row]) -> Vec<Row> {
    Harness::<MovingAverage>::new(params).and_then(|mut average| average.process(rows)).expect("valid parameters")
}

fn means(params: &str, rows: &[Row]) -> Vec<(i64, f64)> {
    average(params, rows).iter().map(|row| (row.time.0 / 1_000_000_000, row.value)).collect()
}

#[test]
fn the_last_rows_count_and_the_first_give_the_mean_of_what_there_is() {
    let rows = [at(0, 1.0), at(5, 2.0), at(6, 6.0), at(9, 10.0)];
    assert_eq!(means(r#"{"count": 3}"#, &rows), [(0, 1.0), (5, 1.5), (6, 3.0), (9, 6.0)]);
    assert_eq!(means(r#"{"count": 1}"#, &rows), [(0, 1.0), (5, 2.0), (6, 6.0), (9, 10.0)]);
    assert_eq!(means(r#"{"count": 3, "min_count": 3}"#, &rows), [(6, 3.0), (9, 6.0)]);
}

#[test]
fn a_row_leaves_the_span_exactly_when_it_is_as_old_as_the_span() {
    let rows = [at(0, 1.0), at(4, 3.0), at(5, 8.0), at(9, 10.0), at(60, 2.0)];
    assert_eq!(means(r#"{"span_s": 5}"#, &rows), [(0, 1.0), (4, 2.0), (5, 5.5), (9, 9.0), (60, 2.0)]);
}

#[test]
fn a_spike_leaves_no_trace() {
    let rows = [at(0, 0.1), at(1, 1e300), at(2, f64::INFINITY), at(3, 0.1), at(4, 0.1), at(5, 0.1)];
    assert_eq!(means(r#"{"count": 2}"#, &rows)[4..], [(4, 0.1), (5, 0.1)]);
    let cancelling = [at(0, 1e16), at(1, 1.0), at(2, 1.0), at(3, -1e16)];
    assert_eq!(means(r#"{"count": 4}"#, &cancelling)[3], (3, 0.5));
}

#[test]
fn bad_rows_and_nans_are_left_out_and_the_worst_quality_stays_while_its_row_does() {
    let quality = |quality, row: Row| Row { quality, ..row };
    let odd = Quality(0x4090_0000);
    let rows = [
        at(0, 1.0),
        quality(Quality::UNCERTAIN, at(1, 3.0)),
        quality(Quality::BAD, at(2, 90.0)),
        at(3, f64::NAN),
        quality(odd, at(4, 5.0)),
        at(5, 7.0),
        at(6, 9.0),
    ];
    let expected = [
        at(0, 1.0),
        quality(Quality::UNCERTAIN, at(1, 2.0)),
        quality(Quality::UNCERTAIN, at(4, 4.0)),
        quality(odd, at(5, 6.0)),
        at(6, 8.0),
    ];
    assert_eq!(average(r#"{"count": 2}"#, &rows), expected);
}

#[test]
fn late_rows_are_left_out_and_a_row_of_the_newest_time_takes_its_place() {
    let rows = [at(10, 1.0), at(20, 3.0), at(15, 100.0), at(20, 5.0), at(30, 6.0)];
    let expected = [(10, 1.0), (20, 2.0), (20, 3.0), (30, 4.0)];
    assert_eq!(means(r#"{"count": 3}"#, &rows), expected);
    assert_eq!(means(r#"{"span_s": 60}"#, &rows), expected);
}

#[test]
fn a_span_with_too_many_rows_is_uncertain_until_it_is_whole_again() {
    let rows: Vec<Row> = [0, 1, 2, 3, 10, 11].map(|second| at(second, second as f64)).to_vec();
    let out = average(r#"{"span_s": 6, "rows_max": 3}"#, &rows);
    let got: Vec<(f64, Quality)> = out.iter().map(|row| (row.value, row.quality)).collect();
    let good = |value| (value, Quality::GOOD);
    assert_eq!(got, [good(0.0), good(0.5), good(1.0), (2.0, Quality::UNCERTAIN), good(10.0), good(10.5)]);
}

#[test]
fn groups_do_not_see_each_other_and_batches_do_not_matter() {
    let rows: Vec<Row> = (0..400)
        .map(|index| Row { group: index % 3, ..at(i64::from(index), f64::from(index * index % 17) / 7.0) })
        .collect();
    let by_group = |mut rows: Vec<Row>| {
        rows.sort_by_key(|row| row.group);
        rows
    };
    let whole = average(r#"{"count": 7}"#, &rows);
    let mut cut = Harness::<MovingAverage>::new(r#"{"count": 7}"#).expect("valid parameters");
    let pieces = rows.chunks(5).flat_map(|piece| cut.process(piece).expect("no problem")).collect();
    assert_eq!(by_group(whole.clone()), by_group(pieces));
    let alone: Vec<Row> = rows.iter().filter(|row| row.group == 1).copied().collect();
    let of_group: Vec<Row> = whole.into_iter().filter(|row| row.group == 1).collect();
    assert_eq!(average(r#"{"count": 7}"#, &alone), of_group);
}

#[test]
fn parameters_are_checked() {
    let text = |params: &str| Harness::<MovingAverage>::new(params).err().expect("wrong parameters").text;
    let either = "parameter `count` or `span_s` must be more than 0, and not both";
    assert_eq!(text("{}"), either);
    assert_eq!(text(r#"{"count": 3, "span_s": 5}"#), either);
    assert_eq!(text(r#"{"count": 2.5}"#), "parameter `count` is 2.5, but must be a whole number from 1 to 100000");
    assert_eq!(
        text(r#"{"count": 3, "min_count": 4}"#),
        "parameter `min_count` is 4, but must be a whole number from 1 to 3"
    );
    assert_eq!(text(r#"{"span_s": -5}"#), "parameter `span_s` is -5, but must be 0 or more");
}
