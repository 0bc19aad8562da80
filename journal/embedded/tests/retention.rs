//! Retention by age and by size drops whole segments, oldest first, and never the last.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{ManualEnv, at, open_with, open_with_topic, read_all, record, segment};
use tempfile::TempDir;
use tidemill_journal::{Journal, JournalError, ReadLimits, Retention};
use tidemill_model::Offset;

/// Appends until the start has moved, so that the appender has looked at retention.
async fn until_start_moves(journal: &dyn Journal, env: &Arc<ManualEnv>) -> Offset {
    for _ in 0..2000 {
        env.advance(Duration::from_secs(10));
        let bounds = journal.bounds(&at()).await.unwrap();
        if bounds.start > Offset(0) {
            return bounds.start;
        }
        journal.read(&at(), bounds.durable, ReadLimits { bytes: 1, wait: Duration::from_secs(1) }).await.unwrap();
    }
    panic!("nothing was dropped");
}

#[tokio::test]
async fn segments_older_than_the_age_go_and_younger_ones_stay() {
    let (dir, env) = (TempDir::new().unwrap(), ManualEnv::new());
    let hour = Duration::from_secs(3600);
    let retention = Retention { age: Some(hour * 100), ..Retention::default() };
    let journal = open_with_topic(dir.path(), retention, env.clone()).await;
    for i in 0..30 {
        journal.append(&at(), vec![record(i, 4000)]).await.unwrap();
    }
    let boundary = journal.bounds(&at()).await.unwrap().durable;
    env.advance(hour * 60);
    for i in 30..60 {
        journal.append(&at(), vec![record(i, 4000)]).await.unwrap();
    }
    env.advance(hour * 60);
    let start = until_start_moves(journal.as_ref(), &env).await;
    assert!(start > Offset(0) && start <= boundary, "{start}");
    assert!(!segment(dir.path(), 0).exists());
    let kept = read_all(journal.as_ref(), start).await.unwrap();
    assert!(kept.iter().map(|r| r.sequence).eq(60 - kept.len() as u64..60));
    let below = journal.read(&at(), Offset(0), ReadLimits::default()).await;
    assert!(matches!(below, Err(JournalError::Trimmed { start: s, .. }) if s >= start));
    journal.close().await;
    let journal = open_with(dir.path(), 16 << 10, env).unwrap();
    assert!(journal.bounds(&at()).await.unwrap().start >= start, "the start outlives a restart");
    journal.close().await;
}

#[tokio::test]
async fn the_newest_bytes_are_kept_whatever_their_age() {
    let (dir, env) = (TempDir::new().unwrap(), ManualEnv::new());
    let retention = Retention { bytes: Some(40_000), ..Retention::default() };
    let journal = open_with_topic(dir.path(), retention, env.clone()).await;
    for i in 0..60 {
        journal.append(&at(), vec![record(i, 4000)]).await.unwrap();
    }
    until_start_moves(journal.as_ref(), &env).await;
    // It may have moved while records were still being appended.
    journal.retain_now();
    let bounds = journal.bounds(&at()).await.unwrap();
    let kept = bounds.tail.0 - bounds.start.0;
    assert!(kept >= 40_000, "{kept}");
    assert!(kept < 40_000 + 2 * (16 << 10), "{kept}");
    journal.close().await;
}

#[tokio::test]
async fn a_follower_at_the_end_of_what_was_dropped_has_no_gap() {
    let (dir, env) = (TempDir::new().unwrap(), ManualEnv::new());
    let journal = open_with_topic(dir.path(), Retention::default(), env).await;
    let mut ends = vec![Offset(0)];
    for i in 0..20 {
        ends.push(journal.append(&at(), vec![record(i, 4000)]).await.unwrap().end);
    }
    journal.trim(&at(), ends[10]).await.unwrap();
    let start = journal.bounds(&at()).await.unwrap().start;
    let reached = ends.iter().position(|end| *end == start).expect("the start is where a follower may stand");
    let batch = journal.read(&at(), start, ReadLimits::default()).await.unwrap();
    assert_eq!(batch.records[0].sequence, reached as u64);
    journal.close().await;
}
