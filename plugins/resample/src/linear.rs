//! The line between neighbouring rows.

use crate::grid::Grid;
use crate::sample::Sample;
use tidemill_sdk::Time;

#[derive(Default)]
pub(crate) struct Linear {
    /// The row before the newest, with an earlier time.
    before: Option<Sample>,
    newest: Option<Sample>,
}

impl Linear {
    pub(crate) fn take(&mut self, grid: &Grid, max_age_ns: i64, row: Sample, emit: &mut impl FnMut(Sample)) {
        match self.newest {
            Some(newest) if row.time < newest.time => return,
            Some(newest) if row.time > newest.time => self.before = Some(newest),
            _ => {}
        }
        self.newest = Some(row);
        if let Some(before) = self.before.filter(|before| row.time - before.time <= max_age_ns) {
            let first = grid.at_or_before(before.time) + 1;
            for index in first..grid.at_or_after(row.time) {
                emit(between(&before, &row, grid.time(index)).honest());
            }
        }
        let own = grid.at_or_after(row.time);
        if grid.time(own) == row.time {
            emit(row.honest());
        }
    }
}

fn between(before: &Sample, after: &Sample, time: Time) -> Sample {
    let share = (time - before.time) as f64 / (after.time - before.time) as f64;
    let value = before.value + (after.value - before.value) * share;
    Sample { time, value, quality: before.quality.worst(after.quality) }
}
