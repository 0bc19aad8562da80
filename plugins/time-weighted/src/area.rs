//! The area under a signal, in value × nanoseconds, with the time it covers.
//!
//! Invariant: `errors` are what the additions to `sum` have lost, so that `sum + errors` is as accurate as in twice the
//! precision.

/// An area that grows from left to right.
#[derive(Default)]
pub(crate) struct Area {
    sum: f64,
    errors: f64,
    covered_ns: i64,
}

impl Area {
    /// Adds the trapezoid over `dt_ns`, 0 or more, from `left` to `right`.
    pub(crate) fn add(&mut self, dt_ns: i64, left: f64, right: f64) {
        // Halves first: two values near the largest number have a mean, but no sum.
        let piece = (left / 2.0 + right / 2.0) * dt_ns as f64;
        let sum = self.sum + piece;
        let part = sum - self.sum;
        self.errors += (self.sum - (sum - part)) + (piece - part);
        self.sum = sum;
        self.covered_ns += dt_ns;
    }

    pub(crate) fn sum(&self) -> f64 {
        // Where the sum is infinite the errors are NaN.
        if self.sum.is_finite() { self.sum + self.errors } else { self.sum }
    }

    pub(crate) fn covered_ns(&self) -> i64 {
        self.covered_ns
    }
}
