//! One series of states.
//!
//! Invariants:
//! - `sums` is the interval of the newest row, up to that row and without its transition: the row may still be written
//!   again.
//! - Intervals below `next` have been emitted from the rows known, or will not be.
//! - An interval is computed from `sums` and the newest row, on the assumption that its state holds. Rows at or after
//!   the end of an interval cannot contradict that; a row within moves `next` back.

use crate::interval::Interval;
use crate::settings::Settings;
use tidemill_sdk::{Quality, Time};

/// A state by its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// By its place among the named ones.
    Named(usize),
    Other(String),
}

/// From `time` on, `state` holds; without one, nobody knows.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) time: Time,
    pub(crate) state: Option<State>,
    pub(crate) quality: Quality,
}

/// State of one group.
#[derive(Default)]
pub(crate) struct Series {
    newest: Option<Row>,
    /// The last state known before the newest row.
    before: Option<State>,
    sums: Interval,
    next: i64,
}

impl Series {
    pub(crate) fn take(&mut self, settings: &Settings, row: Row, emit: &mut impl FnMut(Interval)) {
        let interval = settings.interval_of(row.time);
        match self.newest.take() {
            Some(newest) if row.time < newest.time => self.newest = Some(newest),
            Some(newest) if row.time == newest.time => {
                self.newest = Some(row);
                self.next = self.next.min(interval);
            }
            Some(newest) => {
                self.newest = Some(newest);
                self.pass(settings, row.time, emit);
                self.follow(settings, row, interval);
            }
            None => {
                self.sums = Interval::new(interval);
                self.sums.add(None, row.time - settings.start(interval), row.quality);
                self.next = interval;
                self.newest = Some(row);
            }
        }
    }

    /// Emits the intervals that end at or before `end`.
    pub(crate) fn pass(&mut self, settings: &Settings, end: Time, emit: &mut impl FnMut(Interval)) {
        let Some(newest) = &self.newest else { return };
        let ended = settings.interval_of(end);
        let too_old = settings.interval_of(newest.time.plus_nanos(settings.max_age_ns).plus_nanos(-1)) + 1;
        for number in self.next..ended.min(too_old.max(self.sums.number + 1)) {
            emit(self.until(settings, newest, number, settings.end(number)));
        }
        self.next = self.next.max(ended);
    }

    /// The row becomes the newest.
    fn follow(&mut self, settings: &Settings, row: Row, interval: i64) {
        let Some(newest) = self.newest.replace(row.clone()) else { return };
        self.sums = self.until(settings, &newest, interval, row.time);
        self.next = interval;
        if newest.state.is_some() {
            self.before = newest.state;
        }
    }

    /// Interval `number`, at or after that of the newest row, up to `end`.
    fn until(&self, settings: &Settings, newest: &Row, number: i64, end: Time) -> Interval {
        let is_own = number == self.sums.number;
        let mut interval = if is_own { self.sums } else { Interval::new(number) };
        let begin = if is_own { newest.time } else { settings.start(number) };
        let too_old = newest.time.plus_nanos(settings.max_age_ns).clamp(begin, end);
        interval.add(newest.state.as_ref(), too_old - begin, newest.quality);
        interval.add(None, end - too_old, newest.quality);
        if is_own && newest.state.is_some() && self.before.is_some() && newest.state != self.before {
            interval.transitions += 1;
        }
        interval
    }
}
