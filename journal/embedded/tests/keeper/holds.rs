//! Retention keeps what followers hold, across restarts, as long as they are heard of.

use std::time::Duration;

use tempfile::TempDir;
use tidemill_journal::{Journal, Retention};
use tidemill_journal_embedded::{EmbeddedJournal, Keeping, open_read_only};
use tidemill_model::Offset;

use crate::common::{ManualEnv, at, record};
use crate::world::{Fault, World, create, idle, open, until};

const DAY: Duration = Duration::from_secs(86_400);

fn newest_20_kb() -> Retention {
    Retention { bytes: Some(20_000), ..Retention::default() }
}

async fn append(journal: &EmbeddedJournal, numbers: std::ops::Range<u64>) -> Vec<Offset> {
    let mut ends = Vec::new();
    for number in numbers {
        ends.push(journal.append(&at(), vec![record(number, 4000)]).await.unwrap().end);
    }
    ends
}

async fn start(journal: &EmbeddedJournal) -> Offset {
    journal.retain_now();
    journal.bounds(&at()).await.unwrap().start
}

#[tokio::test]
async fn a_hold_outlives_a_restart_and_a_stop_of_a_year_and_can_be_listed() {
    let (dir, env, world) = (TempDir::new().unwrap(), ManualEnv::new(), World::new());
    let journal = open(&world, dir.path(), idle(), env.clone());
    create(&journal, Retention::default()).await;
    let ends = append(&journal, 0..10).await;
    journal.hold(&at(), "r1", Some(ends[1]));
    journal.hold(&at(), "r2", Some(ends[9]));
    create(&journal, newest_20_kb()).await;
    append(&journal, 10..40).await;
    assert!(start(&journal).await <= ends[1]);
    journal.close().await;
    let holds = open_read_only(dir.path()).unwrap().holds().unwrap();
    let listed: Vec<_> = holds.iter().map(|hold| (hold.follower.as_str(), hold.from)).collect();
    assert_eq!(listed, [("r1", ends[1]), ("r2", ends[9])]);
    assert_eq!(holds[0].at, at());

    env.advance(DAY * 365);
    let journal = open(&world, dir.path(), idle(), env.clone());
    append(&journal, 40..50).await;
    assert!(start(&journal).await <= ends[1], "the follower had no chance to be heard");
    journal.hold(&at(), "r1", None);
    let held = start(&journal).await;
    assert!(held > ends[1] && held <= ends[9], "{held}: r2 still holds");
    journal.close().await;
    assert_eq!(open_read_only(dir.path()).unwrap().holds().unwrap().len(), 1);
}

#[tokio::test]
async fn a_follower_that_falls_silent_loses_its_hold() {
    let (dir, env) = (TempDir::new().unwrap(), ManualEnv::new());
    let journal = open(&World::new(), dir.path(), idle(), env.clone());
    create(&journal, Retention::default()).await;
    let ends = append(&journal, 0..10).await;
    journal.hold(&at(), "r1", Some(ends[0]));
    create(&journal, newest_20_kb()).await;
    append(&journal, 10..40).await;
    env.advance(DAY * 6);
    assert!(start(&journal).await <= ends[0]);
    journal.hold(&at(), "r1", Some(ends[0]));
    env.advance(DAY * 6);
    assert!(start(&journal).await <= ends[0], "it was heard of six days ago");
    env.advance(DAY * 2);
    assert!(start(&journal).await > ends[9]);
    journal.close().await;
}

#[tokio::test]
async fn holds_are_written_down_while_the_journal_is_open() {
    let (dir, env) = (TempDir::new().unwrap(), ManualEnv::new());
    let journal = open(&World::new(), dir.path(), idle(), env.clone());
    create(&journal, newest_20_kb()).await;
    let ends = append(&journal, 0..2).await;
    journal.hold(&at(), "r1", Some(ends[0]));
    let outside = open_read_only(dir.path()).unwrap();
    let is_there = || outside.holds().unwrap().iter().any(|hold| hold.from == ends[0]);
    until(&env, Duration::from_secs(1), "the hold is written down", is_there).await;
    journal.close().await;
}

#[tokio::test]
async fn a_full_disk_at_any_call_only_puts_off_writing_holds_down() {
    for n in 0..5 {
        let (dir, env, world) = (TempDir::new().unwrap(), ManualEnv::new(), World::new());
        let journal = open(&world, dir.path(), idle(), env.clone());
        create(&journal, Retention::default()).await;
        let ends = append(&journal, 0..2).await;
        world.fail_at(n, Fault::Full);
        journal.hold(&at(), "r1", Some(ends[0]));
        let outside = open_read_only(dir.path()).unwrap();
        let is_there = || outside.holds().unwrap().iter().any(|hold| hold.from == ends[0]);
        until(&env, Duration::from_secs(1), "the hold is written down", is_there).await;
        append(&journal, 2..4).await;
        journal.close().await;
        assert!(world.has_failed(), "call {n} has come");
    }
}

#[tokio::test]
async fn where_holds_are_damaged_nothing_is_dropped_for_a_day_even_across_restarts() {
    let (dir, env, world) = (TempDir::new().unwrap(), ManualEnv::new(), World::new());
    let journal = open(&world, dir.path(), idle(), env.clone());
    create(&journal, Retention::default()).await;
    append(&journal, 0..30).await;
    journal.close().await;
    let file = dir.path().join("keeper");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[10] ^= 1;
    std::fs::write(&file, bytes).unwrap();

    let journal = open(&world, dir.path(), idle(), env.clone());
    create(&journal, newest_20_kb()).await;
    assert_eq!(start(&journal).await, Offset(0));
    env.advance(DAY / 2);
    journal.close().await;
    let journal = open(&world, dir.path(), idle(), env.clone());
    env.advance(DAY / 4);
    assert_eq!(start(&journal).await, Offset(0));
    env.advance(DAY / 3);
    assert!(start(&journal).await > Offset(0));
    journal.close().await;
}

#[tokio::test]
async fn since_when_records_are_kept_is_known_after_a_restart() {
    let (dir, env, world) = (TempDir::new().unwrap(), ManualEnv::new(), World::new());
    let journal = open(&world, dir.path(), idle(), env.clone());
    create(&journal, newest_20_kb()).await;
    for number in 0..30 {
        env.advance(Duration::from_secs(1));
        append(&journal, number..number + 1).await;
    }
    start(&journal).await;
    let before = journal.bounds(&at()).await.unwrap();
    assert!(before.kept_since.is_some());
    journal.close().await;
    assert_eq!(open_read_only(dir.path()).unwrap().bounds(&at()).unwrap().kept_since, before.kept_since);
    let journal = open(&world, dir.path(), idle(), env.clone());
    assert_eq!(journal.bounds(&at()).await.unwrap().kept_since, before.kept_since);
    journal.close().await;
    std::fs::remove_file(dir.path().join("keeper")).unwrap();
    let journal = open(&world, dir.path(), idle(), env.clone());
    assert_eq!(journal.bounds(&at()).await.unwrap().kept_since, None, "nobody knows");
    journal.close().await;
}

#[tokio::test]
async fn a_full_disk_makes_holds_give_way_but_retention_still_decides() {
    let (dir, env, world) = (TempDir::new().unwrap(), ManualEnv::new(), World::new());
    world.set_available(1 << 30);
    let keeping = Keeping { low_bytes: Some(2000), critical_bytes: Some(1000), ..idle() };
    let journal = open(&world, dir.path(), keeping, env.clone());
    create(&journal, Retention::default()).await;
    let ends = append(&journal, 0..10).await;
    journal.hold(&at(), "slow", Some(ends[0]));
    create(&journal, newest_20_kb()).await;
    append(&journal, 10..40).await;
    assert!(start(&journal).await <= ends[0]);
    world.set_available(999);
    let overridden = || crate::world::metric(&journal, "journal_overridden_holds") > 0.0;
    until(&env, Duration::from_secs(1), "the hold gives way", overridden).await;
    let bounds = journal.bounds(&at()).await.unwrap();
    assert!(bounds.start > ends[9] && bounds.tail.0 - bounds.start.0 >= 20_000, "{bounds:?}");
    journal.close().await;
}
