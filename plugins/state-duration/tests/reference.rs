//! Times in states against the intersection of every stretch of time with every interval: see
//! `plugins/check/states.py`.

#[path = "../../check/cases.rs"]
mod cases;

/// Nanoseconds are added as integers, so the results are the same to the bit.
#[test]
fn times_are_those_of_intersecting_stretches_with_intervals() {
    cases::check::<tidemill_plugin_state_duration::StateDuration>(include_str!("reference.csv"), |_| 0.0);
}
