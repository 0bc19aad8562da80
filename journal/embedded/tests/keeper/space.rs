//! Producers feel that room is low before the disk is full, and no longer when there is room again.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tidemill_journal::{Env, ErrorKind, Journal, JournalError, Retention, SystemEnv};
use tidemill_journal_embedded::{EmbeddedConfig, EmbeddedJournal, Keeping, verify};
use tidemill_model::Offset;

use crate::common::{ManualEnv, at, read_all, record};
use crate::world::{World, create, idle, metric, open, until};

const SECOND: Duration = Duration::from_secs(1);
const MIB: u64 = 1 << 20;

fn limits() -> Keeping {
    Keeping { low_bytes: Some(20 * MIB), critical_bytes: Some(10 * MIB), ..idle() }
}

#[tokio::test]
async fn appends_are_slowed_down_then_refused_and_taken_again_when_there_is_room() {
    let (dir, env, world) = (TempDir::new().unwrap(), ManualEnv::new(), World::new());
    world.set_available(100 * MIB);
    let journal = open(&world, dir.path(), limits(), env.clone());
    create(&journal, Retention::default()).await;
    journal.append(&at(), vec![record(0, 100)]).await.unwrap();
    assert_eq!(metric(&journal, "journal_slowed_appends"), 0.0);
    for (available, level) in [(15 * MIB, 1.0), (9 * MIB, 2.0), (15 * MIB, 1.0), (100 * MIB, 0.0)] {
        world.set_available(available);
        until(&env, SECOND, "the level is noticed", || metric(&journal, "journal_disk_level") == level).await;
        assert_eq!(metric(&journal, "journal_disk_available_bytes"), available as f64);
        let appended = journal.append(&at(), vec![record(1, 100)]).await;
        if level < 2.0 {
            appended.unwrap();
            continue;
        }
        let refusal = appended.unwrap_err();
        assert!(matches!(refusal, JournalError::Full { .. }), "{refusal}");
        assert_eq!(refusal.kind(), ErrorKind::Retry);
        let text = refusal.to_string();
        for part in [dir.path().to_str().unwrap(), "9437184 bytes available", "remove something"] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(read_all(journal.as_ref(), Offset(0)).await.unwrap().len(), 2, "reads go on");
    }
    assert_eq!(metric(&journal, "journal_slowed_appends"), 2.0);
    assert_eq!(metric(&journal, "journal_refused_appends"), 1.0);
    assert_eq!(read_all(journal.as_ref(), Offset(0)).await.unwrap().len(), 4);
    journal.close().await;
}

#[tokio::test]
async fn a_write_that_meets_a_full_disk_stops_appends_for_a_moment_and_loses_nothing() {
    let (dir, env, world) = (TempDir::new().unwrap(), ManualEnv::new(), World::new());
    world.set_available(100 * MIB);
    let journal = open(&world, dir.path(), limits(), env.clone());
    create(&journal, Retention::default()).await;
    journal.append(&at(), vec![record(0, 100)]).await.unwrap();
    world.set_full(true);
    let refusal = journal.append(&at(), vec![record(1, 100)]).await.unwrap_err();
    assert!(matches!(refusal, JournalError::Full { .. }), "{refusal}");
    until(&env, SECOND, "the keeper notices", || metric(&journal, "journal_disk_level") == 2.0).await;
    world.set_full(false);
    until(&env, SECOND, "it is over", || metric(&journal, "journal_disk_level") == 0.0).await;
    journal.append(&at(), vec![record(2, 100)]).await.unwrap();
    let kept = read_all(journal.as_ref(), Offset(0)).await.unwrap();
    assert_eq!(kept.iter().map(|r| r.sequence).collect::<Vec<_>>(), [0, 2]);
    journal.close().await;
}

fn ballast(dir: &Path) -> Option<u64> {
    std::fs::metadata(dir.join("ballast")).ok().map(|found| found.len())
}

fn blocks(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(dir.join("ballast")).unwrap().blocks() * 512
}

#[tokio::test]
async fn the_ballast_is_made_in_time_given_up_in_need_and_made_again() {
    let (dir, env, world) = (TempDir::new().unwrap(), ManualEnv::new(), World::new());
    world.set_available(100 * MIB);
    let keeping = Keeping { ballast_bytes: 3 * MIB, ..limits() };
    let journal = open(&world, dir.path(), keeping, env.clone());
    create(&journal, Retention::default()).await;
    assert_eq!(ballast(dir.path()), None, "who opens a journal for a moment writes none");
    until(&env, SECOND, "it is there", || metric(&journal, "journal_ballast_bytes") == 3.0 * MIB as f64).await;
    assert_eq!(ballast(dir.path()), Some(3 * MIB));
    assert!(blocks(dir.path()) >= 3 * MIB, "it takes room");

    world.set_available(9 * MIB);
    until(&env, SECOND, "it is given up", || ballast(dir.path()).is_none()).await;
    world.set_available(12 * MIB);
    let available = || metric(&journal, "journal_disk_available_bytes") == 12.0 * MIB as f64;
    until(&env, SECOND, "it is looked at", available).await;
    assert_eq!(metric(&journal, "journal_disk_level"), 2.0, "what the ballast left is not for appends");
    world.set_available(100 * MIB);
    until(&env, SECOND, "it is made again", || ballast(dir.path()) == Some(3 * MIB)).await;
    journal.append(&at(), vec![record(0, 100)]).await.unwrap();
    journal.close().await;
}

#[tokio::test]
async fn a_ballast_that_does_not_fit_is_done_without() {
    let (dir, env, world) = (TempDir::new().unwrap(), ManualEnv::new(), World::new());
    world.set_available(100 * MIB);
    let journal = open(&world, dir.path(), Keeping { ballast_bytes: 3 * MIB, ..limits() }, env.clone());
    create(&journal, Retention::default()).await;
    world.set_full(true);
    let tried = world.calls();
    until(&env, SECOND, "it is tried", || world.calls() > tried).await;
    assert_eq!(metric(&journal, "journal_ballast_bytes"), 0.0);
    assert_eq!(ballast(dir.path()), None, "nothing half made is left");
    world.set_full(false);
    journal.append(&at(), vec![record(0, 100)]).await.unwrap();
    journal.close().await;
}

/// Set where the test runs with a small disk of its own.
const SMALL_DISK: &str = "TIDEMILL_TEST_SMALL_DISK";

/// Runs a test of this binary in a mount namespace in which its directory is a tmpfs of 8 MiB, as any user may on Linux.
fn on_a_small_disk(test: &str) {
    let dir = TempDir::new().unwrap();
    let script = r#"mount -t tmpfs -o size=8m none "$1" && exec "$2" --exact "$3" --nocapture"#;
    let output = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(dir.path())
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .env(SMALL_DISK, dir.path())
        .output()
        .expect("unshare is there");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_disk_fills_up_and_is_freed_again_under_a_writer() {
    let Some(dir) = std::env::var_os(SMALL_DISK) else {
        return on_a_small_disk("space::a_real_disk_fills_up_and_is_freed_again_under_a_writer");
    };
    let env = SystemEnv::new();
    let config = EmbeddedConfig { segment_bytes: 256 << 10, ..EmbeddedConfig::new(Path::new(&dir).join("journal")) };
    let journal = EmbeddedJournal::open(config, env.clone()).unwrap();
    create(&journal, Retention::default()).await;
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let refusal = loop {
            let number = acknowledged.len() as u64;
            match journal.append(&at(), vec![record(number, 10_000)]).await {
                Ok(receipt) => acknowledged.push(receipt.end),
                Err(error) => break error,
            }
            assert!(acknowledged.len() < 5000, "8 MiB never fill up");
        };
        assert!(matches!(refusal, JournalError::Full { .. }), "round {round}: {refusal}");
        let start = journal.bounds(&at()).await.unwrap().start;
        let kept = read_all(journal.as_ref(), start).await.unwrap();
        let last = acknowledged.len() as u64 - 1;
        assert_eq!(kept.last().map(|r| r.sequence), Some(last), "round {round}: nothing acknowledged is lost");
        journal.trim(&at(), acknowledged[acknowledged.len() - 100]).await.unwrap();
        while journal.append(&at(), vec![record(last + 1, 10)]).await.map(|r| acknowledged.push(r.end)).is_err() {
            env.sleep(Duration::from_millis(20)).await;
        }
    }
    journal.close().await;
    assert_eq!(verify(&Path::new(&dir).join("journal"), |_| {}).unwrap().damage, []);
}
