//! Conversions with short answers, and the table as a whole.

use super::*;
use crate::table::TABLE;
use tidemill_sdk::testing::Harness;

fn convert(value: f64, from: &str, to: &str) -> f64 {
    let params = format!(r#"{{"from": "{from}", "to": "{to}"}}"#);
    let mut harness = Harness::<UnitConvert>::new(&params).expect("valid parameters");
    harness.process(&[Row::good(0, 0, Time(1), value)]).expect("no problem")[0].value
}

fn problem(params: &str) -> String {
    Harness::<UnitConvert>::new(params).err().expect("wrong parameters").text
}

#[test]
fn what_is_short_by_definition_comes_out_short() {
    for (value, from, to, expected) in [
        (212.0, "°F", "°C", 100.0),
        (-40.0, "degC", "degF", -40.0),
        (300.0, "K", "°C", 26.85),
        (25.0, "°C", "K", 298.15),
        (491.67, "degR", "°F", 32.0),
        (7.0, "W", "kW", 0.007),
        (0.3, "MPa", "bar", 3.0),
        (1.0, "bar", "mbar", 1000.0),
        (10.0, "in", "mm", 254.0),
        (36.0, "km/h", "m/s", 10.0),
        (3.6, "m³/h", "L/s", 1.0),
        (1.0, "cSt", "mm²/s", 1.0),
        (2.0, "kWh", "MJ", 7.2),
        (3000.0, "rpm", "rev/s", 50.0),
        (1.0, "GiB", "MiB", 1024.0),
        (5.0, "mg/L", "g/m3", 5.0),
        (1200.0, "uS/cm", "mS/m", 120.0),
        (1.0, "min", "s", 60.0),
        (760.0, "Torr", "atm", 1.0),
        (50.0, "%", "1", 0.5),
    ] {
        assert_eq!(convert(value, from, to), expected, "{value} {from} in {to}");
    }
    assert_eq!(convert(180.0, "deg", "rad"), std::f64::consts::PI);
}

#[test]
fn differences_have_no_offset() {
    let params = r#"{"from": "°F", "to": "K", "difference": true}"#;
    let mut harness = Harness::<UnitConvert>::new(params).expect("valid parameters");
    assert_eq!(harness.process(&[Row::good(0, 0, Time(1), 9.0)]).expect("no problem")[0].value, 5.0);
}

#[test]
fn every_row_gives_a_row_with_its_time_and_quality() {
    let rows = [
        Row::good(0, 0, Time(9), 1.0),
        Row { quality: Quality::BAD, ..Row::good(0, 0, Time(3), 2.0) },
        Row { quality: Quality::UNCERTAIN, ..Row::good(4, 0, Time(10), f64::INFINITY) },
    ];
    let mut harness = Harness::<UnitConvert>::new(r#"{"from": "km", "to": "m"}"#).expect("valid parameters");
    let converted = harness.process(&rows).expect("no problem");
    assert_eq!(converted, rows.map(|row| Row { value: row.value * 1000.0, ..row }));
    let nan = harness.process(&[Row::good(0, 0, Time(11), f64::NAN)]).expect("no problem");
    assert!(nan[0].value.is_nan());
}

#[test]
fn units_of_different_quantities_are_refused_by_name() {
    let text = problem(r#"{"from": "bar", "to": "kW"}"#);
    assert_eq!(text, "parameter `to` is `kW`, a power, but `from` is `bar`, a pressure");
    assert!(problem(r#"{"from": "J", "to": "N·m"}"#).contains("a torque, but `from` is `J`, an energy"));
    let text = problem(r#"{"from": "psig", "to": "bar"}"#);
    let unknown = "parameter `from` is `psig`, which is no unit known here; the page of `unit-convert` lists them";
    assert_eq!(text, unknown);
    for name in ["dB", "kmin", "mdegC", "", "kk", "k", "mB", "M%"] {
        assert_eq!(Unit::named(name), None, "{name}");
    }
    assert_eq!(problem(r#"{"from": "bar"}"#), "parameter `to` is missing; give a string");
}

#[test]
fn no_name_is_there_twice_and_every_unit_converts_to_every_other_and_back() {
    let mut names: Vec<&str> = TABLE.iter().flat_map(|(_, units)| *units).flat_map(|u| u.names.split(' ')).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "a name is there twice");
    for (quantity, entries) in TABLE {
        let units: Vec<Unit> = entries
            .iter()
            .map(|entry| Unit::named(entry.names.split(' ').next().expect("a name")).expect("a unit"))
            .collect();
        for (from, to) in units.iter().flat_map(|from| units.iter().map(move |to| (*from, *to))) {
            assert_eq!(from.quantity, *quantity);
            let there = Conversion::between(from, to, false).expect("exact numbers").apply(123.456);
            let back = Conversion::between(to, from, false).expect("exact numbers").apply(there);
            assert!((back - 123.456).abs() < 1e-11, "{quantity}: {back}");
        }
    }
}
