//! Means against exact fractions: `plugins/check/moving_average.py`.

#[path = "../../check/replay.rs"]
mod replay;

/// Roundings of the sum, of the division and of the reference are half an epsilon each; the errors of the errors are
/// far smaller.
const RELATIVE: f64 = 1.51 * f64::EPSILON;

#[test]
fn means_are_those_of_the_reference() {
    replay::all::<tidemill_plugin_moving_average::MovingAverage>(include_str!("reference.csv"), |want, got| {
        (want - got).abs() <= RELATIVE * want.abs()
    });
}
