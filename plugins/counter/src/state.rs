//! The state of one counter, and its bytes.
//!
//! Invariant: `before` is older than `newest`. A correction of the newest reading starts again from `before`.
//!
//! ```text
//! state   u8 version, 1 | point before | point newest                                             75 bytes
//! point   u8 1, or 0 for none | s64 time | f64 reading | f64 total | f64 errors | u32 quality     37 bytes
//! ```
//!
//! Little-endian. A point that is not there has zeros.

use crate::step::{Increase, Settings};
use tidemill_sdk::{Quality, Row, Time};

const VERSION: u8 = 1;
const POINT_BYTES: usize = 37;

/// The newest reading, and the one of another time before it.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(crate) struct State {
    before: Option<Point>,
    newest: Option<Point>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
struct Point {
    time: Time,
    reading: f64,
    total: f64,
    /// What the additions to `total` have lost.
    errors: f64,
    quality: Quality,
}

/// What a reading gives.
pub(crate) struct Step {
    pub(crate) rate: Option<f64>,
    pub(crate) total: f64,
    pub(crate) quality: Quality,
}

impl State {
    /// Takes a usable reading; gives nothing when it is left out.
    pub(crate) fn take(&mut self, settings: &Settings, row: &Row) -> Option<Step> {
        let newest = self.newest.map_or(Time::MIN, |newest| newest.time);
        if row.time < newest {
            return None;
        }
        let before = if row.time > newest { self.newest } else { self.before };
        let (point, step) = match before {
            None => Point::first(row),
            Some(before) => before.follow(settings, row)?,
        };
        *self = State { before, newest: Some(point) };
        Some(step)
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        for point in [self.before, self.newest] {
            bytes.push(u8::from(point.is_some()));
            bytes.extend(point.map_or([0; POINT_BYTES - 1], Point::to_bytes));
        }
        bytes
    }

    /// Nothing if the bytes are not those of a state.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<State> {
        let (version, points) = bytes.split_first()?;
        let (before, newest) = points.split_at_checked(POINT_BYTES)?;
        let point = |bytes: &[u8]| match bytes.split_first()? {
            (0, _) => Some(None),
            (1, rest) => Some(Some(Point::from_bytes(rest.try_into().ok()?))),
            _ => None,
        };
        let is_known = *version == VERSION && newest.len() == POINT_BYTES;
        is_known.then_some(State { before: point(before)?, newest: point(newest)? })
    }
}

impl Point {
    fn first(row: &Row) -> (Point, Step) {
        let point = Point { time: row.time, reading: row.value, total: 0.0, errors: 0.0, quality: row.quality };
        (point, Step { rate: None, total: 0.0, quality: row.quality })
    }

    fn follow(&self, settings: &Settings, row: &Row) -> Option<(Point, Step)> {
        let dt_s = row.time.seconds_since(self.time);
        let Increase { units, reading, is_certain } = settings.increase(self.reading, row.value, dt_s)?;
        let is_gap = settings.is_gap(row.time - self.time);
        let total = self.total + units;
        let part = total - self.total;
        let errors = self.errors + ((self.total - (total - part)) + (units - part));
        let own = if is_certain && !is_gap { Quality::GOOD } else { Quality::UNCERTAIN };
        let step = Step {
            rate: (!is_gap).then_some(units / dt_s),
            total: total + errors,
            quality: self.quality.worst(row.quality).worst(own),
        };
        Some((Point { time: row.time, reading, total, errors, quality: row.quality }, step))
    }

    fn to_bytes(self) -> [u8; POINT_BYTES - 1] {
        let mut bytes = [0; POINT_BYTES - 1];
        let words = [self.time.0 as u64, self.reading.to_bits(), self.total.to_bits(), self.errors.to_bits()];
        let (front, quality) = bytes.split_at_mut(32);
        front.as_chunks_mut().0.iter_mut().zip(words).for_each(|(place, word)| *place = word.to_le_bytes());
        quality.copy_from_slice(&self.quality.0.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; POINT_BYTES - 1]) -> Point {
        let word = |index: usize| u64::from_le_bytes(bytes.as_chunks().0[index]);
        let [.., q0, q1, q2, q3] = *bytes;
        Point {
            time: Time(word(0) as i64),
            reading: f64::from_bits(word(1)),
            total: f64::from_bits(word(2)),
            errors: f64::from_bits(word(3)),
            quality: Quality(u32::from_le_bytes([q0, q1, q2, q3])),
        }
    }
}
