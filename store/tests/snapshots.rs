//! A snapshot shows one position, whatever happens after it was taken.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use support::{World, floats};
use tidemill_model::{TimeRange, Value, ValueType};
use tidemill_store::LabelFilter;

#[test]
fn a_snapshot_stays_as_it_was_while_the_replica_goes_on() {
    let mut world = World::new(&[ValueType::Float, ValueType::Float]);
    let dir = tempfile::tempdir().unwrap();
    let mut driver = world.open(dir.path(), 4).unwrap();
    world.write_floats(0, [(1, 1.0), (2, 2.0)]);
    driver.follow(&world);
    let before = driver.replica.snapshot();

    world.write_floats(0, [(2, 9.0), (3, 3.0)]);
    world.write_floats(1, [(1, 1.0)]);
    driver.apply(&world).unwrap();
    assert_eq!(floats(&driver.replica.snapshot(), world.id(0)), [(1, 1.0), (2, 2.0)], "not committed");
    driver.commit().unwrap();
    world.delete(&[0], TimeRange::ALL);
    driver.follow(&world);
    driver.stop();

    assert_eq!(floats(&driver.replica.snapshot(), world.id(0)), []);
    assert_eq!(floats(&before, world.id(0)), [(1, 1.0), (2, 2.0)]);
    assert_eq!(before.last(world.id(0)).map(|sample| sample.value), Some(Value::Float(2.0)));
    assert_eq!(before.series().len(), 1, "the other series had no sample yet");
    assert_eq!(driver.replica.snapshot().series().len(), 2);
    assert!(driver.replica.position().covers(before.position()));
}

#[test]
fn series_are_found_by_labels_and_selectors() {
    let mut world = World::new(&[ValueType::Float; 4]);
    let dir = tempfile::tempdir().unwrap();
    let mut driver = world.open(dir.path(), 100).unwrap();
    for series in (0..4).rev() {
        world.write_floats(series, [(1, 1.0)]);
    }
    driver.follow(&world);
    let snapshot = driver.replica.snapshot();
    let labels = |filters: &[(&str, &[&str])]| {
        let filter = |(name, values): &(&str, &[&str])| LabelFilter {
            name: name.to_string(),
            values: values.iter().map(|value| value.to_string()).collect(),
        };
        let filters: Vec<_> = filters.iter().map(filter).collect();
        let found = snapshot.by_labels("pump", &filters);
        found.iter().map(|series| series.key.label("unit").unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(labels(&[]), ["P0", "P2", "P1", "P3"], "by key, in which site comes first");
    assert_eq!(labels(&[("site", &["S1"])]), ["P1", "P3"]);
    assert_eq!(labels(&[("site", &["S1"]), ("unit", &["P0", "P3"])]), ["P3"]);
    assert_eq!(labels(&[("site", &[])]), [""; 0]);
    assert_eq!(snapshot.select(&"pump:field{unit=P*,site=S0}".parse().unwrap()).len(), 2);
    assert_eq!(snapshot.measurements(), ["pump"]);
    assert_eq!(driver.replica.stats().series, 4);
}
