//! From the rows of a window to values of equal distance.

/// Resampling never makes more than this many times the rows there are.
const GROWTH_MAX: usize = 4;

/// Values of equal distance.
#[derive(Default)]
pub(crate) struct Even {
    pub(crate) values: Vec<f64>,
    pub(crate) step_s: f64,
    pub(crate) is_resampled: bool,
    times: Vec<i64>,
    scratch: Vec<f64>,
}

impl Even {
    /// Takes rows, (nanoseconds, value), ordered by time. Fewer than two rows have no step and stay as they are.
    pub(crate) fn take(&mut self, rows: impl Iterator<Item = (i64, f64)>, tolerance: f64) {
        self.times.clear();
        self.values.clear();
        self.is_resampled = false;
        for (time, value) in rows {
            if self.times.last().is_none_or(|last| *last < time) {
                self.times.push(time);
                self.values.push(value);
            }
        }
        let (Some(first), Some(last)) = (self.times.first(), self.times.last()) else { return };
        let (first, span) = (*first, (*last - *first) as f64);
        let step = span / (self.times.len() - 1) as f64;
        self.step_s = step / 1e9;
        let is_off = |(k, time): (usize, &i64)| ((time - first) as f64 - k as f64 * step).abs() > tolerance * step;
        if self.times.iter().enumerate().any(is_off) {
            self.resample(first, span);
        }
    }

    fn resample(&mut self, first: i64, span: f64) {
        let n = self.times.len();
        let by_median = (span / self.median_step() as f64).round() as usize;
        let steps = if by_median < GROWTH_MAX * n { by_median.max(1) } else { n - 1 };
        self.scratch.clear();
        let mut right = 1;
        for k in 0..=steps {
            let at = span * (k as f64 / steps as f64);
            while right < n - 1 && ((self.times[right] - first) as f64) < at {
                right += 1;
            }
            let (from, to) = ((self.times[right - 1] - first) as f64, (self.times[right] - first) as f64);
            let (left_value, right_value) = (self.values[right - 1], self.values[right]);
            self.scratch.push(left_value + (right_value - left_value) * ((at - from) / (to - from)));
        }
        std::mem::swap(&mut self.values, &mut self.scratch);
        self.step_s = span / steps as f64 / 1e9;
        self.is_resampled = true;
    }

    /// The lower median of the steps.
    fn median_step(&self) -> i64 {
        let mut steps: Vec<i64> = self.times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let middle = (steps.len() - 1) / 2;
        *steps.select_nth_unstable(middle).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn even(rows: &[(i64, f64)], tolerance: f64) -> (Vec<f64>, f64, bool) {
        let mut even = Even::default();
        even.take(rows.iter().copied(), tolerance);
        (even.values, even.step_s * 1e9, even.is_resampled)
    }

    #[test]
    fn rows_within_the_tolerance_stay_as_they_are() {
        let rows = [(0, 1.0), (104, 2.0), (200, 3.0), (300, 4.0)];
        assert_eq!(even(&rows, 0.05), (vec![1.0, 2.0, 3.0, 4.0], 100.0, false));
        assert!(even(&rows, 0.03).2);
    }

    #[test]
    fn a_lost_row_is_put_on_the_line_and_keeps_the_step() {
        let rows = [(0, 0.0), (100, 1.0), (200, 2.0), (400, 6.0), (500, 5.0)];
        assert_eq!(even(&rows, 0.05), (vec![0.0, 1.0, 2.0, 4.0, 6.0, 5.0], 100.0, true));
    }

    #[test]
    fn steps_much_shorter_than_most_do_not_make_many_rows() {
        let mut rows: Vec<(i64, f64)> = (0..10).map(|k| (k, 0.0)).collect();
        rows.extend([(1_000_000, 1.0), (2_000_000, 2.0)]);
        let (values, step, is_resampled) = even(&rows, 0.05);
        assert_eq!((values.len(), is_resampled), (12, true));
        assert!((step - 2_000_000.0 / 11.0).abs() < 1e-6);
    }

    #[test]
    fn of_rows_of_equal_time_the_first_counts() {
        let rows = [(0, 1.0), (0, 9.0), (100, 2.0), (100, 9.0), (200, 3.0)];
        assert_eq!(even(&rows, 0.05), (vec![1.0, 2.0, 3.0], 100.0, false));
    }
}
