//! `robust-anomaly`: how far a row is from the median of the rows before it, in a measure that outliers cannot stretch.
//!
//! For a row x of a group, with median m of the last `count` rows before it and MAD = median of their |xᵢ − m|:
//!
//! ```text
//! score = (x − m) / max(1.4826 · MAD, min_deviation)          flag = 1 if |score| > threshold, else 0
//! clean = m if flagged, else x
//! ```
//!
//! This is the Hampel identifier (Hampel: The Influence Curve and its Role in Robust Estimation, J. Amer. Stat. Assoc.
//! 69(346), 1974; Davies, Gather: The Identification of Multiple Outliers, J. Amer. Stat. Assoc. 88(423), 1993) and, as
//! `clean`, the Hampel filter, in the form that needs no future. 1.4826 = 1/Φ⁻¹(¾) makes MAD the standard deviation of
//! normal noise. Nearly half of the window may be outliers before m or MAD follows them. The median of an even number
//! of rows is the mean of the middle two.
//!
//! | parameter       | unit               | default            | meaning                                                        |
//! |-----------------|--------------------|--------------------|----------------------------------------------------------------|
//! | `count`         | rows               | 61                 | length of the window, 3 … 10,000                               |
//! | `threshold`     | 1                  | 3                  | a score beyond it, up or down, is flagged; above 0             |
//! | `min_count`     | rows               | 10, at most `count`| judge from so many rows on, 2 or more                          |
//! | `min_deviation` | unit of the series | 0                  | the least to divide by, 0 or more                              |
//!
//! Decided:
//! - Until `min_count` rows are learnt nothing is emitted. The row is learnt after it was judged, flagged or not.
//! - Where MAD and `min_deviation` are 0 (more than half of the window is one value), the score of x = m is 0, of all
//!   others ±1e9. No score is beyond ±1e9.
//! - A row older than the newest of its group is left out: the window of that time is gone. One of the same time
//!   counts.
//! - A row of bad quality is judged, with its bad quality, but not learnt. A row that is NaN or infinite is left out.
//! - The quality of a result is the worst of the row and of its window.

mod window;

use tidemill_sdk::prelude::*;
use window::Window;

const SCORE: u32 = 0;
const FLAG: u32 = 1;
const CLEAN: u32 = 2;

/// MAD of normal noise to its standard deviation.
const MAD_SCALE: f64 = 1.4826;
/// No score is larger: it stands for "infinitely far away", and stays a number that can be stored and drawn.
const SCORE_MAX: f64 = 1e9;
/// A row moves up to `count` sorted values by one place: beyond this the move costs more than microseconds.
const COUNT_MAX: f64 = 10_000.0;
const COUNT: f64 = 61.0;
const MIN_COUNT: f64 = 10.0;

/// The calculation.
#[derive(Default)]
pub struct RobustAnomaly {
    settings: Settings,
    groups: Groups<State>,
    judged: Vec<Judged>,
}

#[derive(Default)]
struct Settings {
    count: usize,
    threshold: f64,
    min_count: usize,
    min_deviation: f64,
}

#[derive(Default)]
struct State {
    newest: Option<Time>,
    window: Window,
}

/// What is said about a row.
struct Judged {
    time: Time,
    score: f64,
    flag: f64,
    clean: f64,
    quality: Quality,
}

impl Calculation for RobustAnomaly {
    const ABOUT: About = About {
        name: "robust-anomaly",
        version: env!("CARGO_PKG_VERSION"),
        inputs: &[Port::number("value")],
        outputs: &[Port::number("score"), Port::number("flag"), Port::number("clean")],
    };

    fn configure(&mut self, params: &mut Params) -> Result<(), Problem> {
        self.settings = Settings::from_params(params)?;
        Ok(())
    }

    fn process(&mut self, input: &Batch, output: &mut Output) -> Result<(), Problem> {
        for run in input.runs() {
            let state = self.groups.of(run.group);
            self.judged.clear();
            self.judged.extend(run.rows().filter_map(|row| state.observe(&self.settings, &row)));
            for port in [SCORE, FLAG, CLEAN] {
                for row in &self.judged {
                    let value = [row.score, row.flag, row.clean][port as usize];
                    output.push(run.group, port, row.time, value, row.quality);
                }
            }
        }
        Ok(())
    }
}

tidemill_sdk::calculation!(RobustAnomaly);

impl Settings {
    fn from_params(params: &mut Params) -> Result<Settings, Problem> {
        let count = whole(params.number_or("count", COUNT)?, "count", 3.0, COUNT_MAX)?;
        let min_count = whole(params.number_or("min_count", MIN_COUNT.min(count))?, "min_count", 2.0, count)?;
        let threshold = params.number_or("threshold", 3.0)?;
        if threshold <= 0.0 {
            return Err(Problem::parameter("threshold", &format!("is {threshold}, but must be above 0")));
        }
        let min_deviation = params.non_negative_or("min_deviation", 0.0)?;
        Ok(Settings { count: count as usize, threshold, min_count: min_count as usize, min_deviation })
    }

    fn score(&self, window: &Window, median: f64, value: f64) -> f64 {
        let deviation = MAD_SCALE * window.median_distance(median);
        let deviation = if deviation > self.min_deviation { deviation } else { self.min_deviation };
        let distance = value - median;
        if distance == 0.0 { 0.0 } else { (distance / deviation).clamp(-SCORE_MAX, SCORE_MAX) }
    }
}

fn whole(number: f64, name: &str, least: f64, most: f64) -> Result<f64, Problem> {
    if number.fract() == 0.0 && (least..=most).contains(&number) {
        Ok(number)
    } else {
        Err(Problem::parameter(name, &format!("is {number}, but must be a whole number from {least} to {most}")))
    }
}

impl State {
    /// Judges a row, then learns it.
    fn observe(&mut self, settings: &Settings, row: &Row) -> Option<Judged> {
        let is_late = self.newest.is_some_and(|newest| row.time < newest);
        if is_late || !row.value.is_finite() {
            return None;
        }
        let judged = self.window.median().filter(|_| self.window.len() >= settings.min_count).map(|median| {
            let score = settings.score(&self.window, median, row.value);
            let is_flagged = score.abs() > settings.threshold;
            Judged {
                time: row.time,
                score,
                flag: f64::from(is_flagged),
                clean: if is_flagged { median } else { row.value },
                quality: row.quality.worst(self.window.quality()),
            }
        });
        if !row.quality.is_bad() {
            self.window.learn(settings.count, row.value, row.quality);
            self.newest = Some(row.time);
        }
        judged
    }
}

#[cfg(test)]
mod tests;
