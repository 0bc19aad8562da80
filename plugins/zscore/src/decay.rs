//! Mean and variance with weights that fade with time.
//!
//! With d = exp(−Δt/τ) since the row before, a row x changes the sums like this (West: Updating Mean and Variance
//! Estimates, CACM 22(9), 1979, with all old weights multiplied by d):
//!
//! ```text
//! W ← dW + 1     W₂ ← d²W₂ + 1     m' = m + (x − m)/W     S ← dS + (x − m)(x − m')
//! ```
//!
//! S/(W − W₂/W) is the sample variance for weights that say how much a row is worth: for equal weights it is S/(n−1).
//! W²/W₂ is the number of equally weighted rows that would be as good (Kish, Survey Sampling, 1965). Neither changes by
//! fading alone.

use crate::moments::Moments;
use tidemill_sdk::Quality;

/// Uncertain rows below this share of the weight do not make a result uncertain.
const UNCERTAIN_SHARE: f64 = 0.01;

#[derive(Default)]
pub(crate) struct Decay {
    weight: f64,
    squared_weights: f64,
    mean: f64,
    squares: f64,
    uncertain_weight: f64,
}

impl Decay {
    /// Takes in a row that is `passed` time constants newer than the last.
    pub(crate) fn learn(&mut self, passed: f64, value: f64, quality: Quality) {
        let fade = (-passed).exp();
        self.weight = fade * self.weight + 1.0;
        self.squared_weights = fade * fade * self.squared_weights + 1.0;
        self.uncertain_weight = fade * self.uncertain_weight + f64::from(u8::from(quality.is_uncertain()));
        let distance = value - self.mean;
        self.mean += distance / self.weight;
        self.squares = fade * self.squares + distance * (value - self.mean);
    }

    pub(crate) fn moments(&self) -> Moments {
        let is_uncertain = self.uncertain_weight > UNCERTAIN_SHARE * self.weight;
        Moments {
            count: if self.weight > 0.0 { self.weight * self.weight / self.squared_weights } else { 0.0 },
            mean: self.mean,
            variance: self.squares / (self.weight - self.squared_weights / self.weight),
            quality: if is_uncertain { Quality::UNCERTAIN } else { Quality::GOOD },
        }
    }
}
