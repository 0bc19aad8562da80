//! Every unit against definitions put together otherwise: `plugins/check/unit_convert.py`.

#[path = "../../check/replay.rs"]
mod replay;

/// Multiplier, product, divisor, quotient and reference round by half an epsilon each.
const RELATIVE: f64 = 3.0 * f64::EPSILON;

/// The sums of temperatures are of a few hundred, and their difference may be small. All other results are large
/// against this.
const ABSOLUTE: f64 = 500.0 * RELATIVE;

#[test]
fn conversions_are_those_of_the_reference() {
    replay::all::<tidemill_plugin_unit_convert::UnitConvert>(include_str!("reference.csv"), |want, got| {
        (want - got).abs() <= RELATIVE * want.abs() + ABSOLUTE
    });
}
