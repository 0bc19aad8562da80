//! One alarm point: a high and a low alarm over one series.
//!
//! Invariants:
//! - Delays end in the order of their times, and before a later row is taken. So changes carry the same times however
//!   rows are cut.
//! - `changed_at` is the time of the last change emitted; no change is emitted before it.

use crate::settings::Settings;
use crate::switch::Switch;
use tidemill_sdk::{Quality, Row, Time};

/// What an alarm point says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Normal,
    High,
    Low,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::Normal => "normal",
            State::High => "high",
            State::Low => "low",
        }
    }

    pub(crate) fn is_active(self) -> bool {
        self != State::Normal
    }
}

/// A state or a quality that begins at `time`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Change {
    pub(crate) time: Time,
    pub(crate) state: State,
    pub(crate) quality: Quality,
}

/// The state of a group.
pub(crate) struct Point {
    high: Switch,
    /// Sees everything with the opposite sign.
    low: Switch,
    newest: Time,
    quality: Quality,
    changed_at: Time,
    shown: Option<(State, Quality)>,
}

impl Default for Point {
    fn default() -> Self {
        Point {
            high: Switch::default(),
            low: Switch::default(),
            newest: Time::MIN,
            quality: Quality::GOOD,
            changed_at: Time::MIN,
            shown: None,
        }
    }
}

impl Point {
    /// Takes a row; changes before it and with it go to `emit`.
    pub(crate) fn take(&mut self, settings: &Settings, row: &Row, emit: &mut impl FnMut(Change)) {
        if row.time < self.newest {
            return;
        }
        self.pass(settings, row.time.plus_nanos(-1), emit);
        self.newest = row.time;
        self.quality = if row.value.is_nan() { row.quality.worst(Quality::BAD) } else { row.quality };
        if !self.quality.is_bad() {
            self.high.observe(settings.high, settings.deadband, row.time, row.value);
            self.low.observe(-settings.low, settings.deadband, row.time, -row.value);
        }
        self.settle(settings, row.time, emit);
    }

    /// Lets the delays end that end by `to`, one after the other.
    pub(crate) fn pass(&mut self, settings: &Settings, to: Time, emit: &mut impl FnMut(Change)) {
        while let Some(due) = self.next_due(settings).filter(|due| *due <= to) {
            self.settle(settings, due, emit);
        }
    }

    fn next_due(&self, settings: &Settings) -> Option<Time> {
        [self.high, self.low].iter().filter_map(|switch| switch.due(settings.delays)).min()
    }

    fn settle(&mut self, settings: &Settings, now: Time, emit: &mut impl FnMut(Change)) {
        self.high.settle(settings.delays, now);
        self.low.settle(settings.delays, now);
        let shown = (self.state(), self.quality);
        if self.shown != Some(shown) {
            self.shown = Some(shown);
            self.changed_at = self.changed_at.max(now);
            emit(Change { time: self.changed_at, state: shown.0, quality: shown.1 });
        }
    }

    fn state(&self) -> State {
        match (self.high.raised_at(), self.low.raised_at()) {
            (None, None) => State::Normal,
            (Some(high), Some(low)) if low > high => State::Low,
            (Some(_), _) => State::High,
            (None, Some(_)) => State::Low,
        }
    }
}
