//! Units of measurement: a factor to SI base units, an offset for temperatures, and a dimension.
//!
//! The base units are m, kg, s, A, K, mol, cd; `known.rs` has all names. A dimension holds their exponents in twelfths,
//! so that square, cube and fourth roots stay exact.
//!
//! ```text
//! unit   = factor { ("*" | "·" | "/") factor }       "/" binds the next factor only: W/m/K = W/(m*K)
//! factor = ( name | "1" | "(" unit ")" ) [ ["^"] exponent ]       m3, m^3, m³, s-1
//! ```
//!
//! °C and °F stand for a point on the scale when they stand alone, and for a difference as part of a product.

use std::fmt;

use crate::known::lookup;

/// Exponents are counted in parts of this.
const WHOLE: i32 = 12;
const EXPONENT_MAX: i32 = 100 * WHOLE;
const DEPTH_MAX: usize = 16;
const BASE: [&str; 7] = ["m", "kg", "s", "A", "K", "mol", "cd"];

/// Exponents of the base units, in twelfths.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Dimension([i32; 7]);

impl Dimension {
    pub(crate) const NONE: Dimension = Dimension([0; 7]);

    pub(crate) const fn of(exponents: [i32; 7]) -> Dimension {
        let mut twelfths = [0; 7];
        let mut base = 0;
        while base < 7 {
            twelfths[base] = exponents[base] * WHOLE;
            base += 1;
        }
        Dimension(twelfths)
    }

    pub(crate) fn is_none(self) -> bool {
        self == Dimension::NONE
    }

    /// The dimension of a product with `other` to the power of `sign`, 1 or −1. None if an exponent gets absurd.
    pub(crate) fn times(self, other: Dimension, sign: i32) -> Option<Dimension> {
        let mut product = self;
        for (exponent, of_other) in product.0.iter_mut().zip(other.0) {
            *exponent += sign * of_other;
        }
        product.0.iter().all(|exponent| exponent.abs() <= EXPONENT_MAX).then_some(product)
    }

    /// The dimension of a power. None if an exponent is not a whole number of twelfths, or gets absurd.
    pub(crate) fn power(self, exponent: f64) -> Option<Dimension> {
        let mut power = self;
        for twelfths in &mut power.0 {
            let exact = f64::from(*twelfths) * exponent;
            // 1/3 is not a double: what is within rounding of a whole number is meant to be one.
            if (exact - exact.round()).abs() > 1e-9 || exact.abs() > f64::from(EXPONENT_MAX) {
                return None;
            }
            *twelfths = exact.round() as i32;
        }
        Some(power)
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() {
            return f.write_str("1");
        }
        let mut gap = "";
        for (name, twelfths) in BASE.iter().zip(self.0).filter(|(_, twelfths)| *twelfths != 0) {
            match twelfths {
                WHOLE => write!(f, "{gap}{name}")?,
                _ if twelfths % WHOLE == 0 => write!(f, "{gap}{name}{}", twelfths / WHOLE)?,
                _ => write!(f, "{gap}{name}^({twelfths}/{WHOLE})")?,
            }
            gap = "*";
        }
        Ok(())
    }
}

/// A value v of this unit is v · `factor` + `offset` in SI base units.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Unit {
    pub(crate) factor: f64,
    pub(crate) offset: f64,
    pub(crate) dimension: Dimension,
}

impl Default for Unit {
    fn default() -> Self {
        Unit { factor: 1.0, offset: 0.0, dimension: Dimension::NONE }
    }
}

impl Unit {
    pub(crate) fn to_si(self, value: f64) -> f64 {
        value * self.factor + self.offset
    }

    pub(crate) fn value_of_si(self, value: f64) -> f64 {
        (value - self.offset) / self.factor
    }

    /// Reads a unit; errors say what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Unit, String> {
        let mut reader = Reader { rest: text.trim(), depth: 0 };
        let unit = reader.product().map_err(|reason| format!("unit `{text}`: {reason}"))?;
        if reader.rest.is_empty() { Ok(unit) } else { Err(format!("unit `{text}`: `{}` is too much", reader.rest)) }
    }

    fn times(self, other: Unit, sign: i32) -> Option<Unit> {
        let factor = if sign > 0 { self.factor * other.factor } else { self.factor / other.factor };
        Some(Unit { factor, offset: 0.0, dimension: self.dimension.times(other.dimension, sign)? })
    }
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl Reader<'_> {
    fn product(&mut self) -> Result<Unit, String> {
        let mut product = self.factor()?;
        loop {
            let sign = match self.rest.chars().next() {
                Some('*' | '·' | ' ') => 1,
                Some('/') => -1,
                _ => return Ok(product),
            };
            self.skip_char();
            let next = self.factor()?;
            product = product.times(next, sign).ok_or("an exponent is too large")?;
        }
    }

    fn factor(&mut self) -> Result<Unit, String> {
        let unit = if self.rest.starts_with('(') { self.parenthesis()? } else { self.named()? };
        let Some(exponent) = self.exponent()? else { return Ok(unit) };
        let dimension = unit.dimension.power(f64::from(exponent)).ok_or("an exponent is too large")?;
        Ok(Unit { factor: unit.factor.powi(exponent), offset: 0.0, dimension })
    }

    fn parenthesis(&mut self) -> Result<Unit, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("too many parentheses".to_owned());
        }
        self.skip_char();
        let unit = self.product()?;
        if !self.rest.starts_with(')') {
            return Err("a parenthesis does not end".to_owned());
        }
        self.skip_char();
        self.depth -= 1;
        Ok(Unit { offset: 0.0, ..unit })
    }

    fn named(&mut self) -> Result<Unit, String> {
        if self.rest.starts_with('1') {
            self.skip_char();
            return Ok(Unit::default());
        }
        let is_name = |c: char| (c.is_alphabetic() || matches!(c, '%' | '°' | 'µ' | '_')) && superscript(c).is_none();
        let length = self.rest.find(|c| !is_name(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(length);
        self.rest = rest;
        lookup(name).ok_or_else(|| match name {
            "" => "a name of a unit is missing".to_owned(),
            _ => format!("`{name}` is not known"),
        })
    }

    fn exponent(&mut self) -> Result<Option<i32>, String> {
        if let Some(digit) = self.rest.chars().next().and_then(superscript) {
            self.skip_char();
            return Ok(Some(digit));
        }
        let is_written = self.rest.starts_with('^');
        if is_written {
            self.skip_char();
        }
        let sign = usize::from(self.rest.starts_with('-'));
        let digits = self.rest[sign..].find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len() - sign);
        if digits == 0 {
            return if is_written || sign > 0 { Err("an exponent is missing".to_owned()) } else { Ok(None) };
        }
        let (number, rest) = self.rest.split_at(sign + digits);
        self.rest = rest;
        number.parse().map(Some).map_err(|_| "an exponent is too large".to_owned())
    }

    fn skip_char(&mut self) {
        let mut chars = self.rest.chars();
        chars.next();
        self.rest = chars.as_str();
    }
}

fn superscript(c: char) -> Option<i32> {
    match c {
        '²' => Some(2),
        '³' => Some(3),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn si_value(text: &str) -> (f64, String) {
        let unit = Unit::parse(text).expect("a unit");
        (unit.factor, unit.dimension.to_string())
    }

    #[test]
    fn units_become_factors_and_dimensions() {
        let near = |text: &str, factor: f64, dimension: &str| {
            let (got, of) = si_value(text);
            assert!((got - factor).abs() <= 1e-15 * factor, "{text}: {got}");
            assert_eq!(of, dimension, "{text}");
        };
        near("1", 1.0, "1");
        near("%", 0.01, "1");
        near("bar", 1e5, "m-1*kg*s-2");
        near("mbar", 100.0, "m-1*kg*s-2");
        near("m3/h", 1.0 / 3600.0, "m3*s-1");
        near("m³/h", 1.0 / 3600.0, "m3*s-1");
        near("kWh", 3.6e6, "m2*kg*s-2");
        near("kg", 1.0, "kg");
        near("mg/L", 1e-3, "m-3*kg");
        near("W/m/K", 1.0, "m*kg*s-3*K-1");
        near("kJ/(kg*K)", 1000.0, "m2*s-2*K-1");
        near("kJ/kg/°C", 1000.0, "m2*s-2*K-1");
        near("N*m", 1.0, "m2*kg*s-2");
        near("mm2", 1e-6, "m2");
        near("km^2", 1e6, "m2");
        near("s-1", 1.0, "s-1");
        near("min", 60.0, "s");
        near("dam", 10.0, "m");
        near("µs", 1e-6, "s");
    }

    #[test]
    fn temperatures_are_points_alone_and_differences_in_products() {
        let celsius = Unit::parse("°C").expect("a unit");
        assert_eq!((celsius.to_si(0.0), celsius.value_of_si(373.15)), (273.15, 100.0));
        let fahrenheit = Unit::parse("°F").expect("a unit");
        assert!((fahrenheit.to_si(212.0) - 373.15).abs() < 1e-12);
        assert_eq!(Unit::parse("(°C)").expect("a unit").offset, 0.0);
        assert_eq!(Unit::parse("W/°C").expect("a unit").offset, 0.0);
    }

    #[test]
    fn roots_of_dimensions_stay_exact() {
        let area = Unit::parse("m2").expect("a unit").dimension;
        let root = area.power(0.5).and_then(|metre| metre.power(1.0 / 3.0)).expect("a third of a metre's exponent");
        assert_eq!(root.to_string(), "m^(4/12)");
        assert_eq!(root.power(3.0).map(|metre| metre.to_string()), Some("m".to_owned()));
        assert_eq!(area.power(0.3), None);
    }

    #[test]
    fn what_is_no_unit_is_refused_with_its_reason() {
        let reason = |text: &str| Unit::parse(text).expect_err("no unit");
        assert_eq!(reason("furlong"), "unit `furlong`: `furlong` is not known");
        assert_eq!(reason("m/"), "unit `m/`: a name of a unit is missing");
        assert_eq!(reason("(m"), "unit `(m`: a parenthesis does not end");
        assert_eq!(reason("m)"), "unit `m)`: `)` is too much");
        assert_eq!(reason("m^"), "unit `m^`: an exponent is missing");
        assert_eq!(reason("m999"), "unit `m999`: an exponent is too large");
        assert_eq!(reason("kbar/kmin"), "unit `kbar/kmin`: `kmin` is not known");
        assert!(reason(&"(".repeat(100)).ends_with("too many parentheses"));
    }
}
