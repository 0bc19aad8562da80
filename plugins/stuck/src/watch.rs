//! The watch over one series.
//!
//! Invariants:
//! - Timers (a run gets stuck, a gap begins) run out in the order of their times, and before a later row is taken. So
//!   changes carry the same times however rows are cut.
//! - A run is known exactly while a usable row has come since the last gap.
//! - `changed_at` is the time of the last change emitted; no change is emitted before it.

use tidemill_sdk::{Quality, Row, Time};

/// What holds for all groups. None: not watched.
#[derive(Default)]
pub(crate) struct Settings {
    pub(crate) tolerance: f64,
    pub(crate) hold_ns: Option<i64>,
    pub(crate) gap_ns: Option<i64>,
}

/// What the watch says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Normal,
    Stuck,
    Gap,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::Normal => "normal",
            State::Stuck => "stuck",
            State::Gap => "gap",
        }
    }
}

/// A state or a quality that begins at `time`.
#[derive(Clone, Copy)]
pub(crate) struct Change {
    pub(crate) time: Time,
    pub(crate) state: State,
    pub(crate) quality: Quality,
}

/// The first value of a run.
#[derive(Clone, Copy)]
struct Run {
    since: Time,
    value: f64,
}

/// The state of a group.
pub(crate) struct Watch {
    /// Of the newest row; none before the first.
    newest: Option<Time>,
    quality: Quality,
    state: State,
    run: Option<Run>,
    changed_at: Time,
    shown: Option<(State, Quality)>,
}

impl Default for Watch {
    fn default() -> Self {
        Watch {
            newest: None,
            quality: Quality::GOOD,
            state: State::Normal,
            run: None,
            changed_at: Time::MIN,
            shown: None,
        }
    }
}

impl Watch {
    /// Takes a row; changes before it and with it go to `emit`.
    pub(crate) fn take(&mut self, settings: &Settings, row: &Row, emit: &mut impl FnMut(Change)) {
        if self.newest.is_some_and(|newest| row.time < newest) {
            return;
        }
        self.pass(settings, row.time.plus_nanos(-1), emit);
        self.newest = Some(row.time);
        self.quality = if row.value.is_nan() { row.quality.worst(Quality::BAD) } else { row.quality };
        if self.state == State::Gap {
            self.state = State::Normal;
        }
        if !self.quality.is_bad() {
            self.observe(settings, row);
        }
        if self.stuck_at(settings).is_some_and(|due| due <= row.time) {
            self.state = State::Stuck;
        }
        self.show(row.time, emit);
    }

    /// Lets the timers run out that do so by `to`, one after the other.
    pub(crate) fn pass(&mut self, settings: &Settings, to: Time, emit: &mut impl FnMut(Change)) {
        loop {
            let stuck_at = self.stuck_at(settings).filter(|due| *due <= to);
            let gap_at = self.gap_at(settings).filter(|due| *due <= to);
            match (stuck_at, gap_at) {
                (Some(stuck_at), gap_at) if gap_at.is_none_or(|gap_at| stuck_at < gap_at) => {
                    self.state = State::Stuck;
                    self.show(stuck_at, emit);
                }
                (_, Some(gap_at)) => {
                    self.state = State::Gap;
                    self.run = None;
                    self.show(gap_at, emit);
                }
                _ => return,
            }
        }
    }

    /// A usable row: it belongs to the run, or begins the next.
    fn observe(&mut self, settings: &Settings, row: &Row) {
        if self.run.is_none_or(|run| (row.value - run.value).abs() > settings.tolerance) {
            self.run = Some(Run { since: row.time, value: row.value });
            self.state = State::Normal;
        }
    }

    /// When the run will be stuck, unless it is.
    fn stuck_at(&self, settings: &Settings) -> Option<Time> {
        let run = self.run.filter(|_| self.state == State::Normal)?;
        Some(run.since.plus_nanos(settings.hold_ns?))
    }

    /// When a gap will begin, unless it has.
    fn gap_at(&self, settings: &Settings) -> Option<Time> {
        let newest = self.newest.filter(|_| self.state != State::Gap)?;
        Some(newest.plus_nanos(settings.gap_ns?))
    }

    fn show(&mut self, now: Time, emit: &mut impl FnMut(Change)) {
        let shown = (self.state, self.quality);
        if self.shown != Some(shown) {
            self.shown = Some(shown);
            self.changed_at = self.changed_at.max(now);
            emit(Change { time: self.changed_at, state: shown.0, quality: shown.1 });
        }
    }
}
