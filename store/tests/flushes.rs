//! When a memtable goes to disk, and what happens when it cannot.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::sync::atomic::Ordering::Relaxed;

use support::World;
use tidemill_journal::{ApplyError, Fold};
use tidemill_model::ValueType;

#[test]
fn a_flush_that_fails_is_tried_again_and_loses_nothing() {
    let mut world = World::new(&[ValueType::Float]);
    let dir = tempfile::tempdir().unwrap();
    let mut driver = world.open(dir.path(), 1_000).unwrap();
    world.write_floats(0, [(1, 1.0), (2, 2.0)]);
    driver.follow(&world);
    // The name of the first temporary file is taken, so that it cannot be made.
    fs::write(dir.path().join("block-0000000000000001.tmb.0000000000000000.tmp"), "").unwrap();
    let stopped = driver.fold.idle(&driver.cursors, true);
    assert!(matches!(stopped, Err(ApplyError::Retry(_))), "{stopped:?}");
    assert_eq!(driver.floats(world.id(0)), [(1, 1.0), (2, 2.0)]);
    assert_eq!(driver.replica.stats().blocks, 0);

    driver.commit().unwrap();
    driver.stop();
    assert_eq!(driver.replica.stats().blocks, 1);
    drop(driver);
    let driver = world.open(dir.path(), 1_000).unwrap();
    assert_eq!(driver.cursors[0].ordinal, 1);
    assert_eq!(driver.floats(world.id(0)), [(1, 1.0), (2, 2.0)]);
}

#[test]
fn rows_that_have_waited_long_enough_are_flushed_when_idle() {
    let mut world = World::new(&[ValueType::Float]);
    let dir = tempfile::tempdir().unwrap();
    let mut driver = world.open(dir.path(), 1_000).unwrap();
    world.write_floats(0, [(1, 1.0)]);
    driver.follow(&world);
    driver.fold.idle(&driver.cursors, false).unwrap();
    assert_eq!(driver.replica.stats().memtable_rows, 1, "too early");
    world.env.clock_ms.store(60_000, Relaxed);
    driver.fold.idle(&driver.cursors, false).unwrap();
    while driver.replica.stats().flushes == 0 {
        std::thread::yield_now();
    }
    assert_eq!((driver.replica.stats().memtable_rows, driver.replica.stats().blocks), (0, 1));
    assert_eq!(driver.floats(world.id(0)), [(1, 1.0)]);
}

#[test]
fn a_replica_that_is_dropped_leaves_its_directory_alone() {
    let mut world = World::new(&[ValueType::Float]);
    let dir = tempfile::tempdir().unwrap();
    let mut driver = world.open(dir.path(), 1).unwrap();
    world.write_floats(0, [(1, 1.0)]);
    driver.follow(&world);
    let replica = driver.replica.clone();
    drop(driver);
    let blocks = replica.stats().blocks;
    let reopened = world.open(dir.path(), 1).unwrap();
    assert_eq!(reopened.replica.stats().blocks, blocks, "what counted when the fold was dropped counts");
    assert_eq!(reopened.cursors[0].ordinal, blocks);
}
