//! A limit with hysteresis and delay.
//!
//! ```text
//! value   threshold ───────┬────────╮
//!         − hysteresis ────┼────────┼────╮
//! raised               ────┘ delay ▔▔▔▔▔▔▔▔ delay ▁▁▁
//! ```
//!
//! It rises when the value has been above the threshold for the whole delay, and falls when it has been at or below the threshold
//! minus the hysteresis for the whole delay. Between the two it stays as it is.

use tidemill_sdk::Time;

/// When a switch rises and falls.
#[derive(Clone, Copy, Default)]
pub(crate) struct Limit {
    pub(crate) threshold: f64,
    /// 0 or more, in the unit of the threshold.
    pub(crate) hysteresis: f64,
    /// Source time a change must last before it counts; 0 or more.
    pub(crate) delay_ns: i64,
}

/// State of one limit.
#[derive(Clone, Copy, Default)]
pub(crate) struct Switch {
    raised: bool,
    /// Since when the value has asked for the other state.
    changing_since: Option<Time>,
}

impl Switch {
    pub(crate) fn is_raised(&self) -> bool {
        self.raised
    }

    /// Takes a value; the change it may begin counts from `time`.
    pub(crate) fn observe(&mut self, limit: &Limit, time: Time, value: f64) {
        let bound = if self.raised { limit.threshold - limit.hysteresis } else { limit.threshold };
        let changing = (value > bound) != self.raised;
        self.changing_since = changing.then(|| self.changing_since.unwrap_or(time));
    }

    /// When the change that is under way will count.
    pub(crate) fn due(&self, limit: &Limit) -> Option<Time> {
        self.changing_since.map(|since| since.plus_nanos(limit.delay_ns))
    }

    /// Lets the change count if it is due by `now`.
    pub(crate) fn settle(&mut self, limit: &Limit, now: Time) {
        if self.due(limit).is_some_and(|due| due <= now) {
            *self = Switch { raised: !self.raised, changing_since: None };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// States after each of `values`, one a second.
    fn states(limit: Limit, values: &[f64]) -> Vec<bool> {
        let mut switch = Switch::default();
        let seconds = (0..).map(Time::from_seconds);
        seconds
            .zip(values)
            .map(|(now, value)| {
                switch.observe(&limit, now, *value);
                switch.settle(&limit, now);
                switch.is_raised()
            })
            .collect()
    }

    #[test]
    fn hysteresis_keeps_a_value_at_the_limit_from_chattering() {
        let limit = Limit { threshold: 10.0, hysteresis: 1.0, delay_ns: 0 };
        let states = states(limit, &[10.0, 10.1, 9.9, 10.1, 9.1, 9.0, 9.9]);
        assert_eq!(states, [false, true, true, true, true, false, false]);
    }

    #[test]
    fn only_what_lasts_counts() {
        let limit = Limit { threshold: 10.0, hysteresis: 0.0, delay_ns: 2_000_000_000 };
        let states = states(limit, &[11.0, 11.0, 9.0, 11.0, 12.0, 11.0, 9.0, 11.0, 9.0, 9.0, 9.0]);
        assert_eq!(states, [false, false, false, false, false, true, true, true, true, true, false]);
    }
}
