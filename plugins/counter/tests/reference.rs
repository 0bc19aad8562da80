//! Rates and totals against exact fractions: `plugins/check/counter.py`.

#[path = "../../check/replay.rs"]
mod replay;

/// Increase, seconds, quotient, scale and the reference round by half an epsilon each.
const RELATIVE: f64 = 2.51 * f64::EPSILON;

#[test]
fn rates_and_totals_are_those_of_the_reference() {
    replay::all::<tidemill_plugin_counter::Counter>(include_str!("reference.csv"), |want, got| {
        (want - got).abs() <= RELATIVE * want.abs()
    });
}
