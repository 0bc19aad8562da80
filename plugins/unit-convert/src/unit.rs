//! Finding a unit by its name, and the way from one to another.

use crate::ratio::Ratio;
use crate::table::{Entry, PREFIXES, Prefixes, TABLE};

/// A unit with its prefix: x of it is (x + offset) · factor of the SI unit.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Unit {
    /// With its article: `a pressure`.
    pub(crate) quantity: &'static str,
    factor: Ratio,
    offset: Ratio,
}

impl Unit {
    /// The unit of that name. A name of its own goes before one with a prefix: `min` is a minute.
    pub(crate) fn named(name: &str) -> Option<Unit> {
        let name = plain(name);
        find(&name)
            .map_or_else(|| Unit::prefixed(&name), |(quantity, entry)| Unit::of(quantity, entry, Ratio::new(1, 1)))
    }

    fn prefixed(name: &str) -> Option<Unit> {
        PREFIXES.iter().find_map(|(prefix, exponent)| {
            let (quantity, entry) = find(name.strip_prefix(prefix)?)?;
            let power = match entry.prefixes {
                Prefixes::None => return None,
                Prefixes::Large if *exponent < 3 => return None,
                Prefixes::Large => 1,
                Prefixes::Power(power) => power,
            };
            let thousands = 10_i128.checked_pow(exponent.unsigned_abs().checked_mul(power)?)?;
            let prefix = if *exponent < 0 { Ratio::new(1, thousands) } else { Ratio::new(thousands, 1) };
            Unit::of(quantity, entry, prefix)
        })
    }

    fn of(quantity: &'static str, entry: &Entry, prefix: Ratio) -> Option<Unit> {
        let factor = Ratio::parse(entry.factor)?.times(prefix)?;
        Some(Unit { quantity, factor, offset: Ratio::parse(entry.offset)? })
    }
}

/// The name without the characters that keyboards lack.
fn plain(name: &str) -> String {
    let mut plain = String::new();
    for character in name.chars() {
        match character {
            '²' => plain.push('2'),
            '³' => plain.push('3'),
            '·' | '⋅' => plain.push('.'),
            'µ' | 'μ' => plain.push('u'),
            'Ω' | '\u{2126}' => plain.push_str("ohm"),
            '°' => plain.push_str("deg"),
            other => plain.push(other),
        }
    }
    plain
}

fn find(name: &str) -> Option<(&'static str, &'static Entry)> {
    TABLE.iter().find_map(|(quantity, entries)| {
        entries.iter().find(|entry| entry.names.split(' ').any(|known| known == name)).map(|entry| (*quantity, entry))
    })
}

/// y = (x · multiplier + summand) / divisor.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Conversion {
    multiplier: f64,
    summand: f64,
    divisor: f64,
}

impl Default for Conversion {
    fn default() -> Self {
        Conversion { multiplier: 1.0, summand: 0.0, divisor: 1.0 }
    }
}

impl Conversion {
    /// From one unit to another of the same quantity; none if the numbers become too large to be exact.
    pub(crate) fn between(from: Unit, to: Unit, is_difference: bool) -> Option<Conversion> {
        let slope = from.factor.over(to.factor)?;
        let shift = if is_difference { Ratio::ZERO } else { from.offset.times(slope)?.minus(to.offset)? };
        let divisor = slope.common_denominator(shift)?;
        Some(Conversion {
            multiplier: slope.scaled(divisor)? as f64,
            summand: shift.scaled(divisor)? as f64,
            divisor: divisor as f64,
        })
    }

    pub(crate) fn apply(&self, value: f64) -> f64 {
        (value * self.multiplier + self.summand) / self.divisor
    }
}
