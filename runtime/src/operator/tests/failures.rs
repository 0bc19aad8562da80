//! What an operator does about damaged checkpoints, rows that its plugin fails on, and a disk that fails.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_or_foreign_checkpoint_is_named_and_never_used() {
    let world = World1::new(SUMS, SUMS_JSON).await;
    write_sums(&world).await;
    world.follow(9, 9).await;
    let file = world.dir.path().join("operator/p0.ckpt");
    let good = std::fs::read(&file).unwrap();
    let refusal = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        world.open().map(drop).unwrap_err()
    };
    for at in (0..good.len()).step_by(good.len() / 50) {
        let mut bytes = good.clone();
        bytes[at] ^= 4;
        let reason = refusal(&bytes);
        assert!(reason.contains("p0.ckpt") && reason.contains("remove it"), "flip at {at}: {reason}");
        refusal(&good[..at]);
    }
    std::fs::write(&file, &good).unwrap();
    assert!(world.open().is_ok());
}

async fn write_mixed(world: &World1) {
    world.write(&[("power{u=1}", 1.0, 1.0), ("power{u=2}", 1.0, 10.0)]).await;
    let rows =
        [("power{u=1}", 2.0, 2.0), ("power{u=1}", 3.0, 666.0), ("power{u=1}", 4.0, 4.0), ("power{u=2}", 2.0, 20.0)];
    world.write(&rows).await;
    world.write(&[("power{u=1}", 5.0, 8.0), ("power{u=2}", 5.0, 667.0)]).await;
    world.write(&[("power{u=1}", 6.0, 16.0), ("power{u=2}", 6.0, 40.0)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_rows_that_fail_are_quarantined_and_a_rerun_decides_the_same() {
    let calm = World1::new(SUMS, SUMS_JSON).await;
    write_mixed(&calm).await;
    assert!(calm.follow(0, usize::MAX).await.is_empty());
    assert_eq!(calm.output("power_s{u=1}", 6).await, Some(31.0));
    assert_eq!(calm.output("power_s{u=2}", 6).await, Some(70.0));
    assert_eq!(calm.output("power_s{u=1}", 3).await, None);
    let entries = calm.quarantine().await;
    assert_eq!(
        entries.iter().map(|entry| entry.2.clone()).collect::<Vec<_>>(),
        [vec![(3 * SECOND, 666.0)], vec![(5 * SECOND, 667.0)]]
    );
    let named = "power{u=1} at 3000000000 ns = 666: plugin trapped in process: ";
    assert!(entries[0].1.replace("power:value", "power").contains(named), "{entries:?}");
    assert_eq!(calm.shared.instances[0].counters.quarantined_rows.load(std::sync::atomic::Ordering::Relaxed), 2);

    let expected = calm.outputs().await;
    for crash_after in 1..4 {
        let world = World1::new(SUMS, SUMS_JSON).await;
        write_mixed(&world).await;
        world.follow(crash_after - 1, crash_after).await;
        world.follow(1, 2).await;
        world.follow(0, usize::MAX).await;
        world.follow(0, usize::MAX).await;
        assert_eq!(world.outputs().await, expected, "crash after {crash_after} records");
        let again: Vec<_> = world.quarantine().await.into_iter().map(|entry| entry.2).collect();
        assert_eq!(again, entries.iter().map(|entry| entry.2.clone()).collect::<Vec<_>>(), "no entry twice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_after_many_checkpoints_finds_their_sum() {
    let world = World1::new(SUMS, SUMS_JSON).await;
    for second in 0..8 {
        let second = f64::from(second);
        world.write(&[("power{u=1}", second, 1.0), ("power{u=2}", second, second)]).await;
    }
    for _ in 0..3 {
        world.follow(1, 2).await;
    }
    let (mut fold, cursors) = world.open().unwrap();
    world.write(&[("power{u=1}", 8.0, 666.0), ("power{u=2}", 8.0, 100.0)]).await;
    world.write(&[("power{u=1}", 9.0, 1.0)]).await;
    let (begin, mut at) = (cursors[0].next, cursors[0].clone());
    for record in world.records().await.iter().filter(|record| record.offset >= begin) {
        if !at.has_seen(record.producer, record.epoch, record.sequence) {
            fold.apply(0, record).unwrap();
        }
        at.admit(record, world.end_of(0, record).await);
        fold.idle(std::slice::from_ref(&at), true).unwrap();
    }
    assert_eq!(world.output("power_s{u=1}", 9).await, Some(9.0));
    assert_eq!(world.output("power_s{u=2}", 8).await, Some(128.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_halts_names_the_row_and_tries_again() {
    let json = SUMS_JSON.replace("\"lateness\"", "\"on_error\":\"halt\",\"lateness\"");
    let world = World1::new(SUMS, &json).await;
    write_mixed(&world).await;
    for _ in 0..2 {
        let (mut fold, _) = world.open().unwrap();
        let records = world.records().await;
        fold.apply(0, &records[0]).unwrap();
        for _ in 0..2 {
            let Err(ApplyError::Halt(reason)) = fold.apply(0, &records[1]) else {
                panic!("it goes on");
            };
            assert!(reason.contains("at 3000000000 ns = 666: ") && reason.contains("resume"), "{reason}");
        }
    }
    assert!(world.quarantine().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_cannot_be_written_stops_nothing() {
    let world = World1::new(SUMS, SUMS_JSON).await;
    write_sums(&world).await;
    // A file will stand where the folder should be.
    std::fs::create_dir(world.dir.path().join("aside")).unwrap();
    let aside = CheckpointFile::new(&world.dir.path().join("aside/none"), 0);
    let parts = (world.plugin.clone(), world.spec.clone());
    let (mut fold, mut cursors) =
        OperatorFold::open(&world.around, parts, 0, aside, world.shared.clone(), world.begin()).unwrap();
    std::fs::write(world.dir.path().join("aside/none"), b"").unwrap();
    for record in world.records().await {
        fold.apply(0, &record).unwrap();
        cursors[0].admit(&record, world.end_of(0, &record).await);
        fold.idle(&cursors, true).unwrap();
    }
    let status = &world.shared.instances[0];
    assert!(status.checkpoint_error.lock().as_deref().is_some_and(|reason| reason.contains("none")));
    assert_eq!(fold.needed_from(&[]), Some(vec![Offset(0)]));
    assert_eq!(world.output("power_s{u=1}", 11).await, Some(66.0));
    std::fs::remove_file(world.dir.path().join("aside/none")).unwrap();
    fold.idle(&cursors, true).unwrap();
    assert!(status.checkpoint_error.lock().is_none());
    assert_eq!(fold.needed_from(&[]), Some(vec![cursors[0].next]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregation_that_halts_names_the_window_and_loses_none_before_it() {
    let json = TOTALS_JSON.replace("\"lateness\"", "\"on_error\":\"halt\",\"lateness\"");
    let world = World1::new(TOTALS, &json).await;
    for second in 0..35 {
        let value = if second == 10 { 666.0 } else { 1.0 };
        world.write(&[("power", f64::from(second), value)]).await;
    }
    for _ in 0..2 {
        let (mut fold, mut cursors) = world.open().unwrap();
        let mut halted = None;
        for record in world.records().await {
            if cursors[0].has_seen(record.producer, record.epoch, record.sequence) || record.offset < cursors[0].next {
                continue;
            }
            match fold.apply(0, &record) {
                Ok(_) => cursors[0].admit(&record, world.end_of(0, &record).await),
                Err(ApplyError::Halt(reason)) => {
                    halted = Some(reason);
                    break;
                }
                Err(error) => panic!("{error}"),
            };
            fold.commit(&cursors).unwrap();
        }
        let reason = halted.expect("it halts at the window");
        assert!(reason.contains("window at 10000000000 ns") && reason.contains("resume"), "{reason}");
        assert_eq!(world.output("power_t:value_sum", 0).await, Some(10.0), "the window before is there");
        assert_eq!(world.output("power_t:value_sum", 10).await, None);
    }
}
