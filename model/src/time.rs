//! Source time: i64 nanoseconds since the Unix epoch, UTC, and half-open ranges of it.

/// Nanoseconds in a second.
pub const SECOND_NS: i64 = 1_000_000_000;

/// A half-open range `start..end` of source times in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimeRange {
    /// First instant inside.
    pub start: i64,
    /// First instant after.
    pub end: i64,
}

impl TimeRange {
    /// Every time a sample can have. (`i64::MAX` itself is refused as a source time, so the range misses nothing.)
    pub const ALL: TimeRange = TimeRange { start: i64::MIN, end: i64::MAX };

    /// `start..end`; empty when `end <= start`.
    pub fn new(start: i64, end: i64) -> Self {
        Self { start, end }
    }

    /// Whether `time` lies inside.
    pub fn contains(&self, time: i64) -> bool {
        self.start <= time && time < self.end
    }

    /// Whether no time lies inside.
    pub fn is_empty(&self) -> bool {
        self.end <= self.start
    }

    /// Whether the closed span `first..=last` has a time inside.
    pub fn overlaps(&self, first: i64, last: i64) -> bool {
        !self.is_empty() && first < self.end && last >= self.start
    }
}
