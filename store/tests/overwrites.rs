//! The later write wins, wherever the earlier one lies by then.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use support::World;
use tidemill_model::{TimeRange, ValueType};

#[test]
fn a_later_write_wins_across_flushes() {
    let mut world = World::new(&[ValueType::Float]);
    let dir = tempfile::tempdir().unwrap();
    let mut driver = world.open(dir.path(), 1_000).unwrap();
    world.write_floats(0, [(10, 1.0), (20, 2.0), (30, 3.0)]);
    driver.follow(&world);
    driver.stop();
    assert_eq!(driver.replica.stats().blocks, 1);

    world.write_floats(0, [(20, 2.5)]);
    driver.follow(&world);
    assert_eq!(driver.floats(world.id(0)), [(10, 1.0), (20, 2.5), (30, 3.0)]);
    driver.stop();
    world.write_floats(0, [(30, 3.5), (5, 0.5)]);
    driver.follow(&world);
    assert_eq!(driver.floats(world.id(0)), [(5, 0.5), (10, 1.0), (20, 2.5), (30, 3.5)]);
    assert_eq!(driver.replica.digest(), driver.replica.verify().unwrap());
    assert_eq!(driver.replica.digest().samples, 4);
}

#[test]
fn a_delete_hides_what_was_there_and_not_what_comes_after() {
    let mut world = World::new(&[ValueType::Float]);
    let dir = tempfile::tempdir().unwrap();
    let mut driver = world.open(dir.path(), 1_000).unwrap();
    world.write_floats(0, (0..10).map(|time| (time, 1.0)));
    driver.follow(&world);
    driver.stop();
    world.delete(&[0], TimeRange::new(3, 100));
    world.write_floats(0, [(5, 2.0)]);
    driver.follow(&world);
    let expected = [(0, 1.0), (1, 1.0), (2, 1.0), (5, 2.0)];
    assert_eq!(driver.floats(world.id(0)), expected);
    assert_eq!(driver.replica.snapshot().last(world.id(0)).unwrap().time, 5);

    driver.stop();
    drop(driver);
    let driver = world.open(dir.path(), 1_000).unwrap();
    assert_eq!(driver.floats(world.id(0)), expected, "after a restart");
    assert_eq!(driver.replica.digest().samples, 4);
    assert_eq!(driver.replica.snapshot().last(world.id(0)).unwrap().time, 5);
}

#[test]
fn many_small_blocks_are_merged_without_a_change_to_what_is_read() {
    let mut world = World::new(&[ValueType::Float]);
    let dir = tempfile::tempdir().unwrap();
    let mut driver = world.open(dir.path(), 1).unwrap();
    for time in 0..40 {
        world.write_floats(0, [(time % 25, time as f64)]);
        driver.follow(&world);
    }
    driver.stop();
    // Blocks are merged on a thread of their own, which has work since the eighth flush.
    while driver.replica.stats().compactions == 0 {
        std::thread::yield_now();
    }
    assert!(driver.replica.stats().blocks < 40);
    drop(driver);
    let driver = world.open(dir.path(), 1).unwrap();
    let expected: Vec<_> = (0..25).map(|time| (time, (if time < 15 { time + 25 } else { time }) as f64)).collect();
    assert_eq!(driver.floats(world.id(0)), expected);
    assert_eq!(driver.replica.digest(), driver.replica.verify().unwrap());
}
