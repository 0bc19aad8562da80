//! States against a look at every single second: `plugins/check/stuck.py`.

#[path = "../../check/replay.rs"]
mod replay;

#[test]
fn states_are_those_of_the_reference() {
    replay::all::<tidemill_plugin_stuck::Stuck>(include_str!("reference.csv"), |want, got| want == got);
}
