//! Properties under load: large batches, many partitions, everything at the same time.

use std::time::Duration;

use futures::future::{join, join_all, join3};
use tidemill_model::{Offset, Record};

use super::{Rig, Shape, assert_is, journal, partition, read_all, record};
use crate::{Journal, JournalError, ReadLimits};

/// The records of one append stand together and in order, be they many or large, whatever else is appended meanwhile.
pub async fn batches_stay_together_whatever_their_size(rig: &dyn Rig) {
    let journal = journal(rig, Shape::LargeRecords, 1).await;
    let at = partition(0);
    let batches: [(u64, usize); 7] = [(1, 10), (20_000, 100), (1, 10), (200, 100_000), (3, 5), (5000, 1), (1, 10)];
    let mut appends = Vec::new();
    let mut wanted = Vec::new();
    for (count, bytes) in batches {
        let first = wanted.len() as u64;
        wanted.extend((first..first + count).map(|_| bytes));
        appends.push((first, journal.append(&at, (first..first + count).map(|i| record(i, bytes)).collect())));
    }
    let mut receipts = Vec::new();
    for (first, append) in appends {
        receipts.push((first, append.await.expect("an append of many records succeeds")));
    }
    let all = read_all(journal.as_ref(), &at, Offset(0)).await;
    assert_eq!(all.len(), wanted.len());
    for (i, (found, bytes)) in all.iter().zip(&wanted).enumerate() {
        assert_is(found, i as u64, *bytes);
        assert_eq!(found.ordinal, i as u64);
    }
    for (first, receipt) in receipts {
        assert_eq!(receipt.first, all[first as usize].offset, "a receipt names the first record");
    }
}

/// Many partitions take appends at the same time; none waits for another, none sees another's records.
pub async fn many_partitions_work_at_once(rig: &dyn Rig) {
    const PARTITIONS: u32 = 48;
    let journal = journal(rig, Shape::SmallFiles, PARTITIONS).await;
    let appends = (0..10 * u64::from(PARTITIONS)).map(|i| {
        let at = partition((i % u64::from(PARTITIONS)) as u32);
        journal.append(&at, vec![record(i, 50), record(i, 51)])
    });
    let appends: Vec<_> = appends.collect();
    let journal = journal.as_ref();
    let readers = (0..PARTITIONS).map(|number| async move {
        let mut follower = Follower::default();
        follower.follow(journal, number, 20).await;
        follower.seen
    });
    let (receipts, seen) = join(join_all(appends), join_all(readers)).await;
    assert!(receipts.iter().all(Result::is_ok), "{receipts:?}");
    for (number, records) in seen.iter().enumerate() {
        for (ordinal, found) in records.iter().enumerate() {
            let sequence = number as u64 + ordinal as u64 / 2 * u64::from(PARTITIONS);
            assert_is(found, sequence, 50 + ordinal % 2);
            assert_eq!(found.ordinal, ordinal as u64, "each partition counts for itself");
        }
    }
}

/// Writers, readers and trims at the same time: readers see what was appended, in order, and of what they miss they are
/// told exactly where it ends.
pub async fn writers_readers_and_trims_run_at_the_same_time(rig: &dyn Rig) {
    const WRITERS: u64 = 3;
    const APPENDS: u64 = 100;
    const RECORDS: u64 = 2 * WRITERS * APPENDS;
    let journal = journal(rig, Shape::SmallFiles, 1).await;
    let journal = journal.as_ref();
    let writers = (0..WRITERS).map(|writer| async move {
        for i in 0..APPENDS {
            let number = |j| writer << 32 | (2 * i + j);
            let records = vec![record(number(0), 900), record(number(1), 1100)];
            journal.append(&partition(0), records).await.expect("an append beside reads and trims succeeds");
        }
    });
    let readers = (0..4).map(|_| async move {
        let mut follower = Follower::default();
        follower.follow(journal, 0, RECORDS).await;
        follower
    });
    let trims = async {
        let mut follower = Follower::default();
        // What is trimmed lies behind a reader, before the last records, which everybody shall see.
        for until in (50..RECORDS - 50).step_by(50) {
            follower.follow(journal, 0, until).await;
            journal.trim(&partition(0), follower.from).await.expect("a trim beside appends and reads succeeds");
        }
    };
    let (_, followers, ()) = join3(join_all(writers), join_all(readers), trims).await;
    let bounds = journal.bounds(&partition(0)).await.expect("bounds");
    assert_eq!(bounds.records, RECORDS);
    assert!(bounds.start > Offset(0), "500 records of 1000 bytes fill whole files");
    let kept = read_all(journal, &partition(0), bounds.start).await;
    for follower in &followers {
        assert!(follower.furthest_start <= bounds.start, "the start never falls");
        let rest = follower.seen.iter().filter(|r| r.offset >= bounds.start);
        assert!(rest.eq(kept.iter()), "readers agree");
        for writer in 0..WRITERS {
            let mine = follower.seen.iter().filter(|r| r.sequence >> 32 == writer);
            assert!(mine.is_sorted_by(|a, b| a.sequence < b.sequence), "a writer's records keep their order");
        }
    }
}

/// Reads on and on, and takes gaps as they are named.
#[derive(Default)]
struct Follower {
    from: Offset,
    /// Ordinal of the next record, if there is no gap.
    next: u64,
    seen: Vec<Record>,
    furthest_start: Offset,
    is_behind_gap: bool,
}

impl Follower {
    /// Reads until the record with ordinal `until - 1` has been seen.
    async fn follow(&mut self, journal: &dyn Journal, number: u32, until: u64) {
        let limits = ReadLimits { bytes: 5000, wait: Duration::from_secs(60) };
        while self.next < until {
            match journal.read(&partition(number), self.from, limits).await {
                Ok(batch) => {
                    assert!(!batch.records.is_empty(), "a reader is not left waiting while records are there");
                    for found in &batch.records {
                        if std::mem::take(&mut self.is_behind_gap) {
                            assert!(found.ordinal > self.next, "a gap that hides nothing");
                            self.next = found.ordinal;
                        }
                        assert_eq!(found.ordinal, self.next, "a hole that nobody was told of");
                        assert_is(found, found.sequence, found.payload.len());
                        self.next = found.ordinal + 1;
                    }
                    self.seen.extend(batch.records);
                    self.from = batch.next;
                }
                Err(JournalError::Trimmed { from, start }) => {
                    assert_eq!(from, self.from, "the error names what was asked for");
                    assert!(start > self.from, "a gap has an extent");
                    (self.from, self.furthest_start, self.is_behind_gap) = (start, start, true);
                }
                Err(other) => panic!("a read beside appends and trims: {other:?}"),
            }
        }
    }
}
