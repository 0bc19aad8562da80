//! Every sealed segment is read again, at a bounded rate, and damage is told and stands in nobody's way.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tidemill_journal::{Env, Journal, Retention};
use tidemill_journal_embedded::{EmbeddedJournal, Keeping, scrub};

use crate::common::{ManualEnv, at, record, segment};
use crate::world::{World, create, idle, metric, open, until};

const DAY: Duration = Duration::from_secs(86_400);

fn weekly() -> Keeping {
    Keeping { scrub_every: DAY * 7, ..idle() }
}

async fn filled(dir: &Path, keeping: Keeping, env: &Arc<ManualEnv>) -> Arc<EmbeddedJournal> {
    let journal = open(&World::new(), dir, keeping, env.clone());
    create(&journal, Retention::default()).await;
    for number in 0..40 {
        journal.append(&at(), vec![record(number, 4000)]).await.unwrap();
    }
    journal
}

fn flip(path: &Path, byte: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[byte] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn damage_is_found_told_and_forgotten_when_it_is_repaired() {
    let (dir, env) = (TempDir::new().unwrap(), ManualEnv::new());
    let journal = filled(dir.path(), idle(), &env).await;
    journal.close().await;
    let damaged = segment(dir.path(), 3);
    flip(&damaged, 6000);
    let journal = open(&World::new(), dir.path(), weekly(), env.clone());
    let second = Duration::from_secs(1);
    let passed = || metric(&journal, "journal_scrubbed_at_seconds") > 0.0;
    until(&env, second, "a pass ends", passed).await;
    let damage = journal.damage();
    assert_eq!(damage.len(), 1, "{damage:?}");
    assert_eq!(damage[0].file, damaged.display().to_string());
    assert!((4000..=6000).contains(&damage[0].at), "{damage:?}");
    let segments = metric(&journal, "journal_scrubbed_segments");
    assert!(segments >= 9.0, "damage keeps no other segment from being read: {segments}");
    assert!(damaged.exists() && metric(&journal, "journal_damaged_places") == 1.0);
    flip(&damaged, 6000);
    env.advance(DAY * 7);
    until(&env, second, "it is read again", || metric(&journal, "journal_damaged_places") == 0.0).await;
    journal.close().await;
}

#[tokio::test]
async fn a_pass_goes_on_after_a_restart_and_the_next_one_waits_for_its_time() {
    let (dir, env) = (TempDir::new().unwrap(), ManualEnv::new());
    filled(dir.path(), idle(), &env).await.close().await;
    let journal = open(&World::new(), dir.path(), weekly(), env.clone());
    let second = Duration::from_secs(1);
    until(&env, second, "two segments are read", || metric(&journal, "journal_scrubbed_segments") >= 2.0).await;
    journal.close().await;
    let first = metric(&journal, "journal_scrubbed_segments");
    let journal = open(&World::new(), dir.path(), weekly(), env.clone());
    let passed = || metric(&journal, "journal_scrubbed_at_seconds") > 0.0;
    until(&env, second, "the pass ends", passed).await;
    let sealed = journal.bounds(&at()).await.unwrap().durable.0 / (16 << 10);
    assert_eq!(first + metric(&journal, "journal_scrubbed_segments"), sealed as f64, "each was read once");
    let read = metric(&journal, "journal_scrubbed_bytes");
    for _ in 0..50 {
        env.advance(Duration::from_secs(3600));
        env.sleep(second).await;
    }
    assert_eq!(metric(&journal, "journal_scrubbed_bytes"), read, "two days later");
    env.advance(DAY * 6);
    until(&env, second, "the next pass begins", || metric(&journal, "journal_scrubbed_bytes") > read).await;
    journal.close().await;
}

#[tokio::test]
async fn a_tool_reads_all_sealed_segments_and_reports_all_damage() {
    let (dir, env) = (TempDir::new().unwrap(), ManualEnv::new());
    let journal = filled(dir.path(), idle(), &env).await;
    flip(&segment(dir.path(), 2), 6000);
    flip(&segment(dir.path(), 5), 10);
    let mut calls = 0;
    let report = scrub(dir.path(), 1 << 30, &*env, |_| calls += 1).await.unwrap();
    let files: Vec<_> = report.damage.iter().map(|damage| damage.file.clone()).collect();
    assert_eq!(files, [2, 5].map(|index| segment(dir.path(), index).display().to_string()), "{:?}", report.damage);
    assert_eq!(report.segments, calls);
    let sealed = journal.bounds(&at()).await.unwrap().durable.0 / (16 << 10);
    assert_eq!((report.segments, report.partitions), (sealed, 1));
    assert!(report.bytes > sealed * 8000 && report.records > 20, "{report:?}");
    journal.close().await;
}
