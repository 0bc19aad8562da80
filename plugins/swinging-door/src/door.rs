//! One line under way: its pivot, its doors, its candidate.
//!
//! Invariants:
//! - pivot.time < before.time < candidate.time; `before` is there only with a candidate, and is the last row that the
//!   doors know.
//! - Every row between pivot and candidate lies within ± width of the line from the pivot to the candidate, and within
//!   ± width of the line from the pivot to `before` as far as it lies between those two. So both may become the corner
//!   at any time.
//! - All rows of a line have the pivot's quality, and are all finite, or all the same value that is not.

use tidemill_sdk::{Quality, Time};

/// What holds for all groups.
pub(crate) struct Settings {
    pub(crate) width: f64,
    pub(crate) max_interval_ns: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { width: 0.0, max_interval_ns: i64::MAX }
    }
}

/// A row of one group.
#[derive(Clone, Copy)]
pub(crate) struct Point {
    pub(crate) time: Time,
    pub(crate) value: f64,
    pub(crate) quality: Quality,
}

/// Slopes in value per nanosecond that all rows the doors know allow.
#[derive(Clone, Copy)]
struct Doors {
    lower: f64,
    upper: f64,
}

const OPEN: Doors = Doors { lower: f64::NEG_INFINITY, upper: f64::INFINITY };

impl Doors {
    fn narrowed(self, width: f64, pivot: &Point, point: &Point) -> Doors {
        let dt = (point.time - pivot.time) as f64;
        let lower = (point.value - width - pivot.value) / dt;
        let upper = (point.value + width - pivot.value) / dt;
        Doors {
            lower: if lower > self.lower { lower } else { self.lower },
            upper: if upper < self.upper { upper } else { self.upper },
        }
    }

    /// Rows that are not finite have no slope, and nothing hides them from each other.
    fn show(self, pivot: &Point, point: &Point) -> bool {
        let slope = (point.value - pivot.value) / (point.time - pivot.time) as f64;
        let is_hidden = slope < self.lower || slope > self.upper;
        !is_hidden
    }
}

/// The state of a group.
pub(crate) struct Line {
    pivot: Point,
    /// Of the rows up to `before`.
    doors: Doors,
    before: Option<Point>,
    candidate: Option<Point>,
}

impl From<Point> for Line {
    fn from(pivot: Point) -> Line {
        Line { pivot, doors: OPEN, before: None, candidate: None }
    }
}

impl Line {
    /// Takes the next row.
    pub(crate) fn take(&mut self, settings: &Settings, row: Point, emit: &mut impl FnMut(Point)) {
        let newest = self.candidate.unwrap_or(self.pivot).time;
        if row.time < newest {
            return emit(row);
        }
        self.pass(settings, row.time, emit);
        if row.time == self.pivot.time || !is_alike(&self.pivot, &row) {
            self.turn(row.time, emit);
            emit(row);
            *self = Line::from(row);
        } else if row.time == newest {
            self.correct(row, emit);
        } else {
            self.follow(settings, row, emit);
        }
    }

    /// Time has reached `now`: ends a line that has become too long.
    pub(crate) fn pass(&mut self, settings: &Settings, now: Time, emit: &mut impl FnMut(Point)) {
        if now - self.pivot.time > settings.max_interval_ns {
            self.turn(now, emit);
        }
    }

    /// A row later than the candidate.
    fn follow(&mut self, settings: &Settings, row: Point, emit: &mut impl FnMut(Point)) {
        if let Some(candidate) = self.candidate {
            let doors = self.doors.narrowed(settings.width, &self.pivot, &candidate);
            if doors.show(&self.pivot, &row) {
                self.doors = doors;
                self.before = Some(candidate);
            } else {
                self.turn(row.time, emit);
            }
        }
        self.candidate = Some(row);
    }

    /// A row that takes the place of the candidate.
    fn correct(&mut self, row: Point, emit: &mut impl FnMut(Point)) {
        if !self.doors.show(&self.pivot, &row) {
            self.turn(row.time, emit);
        }
        self.candidate = Some(row);
    }

    /// Makes the last row before `now` the corner, if it is not the pivot itself.
    fn turn(&mut self, now: Time, emit: &mut impl FnMut(Point)) {
        let corner = self.candidate.filter(|candidate| candidate.time < now).or(self.before);
        if let Some(corner) = corner {
            emit(corner);
            let rest = self.candidate.filter(|candidate| candidate.time > corner.time);
            *self = Line { candidate: rest, ..Line::from(corner) };
        }
    }
}

/// Whether two rows may lie on one line.
fn is_alike(a: &Point, b: &Point) -> bool {
    let both_finite = a.value.is_finite() && b.value.is_finite();
    a.quality == b.quality && (both_finite || a.value == b.value || (a.value.is_nan() && b.value.is_nan()))
}
