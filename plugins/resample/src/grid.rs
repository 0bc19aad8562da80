//! Equally spaced times, numbered from the Unix epoch.

use tidemill_sdk::Time;

/// Grid time k is `offset_ns` + k · `every_ns`; `every_ns` is above 0.
#[derive(Clone, Copy, Default)]
pub(crate) struct Grid {
    pub(crate) every_ns: i64,
    pub(crate) offset_ns: i64,
}

impl Grid {
    pub(crate) fn time(&self, index: i64) -> Time {
        Time(index.saturating_mul(self.every_ns)).plus_nanos(self.offset_ns)
    }

    /// The last grid time not after `time`.
    pub(crate) fn at_or_before(&self, time: Time) -> i64 {
        (time - Time(self.offset_ns)).div_euclid(self.every_ns)
    }

    /// The first grid time not before `time`.
    pub(crate) fn at_or_after(&self, time: Time) -> i64 {
        let before = self.at_or_before(time);
        before + i64::from(self.time(before) < time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_lies_between_its_neighbours_on_the_grid() {
        let grid = Grid { every_ns: 7, offset_ns: 3 };
        for nanos in -100..100 {
            let time = Time(nanos);
            let (before, after) = (grid.at_or_before(time), grid.at_or_after(time));
            assert!(grid.time(before) <= time && time < grid.time(before + 1));
            assert!(grid.time(after) >= time && time > grid.time(after - 1));
        }
        assert_eq!((grid.at_or_before(Time(3)), grid.at_or_after(Time(3))), (0, 0));
    }
}
