//! Parameters, the grid of intervals, and what states mean.

use tidemill_sdk::{Params, Problem, Time};

/// Intervals that one row may fill. It bounds what a silent machine costs.
const INTERVALS_MAX: f64 = 1000.0;
/// About 31 years, with [`INTERVALS_MAX`]: beyond it, nanoseconds would come near the end of their range.
const EVERY_S_MAX: f64 = 1e6;

/// What a state means for the times.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Actual production time.
    Running,
    /// Planned, but it does not produce.
    Idle,
    NotPlanned,
}

#[derive(Default)]
pub(crate) struct Settings {
    running: Vec<String>,
    not_planned: Vec<String>,
    pub(crate) ideal_cycle_s: f64,
    pub(crate) is_counter: bool,
    pub(crate) every_ns: i64,
    pub(crate) offset_ns: i64,
    pub(crate) max_age_ns: i64,
}

impl Settings {
    pub(crate) fn from_params(params: &mut Params) -> Result<Settings, Problem> {
        let (running, not_planned) = (names(&params.text("running")?), names(&params.text_or("not_planned", "")?));
        let ideal_cycle_s = params.number("ideal_cycle_s")?;
        let is_counter = params.flag_or("counters", true)?;
        let every_s = params.number("every_s")?;
        let offset_s = params.non_negative_or("offset_s", 0.0)?;
        let max_age_s = params.non_negative_or("max_age_s", INTERVALS_MAX * every_s)?;
        if running.is_empty() {
            return Err(Problem::parameter("running", "names no state; give some, as in `running;slow`"));
        }
        if let Some(both) = running.iter().find(|name| not_planned.contains(name)) {
            return Err(Problem::parameter("not_planned", &format!("has `{both}`, which is in `running` too")));
        }
        if ideal_cycle_s <= 0.0 {
            return Err(Problem::parameter("ideal_cycle_s", &format!("is {ideal_cycle_s}, but must be above 0")));
        }
        if !(1e-3..=EVERY_S_MAX).contains(&every_s) {
            return Err(Problem::parameter("every_s", &format!("is {every_s}, but must be from 0.001 to 1e6")));
        }
        if offset_s >= every_s {
            let reason = format!("is {offset_s}, but must be below `every_s`, {every_s}");
            return Err(Problem::parameter("offset_s", &reason));
        }
        if max_age_s > INTERVALS_MAX * every_s {
            let reason = format!("is {max_age_s}, but must not be above {INTERVALS_MAX} times `every_s`, {every_s}");
            return Err(Problem::parameter("max_age_s", &reason));
        }
        let (every_ns, offset_ns, max_age_ns) = (nanos(every_s), nanos(offset_s), nanos(max_age_s));
        Ok(Settings { running, not_planned, ideal_cycle_s, is_counter, every_ns, offset_ns, max_age_ns })
    }

    pub(crate) fn kind(&self, state: &str) -> Kind {
        let is_in = |names: &[String]| names.iter().any(|name| name == state);
        if is_in(&self.running) {
            Kind::Running
        } else if is_in(&self.not_planned) {
            Kind::NotPlanned
        } else {
            Kind::Idle
        }
    }

    /// The number of the interval that `time` lies in.
    pub(crate) fn interval_of(&self, time: Time) -> i64 {
        (time - Time(self.offset_ns)).div_euclid(self.every_ns)
    }

    pub(crate) fn start(&self, interval: i64) -> Time {
        Time(interval.saturating_mul(self.every_ns)).plus_nanos(self.offset_ns)
    }
}

fn nanos(seconds: f64) -> i64 {
    (seconds * 1e9).round() as i64
}

fn names(text: &str) -> Vec<String> {
    text.split(';').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}
