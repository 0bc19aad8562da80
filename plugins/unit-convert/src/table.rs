//! The units, by quantity.
//!
//! Invariants:
//! - The factor is what one of the unit is in the first unit of its quantity, which has factor 1, or would have without
//!   its prefix.
//! - Names are plain ASCII (`unit.rs` writes other characters so), and no name is there twice. Those after the first
//!   are synonyms.
//! - A factor is exact wherever the unit's definition is. π is rounded to 21 digits.
//!
//! Sources: SI Brochure, 9th edition, tables 4, 7 and 8; NIST Special Publication 811 (2008), appendix B. Pound, yard,
//! gallon and what is made of them are the international ones of 1959 (US gallon: 231 in³). Columns of mercury and
//! water are the conventional ones (13,595.1 and 1000 kg/m³ with gₙ = 9.80665 m/s²). Btu and calorie have the names of
//! their definitions, because there are several.

/// Which prefixes a unit takes.
#[derive(Clone, Copy)]
pub(crate) enum Prefixes {
    None,
    /// All; the unit begins with this power of what the prefix belongs to.
    Power(u32),
    /// From k upwards: `dB` must not be a tenth of a byte.
    Large,
}

/// A unit.
pub(crate) struct Entry {
    pub(crate) names: &'static str,
    pub(crate) prefixes: Prefixes,
    pub(crate) factor: &'static str,
    pub(crate) offset: &'static str,
}

const fn entry(names: &'static str, prefixes: Prefixes, factor: &'static str) -> Entry {
    Entry { names, prefixes, factor, offset: "0" }
}

/// A unit without prefixes.
const fn plain(names: &'static str, factor: &'static str) -> Entry {
    entry(names, Prefixes::None, factor)
}

/// A unit with prefixes.
const fn si(names: &'static str, factor: &'static str) -> Entry {
    entry(names, Prefixes::Power(1), factor)
}

/// A temperature scale.
const fn scale(names: &'static str, factor: &'static str, offset: &'static str) -> Entry {
    Entry { names, prefixes: Prefixes::None, factor, offset }
}

/// Prefixes with their powers of ten.
pub(crate) const PREFIXES: &[(&str, i32)] = &[
    ("p", -12),
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("c", -2),
    ("d", -1),
    ("h", 2),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];

/// Quantities with their units.
#[rustfmt::skip]
pub(crate) const TABLE: &[(&str, &[Entry])] = &[
    ("a temperature", &[
        si("K", "1"), scale("degC celsius", "1", "273.15"), scale("degF fahrenheit", "5/9", "459.67"),
        plain("degR", "5/9"),
    ]),
    ("a length", &[
        si("m", "1"), plain("in", "0.0254"), plain("ft", "0.3048"), plain("yd", "0.9144"), plain("mi", "1609.344"),
        plain("nmi", "1852"),
    ]),
    ("an area", &[
        entry("m2", Prefixes::Power(2), "1"), plain("ha", "10000"), plain("in2", "0.00064516"),
        plain("ft2", "0.09290304"),
        plain("acre", "4046.8564224"),
    ]),
    ("a volume", &[
        entry("m3", Prefixes::Power(3), "1"), si("L l", "0.001"), plain("in3", "0.000016387064"),
        plain("ft3", "0.028316846592"), plain("gal_us", "0.003785411784"), plain("gal_uk", "0.00454609"),
        plain("bbl", "0.158987294928"),
    ]),
    ("a mass", &[
        si("g", "0.001"), si("t", "1000"), plain("lb", "0.45359237"), plain("oz", "0.45359237/16"),
        plain("ton_us", "907.18474"), plain("ton_uk", "1016.0469088"),
    ]),
    ("a time", &[si("s", "1"), plain("min", "60"), plain("h", "3600"), plain("d", "86400")]),
    ("a frequency", &[si("Hz 1/s", "1"), plain("1/min", "1/60"), plain("1/h", "1/3600")]),
    ("an angle", &[
        plain("rev turn", "1"), si("rad", "1/2/3.14159265358979323846"), plain("deg", "1/360"), plain("gon", "1/400"),
        plain("arcmin", "1/21600"), plain("arcsec", "1/1296000"),
    ]),
    ("a rotational speed", &[
        plain("rev/s", "1"), plain("rpm rev/min r/min", "1/60"), si("rad/s", "1/2/3.14159265358979323846"),
        plain("deg/s", "1/360"),
    ]),
    ("a speed", &[
        si("m/s", "1"), si("m/min", "1/60"), si("m/h", "1/3600"), plain("in/s", "0.0254"), plain("ft/s", "0.3048"),
        plain("ft/min", "0.3048/60"), plain("mph mi/h", "0.44704"), plain("kn", "1852/3600"),
    ]),
    ("an acceleration", &[si("m/s2", "1"), plain("gn", "9.80665"), plain("ft/s2", "0.3048")]),
    ("a force", &[si("N", "1"), plain("kgf", "9.80665"), plain("lbf", "0.45359237*9.80665")]),
    ("a torque", &[si("N.m Nm", "1"), plain("kgf.m", "9.80665"), plain("lbf.ft", "0.45359237*9.80665*0.3048")]),
    ("a pressure", &[
        si("Pa", "1"), si("bar", "100000"), plain("atm", "101325"), plain("at", "98066.5"),
        plain("psi", "0.45359237*9.80665/0.00064516"), si("Torr", "101325/760"), plain("mmHg", "133.322387415"),
        plain("inHg", "3386.388640341"), plain("mmH2O", "9.80665"), plain("mH2O", "9806.65"),
        plain("inH2O", "249.08891"),
    ]),
    ("an energy", &[
        si("J", "1"), si("Wh", "3600"), si("cal_th", "4.184"), si("cal_IT", "4.1868"), plain("Btu_IT", "1055.05585262"),
        plain("toe", "41868000000"),
    ]),
    ("a power", &[
        si("W", "1"), plain("hp_metric PS", "75*9.80665"), plain("hp", "550*0.3048*0.45359237*9.80665"),
        plain("Btu_IT/h", "1055.05585262/3600"),
    ]),
    ("an apparent power", &[si("VA", "1")]),
    ("a reactive power", &[si("var", "1")]),
    ("an apparent energy", &[si("VAh", "1")]),
    ("a reactive energy", &[si("varh", "1")]),
    ("a flow of volume", &[
        entry("m3/s", Prefixes::Power(3), "1"), plain("m3/min", "1/60"), plain("m3/h", "1/3600"),
        plain("m3/d", "1/86400"),
        si("L/s l/s", "0.001"), si("L/min l/min", "0.001/60"), si("L/h l/h", "0.001/3600"),
        plain("gpm_us", "0.003785411784/60"), plain("cfm ft3/min", "0.028316846592/60"),
    ]),
    ("a flow of mass", &[
        si("g/s", "0.001"), si("g/min", "0.001/60"), si("g/h", "0.001/3600"), si("t/h", "1000/3600"),
        si("t/d", "1000/86400"),
        plain("lb/h", "0.45359237/3600"),
    ]),
    ("a density", &[
        si("g/m3", "0.001"), si("g/L g/l", "1"), plain("g/cm3 g/mL", "1000"),
        plain("lb/ft3", "0.45359237/0.028316846592"),
    ]),
    ("a dynamic viscosity", &[si("Pa.s", "1"), si("P", "0.1")]),
    ("a kinematic viscosity", &[entry("m2/s", Prefixes::Power(2), "1"), si("St", "0.0001")]),
    ("an electric current", &[si("A", "1")]),
    ("a voltage", &[si("V", "1")]),
    ("a resistance", &[si("ohm", "1")]),
    ("a conductance", &[si("S", "1")]),
    ("a conductivity", &[si("S/m", "1"), si("S/cm", "100")]),
    ("an electric charge", &[si("C", "1"), si("Ah", "3600")]),
    ("a capacitance", &[si("F", "1")]),
    ("an inductance", &[si("H", "1")]),
    ("a magnetic flux density", &[si("T", "1"), plain("G", "0.0001")]),
    ("an illuminance", &[si("lx", "1")]),
    ("a heat flux", &[si("W/m2", "1"), plain("Btu_IT/(h.ft2)", "1055.05585262/3600/0.09290304")]),
    ("a specific energy", &[si("J/kg", "1"), si("Wh/kg", "3600"), plain("Btu_IT/lb", "2326")]),
    ("an amount concentration", &[si("mol/m3", "1"), si("mol/L mol/l", "1000")]),
    ("a ratio", &[
        plain("1 fraction", "1"), plain("% percent", "0.01"), plain("permille", "0.001"), plain("ppm", "0.000001"),
        plain("ppb", "0.000000001"),
    ]),
    ("an amount of data", &[
        entry("bit", Prefixes::Large, "1"), entry("B", Prefixes::Large, "8"), plain("KiB", "8192"),
        plain("MiB", "8388608"), plain("GiB", "8589934592"), plain("TiB", "8796093022208"),
    ]),
    ("a data rate", &[
        entry("bit/s", Prefixes::Large, "1"), entry("B/s", Prefixes::Large, "8"), plain("KiB/s", "8192"),
        plain("MiB/s", "8388608"), plain("GiB/s", "8589934592"),
    ]),
];
