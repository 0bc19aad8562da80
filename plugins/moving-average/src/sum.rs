//! A sum that carries its rounding errors along, with the worst quality of its terms.
//!
//! Invariant: `errors` is 0 while `total` is not finite, because the errors of such additions are NaN.

use tidemill_sdk::Quality;

/// The sum of some samples, in order of time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sum {
    total: f64,
    errors: f64,
    worst: Quality,
}

impl Sum {
    pub(crate) fn of(value: f64, quality: Quality) -> Sum {
        Sum { total: value, errors: 0.0, worst: quality }
    }

    /// This sum, and after it `later`.
    pub(crate) fn and(self, later: Sum) -> Sum {
        let total = self.total + later.total;
        // Knuth's TwoSum: what the addition has lost, exactly.
        let part = total - self.total;
        let lost = (self.total - (total - part)) + (later.total - part);
        let errors = if total.is_finite() { self.errors + later.errors + lost } else { 0.0 };
        Sum { total, errors, worst: self.worst.worst(later.worst) }
    }

    pub(crate) fn total(self) -> f64 {
        self.total + self.errors
    }

    pub(crate) fn worst(self) -> Quality {
        self.worst
    }
}
