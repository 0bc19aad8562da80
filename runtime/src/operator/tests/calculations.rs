//! Calculations: every row once, whatever happens to the operator.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_calculation_sees_every_row_once_and_its_outputs_are_records() {
    let world = World1::new(SUMS, SUMS_JSON).await;
    write_sums(&world).await;
    assert!(world.follow(0, usize::MAX).await.is_empty());
    assert_eq!(world.output("power_s{u=1}", 4).await, Some(10.0));
    assert_eq!(world.output("power_s{u=2}", 11).await, Some(24.0));
    assert_eq!(world.output("other_s", 4).await, None, "a series that is not selected");
    assert_eq!(world.output("power_s:value_ticks{u=1}", 200).await, Some(9.0), "the second heartbeat found silence");
    let entries = world.quarantine().await;
    assert!(entries.len() == 1 && entries[0].1.contains("unreachable"), "{entries:?}");
    assert_eq!(world.output("power_s{u=1}", 11).await, Some(66.0), "the refused record left no trace");
    assert_eq!(world.shared.logs.newest(0, 10)[0].text, "started");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calculation_that_crashes_anywhere_has_the_outputs_of_one_run() {
    let calm = World1::new(SUMS, SUMS_JSON).await;
    write_sums(&calm).await;
    calm.follow(0, usize::MAX).await;
    let expected = calm.outputs().await;
    for crash_after in 1..15 {
        let world = World1::new(SUMS, SUMS_JSON).await;
        write_sums(&world).await;
        world.follow(crash_after / 2, crash_after).await;
        world.follow(3, 7).await;
        world.follow(0, usize::MAX).await;
        assert_eq!(world.outputs().await, expected, "crash after {crash_after} records");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_loop_costs_its_record_and_nothing_else() {
    let world = World1::new(SUMS, SUMS_JSON).await;
    world.write(&[("power", 1.0, 1.0)]).await;
    world.write(&[("power", 2.0, 667.0)]).await;
    world.write(&[("power", 3.0, 3.0)]).await;
    assert!(world.follow(0, usize::MAX).await.is_empty());
    let entries = world.quarantine().await;
    assert!(entries[0].1.contains("fuel"), "{entries:?}");
    assert_eq!(world.output("power_s", 3).await, Some(4.0));
    assert_eq!(world.shared.last_error.lock().as_deref().map(|e| e.contains("fuel")), Some(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_costs_only_that_output() {
    let world = World1::new(SUMS, SUMS_JSON).await;
    let taken = Series::new("power_s".parse().unwrap(), ValueType::Text);
    world.around.catalog.register(vec![taken]).await.unwrap()[0].clone().unwrap();
    world.write(&[("power", 1.0, 1.0), ("power{u=1}", 1.0, 5.0)]).await;
    assert_eq!(world.follow(0, usize::MAX).await, Vec::<String>::new());
    assert_eq!(world.output("power_s{u=1}", 1).await, Some(5.0));
    assert!(world.shared.last_error.lock().as_deref().is_some_and(|error| error.contains("has type string")));
}
