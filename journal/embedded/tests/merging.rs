//! A follower that merges partitions: one order, whatever arrives when, and across restarts.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{ManualEnv, record};
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tempfile::TempDir;
use tidemill_journal::{
    ApplyError, Batch, Bounds, Cursor, Env, Fold, Follower, Journal, JournalError, Metric, Progress, ReadLimits,
    Receipt, SystemEnv, TopicConfig, TopicPartition,
};
use tidemill_journal_embedded::{EmbeddedConfig, EmbeddedJournal};
use tidemill_model::{JournalIdentity, NewRecord, Offset, Record};
use tokio::sync::watch;

const TOPIC: &str = "merged";
const PARTITIONS: u32 = 3;

/// Partition and sequence of every record, in the order in which they were applied, and the cursors of the last commit.
#[derive(Default)]
struct Seen {
    applied: Vec<(u32, u64)>,
    cursors: Vec<Cursor>,
}

struct TestFold(Arc<Mutex<Seen>>);

impl Fold for TestFold {
    fn apply(&mut self, partition: u32, record: &Record) -> Result<Option<i64>, ApplyError> {
        self.0.lock().applied.push((partition, record.sequence));
        Ok(None)
    }

    fn gap(&mut self, _: u32, _: Offset, _: Offset) -> Result<(), ApplyError> {
        Ok(())
    }

    fn commit(&mut self, cursors: &[Cursor]) -> Result<(), ApplyError> {
        self.0.lock().cursors = cursors.to_vec();
        Ok(())
    }

    fn idle(&mut self, _: &[Cursor], _: bool) -> Result<(), ApplyError> {
        Ok(())
    }
}

/// A journal with a partition that is away at times: it neither reads nor tells how far it is.
struct Shaky {
    inner: Arc<EmbeddedJournal>,
    away: Mutex<Option<u32>>,
}

impl Shaky {
    fn check(&self, at: &TopicPartition) -> Result<(), JournalError> {
        match *self.away.lock() == Some(at.partition) {
            true => Err(JournalError::Unavailable { place: "test".into(), reason: "no leader".into() }),
            false => Ok(()),
        }
    }
}

impl Journal for Shaky {
    fn identity(&self) -> JournalIdentity {
        self.inner.identity()
    }

    fn create(&self, config: TopicConfig) -> BoxFuture<'_, Result<(), JournalError>> {
        self.inner.create(config)
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<TopicConfig>, JournalError>> {
        self.inner.topics()
    }

    fn append(
        &self,
        at: &TopicPartition,
        records: Vec<NewRecord>,
    ) -> BoxFuture<'static, Result<Receipt, JournalError>> {
        self.inner.append(at, records)
    }

    fn read(
        &self,
        at: &TopicPartition,
        from: Offset,
        limits: ReadLimits,
    ) -> BoxFuture<'_, Result<Batch, JournalError>> {
        match self.check(at) {
            Ok(()) => self.inner.read(at, from, limits),
            Err(error) => async move { Err(error) }.boxed(),
        }
    }

    fn bounds(&self, at: &TopicPartition) -> BoxFuture<'_, Result<Bounds, JournalError>> {
        match self.check(at) {
            Ok(()) => self.inner.bounds(at),
            Err(error) => async move { Err(error) }.boxed(),
        }
    }

    fn find(&self, at: &TopicPartition, ingest_time: i64) -> BoxFuture<'_, Result<Offset, JournalError>> {
        self.inner.find(at, ingest_time)
    }

    fn trim(&self, at: &TopicPartition, before: Offset) -> BoxFuture<'_, Result<(), JournalError>> {
        self.inner.trim(at, before)
    }

    fn hold(&self, at: &TopicPartition, holder: &str, offset: Option<Offset>) {
        self.inner.hold(at, holder, offset);
    }

    fn metrics(&self) -> Vec<Metric> {
        self.inner.metrics()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.inner.close()
    }
}

struct Setup {
    dir: TempDir,
    env: Arc<ManualEnv>,
    journal: Arc<Shaky>,
    seen: Arc<Mutex<Seen>>,
    appended: Vec<(u32, u64)>,
}

impl Setup {
    async fn new() -> Self {
        let (dir, env) = (TempDir::new().unwrap(), ManualEnv::new());
        let journal = Self::open(&dir, &env);
        journal.create(TopicConfig::new(TOPIC, PARTITIONS)).await.unwrap();
        Self { dir, env, journal, seen: Arc::default(), appended: Vec::new() }
    }

    fn open(dir: &TempDir, env: &Arc<ManualEnv>) -> Arc<Shaky> {
        let inner = EmbeddedJournal::open(EmbeddedConfig::new(dir.path().join("journal")), env.clone()).unwrap();
        Arc::new(Shaky { inner, away: Mutex::new(None) })
    }

    async fn reopen(&mut self) {
        self.journal.close().await;
        self.journal = Self::open(&self.dir, &self.env);
    }

    /// Appends a record, a millisecond after the one before.
    async fn append(&mut self, partition: u32, size: usize) {
        self.env.advance(Duration::from_millis(1));
        let sequence = self.appended.len() as u64 + 1;
        let at = TopicPartition::new(TOPIC, partition);
        self.journal.append(&at, vec![record(sequence, size)]).await.unwrap();
        self.appended.push((partition, sequence));
    }

    /// Follows from the last committed cursors until `is_enough`.
    async fn follow(&self, is_enough: impl Fn(&Progress, &Seen) -> bool) -> Arc<Progress> {
        let cursors = self.seen.lock().cursors.clone();
        let cursors = if cursors.is_empty() { vec![Cursor::default(); PARTITIONS as usize] } else { cursors };
        let fold = TestFold(self.seen.clone());
        let partitions = (0..PARTITIONS).collect();
        let follower =
            Follower::new("test", TOPIC, partitions, cursors, fold, self.journal.clone(), self.env.clone()).merging();
        let progress = follower.progress();
        let (stop, stopped) = watch::channel(false);
        let watcher = async {
            while !is_enough(&progress, &self.seen.lock()) {
                SystemEnv::new().sleep(Duration::from_millis(2)).await;
            }
            stop.send_replace(true);
        };
        tokio::join!(follower.run(stopped), watcher);
        assert_eq!(progress.error(), None);
        progress
    }
}

#[tokio::test]
async fn partitions_are_applied_in_the_order_of_appending_and_again_after_a_restart() {
    let mut setup = Setup::new().await;
    for i in 0..400_u32 {
        // Uneven, so that partitions run out at different times.
        let partition = if i % 7 == 0 { 2 } else { (i / 3) % 2 };
        setup.append(partition, 1000 + (i as usize * 37) % 3000).await;
    }
    for partition in 0..PARTITIONS {
        setup.append(partition, 10).await;
    }
    // The last of the others wait for what partition 0 may still have.
    let all = setup.appended[..401].to_vec();
    setup.follow(|_, seen| seen.applied.len() == all.len()).await;
    assert_eq!(setup.seen.lock().applied, all);
    // What was not committed is applied again, in the same order.
    for stop_after in [1, 50, 233] {
        *setup.seen.lock() = Seen::default();
        setup.follow(|_, seen| seen.applied.len() >= stop_after).await;
        let (first, next) = {
            let mut seen = setup.seen.lock();
            (std::mem::take(&mut seen.applied), seen.cursors.clone())
        };
        let done = if next.is_empty() { 0 } else { next.iter().map(|cursor| cursor.ordinal as usize).sum() };
        setup.follow(|_, seen| seen.applied.len() + done >= all.len()).await;
        let again = setup.seen.lock().applied.clone();
        assert_eq!([&first[..done], &again].concat(), all);
    }
    setup.journal.close().await;
}

#[tokio::test]
async fn a_partition_without_a_record_is_waited_for_and_named() {
    let mut setup = Setup::new().await;
    setup.append(0, 10).await;
    setup.append(2, 10).await;
    let progress = setup.follow(|progress, _| progress.waits_for().is_some()).await;
    assert_eq!((progress.waits_for(), setup.seen.lock().applied.len()), (Some(1), 0));
    setup.append(1, 10).await;
    let progress = setup.follow(|_, seen| seen.applied.len() == 1).await;
    assert_eq!((progress.waits_for(), setup.seen.lock().applied.clone()), (None, vec![(0, 1)]));
    setup.journal.close().await;
}

#[tokio::test]
async fn partitions_go_on_together_when_the_wall_clock_is_set_back() {
    let mut setup = Setup::new().await;
    for partition in [0, 1, 1, 2, 2, 2, 0] {
        setup.append(partition, 10).await;
    }
    setup.env.set_back(Duration::from_secs(3600));
    for i in 0..60 {
        if i == 30 {
            setup.reopen().await;
        }
        setup.append(i % PARTITIONS, 10).await;
    }
    // All but the last of each partition but one, which wait for what the others may still have.
    let enough = setup.appended.len() - PARTITIONS as usize;
    setup.follow(|_, seen| seen.applied.len() >= enough).await;
    let applied = setup.seen.lock().applied.clone();
    for partition in 0..PARTITIONS {
        let of = |all: &[(u32, u64)]| all.iter().filter(|(p, _)| *p == partition).copied().collect::<Vec<_>>();
        assert!(of(&setup.appended).starts_with(&of(&applied)), "partition {partition} is in order");
    }
    setup.journal.close().await;
}

#[tokio::test]
async fn a_partition_that_is_away_is_waited_for_and_named_and_stops_nobody() {
    for away in 0..PARTITIONS {
        let mut setup = Setup::new().await;
        for i in 0..30 {
            setup.append(i % PARTITIONS, 10).await;
        }
        *setup.journal.away.lock() = Some(away);
        let (journal, back) = (setup.journal.clone(), std::cell::Cell::new(false));
        let is_enough = |progress: &Progress, seen: &Seen| {
            assert!(!progress.is_stopped(), "{:?}", progress.error());
            // At the start it waits to learn how far the journal is; later it names the partition.
            if !back.get() && progress.error().is_some() {
                *journal.away.lock() = None;
                back.set(true);
            }
            seen.applied.len() >= 28
        };
        setup.follow(is_enough).await;
        assert!(back.get(), "it said that it waits");
        // The others have more: the merge is held up by this one alone.
        for other in (0..PARTITIONS).filter(|other| *other != away) {
            setup.append(other, 10).await;
            setup.append(other, 10).await;
        }
        *setup.seen.lock() = Seen::default();
        let (journal, named) = (setup.journal.clone(), std::cell::Cell::new(false));
        let is_enough = |progress: &Progress, seen: &Seen| {
            if !named.get() && !seen.applied.is_empty() {
                *journal.away.lock() = Some(away);
            }
            if progress.waits_for() == Some(away) {
                named.set(true);
                *journal.away.lock() = None;
            }
            named.get()
        };
        setup.follow(is_enough).await;
        setup.journal.close().await;
    }
}
