//! What the two ends of a step weigh.
//!
//! Invariant: both weights are 0 or more, and their sum, 1 − e^(−α), is at most 1.

use tidemill_sdk::Problem;

/// What the signal is between two samples.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(crate) enum Between {
    /// The line between them.
    #[default]
    Linear,
    /// The first of them.
    Last,
    /// The second.
    Next,
}

impl Between {
    pub(crate) fn named(name: &str) -> Result<Between, Problem> {
        match name {
            "linear" => Ok(Between::Linear),
            "last" => Ok(Between::Last),
            "next" => Ok(Between::Next),
            other => {
                let reason = format!("is \"{other}\", but must be \"linear\", \"last\" or \"next\"");
                Err(Problem::parameter("between", &reason))
            }
        }
    }

    /// Weights of the sample before and of the sample after a step of `alpha` time constants; `alpha` is more than 0.
    pub(crate) fn weights(self, alpha: f64) -> (f64, f64) {
        let gain = -(-alpha).exp_m1();
        match self {
            Between::Last => (gain, 0.0),
            Between::Next => (0.0, gain),
            Between::Linear => {
                let after = weight_after(alpha, gain);
                (gain - after, after)
            }
        }
    }
}

/// Below this many time constants the formula loses more digits than the series with its number of terms.
const SERIES_MAX: f64 = 0.25;

/// 1 − (1 − e^(−α))/α, which is α/2! − α²/3! + α³/4! − …
fn weight_after(alpha: f64, gain: f64) -> f64 {
    if alpha > SERIES_MAX {
        return 1.0 - gain / alpha;
    }
    // From the inside out; the first term left out is α¹³/14!, below 2⁻⁶² at the limit.
    let inner = (3..=13).rev().fold(1.0, |inner, factor| 1.0 - inner * alpha / f64::from(factor));
    inner * alpha / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weight_after_is_the_same_on_both_sides_of_the_limit_and_half_the_step_when_small() {
        for alpha in [0.2_f64, 0.25] {
            let direct = 1.0 + (-alpha).exp_m1() / alpha;
            assert!((weight_after(alpha, -(-alpha).exp_m1()) - direct).abs() < 1e-15);
        }
        let (before, after) = Between::Linear.weights(1e-9);
        assert!((after / 1e-9 - (0.5 - 1e-9 / 6.0)).abs() < 1e-15);
        assert!((before / 1e-9 - (0.5 - 1e-9 / 3.0)).abs() < 1e-15);
    }

    #[test]
    fn a_very_long_step_leaves_only_its_end() {
        assert_eq!(Between::Linear.weights(f64::INFINITY), (0.0, 1.0));
        assert_eq!(Between::Last.weights(1e9), (1.0, 0.0));
        assert_eq!(Between::Next.weights(1e9), (0.0, 1.0));
    }
}
