//! Scores against exact rational arithmetic over the same rows: see `plugins/check/anomaly.py`.

#[path = "../../check/cases.rs"]
mod cases;

/// Rounding of the mean, divided by a deviation that is down to a thousandth of it.
#[test]
fn scores_are_those_of_exact_arithmetic() {
    cases::check::<tidemill_plugin_zscore::Zscore>(include_str!("reference.csv"), |score| 1e-11 * score.abs().max(1.0));
}
