//! Source time.

use std::ops::Sub;

/// Source time: nanoseconds since the Unix epoch, UTC. The only time a plugin knows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Time(pub i64);

const NANOS_PER_SECOND: f64 = 1e9;

impl Time {
    /// Earlier than every sample.
    pub const MIN: Time = Time(i64::MIN);

    /// A whole number of seconds after the epoch.
    pub const fn from_seconds(seconds: i64) -> Time {
        Time(seconds * 1_000_000_000)
    }

    /// `nanos` later (or earlier, if negative); stops at the ends of the range.
    pub const fn plus_nanos(self, nanos: i64) -> Time {
        Time(self.0.saturating_add(nanos))
    }

    /// Seconds from `earlier` to here, negative when `earlier` is later. Exact for whole nanoseconds up to 104 days.
    pub fn seconds_since(self, earlier: Time) -> f64 {
        (self - earlier) as f64 / NANOS_PER_SECOND
    }
}

/// Nanoseconds between two times; stops at the ends of the range.
impl Sub for Time {
    type Output = i64;

    fn sub(self, earlier: Time) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}
