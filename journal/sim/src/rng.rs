//! Numbers that follow from a seed: SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators").

/// A sequence of numbers that look random.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A sequence of its own, which goes on independently of this one.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self(self.next())
    }

    /// 64 bits.
    #[expect(
        clippy::should_implement_trait,
        reason = "an endless sequence is no iterator that anybody would loop over"
    )]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    ///
    /// # Panics
    /// When `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// True `of_1000` times out of 1000.
    pub fn chance(&mut self, of_1000: u64) -> bool {
        self.below(1000) < of_1000
    }
}
