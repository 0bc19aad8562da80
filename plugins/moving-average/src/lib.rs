//! `moving-average`: the mean of the last rows, or of a span of source time.
//!
//! For every usable row at time t, at t: m = (1/n) Σ xᵢ over the n usable rows i of the window that ends with it,
//!
//! - with `count`: the last `count` rows;
//! - with `span_s`: the rows with t − `span_s` < tᵢ ≤ t. Exactly one of the two is given.
//!
//! **No drift.** Nothing is ever subtracted. The window is a queue of two stacks (`window.rs`): every entry knows the
//! sum from itself to its stack's base, so a window's sum is that of two entries, rows leave by being dropped, and a
//! spike leaves no trace. A row costs a constant number of additions on average. Every sum carries the rounding errors
//! of its additions along (Ogita, Rump, Oishi: Accurate Sum and Dot Product, SIAM J. Sci. Comput. 26(6), 2005, `Sum2`),
//! so the mean is off by about one unit in the last place, unless its terms cancel each other almost completely.
//!
//! - A row is usable unless its quality is bad or its value is NaN. Other rows are left out, and nothing is emitted for
//!   them.
//! - The first rows give the mean of what there is; nothing is emitted before there are `min_count` rows in the window.
//! - A row older than the newest usable one is left out: the means after it are out already. A row of the newest one's
//!   time takes its place, and the mean is emitted again.
//! - A mean's quality is the worst of the window's rows, the oldest one's if several are equally bad.
//! - A span that holds more than `rows_max` rows loses the oldest; the mean is then uncertain at best.
//!
//! | parameter   | unit | default | meaning                                                            |
//! |-------------|------|---------|--------------------------------------------------------------------|
//! | `count`     | rows | none    | length of the window in rows, 1 to 100,000                         |
//! | `span_s`    | s    | none    | length of the window in source time, more than 0                   |
//! | `min_count` | rows | 1       | rows the window must hold for a mean, 1 to `count` or `rows_max`   |
//! | `rows_max`  | rows | 10,000  | with `span_s`: rows kept at most, 1 to 100,000                     |

mod sum;
mod window;

use tidemill_sdk::prelude::*;
use window::{Length, Sample, Window};

const NANOS_PER_SECOND: f64 = 1e9;

/// Longest window in rows. A row takes about 100 bytes, so a handful of such groups fill the default memory of an
/// operator.
const ROWS_MAX: f64 = 100_000.0;

/// The calculation: one window per group.
#[derive(Default)]
pub struct MovingAverage {
    length: Length,
    count_min: usize,
    windows: Groups<Window>,
}

impl Calculation for MovingAverage {
    const ABOUT: About = About {
        name: "moving-average",
        version: env!("CARGO_PKG_VERSION"),
        inputs: &[Port::number("value")],
        outputs: &[Port::number("value")],
    };

    fn configure(&mut self, params: &mut Params) -> Result<(), Problem> {
        let count = rows(params, "count", 0.0, ROWS_MAX)?;
        let span_s = params.non_negative_or("span_s", 0.0)?;
        let kept = rows(params, "rows_max", 10_000.0, ROWS_MAX)?;
        self.length = match (count, span_s > 0.0) {
            (0, true) => Length { rows: kept, span_ns: Some((span_s * NANOS_PER_SECOND) as i64) },
            (1.., false) => Length { rows: count, span_ns: None },
            _ => return Err(Problem::parameter("count", "or `span_s` must be more than 0, and not both")),
        };
        self.count_min = rows(params, "min_count", 1.0, self.length.rows as f64)?;
        Ok(())
    }

    fn process(&mut self, input: &Batch, output: &mut Output) -> Result<(), Problem> {
        for run in input.runs() {
            let window = self.windows.of(run.group);
            for row in run.rows().filter(|row| !row.quality.is_bad() && !row.value.is_nan()) {
                let sample = Sample { time: row.time, value: row.value, quality: row.quality };
                if window.push(&self.length, sample) && window.len() >= self.count_min {
                    let (mean, quality) = window.mean();
                    output.push(run.group, 0, row.time, mean, quality);
                }
            }
        }
        Ok(())
    }
}

tidemill_sdk::calculation!(MovingAverage);

/// A whole number from 1 to `max`; `default` may lie outside.
fn rows(params: &mut Params, name: &'static str, default: f64, max: f64) -> Result<usize, Problem> {
    let number = params.number_or(name, default)?;
    let is_valid = number.fract() == 0.0 && (1.0..=max).contains(&number);
    if is_valid || number == default {
        return Ok(number as usize);
    }
    Err(Problem::parameter(name, &format!("is {number}, but must be a whole number from 1 to {max}")))
}

#[cfg(test)]
mod tests;
