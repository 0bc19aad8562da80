//! The filter against exact fractions and brute force: `plugins/check/swinging_door.py`.

#[path = "../../check/replay.rs"]
mod replay;

#[test]
fn emitted_rows_are_those_of_the_reference() {
    replay::all::<tidemill_plugin_swinging_door::SwingingDoor>(include_str!("reference.csv"), |want, got| want == got);
}
