//! A queue of samples that knows its sum: two stacks, each entry with the sum from itself to its stack's base.
//!
//! ```text
//!   oldest ─────────────────────────► newest
//!   leaving: top … base │ base … top: entering
//! ```
//!
//! Samples enter on top of `entering` and leave from the top of `leaving`. When `leaving` is empty and a sample must
//! go, `entering` is turned over into it. Every sample is turned over once at most.
//!
//! Invariants:
//! - Times grow from the oldest to the newest, and no time is there twice.
//! - The newest sample is on top of `entering`: samples leave before one enters.

use crate::sum::Sum;
use tidemill_sdk::{Quality, Time};

/// How long a window may become.
#[derive(Default)]
pub(crate) struct Length {
    /// Rows, at least 1.
    pub(crate) rows: usize,
    /// Samples as old as this before the newest have left.
    pub(crate) span_ns: Option<i64>,
}

/// A usable row.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) time: Time,
    pub(crate) value: f64,
    pub(crate) quality: Quality,
}

#[derive(Clone, Copy)]
struct Entry {
    sample: Sample,
    sum: Sum,
}

/// The state of a group.
#[derive(Default)]
pub(crate) struct Window {
    leaving: Vec<Entry>,
    entering: Vec<Entry>,
    /// A sample that was pushed out by the limit of rows would still be in the span until this time.
    short_until: Option<Time>,
}

impl Window {
    /// Takes the next sample, unless it is older than the newest.
    pub(crate) fn push(&mut self, length: &Length, sample: Sample) -> bool {
        match self.entering.last().map(|newest| newest.sample.time) {
            Some(newest) if sample.time < newest => return false,
            Some(newest) if sample.time == newest => {
                self.entering.pop();
            }
            _ => self.make_room(length, sample.time),
        }
        let own = Sum::of(sample.value, sample.quality);
        let sum = self.entering.last().map_or(own, |below| below.sum.and(own));
        self.entering.push(Entry { sample, sum });
        true
    }

    /// Mean and quality of the samples; there is at least one.
    pub(crate) fn mean(&self) -> (f64, Quality) {
        let sums = (self.leaving.last().map(|entry| entry.sum), self.entering.last().map(|entry| entry.sum));
        let sum = match sums {
            (Some(older), Some(newer)) => older.and(newer),
            (one, other) => one.or(other).unwrap_or(Sum::of(f64::NAN, Quality::BAD)),
        };
        let own = if self.short_until.is_some() { Quality::UNCERTAIN } else { Quality::GOOD };
        (sum.total() / self.len() as f64, sum.worst().worst(own))
    }

    pub(crate) fn len(&self) -> usize {
        self.leaving.len() + self.entering.len()
    }

    fn make_room(&mut self, length: &Length, now: Time) {
        self.short_until = self.short_until.filter(|until| now < *until);
        while let Some(oldest) = self.oldest() {
            let left_at = length.span_ns.map(|span_ns| oldest.plus_nanos(span_ns));
            if left_at.is_some_and(|left_at| left_at <= now) {
                self.drop_oldest();
            } else if self.len() >= length.rows {
                self.short_until = left_at;
                self.drop_oldest();
            } else {
                return;
            }
        }
    }

    fn oldest(&self) -> Option<Time> {
        self.leaving.last().or(self.entering.first()).map(|entry| entry.sample.time)
    }

    fn drop_oldest(&mut self) {
        if self.leaving.is_empty() {
            for Entry { sample, .. } in self.entering.drain(..).rev() {
                let own = Sum::of(sample.value, sample.quality);
                let sum = self.leaving.last().map_or(own, |newer: &Entry| own.and(newer.sum));
                self.leaving.push(Entry { sample, sum });
            }
        }
        self.leaving.pop();
    }
}
