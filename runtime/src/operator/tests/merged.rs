//! Operators that merge partitions: a group may have series in several of them, and the outputs are those of one partition.

use super::*;

const PARTITIONS: u32 = 3;
/// Groups whose series lie in different partitions.
const UNITS: [&str; 4] = ["power{site=A,u=1}", "power{site=A,u=2}", "power{site=A,u=3}", "power{site=B,u=1}"];

fn grouped(json: &str) -> String {
    json.replace("\"lateness\"", "\"group_by\":[\"site\"],\"merge_partitions\":true,\"output\":\"site\",\"lateness\"")
}

/// The same records in the same order, whatever the number of partitions.
async fn write(world: &World1) {
    for second in 0..40 {
        let unit = UNITS[(second * 7 % 5 % 4) as usize];
        world.write(&[(unit, second as f64, second as f64)]).await;
        if second == 25 {
            // Late for closed windows, in another partition than the newest row.
            world.write(&[(UNITS[0], 3.5, 100.0)]).await;
            world.write(&[(UNITS[1], 14.5, 50.0)]).await;
            world.delete(UNITS[2], 0, 12).await;
        }
        if second % 10 == 9 {
            world.heartbeat(second).await;
        }
    }
    world.heartbeat(5000).await;
    world.heartbeat(5001).await;
}

async fn check(wat: &str, json: &str) {
    let json = grouped(json);
    let one = World1::new(wat, &json).await;
    write(&one).await;
    one.follow(0, usize::MAX).await;
    let expected = one.outputs().await;
    assert!(expected.keys().any(|(key, _)| key.contains("site=A")) && expected.len() > 3, "{expected:?}");
    for crash_after in (0..60).step_by(7) {
        let world = World1::over(PARTITIONS, wat, &json).await;
        let spread: std::collections::BTreeSet<_> = UNITS.iter().map(|unit| world.partition_of(unit)).collect();
        assert!(spread.len() > 1, "the units of a site are in different partitions");
        write(&world).await;
        world.follow(crash_after / 2, crash_after).await;
        world.follow(4, 9).await;
        world.follow(0, usize::MAX).await;
        assert_eq!(world.outputs().await, expected, "crash after {crash_after} records");
        assert!(world.quarantine().await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calculation_over_partitions_computes_what_it_would_over_one() {
    check(SUMS, SUMS_JSON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_over_partitions_are_those_over_one_with_late_rows_and_deletions() {
    check(TOTALS, TOTALS_JSON).await;
    // Windows that are too long to be held are read from history, every series from its own partition.
    check(TOTALS, &TOTALS_JSON.replace("\"10s\"", "\"20m\"")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_of_another_number_of_partitions_is_refused() {
    let json = grouped(SUMS_JSON);
    let world = World1::over(PARTITIONS, SUMS, &json).await;
    write(&world).await;
    world.follow(5, 5).await;
    let mut fewer = World1::over(2, SUMS, &json).await;
    std::mem::swap(&mut fewer.dir, &mut { world }.dir);
    let reason = fewer.open().err().expect("its cursors do not fit");
    assert!(reason.contains("3 cursors instead of 2"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_that_comes_later_in_another_partition_than_its_group_is_not_taken_and_told() {
    let json = grouped(SUMS_JSON).replace("\"merge_partitions\":true,", "");
    let world = World1::over(PARTITIONS, SUMS, &json).await;
    let unit = |site: &str, is_here: bool| {
        let mut keys = (0..).map(|unit| format!("power{{site={site},u={unit}}}"));
        keys.find(|key| (world.partition_of(key) == 0) == is_here).expect("keys are spread")
    };
    // Site A lives in another partition, B in that of the instance.
    let (first, stray, own, away) = (unit("A", false), unit("A", true), unit("B", true), unit("B", false));
    world.write(&[(&first, 1.0, 1.0)]).await;
    world.write(&[(&own, 1.0, 5.0)]).await;
    world.write(&[(&away, 1.0, 7.0)]).await;
    world.write(&[(&stray, 2.0, 9.0), (&own, 2.0, 6.0)]).await;
    world.follow(0, usize::MAX).await;
    let outputs = world.outputs().await;
    assert!(!outputs.is_empty() && outputs.keys().all(|(key, _)| key.contains("site=B")), "{outputs:?}");
    let told = world.shared.last_error.lock().clone().expect("it is told");
    assert!(told.contains(&stray) && told.contains(&first) && told.contains("merge_partitions"), "{told}");
    assert_eq!(world.shared.instances[0].counters.errors.load(Relaxed), 1);
}
