//! `fft-band`: how much of a window's mean square lies in which bands of frequency.
//!
//! For N rows x₀ … x_{N−1} of equal distance Δ, less their mean if `remove_mean`, with weights w:
//!
//! ```text
//! X_j = Σ_k w_k x_k e^(−2πi jk/N)                     f_j = j / (N Δ)          j = 0 … N/2
//! P_j = c_j |X_j|² / (N Σ w_k²)                       c_j = 1 for j = 0 and j = N/2, else 2
//! band [low, high) = Σ P_j over low ≤ f_j < high      total = Σ P_j over all j
//! ```
//!
//! By Parseval's theorem total = Σ(w x)² / Σw²: without weights the mean square, and the variance if the mean is
//! removed. A sine of amplitude A gives A²/2 to its band; the square root of a band is its RMS. (Heinzel, Rüdiger,
//! Schilling: Spectrum and spectral density estimation by the DFT, 2002, sections 5 and 8; the sum over a band needs N
//! Σw², not (Σw)², whatever the weights.)
//!
//! - `window` `hann`: w_k = (1 − cos(2πk/N))/2, Σw² = 3N/8 for N ≥ 3. What is not periodic in the window leaks little,
//!   but a sine spreads over three to four bins: let bands end where little happens.
//! - `window` `none`: w = 1. For windows that hold whole periods.
//!
//! | output            | unit           | is                                                                              |
//! |-------------------|----------------|---------------------------------------------------------------------------------|
//! | `band1` … `band8` | square of unit | mean square in the first … eighth band; no value for bands that are not named, or lie above half of the rate |
//! | `total`           | square of unit | mean square of everything                                                       |
//! | `rate`            | Hz             | 1/Δ                                                                             |
//! | `resampled`       |                | 1 if the rows were not evenly spaced and have been resampled, else 0            |
//!
//! | parameter     | unit  | default | meaning                                                                          |
//! |---------------|-------|---------|----------------------------------------------------------------------------------|
//! | `bands`       | Hz    |         | one to eight bands, `0-10;10-100`: from the first number to below the second     |
//! | `window`      |       | `hann`  | `hann` or `none`                                                                 |
//! | `remove_mean` |       | true    | subtract the mean first; without it, it is the power of f = 0                    |
//! | `tolerance`   | steps | 0.05    | how far a row may be off its place and still count as evenly spaced, 0 … 0.5     |
//!
//! Decided:
//! - Bad rows and rows that are NaN or infinite are left out; where they were, rows are missing. Of rows of equal time
//!   the first counts.
//! - Rows are evenly spaced if each is within `tolerance` · Δ of t₀ + kΔ, Δ the mean step. Otherwise they are resampled
//!   linearly, ends included, at a step near their median step (so that a lost row does not change the rate), or their
//!   mean step if that would be more than four times as many. What is interpolated loses high frequencies: two thirds
//!   of the power, on average, near half of the rate. `resampled` says so.
//! - Fewer than 8 usable rows, or more than 262,144 (resampled), have no values.
//!
//! Any number of rows is transformed exactly, without padding: see `fft.rs`.

mod fft;
mod rows;
mod settings;

use fft::Fft;
use rows::Even;
use settings::{BANDS_MAX, Settings};
use tidemill_sdk::prelude::*;

const TOTAL: usize = BANDS_MAX;
const RATE: usize = BANDS_MAX + 1;
const RESAMPLED: usize = BANDS_MAX + 2;

const ROWS_MIN: usize = 8;
/// Bounds the memory for the transform: about 40 MB at this length if it is no power of two.
const ROWS_MAX: usize = 262_144;

/// The aggregation. Beside the settings, its fields are buffers: nothing of a window is carried to the next.
#[derive(Default)]
pub struct FftBand {
    settings: Settings,
    even: Even,
    fft: Fft,
    powers: Vec<f64>,
}

impl Aggregation for FftBand {
    const ABOUT: About = About {
        name: "fft-band",
        version: env!("CARGO_PKG_VERSION"),
        inputs: &[Port::number("value")],
        outputs: &[
            Port::number("band1"),
            Port::number("band2"),
            Port::number("band3"),
            Port::number("band4"),
            Port::number("band5"),
            Port::number("band6"),
            Port::number("band7"),
            Port::number("band8"),
            Port::number("total"),
            Port::number("rate"),
            Port::number("resampled"),
        ],
    };

    fn configure(&mut self, params: &mut Params) -> Result<(), Problem> {
        self.settings = Settings::from_params(params)?;
        Ok(())
    }

    fn aggregate(&mut self, window: &Window<'_>, out: &mut [f64]) {
        let usable = window.rows().filter(|row| !row.quality.is_bad() && row.value.is_finite());
        self.even.take(usable.map(|row| (row.time - window.start, row.value)), self.settings.tolerance);
        let n = self.even.values.len();
        if !(ROWS_MIN..=ROWS_MAX).contains(&n) {
            return;
        }
        self.weigh();
        self.fft.powers(&self.even.values, &mut self.powers);
        self.scale();
        let duration_s = n as f64 * self.even.step_s;
        for (place, band) in out.iter_mut().zip(&self.settings.bands) {
            let bins = first_bin(band.low_hz, duration_s)..first_bin(band.high_hz, duration_s);
            if bins.start < self.powers.len() {
                *place = sum(&self.powers[bins.start..bins.end.min(self.powers.len())]);
            }
        }
        out[TOTAL] = sum(&self.powers);
        out[RATE] = 1.0 / self.even.step_s;
        out[RESAMPLED] = f64::from(self.even.is_resampled);
    }
}

tidemill_sdk::aggregation!(FftBand);

impl FftBand {
    /// Removes the mean and multiplies by the weights.
    fn weigh(&mut self) {
        let values = &mut self.even.values;
        let n = values.len() as f64;
        if self.settings.removes_mean {
            let mean = sum(values) / n;
            values.iter_mut().for_each(|value| *value -= mean);
        }
        if self.settings.is_hann {
            for (k, value) in values.iter_mut().enumerate() {
                // (1 − cos 2a)/2 = sin² a, without cancellation near the ends.
                let sine = (std::f64::consts::PI * (k as f64 / n)).sin();
                *value *= sine * sine;
            }
        }
    }

    /// From |X_j|² to P_j.
    fn scale(&mut self) {
        let n = self.even.values.len();
        let squared_weights = n as f64 * if self.settings.is_hann { 0.375 } else { 1.0 };
        let scale = 1.0 / (n as f64 * squared_weights);
        for (j, power) in self.powers.iter_mut().enumerate() {
            let is_alone = j == 0 || 2 * j == n;
            *power *= if is_alone { scale } else { 2.0 * scale };
        }
    }
}

/// The first bin at or above a frequency. A frequency that is a bin's but for rounding is that bin's, so that bands
/// which touch neither overlap nor leave a gap.
fn first_bin(frequency_hz: f64, duration_s: f64) -> usize {
    let bin = frequency_hz * duration_s;
    let nearest = bin.round();
    let is_nearest = (bin - nearest).abs() <= 1e-9 * if nearest > 1.0 { nearest } else { 1.0 };
    (if is_nearest { nearest } else { bin.ceil() }) as usize
}

fn sum(values: &[f64]) -> f64 {
    values.iter().sum()
}

#[cfg(test)]
mod tests;
