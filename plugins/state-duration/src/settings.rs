//! Parameters, the grid of intervals, and the names of states.

use crate::series::State;
use tidemill_sdk::{Params, Problem, Time};

/// States that can be named.
pub(crate) const STATES_MAX: usize = 8;
/// Intervals that one row may fill. It bounds what a silent series costs.
const INTERVALS_MAX: f64 = 1000.0;
/// About 31 years, with [`INTERVALS_MAX`]: beyond it, nanoseconds would come near the end of their range.
const EVERY_S_MAX: f64 = 1e6;

#[derive(Default)]
pub(crate) struct Settings {
    pub(crate) states: Vec<String>,
    pub(crate) every_ns: i64,
    pub(crate) offset_ns: i64,
    pub(crate) max_age_ns: i64,
}

impl Settings {
    pub(crate) fn from_params(params: &mut Params) -> Result<Settings, Problem> {
        let states = states(&params.text("states")?)?;
        let every_s = params.number("every_s")?;
        let offset_s = params.non_negative_or("offset_s", 0.0)?;
        let max_age_s = params.non_negative_or("max_age_s", INTERVALS_MAX * every_s)?;
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
        let (every_ns, offset_ns) = (nanos(every_s), nanos(offset_s));
        Ok(Settings { states, every_ns, offset_ns, max_age_ns: nanos(max_age_s) })
    }

    /// The state that `text` names.
    pub(crate) fn state(&self, text: &str) -> State {
        let place = self.states.iter().position(|name| name == text);
        place.map_or_else(|| State::Other(text.to_owned()), State::Named)
    }

    /// The number of the interval that `time` lies in.
    pub(crate) fn interval_of(&self, time: Time) -> i64 {
        (time - Time(self.offset_ns)).div_euclid(self.every_ns)
    }

    pub(crate) fn start(&self, interval: i64) -> Time {
        Time(interval.saturating_mul(self.every_ns)).plus_nanos(self.offset_ns)
    }

    pub(crate) fn end(&self, interval: i64) -> Time {
        self.start(interval.saturating_add(1))
    }
}

fn nanos(seconds: f64) -> i64 {
    (seconds * 1e9).round() as i64
}

fn states(text: &str) -> Result<Vec<String>, Problem> {
    let mut states: Vec<String> = Vec::new();
    for name in text.split(';').map(str::trim).filter(|name| !name.is_empty()) {
        if states.iter().any(|known| known == name) {
            return Err(Problem::parameter("states", &format!("has `{name}` twice")));
        }
        states.push(name.to_owned());
    }
    if states.is_empty() || states.len() > STATES_MAX {
        let reason =
            format!("has {} states, but must have 1 to {STATES_MAX}, as in `running;idle;fault`", states.len());
        return Err(Problem::parameter("states", &reason));
    }
    Ok(states)
}
