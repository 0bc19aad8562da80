//! `deadband`: passes on what changed, and drops what did not.
//!
//! A row of a group is emitted when one of these holds against the row emitted last, e:
//!
//! 1. there is no e: it is the first row of its group;
//! 2. |v − v(e)| > `width` (exactly `width` away is dropped), or one of the two is NaN and the other is not;
//! 3. its quality differs from e's;
//! 4. `max_interval_s` > 0 and at least that much source time has passed since e;
//! 5. it is older than e. Such late rows pass as they are and do not change e: what is exceptional about them cannot be decided
//!    any more.
//!
//! So for rows that arrive in order, holding the last emitted value gives every dropped value back within ± `width`. This is the
//! exception filter historians use, and the absolute deadband of OPC UA Part 4, 7.22.2 (DataChangeFilter).
//!
//! | parameter        | unit                | default | meaning                                     |
//! |------------------|---------------------|---------|---------------------------------------------|
//! | `width`          | unit of the series  | none    | half-width of the band, 0 or more           |
//! | `max_interval_s` | s                   | 0       | emit at least this often while rows arrive; 0 = never for this reason |

use tidemill_sdk::prelude::*;

const NANOS_PER_SECOND: f64 = 1e9;

/// The filter: the last emitted row of every group.
#[derive(Default)]
pub struct Deadband {
    width: f64,
    max_interval_ns: Option<i64>,
    emitted: Groups<Option<Emitted>>,
}

#[derive(Clone, Copy)]
struct Emitted {
    time: Time,
    value: f64,
    quality: Quality,
}

impl Calculation for Deadband {
    const ABOUT: About = About {
        name: "deadband",
        version: env!("CARGO_PKG_VERSION"),
        inputs: &[Port::number("value")],
        outputs: &[Port::number("value")],
    };

    fn configure(&mut self, params: &mut Params) -> Result<(), Problem> {
        self.width = params.number("width")?;
        if self.width < 0.0 {
            return Err(Problem::parameter("width", "must be 0 or more"));
        }
        let max_interval_s = params.non_negative_or("max_interval_s", 0.0)?;
        self.max_interval_ns = (max_interval_s > 0.0).then_some((max_interval_s * NANOS_PER_SECOND) as i64);
        Ok(())
    }

    fn process(&mut self, input: &Batch, output: &mut Output) -> Result<(), Problem> {
        for run in input.runs() {
            let emitted = self.emitted.of(run.group);
            for row in run.rows() {
                let late = emitted.is_some_and(|last| row.time < last.time);
                let passes =
                    late || emitted.is_none_or(|last| is_exception(&last, &row, self.width, self.max_interval_ns));
                if passes {
                    output.push(row.group, 0, row.time, row.value, row.quality);
                }
                if passes && !late {
                    *emitted = Some(Emitted { time: row.time, value: row.value, quality: row.quality });
                }
            }
        }
        Ok(())
    }
}

tidemill_sdk::calculation!(Deadband);

fn is_exception(last: &Emitted, row: &Row, width: f64, max_interval_ns: Option<i64>) -> bool {
    (row.value - last.value).abs() > width
        || row.value.is_nan() != last.value.is_nan()
        || row.quality != last.quality
        || max_interval_ns.is_some_and(|longest| row.time - last.time >= longest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemill_sdk::testing::Harness;

    fn at(second: i64, value: f64) -> Row {
        Row::good(0, 0, Time::from_seconds(second), value)
    }

    fn filter(params: &str, rows: &[Row]) -> Vec<Row> {
        Harness::<Deadband>::new(params).and_then(|mut deadband| deadband.process(rows)).expect("valid parameters")
    }

    #[test]
    fn only_what_leaves_the_band_passes() {
        let rows = [at(0, 10.0), at(1, 10.5), at(2, 9.5), at(3, 10.75), at(4, 10.5), at(5, 10.0)];
        assert_eq!(filter(r#"{"width": 0.5}"#, &rows), [at(0, 10.0), at(3, 10.75), at(5, 10.0)]);
    }

    #[test]
    fn a_quiet_series_is_confirmed_after_the_longest_interval() {
        let rows: Vec<Row> = (0..10).map(|second| at(second, 1.0)).collect();
        let times: Vec<i64> =
            filter(r#"{"width": 1, "max_interval_s": 4}"#, &rows).iter().map(|row| row.time.0).collect();
        assert_eq!(times, [0, 4_000_000_000, 8_000_000_000]);
    }

    #[test]
    fn a_change_of_quality_or_of_being_a_number_passes() {
        let bad = Row { quality: Quality::BAD, ..at(1, 1.0) };
        let rows = [at(0, 1.0), bad, at(2, 1.0), at(3, 1.0)];
        assert_eq!(filter(r#"{"width": 1}"#, &rows), [at(0, 1.0), bad, at(2, 1.0)]);
        let emitted = filter(r#"{"width": 1}"#, &[at(0, 1.0), at(1, f64::NAN), at(2, f64::NAN), at(3, 1.0)]);
        assert_eq!(emitted.iter().map(|row| row.time.0 / 1_000_000_000).collect::<Vec<_>>(), [0, 1, 3]);
    }

    #[test]
    fn late_rows_pass_and_leave_the_band_where_it_is() {
        let rows = [at(10, 5.0), at(3, 5.1), at(11, 5.2)];
        assert_eq!(filter(r#"{"width": 1}"#, &rows), [at(10, 5.0), at(3, 5.1)]);
    }

    #[test]
    fn groups_do_not_see_each_other_and_batches_do_not_matter() {
        let other = |second, value| Row { group: 1, ..at(second, value) };
        let rows = [at(0, 1.0), other(0, 50.0), at(1, 1.1), other(1, 52.0), at(2, 3.0), other(2, 52.5)];
        let expected = [at(0, 1.0), other(0, 50.0), other(1, 52.0), at(2, 3.0)];
        assert_eq!(filter(r#"{"width": 1}"#, &rows), expected);
        let mut deadband = Harness::<Deadband>::new(r#"{"width": 1}"#).expect("valid parameters");
        let one_by_one: Vec<Row> = rows.iter().flat_map(|row| deadband.process(&[*row]).expect("no problem")).collect();
        assert_eq!(one_by_one, expected);
    }

    /// The promise to whoever reads the filtered series, checked from the outside on a walk: hold the last value, be within the width.
    #[test]
    fn holding_the_last_emitted_value_is_within_the_width_of_every_row() {
        let mut state = 7_u64;
        let mut level = 100.0;
        let rows: Vec<Row> = (0..20_000)
            .map(|second| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                level += (state >> 33) as f64 / f64::from(1_u32 << 31) - 0.5;
                at(second, level)
            })
            .collect();
        let emitted = filter(r#"{"width": 2}"#, &rows);
        assert!(emitted.len() < rows.len() / 4, "{} of {} passed", emitted.len(), rows.len());
        for row in &rows {
            let held = emitted[emitted.partition_point(|e| e.time <= row.time) - 1];
            assert!((held.value - row.value).abs() <= 2.0);
        }
    }

    #[test]
    fn a_width_is_required_and_not_negative() {
        let text = |params: &str| Harness::<Deadband>::new(params).err().expect("wrong parameters").text;
        assert_eq!(text("{}"), "parameter `width` is missing; give a number");
        assert_eq!(text(r#"{"width": -1}"#), "parameter `width` must be 0 or more");
        assert_eq!(
            text(r#"{"width": 1, "max": 2}"#),
            "parameter `max` is unknown; this plugin takes `width`, `max_interval_s`"
        );
    }
}
