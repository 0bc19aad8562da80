//! Results against hand-written arithmetic over rows joined by brute force: see `plugins/check/formula.py`.

#[path = "../../check/cases.rs"]
mod cases;

/// A handful of roundings, most of them in conversions.
#[test]
fn results_are_those_of_hand_written_arithmetic() {
    cases::check::<tidemill_plugin_formula::Formula>(include_str!("reference.csv"), |value| 1e-12 * value.abs());
}
