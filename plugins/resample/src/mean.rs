//! The arithmetic mean of the rows of an interval.
//!
//! Invariants: `sums` has the rows of `interval` but the newest, which may still be written again; `is_emitted` says
//! that the mean of all of them has been emitted.

use crate::grid::Grid;
use crate::sample::Sample;
use tidemill_sdk::{Quality, Time};

/// UncertainDataSubNormal: computed from fewer good values than there should be (OPC UA Part 8, Part 13).
const SUBNORMAL: Quality = Quality(0x40A4_0000);

#[derive(Default)]
pub(crate) struct Mean {
    interval: i64,
    sums: Sums,
    newest: Option<Sample>,
    is_emitted: bool,
}

#[derive(Clone, Copy, Default)]
struct Sums {
    sum: f64,
    /// What the additions have lost (Neumaier, Z. angew. Math. Mech. 54, 1974).
    lost: f64,
    count: u64,
    left_out: u64,
    quality: Quality,
}

impl Mean {
    pub(crate) fn take(&mut self, grid: &Grid, row: Sample, emit: &mut impl FnMut(Sample)) {
        let interval = grid.at_or_before(row.time);
        match self.newest {
            Some(newest) if row.time < newest.time => return,
            Some(newest) if interval == self.interval && row.time > newest.time => self.sums.add(&newest),
            Some(_) if interval > self.interval => {
                self.emit(grid, emit);
                self.sums = Sums::default();
            }
            _ => {}
        }
        self.interval = interval;
        self.newest = Some(row);
        self.is_emitted = false;
    }

    /// Emits the mean if its interval has ended.
    pub(crate) fn pass(&mut self, grid: &Grid, watermark: Time, emit: &mut impl FnMut(Sample)) {
        if grid.time(self.interval.saturating_add(1)) <= watermark {
            self.emit(grid, emit);
        }
    }

    fn emit(&mut self, grid: &Grid, emit: &mut impl FnMut(Sample)) {
        let Some(newest) = self.newest.filter(|_| !self.is_emitted) else { return };
        self.is_emitted = true;
        let mut sums = self.sums;
        sums.add(&newest);
        let (value, quality) = sums.mean();
        emit(Sample { time: grid.time(self.interval), value, quality });
    }
}

impl Sums {
    fn add(&mut self, row: &Sample) {
        if row.quality.is_bad() || row.value.is_nan() {
            self.left_out += 1;
            return;
        }
        let sum = self.sum + row.value;
        self.lost +=
            if self.sum.abs() >= row.value.abs() { (self.sum - sum) + row.value } else { (row.value - sum) + self.sum };
        self.sum = sum;
        self.count += 1;
        self.quality = self.quality.worst(row.quality);
    }

    fn mean(&self) -> (f64, Quality) {
        if self.count == 0 {
            return (f64::NAN, Quality::BAD);
        }
        // Where the sum is infinite, what was lost is NaN.
        let sum = if self.sum.is_finite() { self.sum + self.lost } else { self.sum };
        let quality = if self.left_out > 0 { self.quality.worst(SUBNORMAL) } else { self.quality };
        (sum / self.count as f64, quality)
    }
}
