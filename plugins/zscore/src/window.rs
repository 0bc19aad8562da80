//! Mean and variance of the last rows, exactly of those and with no memory of the ones that have left.
//!
//! The usual running sums subtract what leaves the window, and keep its rounding error for ever: a spike of 1e9 spoils
//! a variance around 1. Here nothing is subtracted. The window is a queue of two stacks (Tangwongsan, Hirzel,
//! Schneider: Low-Latency Sliding-Window Aggregation in Worst-Case Constant Time, DEBS 2017, where it is called
//! Two-Stacks):
//!
//! ```text
//!   oldest ──────────────────────────────► newest
//!   front: sums of "from here to the end"  back: the rows themselves, and the sum of all of them
//!   s(1…4) s(2…4) s(3…4) s(4)              5 6 7   s(5…7)
//! ```
//!
//! The sum of all rows is front's first and back's together; the oldest row leaves with its sum. When front is empty,
//! back is turned over into it. Every row is added to two sums in its life, so a row costs the same however long the
//! window is.
//!
//! Sums are merged as in Chan, Golub, LeVeque: Algorithms for Computing the Sample Variance, The American Statistician
//! 37(3), 1983, for pairs of samples, which does not cancel where the mean is large against the spread.

use crate::moments::Moments;
use tidemill_sdk::Quality;

/// Count, mean, sum of squared deviations from the mean, and worst quality of some rows.
#[derive(Clone, Copy, Default)]
struct Sum {
    count: f64,
    mean: f64,
    squares: f64,
    quality: Quality,
}

impl Sum {
    fn of(value: f64, quality: Quality) -> Sum {
        Sum { count: 1.0, mean: value, squares: 0.0, quality }
    }

    fn and(self, newer: Sum) -> Sum {
        if self.count == 0.0 || newer.count == 0.0 {
            return if self.count == 0.0 { newer } else { self };
        }
        let count = self.count + newer.count;
        let distance = newer.mean - self.mean;
        Sum {
            count,
            mean: self.mean + distance * (newer.count / count),
            squares: self.squares + newer.squares + distance * distance * (self.count * newer.count / count),
            quality: self.quality.worst(newer.quality),
        }
    }
}

/// The window. Invariant: `back_sum` is the sum of `back`.
#[derive(Default)]
pub(crate) struct Window {
    /// The oldest row is last.
    front: Vec<Sum>,
    /// The newest row is last.
    back: Vec<(f64, Quality)>,
    back_sum: Sum,
}

impl Window {
    /// Takes a row in; beyond `count` the oldest leaves.
    pub(crate) fn learn(&mut self, count: usize, value: f64, quality: Quality) {
        if self.front.len() + self.back.len() == count {
            if self.front.is_empty() {
                self.turn_over();
            }
            self.front.pop();
        }
        self.back.push((value, quality));
        self.back_sum = self.back_sum.and(Sum::of(value, quality));
    }

    fn turn_over(&mut self) {
        let mut from_here = Sum::default();
        while let Some((value, quality)) = self.back.pop() {
            from_here = Sum::of(value, quality).and(from_here);
            self.front.push(from_here);
        }
        self.back_sum = Sum::default();
    }

    pub(crate) fn moments(&self) -> Moments {
        let all = self.front.last().copied().unwrap_or_default().and(self.back_sum);
        Moments { count: all.count, mean: all.mean, variance: all.squares / (all.count - 1.0), quality: all.quality }
    }
}
