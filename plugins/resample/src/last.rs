//! The value of the newest row, held until the next row or until it is too old.
//!
//! Invariant: grid times below `next` have been emitted from the rows known, or have no value. A row that comes after
//! the watermark has passed it moves `next` back to itself.

use crate::grid::Grid;
use crate::sample::Sample;
use tidemill_sdk::Time;

#[derive(Default)]
pub(crate) struct Last {
    newest: Option<Sample>,
    /// The first grid time that is not settled.
    next: i64,
}

impl Last {
    pub(crate) fn take(&mut self, grid: &Grid, max_age_ns: i64, row: Sample, emit: &mut impl FnMut(Sample)) {
        let own = grid.at_or_after(row.time);
        match self.newest {
            Some(newest) if row.time < newest.time => return,
            Some(_) => {
                self.pass(grid, max_age_ns, row.time, emit);
                self.next = self.next.min(own);
            }
            None => self.next = own,
        }
        self.newest = Some(row);
        self.pass(grid, max_age_ns, row.time.plus_nanos(1), emit);
    }

    /// Emits the grid times before `end`.
    pub(crate) fn pass(&mut self, grid: &Grid, max_age_ns: i64, end: Time, emit: &mut impl FnMut(Sample)) {
        let Some(newest) = self.newest else { return };
        let settled = grid.at_or_after(end);
        let too_old = grid.at_or_before(newest.time.plus_nanos(max_age_ns)) + 1;
        for index in self.next..settled.min(too_old) {
            emit(Sample { time: grid.time(index), ..newest }.honest());
        }
        self.next = self.next.max(settled);
    }
}
