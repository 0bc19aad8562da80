//! Aggregations: windows close, are revised and survive crashes.

use super::*;

async fn write_totals(world: &World1) {
    for second in 0..35 {
        let second = f64::from(second);
        world.write(&[("power{u=1}", second, 1.0), ("power{u=2}", second, second)]).await;
        if second == 24.0 {
            // Two rows for one closed window, and one that only comes out of order.
            world.write(&[("power{u=1}", 3.5, 100.0), ("power{u=1}", 4.5, 100.0), ("power{u=1}", 23.5, 7.0)]).await;
            world.heartbeat(0).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_close_by_their_own_groups_rows_and_are_revised_by_late_ones() {
    let world = World1::new(TOTALS, TOTALS_JSON).await;
    write_totals(&world).await;
    world.follow(0, usize::MAX).await;
    assert_eq!(world.output("power_t:value_sum{u=2}", 0).await, Some(45.0));
    assert_eq!(world.output("power_t:value_count{u=1}", 10).await, Some(10.0));
    assert_eq!(world.output("power_t:value_sum{u=1}", 0).await, Some(210.0), "revised");
    assert_eq!(world.output("power_t:value_sum{u=1}", 20).await, Some(17.0), "out of order, but in time");
    assert_eq!(world.output("power_t:value_sum{u=1}", 30).await, None, "still open");
    let counters = &world.shared.instances[0].counters;
    assert_eq!(counters.late_rows.load(std::sync::atomic::Ordering::Relaxed), 2);
    assert_eq!(counters.revised_windows.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_is_revised_once_however_many_records_touch_it() {
    let world = World1::new(TOTALS, TOTALS_JSON).await;
    for second in [1.0, 15.0, 25.0, 35.0] {
        world.write(&[("power", second, 1.0)]).await;
    }
    for late in 2..8 {
        world.write(&[("power", f64::from(late), 1.0)]).await;
    }
    world.follow(0, usize::MAX).await;
    assert_eq!(world.output("power_t:value_sum", 0).await, Some(1.0), "it waits for more");
    world.heartbeat(0).await;
    world.follow(0, usize::MAX).await;
    assert_eq!(world.output("power_t:value_sum", 0).await, Some(7.0));
    let counters = &world.shared.instances[0].counters;
    assert_eq!(counters.revised_windows.load(std::sync::atomic::Ordering::Relaxed), 1);
    let listed = world.shared.windows.lock().clone();
    let listed: Vec<_> = listed.iter().map(|w| (w.series.as_str(), w.start_ns, w.end_ns, w.reason)).collect();
    assert_eq!(listed, [("power", 0, 10 * SECOND, "late")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregation_of_texts_gets_them_from_rows_and_from_history() {
    for crash_after in 0..6 {
        let world = World1::new(LENGTHS, TOTALS_JSON).await;
        for (second, text) in [(1, "on"), (2, "off"), (3, "on"), (15, "standby"), (25, ""), (26, "off")] {
            world.write_text("power", second, text).await;
        }
        world.follow(crash_after, crash_after).await;
        world.follow(0, usize::MAX).await;
        assert_eq!(world.output("power_t:value_sum", 0).await, Some(7.0), "crash after {crash_after}");
        assert_eq!(world.output("power_t:value_sum", 10).await, Some(7.0));
        world.write_text("power", 4, "maintenance").await;
        world.heartbeat(0).await;
        world.follow(0, usize::MAX).await;
        assert_eq!(world.output("power_t:value_sum", 0).await, Some(18.0), "revised from history");
        assert_eq!(world.output("power_t:value_count", 0).await, Some(4.0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_revises_closed_windows_and_withdraws_empty_ones() {
    let world = World1::new(TOTALS, TOTALS_JSON).await;
    for second in 0..40 {
        world.write(&[("power", f64::from(second), 1.0), ("power{u=2}", f64::from(second), 1.0)]).await;
    }
    world.delete("power", 5, 22).await;
    world.delete("power", 30, 31).await;
    world.write(&[("power", 45.0, 1.0)]).await;
    world.heartbeat(0).await;
    world.follow(30, usize::MAX).await;
    let sum = async |key: &str, second| world.output(&format!("power_t:value_sum{key}"), second).await;
    assert_eq!(sum("", 0).await, Some(5.0));
    assert_eq!(sum("", 10).await, None, "withdrawn");
    assert_eq!(sum("", 20).await, Some(8.0));
    assert_eq!(sum("", 30).await, Some(9.0), "it was open");
    assert_eq!(sum("{u=2}", 10).await, Some(10.0), "another series");
    let deleted = world.outputs().await;
    world.follow(0, usize::MAX).await;
    assert_eq!(world.outputs().await, deleted);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregation_that_crashes_anywhere_has_the_outputs_of_one_run() {
    let calm = World1::new(TOTALS, TOTALS_JSON).await;
    write_totals(&calm).await;
    calm.follow(0, usize::MAX).await;
    let expected = calm.outputs().await;
    for crash_after in (1..36).step_by(4) {
        let world = World1::new(TOTALS, TOTALS_JSON).await;
        write_totals(&world).await;
        *world.history.failures.lock() = 2;
        world.follow(crash_after / 2, crash_after).await;
        world.follow(2, 9).await;
        world.follow(0, usize::MAX).await;
        assert_eq!(world.outputs().await, expected, "crash after {crash_after} records");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_group_is_closed_by_the_second_heartbeat_after_its_last_row() {
    let world = World1::new(TOTALS, TOTALS_JSON).await;
    world.write(&[("power{u=1}", 1.0, 5.0)]).await;
    world.heartbeat(30).await;
    world.follow(0, usize::MAX).await;
    assert_eq!(world.output("power_t:value_sum{u=1}", 0).await, None, "it had a row since the last heartbeat");
    world.heartbeat(31).await;
    world.follow(0, usize::MAX).await;
    assert_eq!(world.output("power_t:value_sum{u=1}", 0).await, Some(5.0));
    world.write(&[("power{u=1}", 15.0, 2.0), ("power{u=1}", 25.0, 2.0)]).await;
    world.follow(0, usize::MAX).await;
    assert_eq!(world.output("power_t:value_sum{u=1}", 10).await, Some(2.0), "not late although the clock is further");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_traps_costs_no_other_window() {
    let world = World1::new(TOTALS, TOTALS_JSON).await;
    world.write(&[("power{u=1}", 1.0, 666.0), ("power{u=2}", 1.0, 2.0), ("power{u=3}", 1.0, 3.0)]).await;
    world.write(&[("power{u=1}", 15.0, 1.0), ("power{u=2}", 15.0, 1.0), ("power{u=3}", 15.0, 1.0)]).await;
    world.write(&[("power{u=1}", 25.0, 1.0)]).await;
    assert_eq!(world.follow(0, usize::MAX).await, Vec::<String>::new());
    assert_eq!(world.output("power_t:value_sum{u=1}", 0).await, None);
    assert_eq!(world.output("power_t:value_sum{u=2}", 0).await, Some(2.0));
    assert_eq!(world.output("power_t:value_sum{u=3}", 0).await, Some(3.0));
    assert_eq!(world.output("power_t:value_sum{u=1}", 10).await, Some(1.0));
    assert!(world.shared.last_error.lock().as_deref().is_some_and(|error| error.contains("window at 0 ns")));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_windows_that_trap_among_thousands_cost_no_other() {
    const SERIES: usize = 5_000;
    let world = World1::new(TOTALS, TOTALS_JSON).await;
    let keys: Vec<_> = (0..SERIES).map(|unit| format!("power{{u={unit}}}")).collect();
    let rows = |second: f64, value: fn(usize) -> f64| -> Vec<_> {
        keys.iter().enumerate().map(|(unit, key)| (key.as_str(), second, value(unit))).collect()
    };
    let is_bad = |unit: usize| unit == 0 || unit == 3_333;
    world.write(&rows(1.0, |unit| if unit == 0 || unit == 3_333 { 666.0 } else { 2.0 })).await;
    world.write(&rows(15.0, |_| 1.0)).await;
    assert_eq!(world.follow(0, usize::MAX).await, Vec::<String>::new());
    let outputs = world.outputs().await;
    for unit in 0..SERIES {
        let found = outputs.contains_key(&(format!("power_t:value_sum{{u={unit}}}"), 0));
        assert_eq!(found, !is_bad(unit), "unit {unit}");
    }
    assert_eq!(world.shared.instances[0].failed_windows.load(Relaxed), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_several_series_is_one_window() {
    let json = TOTALS_JSON.replace("\"window\"", "\"group_by\":[\"site\"],\"window\"");
    let world = World1::new(TOTALS, &json).await;
    world
        .write(&[("power{site=A,u=1}", 1.0, 1.0), ("power{site=A,u=2}", 1.0, 2.0), ("power{site=B,u=1}", 1.0, 4.0)])
        .await;
    world.write(&[("power{site=A,u=1}", 1.0, 10.0), ("power{u=9}", 1.0, 100.0)]).await;
    world.write(&[("power{site=A,u=1}", 15.0, 0.0), ("power{site=A,u=2}", 2.0, 20.0)]).await;
    world.write(&[("power{site=A,u=2}", 3.0, 40.0)]).await;
    world.heartbeat(0).await;
    world.follow(0, usize::MAX).await;
    assert_eq!(world.output("power_t:sum{site=A}", 0).await, Some(72.0));
    assert_eq!(world.output("power_t:sum{site=B}", 0).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_windows_than_a_record_may_have_outputs_are_closed_by_the_next_records() {
    let json = TOTALS_JSON.replace("\"window\"", "\"limits\":{\"output_rows\":4},\"window\"");
    let world = World1::new(TOTALS, &json).await;
    let rows: Vec<_> = (0..6).map(|window| ("power", f64::from(window) * 10.0, 1.0)).collect();
    world.write(&rows).await;
    world.follow(1, usize::MAX).await;
    assert_eq!(world.output("power_t:value_sum", 10).await, Some(1.0));
    assert_eq!(world.output("power_t:value_sum", 20).await, None);
    world.heartbeat(0).await;
    world.heartbeat(0).await;
    world.follow(0, usize::MAX).await;
    assert_eq!(world.output("power_t:value_sum", 30).await, Some(1.0));
}
