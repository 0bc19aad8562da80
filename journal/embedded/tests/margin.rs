//! What a follower and retention know of each other: holds, and when the follower would fall off.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{ManualEnv, TOPIC, at, open_with_topic, record};
use parking_lot::Mutex;
use tempfile::TempDir;
use tidemill_journal::{ApplyError, Cursor, Fold, Follower, Journal, Metered, ReadLimits, Retention};
use tidemill_model::{Offset, Record};
use tokio::sync::watch;

const HOUR: Duration = Duration::from_secs(3600);

/// Applies everything and has nothing persisted but what `persisted` says.
struct Lazy {
    persisted: Arc<Mutex<Offset>>,
}

impl Fold for Lazy {
    fn apply(&mut self, _: u32, record: &Record) -> Result<Option<i64>, ApplyError> {
        Ok(Some(record.ingest_time))
    }

    fn gap(&mut self, _: u32, _: Offset, _: Offset) -> Result<(), ApplyError> {
        Err(ApplyError::Halt("a gap".to_owned()))
    }

    fn commit(&mut self, _: &[Cursor]) -> Result<(), ApplyError> {
        Ok(())
    }

    fn idle(&mut self, _: &[Cursor], _: bool) -> Result<(), ApplyError> {
        Ok(())
    }

    fn needed_from(&self, _: &[Cursor]) -> Option<Vec<Offset>> {
        Some(vec![*self.persisted.lock()])
    }
}

/// Lets time pass until the journal has looked at its retention several times.
async fn let_retention_work(journal: &dyn Journal, env: &ManualEnv) -> Offset {
    for _ in 0..50 {
        env.advance(Duration::from_secs(10));
        let durable = journal.bounds(&at()).await.unwrap().durable;
        journal.read(&at(), durable, ReadLimits { bytes: 1, wait: Duration::from_secs(1) }).await.unwrap();
    }
    journal.bounds(&at()).await.unwrap().start
}

#[tokio::test]
async fn retention_keeps_what_a_follower_has_applied_but_not_persisted() {
    let (dir, env) = (TempDir::new().unwrap(), ManualEnv::new());
    let retention = Retention { age: Some(HOUR), ..Retention::default() };
    let journal = open_with_topic(dir.path(), retention, env.clone()).await;
    for i in 0..30 {
        journal.append(&at(), vec![record(i, 4000)]).await.unwrap();
    }
    let end = journal.bounds(&at()).await.unwrap().durable;
    let persisted = Arc::new(Mutex::new(Offset(0)));
    let fold = Lazy { persisted: persisted.clone() };
    let follower = Follower::new("r1", TOPIC, vec![0], vec![Cursor::default()], fold, journal.clone(), env.clone())
        .holding_as("here/r1");
    let progress = follower.progress();
    let (stop, stopped) = watch::channel(false);
    let scenario = async {
        progress.watch().wait_for(|offsets| offsets[0] >= end).await.unwrap();
        env.advance(HOUR * 3);
        assert_eq!(let_retention_work(&*journal, &env).await, Offset(0), "held although it is too old");
        *persisted.lock() = end;
        let mut start = Offset(0);
        for _ in 0..100 {
            env.advance(Duration::from_secs(10));
            start = let_retention_work(&*journal, &env).await;
            if start > Offset(0) {
                break;
            }
        }
        assert!(start > Offset(0), "no longer held, and dropped");
        stop.send_replace(true);
    };
    let (fold, ()) = tokio::join!(follower.run(stopped), scenario);
    drop(fold);
    assert_eq!(progress.error(), None);
    journal.close().await;
}

#[tokio::test]
async fn a_follower_knows_how_long_it_may_stand_still() {
    let (dir, env) = (TempDir::new().unwrap(), ManualEnv::new());
    let retention = Retention { age: Some(HOUR), ..Retention::default() };
    let journal = open_with_topic(dir.path(), retention, env.clone()).await;
    journal.append(&at(), vec![record(0, 100)]).await.unwrap();
    let end = journal.bounds(&at()).await.unwrap().durable;
    let fold = Lazy { persisted: Arc::default() };
    let follower = Follower::new("r1", TOPIC, vec![0], vec![Cursor::default()], fold, journal.clone(), env.clone());
    let progress = follower.progress();
    let (stop, stopped) = watch::channel(false);
    let scenario = async {
        progress.watch().wait_for(|offsets| offsets[0] >= end).await.unwrap();
        stop.send_replace(true);
    };
    tokio::join!(follower.run(stopped), scenario);
    let now = tidemill_journal::Env::now(&*env);
    assert_eq!(progress.falls_off_in(now), Some(HOUR));
    env.advance(HOUR / 2);
    assert_eq!(progress.falls_off_in(tidemill_journal::Env::now(&*env)), Some(HOUR / 2));
    env.advance(HOUR);
    assert_eq!(progress.falls_off_in(tidemill_journal::Env::now(&*env)), Some(Duration::ZERO));
    journal.close().await;
}

#[tokio::test]
async fn the_use_of_a_journal_is_measured_once() {
    let (dir, env) = (TempDir::new().unwrap(), ManualEnv::new());
    let inner = open_with_topic(dir.path(), Retention::default(), env.clone()).await;
    let journal = Metered::new(inner.clone(), env);
    for i in 0..3 {
        journal.append(&at(), vec![record(i, 100), record(i, 50)]).await.unwrap();
    }
    let batch = journal.read(&at(), Offset(0), ReadLimits::default()).await.unwrap();
    assert!(journal.read(&at(), Offset(batch.next.0 + 8), ReadLimits::default()).await.is_err());
    let meters = journal.meters();
    let counted = |calls: &tidemill_journal::metered::Calls| {
        use std::sync::atomic::Ordering::Relaxed;
        (calls.duration.counts().iter().sum::<u64>(), calls.records.load(Relaxed), calls.bytes.load(Relaxed))
    };
    assert_eq!(counted(&meters.append), (3, 6, 450));
    assert_eq!(counted(&meters.read), (1, 6, 450));
    assert_eq!(meters.read.errors().find(|(kind, _)| *kind == "invalid"), Some(("invalid", 1)));
    assert_eq!(meters.append.errors().map(|(_, count)| count).sum::<u64>(), 0);
    assert_eq!(journal.metrics(), inner.metrics(), "what the backend counts is its own");
    journal.close().await;
    let refused = journal.append(&at(), vec![record(9, 10)]).await;
    assert!(refused.is_err());
    assert_eq!(meters.append.errors().find(|(kind, _)| *kind == "closed"), Some(("closed", 1)));
}
