//! Averages against the integral itself, worked out in 50 digits: `plugins/check/ewma.py`.

#[path = "../../check/replay.rs"]
mod replay;

/// Of the value, or of 1 where values are smaller. A step adds about 2⁻⁵³ of the values in it, and the average forgets
/// it with the rest.
const BOUND: f64 = 1e-13;

#[test]
fn averages_are_those_of_the_reference() {
    replay::all::<tidemill_plugin_ewma::Ewma>(include_str!("reference.csv"), |want, got| {
        (want - got).abs() <= BOUND * want.abs().max(1.0)
    });
}
