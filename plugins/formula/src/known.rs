//! The names of units and prefixes.
//!
//! Units and prefixes of the SI, and units accepted for use with it: The International System of Units, 9th edition,
//! 2019, chapters 2 to 4. The other factors are exact by definition or from NIST SP 811, appendix B.8. rpm is an
//! angular speed, 2π/60 s⁻¹.

use std::f64::consts::PI;

use crate::units::{Dimension, Unit};

/// A name as it stands, or a prefix and a name that takes one.
pub(crate) fn lookup(name: &str) -> Option<Unit> {
    let unit = |known: &Known| Unit { factor: known.factor, offset: known.offset, dimension: Dimension::of(known.of) };
    if let Some(known) = UNITS.iter().find(|known| known.name == name) {
        return Some(unit(known));
    }
    PREFIXES.iter().find_map(|(prefix, scale)| {
        let rest = name.strip_prefix(prefix)?;
        let known = UNITS.iter().find(|known| known.name == rest && known.takes_prefix)?;
        Some(Unit { factor: known.factor * scale, ..unit(known) })
    })
}

const PREFIXES: [(&str, f64); 15] = [
    ("da", 1e1),
    ("T", 1e12),
    ("G", 1e9),
    ("M", 1e6),
    ("k", 1e3),
    ("h", 1e2),
    ("d", 1e-1),
    ("c", 1e-2),
    ("m", 1e-3),
    ("u", 1e-6),
    ("µ", 1e-6),
    ("μ", 1e-6),
    ("n", 1e-9),
    ("p", 1e-12),
    ("P", 1e15),
];

struct Known {
    name: &'static str,
    factor: f64,
    offset: f64,
    of: [i32; 7],
    takes_prefix: bool,
}

/// A unit that takes prefixes.
const fn si(name: &'static str, factor: f64, of: [i32; 7]) -> Known {
    Known { name, factor, offset: 0.0, of, takes_prefix: true }
}

/// A unit that takes none.
const fn other(name: &'static str, factor: f64, of: [i32; 7]) -> Known {
    Known { name, factor, offset: 0.0, of, takes_prefix: false }
}

/// A point on a temperature scale.
const fn degree(name: &'static str, factor: f64, offset: f64) -> Known {
    Known { name, factor, offset, of: KELVIN, takes_prefix: false }
}

const NUMBER: [i32; 7] = [0; 7];
const METRE: [i32; 7] = [1, 0, 0, 0, 0, 0, 0];
const CUBIC_METRE: [i32; 7] = [3, 0, 0, 0, 0, 0, 0];
const KILOGRAM: [i32; 7] = [0, 1, 0, 0, 0, 0, 0];
const SECOND: [i32; 7] = [0, 0, 1, 0, 0, 0, 0];
const HERTZ: [i32; 7] = [0, 0, -1, 0, 0, 0, 0];
const KELVIN: [i32; 7] = [0, 0, 0, 0, 1, 0, 0];
const NEWTON: [i32; 7] = [1, 1, -2, 0, 0, 0, 0];
const PASCAL: [i32; 7] = [-1, 1, -2, 0, 0, 0, 0];
const JOULE: [i32; 7] = [2, 1, -2, 0, 0, 0, 0];
const WATT: [i32; 7] = [2, 1, -3, 0, 0, 0, 0];
const FAHRENHEIT_ZERO_K: f64 = 459.67 / 1.8;

const UNITS: [Known; 51] = [
    si("m", 1.0, METRE),
    si("g", 1e-3, KILOGRAM),
    si("s", 1.0, SECOND),
    si("A", 1.0, [0, 0, 0, 1, 0, 0, 0]),
    si("K", 1.0, KELVIN),
    si("mol", 1.0, [0, 0, 0, 0, 0, 1, 0]),
    si("cd", 1.0, [0, 0, 0, 0, 0, 0, 1]),
    si("Hz", 1.0, HERTZ),
    si("N", 1.0, NEWTON),
    si("Pa", 1.0, PASCAL),
    si("J", 1.0, JOULE),
    si("W", 1.0, WATT),
    si("VA", 1.0, WATT),
    si("var", 1.0, WATT),
    si("Wh", 3600.0, JOULE),
    si("VAh", 3600.0, JOULE),
    si("varh", 3600.0, JOULE),
    si("C", 1.0, [0, 0, 1, 1, 0, 0, 0]),
    si("Ah", 3600.0, [0, 0, 1, 1, 0, 0, 0]),
    si("V", 1.0, [2, 1, -3, -1, 0, 0, 0]),
    si("F", 1.0, [-2, -1, 4, 2, 0, 0, 0]),
    si("ohm", 1.0, [2, 1, -3, -2, 0, 0, 0]),
    si("Ω", 1.0, [2, 1, -3, -2, 0, 0, 0]),
    si("S", 1.0, [-2, -1, 3, 2, 0, 0, 0]),
    si("Wb", 1.0, [2, 1, -2, -1, 0, 0, 0]),
    si("T", 1.0, [0, 1, -2, -1, 0, 0, 0]),
    si("H", 1.0, [2, 1, -2, -2, 0, 0, 0]),
    si("L", 1e-3, CUBIC_METRE),
    si("l", 1e-3, CUBIC_METRE),
    si("bar", 1e5, PASCAL),
    si("rad", 1.0, NUMBER),
    other("°", PI / 180.0, NUMBER),
    other("deg", PI / 180.0, NUMBER),
    other("%", 1e-2, NUMBER),
    other("ppm", 1e-6, NUMBER),
    other("min", 60.0, SECOND),
    other("h", 3600.0, SECOND),
    other("d", 86_400.0, SECOND),
    other("t", 1000.0, KILOGRAM),
    other("lb", 0.453_592_37, KILOGRAM),
    other("atm", 101_325.0, PASCAL),
    other("psi", 6_894.757_293_168_361, PASCAL),
    other("rpm", PI / 30.0, HERTZ),
    other("in", 0.0254, METRE),
    other("ft", 0.3048, METRE),
    other("gal", 3.785_411_784e-3, CUBIC_METRE),
    other("hp", 745.699_871_582_270_2, WATT),
    degree("°C", 1.0, 273.15),
    degree("degC", 1.0, 273.15),
    degree("°F", 1.0 / 1.8, FAHRENHEIT_ZERO_K),
    degree("degF", 1.0 / 1.8, FAHRENHEIT_ZERO_K),
];
