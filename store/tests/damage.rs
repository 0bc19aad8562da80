//! A replica whose files were touched says which file it is and what to do; it never reads wrong samples.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::World;
use tidemill_journal::{ApplyError, Fold};
use tidemill_model::{JournalIdentity, RecordKind, TimeRange, Value, ValueType};
use tidemill_store::{Replica, ReplicaConfig, StoreError};

fn filled() -> (World, tempfile::TempDir) {
    let mut world = World::new(&[ValueType::Float]);
    let dir = tempfile::tempdir().unwrap();
    world.write_floats(0, (0..100).map(|time| (time, time as f64)));
    let mut driver = world.open(dir.path(), 1_000).unwrap();
    driver.follow(&world);
    driver.stop();
    (world, dir)
}

fn block_of(dir: &Path) -> PathBuf {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "tmb")).unwrap()
}

fn check_corrupt(result: Result<impl Sized, StoreError>, path: &Path, what: &str) {
    match result.err() {
        Some(StoreError::Corrupt { file, remedy, .. }) => {
            assert_eq!(file, path, "{what}");
            assert!(remedy.contains("tidemill replica rebuild r1"), "{remedy}");
        }
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn damage_in_any_file_is_named() {
    let (world, dir) = filled();
    for path in [dir.path().join("manifest"), block_of(dir.path())] {
        let good = fs::read(&path).unwrap();
        for at in (0..good.len()).step_by(7) {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            fs::write(&path, bad).unwrap();
            let read = world
                .open(dir.path(), 1_000)
                .and_then(|driver| driver.replica.snapshot().scan(world.id(0), TimeRange::ALL));
            check_corrupt(read, &path, &format!("byte {at}"));
        }
        fs::write(&path, &good[..good.len() / 2]).unwrap();
        check_corrupt(world.open(dir.path(), 1_000), &path, "cut in half");
        fs::remove_file(&path).unwrap();
        check_corrupt(world.open(dir.path(), 1_000), &path, "missing");
        fs::write(&path, good).unwrap();
    }
    assert_eq!(world.open(dir.path(), 1_000).unwrap().floats(world.id(0)).len(), 100);
}

#[test]
fn a_deleted_directory_halts_the_fold() {
    let (mut world, dir) = filled();
    let mut driver = world.open(dir.path(), 1_000).unwrap();
    fs::remove_dir_all(dir.path()).unwrap();
    world.write_floats(0, [(200, 1.0)]);
    driver.apply(&world).unwrap();
    let halted = |result: Result<(), ApplyError>| match result {
        Err(ApplyError::Halt(reason)) => assert!(reason.contains("is gone"), "{reason}"),
        other => panic!("{other:?}"),
    };
    halted(driver.commit());
    halted(driver.fold.idle(&driver.cursors, true));
}

#[test]
fn another_journals_replica_is_refused_and_foreign_files_are_left_alone() {
    let (world, dir) = filled();
    let notes = dir.path().join("notes.txt");
    fs::write(&notes, "mine").unwrap();
    fs::write(dir.path().join("block-00000000000000ff.tmb"), "left over").unwrap();
    let driver = world.open(dir.path(), 1_000).unwrap();
    assert_eq!(driver.replica.stats().samples, 100);
    assert!(notes.exists());
    assert!(!dir.path().join("block-00000000000000ff.tmb").exists());
    drop(driver);

    let other = JournalIdentity { id: 78, generation: 1 };
    let config = ReplicaConfig::new("r1", dir.path());
    let opened = Replica::open(config, other, 1, world.catalog.clone(), world.env.clone());
    assert!(matches!(opened.err(), Some(StoreError::WrongJournal { .. })));
}

#[test]
fn a_refused_record_leaves_no_trace() {
    let mut world = World::new(&[ValueType::Float, ValueType::Text]);
    let dir = tempfile::tempdir().unwrap();
    let mut driver = world.open(dir.path(), 1_000).unwrap();
    // A good sample, and then text for the series of doubles.
    world.write(&[(0, 1, Value::Float(1.0), 0), (0, 2, Value::Text("no".into()), 0)]);
    world.push(RecordKind::Samples, b"garbage".to_vec());
    world.push(RecordKind::Operator, Vec::new());
    for record in &world.log {
        let refused = driver.fold.apply(0, record);
        assert!(matches!(refused, Err(ApplyError::Refused(_))), "{refused:?}");
    }
    driver.commit().unwrap();
    assert_eq!(driver.replica.stats().samples, 0);
    assert_eq!(driver.replica.snapshot().series().len(), 0);
    world.log.clear();
    world.write_floats(0, [(1, 1.0)]);
    driver.follow(&world);
    assert_eq!(driver.floats(world.id(0)), [(1, 1.0)]);
}
