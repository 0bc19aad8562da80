//! The follower driver on a real journal: deduplication, gaps, quarantine, retries, halts.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use std::collections::HashMap;
use std::sync::Arc;

use common::{ManualEnv, TOPIC, at, open_with_topic, record};
use parking_lot::Mutex;
use tempfile::TempDir;
use tidemill_journal::{
    ApplyError, Cursor, Fold, Follower, Journal, ReadLimits, Retention, TOPIC_QUARANTINE, TopicConfig, TopicPartition,
};
use tidemill_journal_embedded::EmbeddedJournal;
use tidemill_model::payload::Quarantined;
use tidemill_model::{NewRecord, Offset, ProducerId, Record, RecordKind};
use tokio::sync::watch;

/// What a fold saw and what it was told to answer.
#[derive(Default)]
struct Seen {
    applied: Vec<u64>,
    gaps: Vec<(Offset, Offset)>,
    cursors: Vec<Cursor>,
    commits: usize,
    /// Answers to give, by sequence, last first.
    answers: HashMap<u64, Vec<ApplyError>>,
    fail_commits: usize,
}

struct TestFold(Arc<Mutex<Seen>>);

impl Fold for TestFold {
    fn apply(&mut self, _partition: u32, record: &Record) -> Result<Option<i64>, ApplyError> {
        let mut seen = self.0.lock();
        if let Some(error) = seen.answers.get_mut(&record.sequence).and_then(Vec::pop) {
            return Err(error);
        }
        seen.applied.push(record.sequence);
        Ok(Some(record.sequence as i64))
    }

    fn gap(&mut self, _partition: u32, from: Offset, to: Offset) -> Result<(), ApplyError> {
        self.0.lock().gaps.push((from, to));
        Ok(())
    }

    fn commit(&mut self, cursors: &[Cursor]) -> Result<(), ApplyError> {
        let mut seen = self.0.lock();
        if seen.fail_commits > 0 {
            seen.fail_commits -= 1;
            return Err(ApplyError::Retry("disk full".to_owned()));
        }
        seen.commits += 1;
        seen.cursors = cursors.to_vec();
        Ok(())
    }

    fn idle(&mut self, _cursors: &[Cursor], _stopping: bool) -> Result<(), ApplyError> {
        Ok(())
    }
}

struct Setup {
    _dir: TempDir,
    env: Arc<ManualEnv>,
    journal: Arc<EmbeddedJournal>,
    seen: Arc<Mutex<Seen>>,
}

impl Setup {
    async fn new() -> Self {
        let (dir, env) = (TempDir::new().unwrap(), ManualEnv::new());
        let journal = open_with_topic(dir.path(), Retention::default(), env.clone()).await;
        let quarantine = TopicConfig::new(TOPIC_QUARANTINE, 1);
        journal.create(quarantine).await.unwrap();
        Self { _dir: dir, env, journal, seen: Arc::default() }
    }

    async fn append(&self, producer: u64, sequences: &[u64]) -> Offset {
        let record = |s: &u64| NewRecord { producer: ProducerId(producer), ..record(*s, 1000) };
        self.journal.append(&at(), sequences.iter().map(record).collect()).await.unwrap().end
    }

    /// Follows from the last committed cursors to the journal's present end; returns the follower's last error.
    async fn follow(&self) -> Option<String> {
        let cursors = self.seen.lock().cursors.clone();
        let cursors = if cursors.is_empty() { vec![Cursor::default()] } else { cursors };
        let fold = TestFold(self.seen.clone());
        let follower = Follower::new("test", TOPIC, vec![0], cursors, fold, self.journal.clone(), self.env.clone());
        let progress = follower.progress();
        let end = self.journal.bounds(&at()).await.unwrap().durable;
        let (stop, stopped) = watch::channel(false);
        let run = async {
            follower.run(stopped).await;
        };
        let reached = async {
            let mut offsets = progress.watch();
            let there = offsets.wait_for(|offsets| offsets[0] >= end);
            // A follower that halts drops its end of the progress with this future.
            let _ = there.await;
            stop.send_replace(true);
        };
        tokio::select! {
            () = run => {}
            () = async { reached.await; std::future::pending().await } => {}
        }
        assert!(progress.is_stopped());
        progress.error()
    }

    async fn quarantined(&self) -> Vec<Quarantined> {
        let at = TopicPartition::new(TOPIC_QUARANTINE, 0);
        let batch = self.journal.read(&at, Offset(0), ReadLimits::default()).await.unwrap();
        assert!(batch.records.iter().all(|r| r.kind() == Some(RecordKind::Quarantined)));
        batch.records.iter().map(|r| Quarantined::parse(&r.payload).unwrap()).collect()
    }
}

#[tokio::test]
async fn a_repeated_record_is_applied_once_even_across_a_restart() {
    let setup = Setup::new().await;
    setup.append(7, &[1, 2, 3]).await;
    setup.append(7, &[2, 3, 4]).await;
    assert_eq!(setup.follow().await, None);
    assert_eq!(setup.seen.lock().applied, [1, 2, 3, 4]);
    setup.append(7, &[4, 5]).await;
    setup.append(8, &[4]).await;
    assert_eq!(setup.follow().await, None);
    assert_eq!(setup.seen.lock().applied, [1, 2, 3, 4, 5, 4], "another producer's sequences are its own");
    setup.journal.close().await;
}

#[tokio::test]
async fn a_trimmed_range_becomes_a_named_gap() {
    let setup = Setup::new().await;
    for i in 0..50 {
        setup.append(0, &[i]).await;
    }
    setup.journal.trim(&at(), Offset(u64::MAX)).await.unwrap();
    let start = setup.journal.bounds(&at()).await.unwrap().start;
    assert_eq!(setup.follow().await, None);
    let seen = setup.seen.lock();
    assert_eq!(seen.gaps, [(Offset(0), start)]);
    assert!(!seen.applied.is_empty() && seen.applied.iter().copied().eq(50 - seen.applied.len() as u64..50));
}

#[tokio::test]
async fn a_refused_record_is_quarantined_and_the_next_one_applied() {
    let setup = Setup::new().await;
    setup.append(0, &[1, 2, 3]).await;
    setup.seen.lock().answers.insert(2, vec![ApplyError::Refused("no such series".to_owned())]);
    assert_eq!(setup.follow().await, None);
    assert_eq!(setup.seen.lock().applied, [1, 3]);
    let entries = setup.quarantined().await;
    let expected = setup.journal.read(&at(), Offset(0), ReadLimits::default()).await.unwrap().records[1].clone();
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].offset, entries[0].partition), (expected.offset.0, 0));
    assert_eq!((entries[0].reason.as_str(), entries[0].follower.as_str()), ("no such series", "test"));
    assert_eq!(entries[0].payload, expected.payload);
}

#[tokio::test]
async fn a_failure_that_may_pass_is_retried_with_the_same_record() {
    let setup = Setup::new().await;
    setup.append(0, &[1, 2, 3]).await;
    let full = || ApplyError::Retry("disk full".to_owned());
    setup.seen.lock().answers.insert(2, vec![full(), full()]);
    setup.seen.lock().fail_commits = 2;
    assert_eq!(setup.follow().await, None);
    let seen = setup.seen.lock();
    assert_eq!(seen.applied, [1, 2, 3]);
    assert!(seen.commits >= 1);
}

#[tokio::test]
async fn a_halt_stops_the_follower_with_its_reason_before_the_record() {
    let setup = Setup::new().await;
    setup.append(0, &[1]).await;
    assert_eq!(setup.follow().await, None);
    setup.append(0, &[2, 3]).await;
    setup.seen.lock().answers.insert(3, vec![ApplyError::Halt("replica directory is gone".to_owned())]);
    assert_eq!(setup.follow().await.as_deref(), Some("replica directory is gone"));
    assert_eq!(setup.seen.lock().cursors[0].ordinal, 1, "nothing after the last commit is persisted");
}

#[tokio::test]
async fn a_refused_record_of_the_largest_size_is_quarantined_in_part() {
    let dir = TempDir::new().unwrap();
    let env = ManualEnv::new();
    let journal = common::open_with(dir.path(), 64 << 20, env.clone()).unwrap();
    for name in [TOPIC, TOPIC_QUARANTINE] {
        let topic = TopicConfig::new(name, 1);
        journal.create(topic).await.unwrap();
    }
    let setup = Setup { _dir: dir, env, journal, seen: Arc::default() };
    let large = record(1, tidemill_model::record::PAYLOAD_BYTES_MAX);
    setup.journal.append(&at(), vec![large.clone(), record(2, 8)]).await.unwrap();
    let reason = "long ".repeat(1 << 20);
    setup.seen.lock().answers.insert(1, vec![ApplyError::Refused(reason)]);
    assert_eq!(setup.follow().await, None);
    assert_eq!(setup.seen.lock().applied, [2]);
    let entries = setup.quarantined().await;
    assert_eq!(entries.len(), 1);
    assert!(!entries[0].payload.is_empty() && large.payload.starts_with(&entries[0].payload));
    setup.journal.close().await;
}
