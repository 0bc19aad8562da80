//! `resample`: brings every series of the operator onto one grid of times.
//!
//! The grid is gₖ = `offset_s` + k · `every_s` since the Unix epoch for all whole k, the same for all series, so that
//! series of different devices meet at equal times. For a grid time g:
//!
//! | `method` | value at g                                                           | emitted when                                         |
//! |----------|----------------------------------------------------------------------|------------------------------------------------------|
//! | `last`   | of the newest row not after g, if g is at most `max_age_s` after it  | a row at or after g comes, or the watermark passes g |
//! | `linear` | of a row at g; else on the line between its neighbours p and n: vₚ + (vₙ − vₚ)(g − tₚ)/(tₙ − tₚ), if tₙ − tₚ ≤ `max_age_s` | the row at or after g comes |
//! | `mean`   | arithmetic mean of the rows in [g, g + `every_s`)                    | a row of a later interval comes, or the watermark reaches its end |
//!
//! | parameter   | unit | default        | meaning                                                                      |
//! |-------------|------|----------------|------------------------------------------------------------------------------|
//! | `every_s`   | s    |                | distance of grid times, above 0                                              |
//! | `offset_s`  | s    | 0              | moves the grid, 0 or more and below `every_s`                                |
//! | `method`    |      | `last`         | `last`, `linear` or `mean`                                                   |
//! | `max_age_s` | s    | 10 · `every_s` | how long a value holds, how long a gap may be bridged; at most 1000 · `every_s` |
//!
//! Decided, for the rows of one series:
//! - A row older than the newest is left out. One of the same time takes its place, and what depended on it is emitted
//!   again.
//! - The watermark only lets results out earlier: a row that comes after it revises them. So the results in the end are
//!   a function of the rows alone. A call of `advance` emits about 65,536 rows; what is left follows with the next.
//! - `last` and `linear` take rows as they are: the result has the quality of the row, or the worst of the two
//!   neighbours; a value that is NaN is emitted as NaN and is bad. `mean` leaves bad rows and NaNs out: then the mean
//!   is at best uncertain (UncertainDataSubNormal), and NaN and bad if nothing is left. An interval without rows has no
//!   mean.
//!
//! Deploy it without grouping: the rows of a group count as one series.

mod grid;
mod last;
mod linear;
mod mean;
mod sample;

use grid::Grid;
use last::Last;
use linear::Linear;
use mean::Mean;
use sample::Sample;
use tidemill_sdk::prelude::*;

/// One row may fill this many grid times. It bounds what a silent series costs.
const POINTS_MAX: f64 = 1000.0;
const MAX_AGE_STEPS: f64 = 10.0;
/// `advance` stops after the series that reaches this many rows: well below the limit on what a call may emit.
const ROWS_PER_ADVANCE: usize = 65_536;
/// About 31 years: beyond it, nanoseconds would come near the end of their range.
const EVERY_S_MAX: f64 = 1e9;

/// The calculation.
#[derive(Default)]
pub struct Resample {
    settings: Settings,
    groups: Groups<Option<Series>>,
}

#[derive(Default)]
struct Settings {
    grid: Grid,
    max_age_ns: i64,
    method: Method,
}

#[derive(Clone, Copy, Default)]
enum Method {
    #[default]
    Last,
    Linear,
    Mean,
}

/// State of one series.
enum Series {
    Last(Last),
    Linear(Linear),
    Mean(Mean),
}

impl Calculation for Resample {
    const ABOUT: About = About {
        name: "resample",
        version: env!("CARGO_PKG_VERSION"),
        inputs: &[Port::number("value")],
        outputs: &[Port::number("value")],
    };

    fn configure(&mut self, params: &mut Params) -> Result<(), Problem> {
        self.settings = Settings::from_params(params)?;
        Ok(())
    }

    fn process(&mut self, input: &Batch, output: &mut Output) -> Result<(), Problem> {
        let settings = &self.settings;
        for run in input.runs() {
            let series = self.groups.of(run.group).get_or_insert_with(|| Series::new(settings.method));
            let emit = &mut |point: Sample| output.push(run.group, 0, point.time, point.value, point.quality);
            for row in run.rows() {
                let sample = Sample { time: row.time, value: row.value, quality: row.quality };
                match series {
                    Series::Last(last) => last.take(&settings.grid, settings.max_age_ns, sample, emit),
                    Series::Linear(linear) => linear.take(&settings.grid, settings.max_age_ns, sample, emit),
                    Series::Mean(mean) => mean.take(&settings.grid, sample, emit),
                }
            }
        }
        Ok(())
    }

    fn advance(&mut self, watermark: Time, output: &mut Output) -> Result<(), Problem> {
        let settings = &self.settings;
        for (group, series) in self.groups.iter_mut() {
            if output.len() >= ROWS_PER_ADVANCE {
                break;
            }
            let emit = &mut |point: Sample| output.push(group, 0, point.time, point.value, point.quality);
            match series {
                Some(Series::Last(last)) => last.pass(&settings.grid, settings.max_age_ns, watermark, emit),
                Some(Series::Mean(mean)) => mean.pass(&settings.grid, watermark, emit),
                Some(Series::Linear(_)) | None => {}
            }
        }
        Ok(())
    }
}

tidemill_sdk::calculation!(Resample);

impl Series {
    fn new(method: Method) -> Series {
        match method {
            Method::Last => Series::Last(Last::default()),
            Method::Linear => Series::Linear(Linear::default()),
            Method::Mean => Series::Mean(Mean::default()),
        }
    }
}

impl Settings {
    fn from_params(params: &mut Params) -> Result<Settings, Problem> {
        let every_s = params.number("every_s")?;
        let offset_s = params.non_negative_or("offset_s", 0.0)?;
        let max_age_s = params.non_negative_or("max_age_s", MAX_AGE_STEPS * every_s)?;
        let method = match params.text_or("method", "last")?.as_str() {
            "last" => Method::Last,
            "linear" => Method::Linear,
            "mean" => Method::Mean,
            other => {
                let reason = format!("is \"{other}\", but must be `last`, `linear` or `mean`");
                return Err(Problem::parameter("method", &reason));
            }
        };
        let every_ns = nanos(every_s);
        if every_ns < 1 || every_s > EVERY_S_MAX {
            return Err(Problem::parameter("every_s", &format!("is {every_s}, but must be from 1e-9 to 1e9")));
        }
        if nanos(offset_s) >= every_ns {
            return Err(Problem::parameter(
                "offset_s",
                &format!("is {offset_s}, but must be below `every_s`, {every_s}"),
            ));
        }
        if max_age_s > POINTS_MAX * every_s {
            let reason = format!("is {max_age_s}, but must not be above {POINTS_MAX} times `every_s`, {every_s}");
            return Err(Problem::parameter("max_age_s", &reason));
        }
        let grid = Grid { every_ns, offset_ns: nanos(offset_s) };
        Ok(Settings { grid, max_age_ns: nanos(max_age_s), method })
    }
}

fn nanos(seconds: f64) -> i64 {
    (seconds * 1e9).round() as i64
}

#[cfg(test)]
mod tests;
