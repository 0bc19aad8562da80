//! `ewma`: the exponential moving average of a series whose samples come at any times.
//!
//! Of a signal X that is known at all times it is the mean of the past with weights that fade with the time constant τ:
//!
//! EMA(t) = (1/τ) ∫₀^∞ X(t − s) e^(−s/τ) ds.
//!
//! What X is between samples is a choice (Eckner: Algorithms for Unevenly Spaced Time Series: Moving Averages and Other
//! Rolling Operators):
//!
//! | `between`            | X between samples                          | Eckner's   |
//! |----------------------|--------------------------------------------|------------|
//! | `linear` (default)   | the line from one sample to the next       | `EMA_lin`  |
//! | `last`               | the sample before: for states and setpoints | `EMA_last` |
//! | `next`               | the sample after: the usual recursion      | `EMA_next` |
//!
//! Before the first sample X is that sample. Then the integral is exact in steps: from row (t₀, x₀) with average y to
//! row (t₁, x₁), with α = (t₁ − t₀)/τ,
//!
//! y ← y + a (x₀ − y) + b (x₁ − y),
//!
//! - `linear`: b = 1 − (1 − e^(−α))/α and a = 1 − e^(−α) − b;
//! - `last`: a = 1 − e^(−α), b = 0; `next`: a = 0, b = 1 − e^(−α).
//!
//! `last` does not know yet what the newest row weighs, so its average at t₁ ends with x₀. After a step, 63 % of it is
//! reached after τ.
//!
//! - A row is usable unless its quality is bad or its value is no finite number. Other rows are left out, and nothing
//!   is emitted for them.
//! - A row older than the newest usable one is left out: the averages after it are out already. A row of the newest
//!   one's time takes its place, and the average is emitted again.
//! - The first usable row of a group starts the average with its value. So does one that comes more than `gap_s` after
//!   the one before, and one after which the average would leave the range of numbers.
//! - An average's quality is the worse of the rows at the two ends of the step; older rows fade, and so does the doubt
//!   about them.
//!
//! | parameter | unit | default  | meaning                                                  |
//! |-----------|------|----------|----------------------------------------------------------|
//! | `tau_s`   | s    | none     | time constant τ, more than 0                             |
//! | `between` |      | `linear` | what is assumed between samples                          |
//! | `gap_s`   | s    | 0        | start over after a longer silence; 0 = never             |

mod weights;

use tidemill_sdk::prelude::*;
use weights::Between;

const NANOS_PER_SECOND: f64 = 1e9;

/// The calculation: the average of every group.
#[derive(Default)]
pub struct Ewma {
    tau_ns: f64,
    between: Between,
    gap_ns: Option<i64>,
    averages: Groups<State>,
}

/// The newest usable row with its average, and the one of another time before it, from which a correction starts again.
#[derive(Clone, Copy, Default)]
struct State {
    before: Option<Point>,
    newest: Option<Point>,
}

#[derive(Clone, Copy)]
struct Point {
    time: Time,
    value: f64,
    quality: Quality,
    average: f64,
}

impl Calculation for Ewma {
    const ABOUT: About = About {
        name: "ewma",
        version: env!("CARGO_PKG_VERSION"),
        inputs: &[Port::number("value")],
        outputs: &[Port::number("value")],
    };

    fn configure(&mut self, params: &mut Params) -> Result<(), Problem> {
        let tau_s = params.number("tau_s")?;
        if tau_s <= 0.0 {
            return Err(Problem::parameter("tau_s", &format!("is {tau_s}, but must be more than 0")));
        }
        self.tau_ns = tau_s * NANOS_PER_SECOND;
        self.between = Between::named(&params.text_or("between", "linear")?)?;
        let gap_s = params.non_negative_or("gap_s", 0.0)?;
        self.gap_ns = (gap_s > 0.0).then_some((gap_s * NANOS_PER_SECOND) as i64);
        Ok(())
    }

    fn process(&mut self, input: &Batch, output: &mut Output) -> Result<(), Problem> {
        for run in input.runs() {
            let mut state = *self.averages.of(run.group);
            for row in run.rows().filter(|row| !row.quality.is_bad() && row.value.is_finite()) {
                if state.newest.is_some_and(|newest| row.time < newest.time) {
                    continue;
                }
                if state.newest.is_some_and(|newest| row.time > newest.time) {
                    state.before = state.newest;
                }
                let (average, quality) = self.follow(state.before, &row);
                state.newest = Some(Point { time: row.time, value: row.value, quality: row.quality, average });
                output.push(run.group, 0, row.time, average, quality);
            }
            *self.averages.of(run.group) = state;
        }
        Ok(())
    }
}

tidemill_sdk::calculation!(Ewma);

impl Ewma {
    /// Average and quality at `row`, after the point `before`.
    fn follow(&self, before: Option<Point>, row: &Row) -> (f64, Quality) {
        let step = before.and_then(|before| Some((self.step(&before, row)?, before.quality.worst(row.quality))));
        step.unwrap_or((row.value, row.quality))
    }

    /// The average at `row`, unless it starts over there.
    fn step(&self, before: &Point, row: &Row) -> Option<f64> {
        let dt_ns = row.time - before.time;
        if self.gap_ns.is_some_and(|gap_ns| dt_ns > gap_ns) {
            return None;
        }
        let (a, b) = self.between.weights(dt_ns as f64 / self.tau_ns);
        let y = before.average;
        let average = y + a * (before.value - y) + b * (row.value - y);
        average.is_finite().then_some(average)
    }
}

#[cfg(test)]
mod tests;
