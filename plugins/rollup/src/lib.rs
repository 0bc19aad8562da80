//! `rollup`: count, sum, mean, min, max and variance of a window.
//!
//! Over the usable rows x₁ … xₙ of the window:
//!
//! | output     | is                                                                            |
//! |------------|-------------------------------------------------------------------------------|
//! | `count`    | n                                                                             |
//! | `sum`      | Σxᵢ, compensated                                                              |
//! | `mean`     | m = sum / n                                                                   |
//! | `min`, `max` | the smallest and the largest                                                |
//! | `variance` | population variance (Σ(xᵢ−m)² − (Σ(xᵢ−m))²/n) / n                             |
//!
//! - A row is usable unless its quality is bad or its value is NaN. A window without usable rows has count 0 and no other values.
//! - The sum carries the rounding error of every addition along (Ogita, Rump, Oishi: Accurate Sum and Dot Product, SIAM J. Sci. Comput.
//!   26(6), 2005, algorithm 4.4 `Sum2`): as accurate as in twice the precision.
//! - The variance is the corrected two-pass algorithm (Chan, Golub, LeVeque: Algorithms for Computing the Sample Variance, The
//!   American Statistician 37(3), 1983, equation 1.7): no cancellation when the mean is large against the spread.
//! - Additions happen in the order of time, so that the same window always gives the same bits.
//!
//! Results of parts of a window are put together by the same formulas over nᵢ, sᵢ, mᵢ and vᵢ of the parts: n = Σnᵢ, sum = Σsᵢ
//! (compensated), m = sum / n, and variance = Σ nᵢ (vᵢ + (mᵢ − m)²) / n (Chan, Golub, LeVeque, equations 1.5, for any number of
//! parts). Count, minimum and maximum are those of all rows; the others differ from them by rounding at most.
//!
//! It takes no parameters.

use tidemill_sdk::prelude::*;

/// Places of the outputs.
const COUNT: usize = 0;
const SUM: usize = 1;
const MEAN: usize = 2;
const MIN: usize = 3;
const MAX: usize = 4;
const VARIANCE: usize = 5;

/// The aggregation. Its only field is a buffer that is overwritten when it is needed.
#[derive(Default)]
pub struct Rollup {
    scratch: Vec<f64>,
}

impl Aggregation for Rollup {
    const ABOUT: About = About {
        name: "rollup",
        version: env!("CARGO_PKG_VERSION"),
        inputs: &[Port::number("value")],
        outputs: &[
            Port::number("count"),
            Port::number("sum"),
            Port::number("mean"),
            Port::number("min"),
            Port::number("max"),
            Port::number("variance"),
        ],
    };

    fn aggregate(&mut self, window: &Window<'_>, out: &mut [f64]) {
        let values = usable(window, &mut self.scratch);
        let n = values.len() as f64;
        out[COUNT] = n;
        if values.is_empty() {
            return;
        }
        out[SUM] = sum(values.iter().copied());
        out[MEAN] = out[SUM] / n;
        (out[MIN], out[MAX]) = extremes(values.iter().copied());
        out[VARIANCE] = variance(values, out[MEAN]);
    }
}

impl Combining for Rollup {
    fn combine(&mut self, parts: &Parts<'_>, out: &mut [f64]) {
        let n: f64 = parts.values(COUNT).sum();
        out[COUNT] = n;
        if n == 0.0 {
            return;
        }
        out[SUM] = sum(parts.values(SUM));
        let mean = out[SUM] / n;
        out[MEAN] = mean;
        (out[MIN], _) = extremes(parts.values(MIN));
        (_, out[MAX]) = extremes(parts.values(MAX));
        let squares = |part: &[f64]| part[COUNT] * (part[VARIANCE] + (part[MEAN] - mean) * (part[MEAN] - mean));
        out[VARIANCE] = parts.iter().filter(|part| part[COUNT] > 0.0).map(squares).sum::<f64>() / n;
    }
}

tidemill_sdk::combining_aggregation!(Rollup);

/// Values of the usable rows, copied only if there are others.
fn usable<'a>(window: &Window<'a>, scratch: &'a mut Vec<f64>) -> &'a [f64] {
    if window.is_all_good() && !window.values().iter().any(|value| value.is_nan()) {
        return window.values();
    }
    scratch.clear();
    let rows = window.rows().filter(|row| !row.quality.is_bad() && !row.value.is_nan());
    scratch.extend(rows.map(|row| row.value));
    scratch
}

/// The smallest and the largest of `values`, none of which is NaN. Plain comparisons: `f64::min` is a library call in Wasm.
fn extremes(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let start = (f64::INFINITY, f64::NEG_INFINITY);
    values
        .fold(start, |(min, max), value| (if value < min { value } else { min }, if value > max { value } else { max }))
}

/// `Sum2`: the errors of the additions are summed beside the sum and added at the end.
fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut errors) = (0.0_f64, 0.0_f64);
    for value in values {
        let next = sum + value;
        let part = next - sum;
        errors += (sum - (next - part)) + (value - part);
        sum = next;
    }
    // Where the sum is infinite the errors are NaN.
    if sum.is_finite() { sum + errors } else { sum }
}

/// Corrected two-pass: the second term would be 0 in exact arithmetic; here it takes out the rounding error of the mean.
fn variance(values: &[f64], mean: f64) -> f64 {
    let n = values.len() as f64;
    let (mut squares, mut deviations) = (0.0, 0.0);
    for &value in values {
        let deviation = value - mean;
        squares += deviation * deviation;
        deviations += deviation;
    }
    (squares - deviations * deviations / n) / n
}

#[cfg(test)]
mod tests;
