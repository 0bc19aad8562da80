//! What survives: a restart, and the loss of a replica's files.

use tempfile::tempdir;

use crate::world::World;

fn lines(from: u64, to: u64) -> String {
    (from..to).map(|i| format!("m,id=s{} a={i}.25,b={i}i {i}\n", i % 50)).collect()
}

#[test]
fn everything_is_there_after_a_restart() {
    let dir = tempdir().unwrap();
    let world = World::start(dir.path());
    let position = world.write(&lines(0, 3_000)).position().to_owned();
    let digest = world.settled_digest();
    world.stop();
    let world = World::start(dir.path());
    assert_eq!(world.count(&position, "r2"), 6_000);
    assert_eq!(world.settled_digest(), digest);
    assert_eq!(world.write("m,id=s0 a=1i 1").status, 400, "types are remembered");
    world.stop();
}

#[test]
fn a_replica_whose_directory_vanishes_is_built_again() {
    let dir = tempdir().unwrap();
    let world = World::start(dir.path());
    world.write(&lines(0, 2_000));
    let digest = world.settled_digest();
    std::fs::remove_dir_all(dir.path().join("replicas/r1")).unwrap();
    world.wait_for("the directory to come back", |_| dir.path().join("replicas/r1").exists());
    assert_eq!(world.settled_digest(), digest);
    assert_eq!(world.post("/api/v1/replicas/r2/rebuild", &[], b"").status, 200);
    assert_eq!(world.settled_digest(), digest);
    assert_eq!(world.post("/api/v1/replicas/r9/rebuild", &[], b"").status, 404);
    world.stop();
}
