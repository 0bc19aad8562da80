//! The kinds of windows, as arithmetic on times. Knows nothing of rows.
//!
//! ```text
//! tumbling   |-----|-----|-----|        every time in one window
//! hopping    |-----------|              every time in length/every windows, which start at epoch + offset + k * every
//!               |-----------|
//! calendar   |----|-----|----|          as tumbling, between local dates
//! sliding    (------------]             one window per row, which ends with it
//! session    [--]     [------]          as long as rows follow each other within the gap
//! ```
//!
//! Tumbling, hopping and calendar windows are *grids*: they exist without rows. A window's *stamp* is the source time of its
//! output: the window's start, or of a sliding window the time of its row. No two windows of a group share a stamp.

use super::calendar::Calendar;

/// The source times `start..end` of a window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Span {
    pub(crate) start: i64,
    pub(crate) end: i64,
}

impl Span {
    pub(crate) fn new(start: i64, end: i64) -> Self {
        Self { start, end }
    }
}

/// What windows there are. All lengths are positive, ns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Tumbling and hopping: `0 < every <= length`, `0 <= offset < every`.
    Fixed { length: i64, every: i64, offset: i64 },
    /// Local hours, dates and so on.
    Calendar(Calendar),
    /// The `length` before every row, with it.
    Sliding { length: i64 },
    /// Rows that are closer than `gap` and lie between the same two multiples of `max`.
    Session { gap: i64, max: i64 },
}

/// A kind of windows, and when they close.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Shape {
    pub(crate) kind: Kind,
    /// How long after a window's end a group's time has to be before it closes, ns.
    pub(crate) lateness: i64,
    /// How long a group is silent before heartbeats close its windows, ns.
    pub(crate) idle_close: i64,
    /// Rows close no windows: they close when it is said how far the group is.
    pub(crate) is_told: bool,
}

/// The largest `offset + k * every` that is at most `time`.
fn floor(time: i64, every: i64, offset: i64) -> i64 {
    time.saturating_sub((time.rem_euclid(every) - offset).rem_euclid(every))
}

impl Shape {
    /// How far a window may reach from its stamp, ns; no more than a leap year of local time.
    pub(crate) fn reach_ns(&self) -> i64 {
        const YEAR_NS: i64 = 367 * 24 * 3600 * 1_000_000_000;
        match self.kind {
            Kind::Fixed { length, .. } | Kind::Sliding { length } => length,
            Kind::Session { gap, max } => max.saturating_add(gap),
            Kind::Calendar(_) => YEAR_NS,
        }
    }

    /// Whether windows exist without rows.
    pub(crate) fn is_grid(&self) -> bool {
        matches!(self.kind, Kind::Fixed { .. } | Kind::Calendar(_))
    }

    /// Of a grid: the first window that `time` lies in.
    pub(crate) fn first_with(&self, time: i64) -> Span {
        match self.kind {
            Kind::Fixed { length, every, offset } => {
                let start = if every == length {
                    floor(time, every, offset)
                } else {
                    floor(time.saturating_sub(length), every, offset).saturating_add(every)
                };
                self.window_at(start)
            }
            _ => self.window_at(time),
        }
    }

    /// Of a grid: the window that starts at `start`, or that `start` lies in.
    pub(crate) fn window_at(&self, start: i64) -> Span {
        match &self.kind {
            Kind::Fixed { length, .. } => Span::new(start, start.saturating_add(*length)),
            Kind::Calendar(calendar) => calendar.window_of(start),
            Kind::Sliding { length } => Span::new(start.saturating_sub(length - 1), start.saturating_add(1)),
            Kind::Session { max, .. } => {
                let block = floor(start, *max, 0);
                Span::new(block, block.saturating_add(*max))
            }
        }
    }

    /// Of a grid: where the window after `window` starts.
    pub(crate) fn next_start(&self, window: Span) -> i64 {
        match self.kind {
            Kind::Fixed { every, .. } => window.start.saturating_add(every),
            _ => window.end,
        }
    }

    /// The last start of a window that `time` can lie in. Late rows and noted rows are gathered by it.
    pub(crate) fn slot(&self, time: i64) -> Span {
        match self.kind {
            Kind::Fixed { every, offset, .. } => {
                let start = floor(time, every, offset);
                Span::new(start, start.saturating_add(every))
            }
            Kind::Calendar(calendar) => calendar.window_of(time),
            Kind::Sliding { length: slot } | Kind::Session { gap: slot, .. } => {
                let start = floor(time, slot, 0);
                Span::new(start, start.saturating_add(slot))
            }
        }
    }

    /// The earliest time that lies in the same windows as `time` and all times between.
    pub(crate) fn since(&self, time: i64) -> i64 {
        match self.kind {
            Kind::Fixed { length, every, offset } if every == length => floor(time, every, offset),
            Kind::Fixed { length, every, offset } => {
                let ended = floor(time.saturating_sub(length), every, offset).saturating_add(length);
                floor(time, every, offset).max(ended)
            }
            Kind::Calendar(calendar) => calendar.window_of(time).start,
            Kind::Sliding { .. } | Kind::Session { .. } => time,
        }
    }

    /// Times from here on lie in no window that starts (or of sliding windows: is stamped) before `closed_until`.
    pub(crate) fn untouched_from(&self, closed_until: i64) -> i64 {
        match self.kind {
            Kind::Fixed { length, every, .. } => closed_until.saturating_add(length - every),
            _ => closed_until,
        }
    }

    /// Times before this lie only in windows that start (or are stamped) before `closed_until`.
    pub(crate) fn useless_before(&self, closed_until: i64) -> i64 {
        match self.kind {
            Kind::Sliding { length } => closed_until.saturating_sub(length - 1),
            _ => closed_until,
        }
    }

    /// When the first window that is open and that `low` lies in closes; `low` is not before `closed_until`.
    pub(crate) fn close_at(&self, low: i64, closed_until: i64) -> i64 {
        let end = match self.kind {
            Kind::Sliding { .. } | Kind::Session { .. } => low.saturating_add(1),
            _ => self.first_open(low, closed_until).end,
        };
        end.saturating_add(self.lateness)
    }

    /// Of a grid: the first window that starts at `closed_until` or later and that `time` lies in.
    pub(crate) fn first_open(&self, time: i64, closed_until: i64) -> Span {
        let first = self.first_with(time);
        if first.start < closed_until { self.window_at(closed_until) } else { first }
    }

    /// When a session whose newest row is `last` ends for good, and up to when sliding windows reach back to `last`.
    pub(crate) fn session_over(&self, last: i64) -> i64 {
        match self.kind {
            Kind::Session { gap, .. } => last.saturating_add(gap).min(self.window_at(last).end),
            Kind::Sliding { length } => last.saturating_add(length),
            _ => last,
        }
    }

    /// Whether rows at `before` and `after` belong to one session, or to one stretch of sliding windows.
    pub(crate) fn is_joined(&self, before: i64, after: i64) -> bool {
        after < self.session_over(before)
    }

    /// The time of the output of a window.
    pub(crate) fn stamp(&self, window: Span) -> i64 {
        match self.kind {
            Kind::Sliding { .. } => window.end.saturating_sub(1),
            _ => window.start,
        }
    }
}
