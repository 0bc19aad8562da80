//! The discrete Fourier transform of real values, of any length, in N log N steps and without padding.
//!
//! 1. An even number of real values is folded into half as many complex ones, z_k = x_2k + i x_{2k+1}, and its
//!    transform unfolded: X_j = E_j + e^(−2πi j/N) O_j with E_j = (Z_j + Z̄_{h−j})/2, O_j = (Z_j − Z̄_{h−j})/2i, h =
//!    N/2 (Press and others: Numerical Recipes, section 12.3). An odd number is taken as complex values without
//!    imaginary parts.
//! 2. A power of two is transformed by radix 2 in place (Cooley, Tukey: Math. Comp. 19, 1965).
//! 3. Any other length n becomes a convolution with a chirp (Bluestein: IEEE Trans. Audio Electroacoust. 18(4), 1970):
//!    with jk = (j² + k² − (j−k)²)/2, X_j = c_j Σ_k (x_k c_k) c̄_{j−k}, c_k = e^(−πi k²/n), computed by transforms of a
//!    power of two ≥ 2n − 1.
//!
//! Invariant: every sine and cosine is computed from its own exact angle, k/N or k² mod 2n, never by recurrence, so
//! errors do not grow along the tables. Tables are kept for the last length only, and do not influence results.

use std::f64::consts::{PI, TAU};
use std::ops::{Add, Mul, Sub};

#[derive(Clone, Copy, Default, PartialEq, Debug)]
struct Complex {
    re: f64,
    im: f64,
}

impl Complex {
    /// e^(−i angle).
    fn turned(angle: f64) -> Complex {
        let (sine, cosine) = angle.sin_cos();
        Complex { re: cosine, im: -sine }
    }

    fn conjugate(self) -> Complex {
        Complex { im: -self.im, ..self }
    }

    fn scaled(self, factor: f64) -> Complex {
        Complex { re: self.re * factor, im: self.im * factor }
    }

    fn norm(self) -> f64 {
        self.re * self.re + self.im * self.im
    }
}

impl Add for Complex {
    type Output = Complex;

    fn add(self, other: Complex) -> Complex {
        Complex { re: self.re + other.re, im: self.im + other.im }
    }
}

impl Sub for Complex {
    type Output = Complex;

    fn sub(self, other: Complex) -> Complex {
        Complex { re: self.re - other.re, im: self.im - other.im }
    }
}

impl Mul for Complex {
    type Output = Complex;

    fn mul(self, other: Complex) -> Complex {
        Complex { re: self.re * other.re - self.im * other.im, im: self.re * other.im + self.im * other.re }
    }
}

/// Transforms, with the tables for the length it was last used for.
#[derive(Default)]
pub(crate) struct Fft {
    tables: Tables,
    values: Vec<Complex>,
    padded: Vec<Complex>,
}

#[derive(Default)]
struct Tables {
    /// Number of complex values they are for.
    length: usize,
    /// e^(−2πi k/m) for k < m/2, m the power of two in use.
    turns: Vec<Complex>,
    /// Bluestein's c; empty for a power of two.
    chirp: Vec<Complex>,
    /// Transform of c̄, wrapped around, divided by m.
    filter: Vec<Complex>,
}

impl Fft {
    /// |X_j|² for j = 0 … N/2 of `values`, of which there is at least one.
    pub(crate) fn powers(&mut self, values: &[f64], powers: &mut Vec<f64>) {
        powers.clear();
        self.values.clear();
        if values.len() % 2 == 1 {
            self.values.extend(values.iter().map(|value| Complex { re: *value, im: 0.0 }));
            self.transform();
            powers.extend(self.values[..=values.len() / 2].iter().map(|value| value.norm()));
            return;
        }
        self.values.extend(values.chunks_exact(2).map(|pair| Complex { re: pair[0], im: pair[1] }));
        self.transform();
        let half = self.values.len();
        powers.extend((0..=half).map(|j| {
            let (here, mirrored) = (self.values[j % half], self.values[(half - j) % half].conjugate());
            let even = (here + mirrored).scaled(0.5);
            let odd = (here - mirrored).scaled(0.5) * Complex { re: 0.0, im: -1.0 };
            (even + Complex::turned(TAU * (j as f64 / values.len() as f64)) * odd).norm()
        }));
    }

    /// Transforms `self.values` in place.
    fn transform(&mut self) {
        if self.tables.length != self.values.len() {
            self.tables = Tables::new(self.values.len());
        }
        let tables = &self.tables;
        if tables.chirp.is_empty() {
            return radix_2(&mut self.values, &tables.turns);
        }
        self.padded.clear();
        self.padded.extend(self.values.iter().zip(&tables.chirp).map(|(value, chirp)| *value * *chirp));
        self.padded.resize(tables.filter.len(), Complex::default());
        radix_2(&mut self.padded, &tables.turns);
        // The inverse transform is the conjugate of the transform of the conjugate.
        for (value, filter) in self.padded.iter_mut().zip(&tables.filter) {
            *value = (*value * *filter).conjugate();
        }
        radix_2(&mut self.padded, &tables.turns);
        for ((value, chirp), convolved) in self.values.iter_mut().zip(&tables.chirp).zip(&self.padded) {
            *value = *chirp * convolved.conjugate();
        }
    }
}

impl Tables {
    fn new(length: usize) -> Tables {
        let is_power = length.is_power_of_two();
        let size = if is_power { length } else { (2 * length - 1).next_power_of_two() };
        let turns: Vec<Complex> = (0..size / 2).map(|k| Complex::turned(TAU * (k as f64 / size as f64))).collect();
        if is_power {
            return Tables { length, turns, chirp: Vec::new(), filter: Vec::new() };
        }
        let angle = |k: usize| {
            let squared = (k as u64 * k as u64) % (2 * length as u64);
            PI * (squared as f64 / length as f64)
        };
        let chirp: Vec<Complex> = (0..length).map(|k| Complex::turned(angle(k))).collect();
        let mut filter = vec![Complex::default(); size];
        for (k, value) in chirp.iter().enumerate() {
            let value = value.conjugate().scaled(1.0 / size as f64);
            filter[k] = value;
            filter[(size - k) % size] = value;
        }
        radix_2(&mut filter, &turns);
        Tables { length, turns, chirp, filter }
    }
}

/// In place, for a power of two; `turns` are those of this length.
fn radix_2(values: &mut [Complex], turns: &[Complex]) {
    let n = values.len();
    if n < 2 {
        return;
    }
    let unused_bits = usize::BITS - n.trailing_zeros();
    for index in 0..n {
        let reversed = index.reverse_bits() >> unused_bits;
        if index < reversed {
            values.swap(index, reversed);
        }
    }
    let mut half = 1;
    while half < n {
        let stride = n / (2 * half);
        for block in values.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for ((left, right), turn) in low.iter_mut().zip(high).zip(turns.iter().step_by(stride)) {
                let turned = *right * *turn;
                (*left, *right) = (*left + turned, *left - turned);
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the definition, for every length up to 80: powers of two, primes, odd and even.
    #[test]
    fn every_length_agrees_with_the_definition() {
        let (mut fft, mut powers) = (Fft::default(), Vec::new());
        for n in 1..=80_usize {
            let values: Vec<f64> = (0..n).map(|k| ((k * k * 7 + 3 * k) % 23) as f64 - 11.0).collect();
            fft.powers(&values, &mut powers);
            assert_eq!(powers.len(), n / 2 + 1);
            let whole: f64 = values.iter().map(|value| value * value).sum();
            for (j, power) in powers.iter().enumerate() {
                let (mut re, mut im) = (0.0, 0.0);
                for (k, value) in values.iter().enumerate() {
                    let (sine, cosine) = (TAU * ((j * k % n) as f64 / n as f64)).sin_cos();
                    re += value * cosine;
                    im -= value * sine;
                }
                let expected = re * re + im * im;
                assert!((power - expected).abs() < 1e-13 * n as f64 * whole, "{n}, {j}: {power}, {expected}");
            }
        }
    }
}
