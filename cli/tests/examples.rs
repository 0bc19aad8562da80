//! The examples are articles whose commands work.

use std::process::Command;

#[test]
fn rebuild_a_replica() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/rebuild-a-replica/run.sh");
    let output = Command::new("bash").arg(script).env("TIDEMILL", env!("CARGO_BIN_EXE_tidemill")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("agrees with r1"), "{said}");
}
