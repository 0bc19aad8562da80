//! `zscore`: how many standard deviations a row is away from the mean of the rows before it.
//!
//! For a row x of a group, with mean m and sample variance s² of the rows before it:
//!
//! ```text
//! score = (x − m) / max(s, min_deviation)          flag = 1 if |score| > threshold, else 0
//! ```
//!
//! The row itself is not part of m and s: with it, the score of n rows could never exceed (n−1)/√n (Shiffler, The
//! American Statistician 42(1), 1988), so that short windows would hide what they look for. It is learnt after it was
//! judged, flagged or not, so that a lasting shift becomes normal. "The rows before it" is one of:
//!
//! - `count`: the last `count` rows, all alike. m = Σx/n, s² = Σ(x−m)²/(n−1). See `window.rs`.
//! - `tau_s`: all rows with weights wᵢ = exp(−(t−tᵢ)/τ), t the newest time. m = Σwx/Σw, s² = Σw(x−m)² / (W − W₂/W) with
//!   W = Σw, W₂ = Σw². See `decay.rs`.
//!
//! | parameter       | unit               | default            | meaning                                                        |
//! |-----------------|--------------------|--------------------|----------------------------------------------------------------|
//! | `count`         | rows               |                    | length of the window, 2 … 100,000; this or `tau_s`             |
//! | `tau_s`         | s                  |                    | time constant of the weights, above 0; this or `count`         |
//! | `threshold`     | 1                  | 3                  | a score beyond it, up or down, is flagged; above 0             |
//! | `min_count`     | rows               | 10, at most `count`| judge from so many rows on, 2 or more; for `tau_s` W²/W₂ rows  |
//! | `min_deviation` | unit of the series | 0                  | the least s to divide by, 0 or more                            |
//!
//! Decided:
//! - Until `min_count` rows are learnt nothing is emitted.
//! - Where s and `min_deviation` are 0, the score of x = m is 0, of all others ±1e9. No score is beyond ±1e9.
//! - A row older than the newest of its group is left out: m and s of that time are gone. One of the same time counts.
//! - A row of bad quality is judged, with its bad quality, but not learnt. A row that is NaN or infinite is left out.
//! - The quality of a result is the worst of the row and of the rows it is judged by; for `tau_s`, these count as
//!   uncertain while uncertain rows have more than 1 % of the weight.

mod decay;
mod moments;
mod window;

use decay::Decay;
use moments::Moments;
use tidemill_sdk::prelude::*;
use window::Window;

const SCORE: u32 = 0;
const FLAG: u32 = 1;

/// No score is larger: it stands for "infinitely far away", and stays a number that can be stored and drawn.
const SCORE_MAX: f64 = 1e9;
/// A row of a window is up to 48 bytes of state.
const COUNT_MAX: f64 = 100_000.0;
const MIN_COUNT: f64 = 10.0;

/// The calculation.
#[derive(Default)]
pub struct Zscore {
    settings: Settings,
    groups: Groups<State>,
    flags: Vec<(Time, f64, Quality)>,
}

#[derive(Default)]
struct Settings {
    memory: Memory,
    threshold: f64,
    min_count: f64,
    min_deviation: f64,
}

/// Which rows a row is judged by.
enum Memory {
    Count(usize),
    TauS(f64),
}

impl Default for Memory {
    fn default() -> Self {
        Memory::Count(0)
    }
}

#[derive(Default)]
struct State {
    newest: Option<Time>,
    /// Used with [`Memory::Count`].
    window: Window,
    /// Used with [`Memory::TauS`].
    decay: Decay,
}

impl Calculation for Zscore {
    const ABOUT: About = About {
        name: "zscore",
        version: env!("CARGO_PKG_VERSION"),
        inputs: &[Port::number("value")],
        outputs: &[Port::number("score"), Port::number("flag")],
    };

    fn configure(&mut self, params: &mut Params) -> Result<(), Problem> {
        self.settings = Settings::from_params(params)?;
        Ok(())
    }

    fn process(&mut self, input: &Batch, output: &mut Output) -> Result<(), Problem> {
        for run in input.runs() {
            let state = self.groups.of(run.group);
            self.flags.clear();
            for row in run.rows() {
                if let Some((score, quality)) = state.observe(&self.settings, &row) {
                    output.push(row.group, SCORE, row.time, score, quality);
                    self.flags.push((row.time, f64::from(score.abs() > self.settings.threshold), quality));
                }
            }
            self.flags.iter().for_each(|&(time, flag, quality)| output.push(run.group, FLAG, time, flag, quality));
        }
        Ok(())
    }
}

tidemill_sdk::calculation!(Zscore);

impl Settings {
    fn from_params(params: &mut Params) -> Result<Settings, Problem> {
        let (count, tau_s) = (params.number_or("count", 0.0)?, params.number_or("tau_s", 0.0)?);
        let threshold = params.number_or("threshold", 3.0)?;
        if (count == 0.0) == (tau_s == 0.0) {
            return Err(Problem::parameter("count", "or `tau_s` is needed, and not both"));
        }
        if count != 0.0 && (count.fract() != 0.0 || !(2.0..=COUNT_MAX).contains(&count)) {
            let reason = format!("is {count}, but must be a whole number from 2 to {COUNT_MAX}");
            return Err(Problem::parameter("count", &reason));
        }
        if tau_s < 0.0 {
            return Err(Problem::parameter("tau_s", &format!("is {tau_s}, but must be above 0")));
        }
        if threshold <= 0.0 {
            return Err(Problem::parameter("threshold", &format!("is {threshold}, but must be above 0")));
        }
        let memory = if count > 0.0 { Memory::Count(count as usize) } else { Memory::TauS(tau_s) };
        let most = if count > 0.0 { count } else { f64::INFINITY };
        let min_count = params.number_or("min_count", MIN_COUNT.min(most))?;
        if min_count < 2.0 || min_count > most {
            let reason = format!("is {min_count}, but must be 2 or more and not above `count`");
            return Err(Problem::parameter("min_count", &reason));
        }
        let min_deviation = params.non_negative_or("min_deviation", 0.0)?;
        Ok(Settings { memory, threshold, min_count, min_deviation })
    }

    /// The score of `value`, once enough is learnt.
    fn score(&self, learnt: &Moments, value: f64) -> Option<f64> {
        if learnt.count < self.min_count {
            return None;
        }
        let deviation = learnt.variance.sqrt();
        let deviation = if deviation > self.min_deviation { deviation } else { self.min_deviation };
        let distance = value - learnt.mean;
        if distance == 0.0 {
            return Some(0.0);
        }
        Some((distance / deviation).clamp(-SCORE_MAX, SCORE_MAX))
    }
}

impl State {
    /// Judges a row, then learns it.
    fn observe(&mut self, settings: &Settings, row: &Row) -> Option<(f64, Quality)> {
        let is_late = self.newest.is_some_and(|newest| row.time < newest);
        if is_late || !row.value.is_finite() {
            return None;
        }
        let learnt = match settings.memory {
            Memory::Count(_) => self.window.moments(),
            Memory::TauS(_) => self.decay.moments(),
        };
        let score = settings.score(&learnt, row.value);
        if !row.quality.is_bad() {
            match settings.memory {
                Memory::Count(count) => self.window.learn(count, row.value, row.quality),
                Memory::TauS(tau_s) => {
                    let passed_s = self.newest.map_or(0.0, |newest| row.time.seconds_since(newest));
                    self.decay.learn(passed_s / tau_s, row.value, row.quality);
                }
            }
            self.newest = Some(row.time);
        }
        score.map(|score| (score, row.quality.worst(learnt.quality)))
    }
}

#[cfg(test)]
mod tests;
