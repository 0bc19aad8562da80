//! Ratios against stretches of time intersected with intervals, and items counted one pair of rows at a time: see
//! `plugins/check/states.py`.

#[path = "../../check/cases.rs"]
mod cases;

/// Two or three roundings; those of the check are exact until the last.
#[test]
fn ratios_are_those_of_exact_arithmetic() {
    cases::check::<tidemill_plugin_oee::Oee>(include_str!("reference.csv"), |value| 1e-14 * value.abs());
}
