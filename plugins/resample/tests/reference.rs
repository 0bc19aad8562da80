//! Grids against a search among all rows for every grid time: see `plugins/check/resample.py`.

#[path = "../../check/cases.rs"]
mod cases;

/// Three roundings on a line, whose ends may be larger than what lies between; a mean is rounded twice.
#[test]
fn grids_are_those_of_a_search_among_all_rows() {
    cases::check::<tidemill_plugin_resample::Resample>(include_str!("reference.csv"), |value| {
        1e-12 * value.abs().max(1.0)
    });
}
