//! The last rows, by age and by size.
//!
//! Invariants: `sorted` holds the values of `rows`, ascending; all are finite, and none is −0 (so that equal values are
//! the same bits and it does not matter which of them leaves). `uncertain` counts the rows of uncertain quality.

use std::collections::VecDeque;

use tidemill_sdk::Quality;

#[derive(Default)]
pub(crate) struct Window {
    /// The oldest row first.
    rows: VecDeque<(f64, Quality)>,
    sorted: Vec<f64>,
    uncertain: usize,
}

impl Window {
    /// Takes a row in; beyond `count` the oldest leaves. Costs two searches and one move of neighbouring values.
    pub(crate) fn learn(&mut self, count: usize, value: f64, quality: Quality) {
        let value = value + 0.0; // −0 becomes 0
        if self.rows.len() == count
            && let Some((oldest, its_quality)) = self.rows.pop_front()
        {
            self.uncertain -= usize::from(its_quality.is_uncertain());
            self.replace(oldest, value);
        } else {
            self.sorted.insert(self.place(value), value);
        }
        self.uncertain += usize::from(quality.is_uncertain());
        self.rows.push_back((value, quality));
    }

    /// Only what lies between the two places moves.
    fn replace(&mut self, old: f64, new: f64) {
        let (from, to) = (self.place(old), self.place(new));
        if from < to {
            self.sorted.copy_within(from + 1..to, from);
            self.sorted[to - 1] = new;
        } else {
            self.sorted.copy_within(to..from, to + 1);
            self.sorted[to] = new;
        }
    }

    /// Where `value` is or belongs: before all values that are not smaller.
    fn place(&self, value: f64) -> usize {
        self.sorted.partition_point(|known| *known < value)
    }

    pub(crate) fn len(&self) -> usize {
        self.sorted.len()
    }

    /// The worst quality among the rows; of several, that of the oldest. A scan, but only while there are uncertain
    /// rows.
    pub(crate) fn quality(&self) -> Quality {
        if self.uncertain == 0 {
            return Quality::GOOD;
        }
        self.rows.iter().fold(Quality::GOOD, |worst, (_, quality)| worst.worst(*quality))
    }

    pub(crate) fn median(&self) -> Option<f64> {
        let n = self.sorted.len();
        let upper = *self.sorted.get(n / 2)?;
        Some(if n % 2 == 1 { upper } else { (self.sorted[n / 2 - 1] + upper) / 2.0 })
    }

    /// The median of the distances from `median`: 0 without rows.
    ///
    /// The values below the median, downwards, and the others, upwards, are two ascending lists of distances. The rank
    /// wanted is found by halving the part of one list that may hold it.
    pub(crate) fn median_distance(&self, median: f64) -> f64 {
        let (below, above) = self.sorted.split_at(self.place(median));
        let distances = Distances { below, above, median };
        let n = self.sorted.len();
        match n {
            0 => 0.0,
            _ if n % 2 == 1 => distances.ranked(n / 2),
            _ => (distances.ranked(n / 2 - 1) + distances.ranked(n / 2)) / 2.0,
        }
    }
}

struct Distances<'a> {
    below: &'a [f64],
    above: &'a [f64],
    median: f64,
}

impl Distances<'_> {
    fn of_below(&self, index: usize) -> f64 {
        self.median - self.below[self.below.len() - 1 - index]
    }

    fn of_above(&self, index: usize) -> f64 {
        self.above[index] - self.median
    }

    /// The distance that `rank` others come before, in ascending order.
    fn ranked(&self, rank: usize) -> f64 {
        // Of the `rank` smallest, `low` to `high` are from below: the largest number whose last is not larger than what
        // follows above.
        let (mut low, mut high) = (rank.saturating_sub(self.above.len()), rank.min(self.below.len()));
        while low < high {
            let from_below = (low + high).div_ceil(2);
            let from_above = rank - from_below;
            let fits = from_above >= self.above.len() || self.of_below(from_below - 1) <= self.of_above(from_above);
            if fits { low = from_below } else { high = from_below - 1 }
        }
        let (from_below, from_above) = (low, rank - low);
        match (from_below < self.below.len(), from_above < self.above.len()) {
            (true, true) => {
                let (below, above) = (self.of_below(from_below), self.of_above(from_above));
                if below < above { below } else { above }
            }
            (true, false) => self.of_below(from_below),
            _ => self.of_above(from_above),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against sorting, on windows of every length with many equal values.
    #[test]
    fn medians_are_those_of_sorting() {
        let mut state = 3_u64;
        for count in 1..40 {
            let mut window = Window::default();
            let mut all: Vec<f64> = Vec::new();
            for _ in 0..200 {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let value = ((state >> 60) as f64 - 8.0) / 4.0;
                window.learn(count, value, Quality::GOOD);
                all.push(value);
                let last = &all[all.len().saturating_sub(count)..];
                let median = by_sorting(last.to_vec());
                assert_eq!(window.median(), Some(median));
                let distances = last.iter().map(|value| (value - median).abs()).collect();
                assert_eq!(window.median_distance(median), by_sorting(distances), "{last:?}");
            }
        }
    }

    fn by_sorting(mut values: Vec<f64>) -> f64 {
        values.sort_by(f64::total_cmp);
        let n = values.len();
        if n % 2 == 1 { values[n / 2] } else { (values[n / 2 - 1] + values[n / 2]) / 2.0 }
    }
}
