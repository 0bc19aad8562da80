//! The filter against a search through the whole past of every row: `plugins/check/deadband.py`.

#[path = "../../check/replay.rs"]
mod replay;

#[test]
fn emitted_rows_are_those_of_the_reference() {
    replay::all::<tidemill_plugin_deadband::Deadband>(include_str!("reference.csv"), |want, got| want == got);
}
