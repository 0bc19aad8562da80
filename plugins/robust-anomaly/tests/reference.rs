//! Scores against medians found by sorting every window: see `plugins/check/anomaly.py`.

#[path = "../../check/cases.rs"]
mod cases;

/// The arithmetic is the same, so the results are the same to the bit.
#[test]
fn scores_are_those_of_sorting() {
    cases::check::<tidemill_plugin_robust_anomaly::RobustAnomaly>(include_str!("reference.csv"), |_| 0.0);
}
