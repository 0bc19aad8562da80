//! Seeded randomness: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), small, fast, and the same everywhere.

/// A generator whose whole state is one word.
#[derive(Debug, Clone)]
pub(crate) struct Noise(u64);

impl Noise {
    /// A stream of its own for each (seed, stream) pair.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut noise = Self(seed ^ stream.wrapping_mul(0xD1B5_4A32_D192_ED03));
        noise.0 = noise.bits();
        noise
    }

    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in 0..1.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Triangular in -1..1: a cheap bell, the shape of measurement noise.
    pub(crate) fn bell(&mut self) -> f64 {
        let bits = self.bits();
        (bits as u32 as f64 - (bits >> 32) as u32 as f64) / f64::from(u32::MAX)
    }
}

/// A slow wander around zero (Ornstein-Uhlenbeck, stepped exactly): gusts, swirl, load swings.
#[derive(Debug, Clone)]
pub(crate) struct Wander {
    value: f64,
    deviation: f64,
    time_constant_s: f64,
}

impl Wander {
    /// Wanders with this standard deviation and correlation time.
    pub(crate) fn new(deviation: f64, time_constant_s: f64) -> Self {
        Self { value: 0.0, deviation, time_constant_s }
    }

    /// Moves on by `dt_s` and returns the new value.
    pub(crate) fn step(&mut self, noise: &mut Noise, dt_s: f64) -> f64 {
        let keep = (-dt_s / self.time_constant_s).exp();
        // The triangle on -1..1 has the deviation 1/sqrt(6).
        let kick = noise.bell() * 6f64.sqrt() * self.deviation * (1.0 - keep * keep).sqrt();
        self.value = self.value * keep + kick;
        self.value
    }
}
