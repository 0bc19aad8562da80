//! One alarm: raised above its setpoint after a delay, cleared at or below the deadband after another.
//!
//! Invariant: `changing_since` is there exactly while the newest usable value asks for the other state.

use crate::settings::Delays;
use tidemill_sdk::Time;

/// The state of one alarm.
#[derive(Clone, Copy, Default)]
pub(crate) struct Switch {
    raised_at: Option<Time>,
    changing_since: Option<Time>,
}

impl Switch {
    /// When it was raised, if it is.
    pub(crate) fn raised_at(&self) -> Option<Time> {
        self.raised_at
    }

    /// Takes a usable value, which holds from `time` on.
    pub(crate) fn observe(&mut self, setpoint: f64, deadband: f64, time: Time, value: f64) {
        let bound = if self.raised_at.is_some() { setpoint - deadband } else { setpoint };
        let is_changing = (value > bound) != self.raised_at.is_some();
        self.changing_since = is_changing.then(|| self.changing_since.unwrap_or(time));
    }

    /// When the change that is under way counts.
    pub(crate) fn due(&self, delays: Delays) -> Option<Time> {
        let delay_ns = if self.raised_at.is_some() { delays.off_ns } else { delays.on_ns };
        self.changing_since.map(|since| since.plus_nanos(delay_ns))
    }

    /// Lets the change count if it is due by `now`.
    pub(crate) fn settle(&mut self, delays: Delays, now: Time) {
        if let Some(due) = self.due(delays).filter(|due| *due <= now) {
            let raised_at = if self.raised_at.is_some() { None } else { Some(due) };
            *self = Switch { raised_at, changing_since: None };
        }
    }
}
