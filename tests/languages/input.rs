//! The input: several thousand rows of thirteen groups, with everything that a plant sends.

use tidemill_tests::Random;

use crate::reference::Row;

/// Groups; the last one carries odd numbers.
pub(super) const GROUPS: u32 = 13;
const MS: i64 = 1_000_000;
const BAD: u32 = 0x8000_0000;
const UNCERTAIN: u32 = 0x4000_0000;

/// Values at the edges of what a number can be. The infinities come last, because nothing is left of a level after
/// them.
const ODD: [f64; 12] = [
    0.0,
    -0.0,
    5e-324,
    -2.2e-308,
    1.0,
    -1.000_000_000_000_000_2,
    9_007_199_254_740_993.0,
    0.1,
    1.797e308,
    -1.797e308,
    f64::INFINITY,
    f64::NEG_INFINITY,
];

/// A step of the input.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Row(Row),
    /// The watermark moves.
    Advance(i64),
}

/// The input under a seed, in the neighbourhood of `base_ns`. Between two steps of the watermark lie from 3 to 4,500
/// rows.
pub(super) fn steps(seed: u64, base_ns: i64) -> Vec<Step> {
    let mut source = Source { random: Random::new(seed), now: base_ns, last: [base_ns; GROUPS as usize], odd: 0 };
    let mut steps = Vec::new();
    for segment in [3, 40, 300, 1_200, 4_500, 7, 1, 900, 60, 2_000] {
        while source.random.below(3) > 0 {
            source.push_run(&mut steps);
        }
        let wanted = steps.len() + segment;
        while steps.len() < wanted {
            source.push_run(&mut steps);
        }
        steps.push(Step::Advance(source.now - 1_000 * MS));
        if segment % 100 == 0 {
            // Silence: everything becomes stale.
            source.now += 20_000 * MS;
            steps.push(Step::Advance(source.now));
        }
    }
    steps
}

struct Source {
    random: Random,
    now: i64,
    last: [i64; GROUPS as usize],
    odd: usize,
}

impl Source {
    /// Rows of one group, in the order of their times.
    fn push_run(&mut self, steps: &mut Vec<Step>) {
        let group = self.random.below(u64::from(GROUPS)) as u32;
        let last = self.last[group as usize];
        let mut time = match self.random.below(10) {
            0 => last - self.random.below(5_000) as i64 * MS,
            1 => last,
            _ => self.now,
        };
        for _ in 0..=self.random.below(9) {
            let (value, quality) = (self.value(group), self.quality());
            steps.push(Step::Row(Row { group, time, value, quality }));
            self.now = self.now.max(time);
            self.last[group as usize] = self.last[group as usize].max(time);
            time += self.random.below(60 * MS as u64) as i64;
        }
        self.now += self.random.below(200) as i64 * MS;
    }

    fn value(&mut self, group: u32) -> f64 {
        if self.random.below(17) == 0 {
            // Of either sign, and with something in it.
            return f64::from_bits(0x7ff8_0000_0000_0001 | self.random.below(2) << 63 | self.random.below(99) << 8);
        }
        if group == GROUPS - 1 {
            self.odd += 1;
            return ODD[(self.odd / 40) % ODD.len()];
        }
        (self.random.below(1 << 31) as f64 - 1e9) / 3_000.0
    }

    fn quality(&mut self) -> u32 {
        match self.random.below(13) {
            0 => BAD | self.random.below(1 << 31) as u32,
            1 => UNCERTAIN | self.random.below(1 << 16) as u32,
            _ => 0,
        }
    }
}
