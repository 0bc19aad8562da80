//! Exact fractions.
//!
//! Invariants: the denominator is more than 0, and numerator and denominator have no common divisor. What does not fit
//! 128 bits is none.

/// A fraction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ratio {
    numerator: i128,
    denominator: i128,
}

impl Ratio {
    pub(crate) const ZERO: Ratio = Ratio { numerator: 0, denominator: 1 };

    /// `numerator` / `denominator`; the latter is more than 0.
    pub(crate) fn new(numerator: i128, denominator: i128) -> Ratio {
        let divisor = common_divisor(numerator.abs(), denominator);
        Ratio { numerator: numerator / divisor, denominator: denominator / divisor }
    }

    /// Reads decimal numbers joined by `*` and `/`, such as `0.3048/60`.
    pub(crate) fn parse(text: &str) -> Option<Ratio> {
        let mut product = Ratio::new(1, 1);
        for quotient in text.split('*') {
            let mut terms = quotient.split('/').map(Ratio::parse_decimal);
            product = product.times(terms.next()??)?;
            for divisor in terms {
                product = product.over(divisor?)?;
            }
        }
        Some(product)
    }

    fn parse_decimal(text: &str) -> Option<Ratio> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        Some(Ratio::new(digits, 10_i128.checked_pow(fraction.len().try_into().ok()?)?))
    }

    pub(crate) fn times(self, other: Ratio) -> Option<Ratio> {
        // Crosswise, so that no product is larger than it must be.
        let (a, b) = (Ratio::new(self.numerator, other.denominator), Ratio::new(other.numerator, self.denominator));
        let numerator = a.numerator.checked_mul(b.numerator)?;
        Some(Ratio { numerator, denominator: a.denominator.checked_mul(b.denominator)? })
    }

    /// Divided by `other`, which is more than 0.
    pub(crate) fn over(self, other: Ratio) -> Option<Ratio> {
        self.times(Ratio { numerator: other.denominator, denominator: other.numerator })
    }

    pub(crate) fn minus(self, other: Ratio) -> Option<Ratio> {
        let common = self.common_denominator(other)?;
        Some(Ratio::new(self.scaled(common)?.checked_sub(other.scaled(common)?)?, common))
    }

    /// The least common multiple of the denominators.
    pub(crate) fn common_denominator(self, other: Ratio) -> Option<i128> {
        (self.denominator / common_divisor(self.denominator, other.denominator)).checked_mul(other.denominator)
    }

    /// The numerator over `denominator`, a multiple of its own.
    pub(crate) fn scaled(self, denominator: i128) -> Option<i128> {
        self.numerator.checked_mul(denominator / self.denominator)
    }
}

fn common_divisor(a: i128, b: i128) -> i128 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_exactly_and_reduced() {
        assert_eq!(Ratio::parse("0.3048/60"), Some(Ratio::new(127, 25_000)));
        assert_eq!(Ratio::parse("2*3/4*0.5/6"), Some(Ratio::new(1, 8)));
        assert_eq!(Ratio::parse("12"), Some(Ratio { numerator: 12, denominator: 1 }));
        assert_eq!(Ratio::parse("1e5"), None);
    }

    #[test]
    fn what_does_not_fit_is_none() {
        let huge = Ratio::new(i128::MAX, 1);
        assert_eq!(huge.times(Ratio::new(2, 1)), None);
        assert_eq!(huge.times(Ratio::new(1, i128::MAX)), Some(Ratio::new(1, 1)));
        assert_eq!(huge.minus(Ratio::new(-1, 1)), None);
        assert_eq!(Ratio::new(1, 2).minus(Ratio::new(1, 3)), Some(Ratio::new(1, 6)));
    }
}
