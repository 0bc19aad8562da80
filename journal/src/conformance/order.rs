//! Properties of the order: one, the same for everybody, without holes.

use futures::future::{join, join_all};
use tidemill_model::Offset;

use super::{Rig, Shape, assert_is, journal, partition, read_all, record};
use crate::ReadLimits;

/// Ordinals count from 0 without holes, offsets rise, and receipts tell where records lie.
pub async fn ordinals_count_and_offsets_rise(rig: &dyn Rig) {
    let journal = journal(rig, Shape::SmallFiles, 1).await;
    let at = partition(0);
    let mut receipts = Vec::new();
    for i in 0..50 {
        let records = (0..4).map(|j| record(4 * i + j, 900)).collect();
        receipts.push(journal.append(&at, records).await.expect("an append succeeds"));
    }
    let all = read_all(journal.as_ref(), &at, Offset(0)).await;
    assert_eq!(all.len(), 200);
    for (i, found) in all.iter().enumerate() {
        assert_is(found, i as u64, 900);
        assert_eq!(found.ordinal, i as u64);
        assert!(i == 0 || all[i - 1].offset < found.offset, "offsets rise");
    }
    for (i, receipt) in receipts.iter().enumerate() {
        assert_eq!(receipt.first, all[4 * i].offset, "a receipt names the first record");
        assert!(receipt.end > all[4 * i + 3].offset, "a receipt ends after the last record");
        let rest = read_all(journal.as_ref(), &at, receipt.end).await;
        assert_eq!(rest.first().map(|r| r.ordinal), all.get(4 * i + 4).map(|r| r.ordinal), "reading on at a receipt");
    }
    assert_eq!(journal.bounds(&at).await.expect("bounds").records, 200);
}

/// Reading in pieces of any size, from any record, gives the same records at the same offsets.
pub async fn every_reader_sees_the_same(rig: &dyn Rig) {
    let journal = journal(rig, Shape::SmallFiles, 1).await;
    let at = partition(0);
    let records = (0..300).map(|i| record(i, (i as usize * 37) % 1500)).collect();
    journal.append(&at, records).await.expect("an append succeeds");
    let all = read_all(journal.as_ref(), &at, Offset(0)).await;
    assert_eq!(all.len(), 300);
    for bytes in [0, 1, 999, 20_000, usize::MAX >> 16] {
        let (mut from, mut again) = (Offset(0), Vec::new());
        while again.len() < all.len() {
            let limits = ReadLimits { bytes, ..ReadLimits::default() };
            let batch = journal.read(&at, from, limits).await.expect("a durable record can be read");
            assert!(!batch.records.is_empty(), "a read returns at least one record");
            from = batch.next;
            again.extend(batch.records);
        }
        assert_eq!(again, all, "reads of {bytes} bytes");
    }
    for (i, found) in all.iter().enumerate() {
        let batch = journal.read(&at, found.offset, ReadLimits::default()).await.expect("any record can be read");
        assert_eq!(batch.records[0], all[i], "a read from an offset starts there");
    }
}

/// Appends that are made at the same time keep the order of the calls, and readers that run beside them agree.
pub async fn concurrent_writers_and_readers_see_one_order(rig: &dyn Rig) {
    const APPENDS: u64 = 400;
    let journal = journal(rig, Shape::SmallFiles, 1).await;
    let at = partition(0);
    let appends = (0..APPENDS).map(|i| journal.append(&at, vec![record(2 * i, 10), record(2 * i + 1, 300)]));
    let appends: Vec<_> = appends.collect();
    let reader = || async {
        let (mut from, mut seen) = (Offset(0), Vec::new());
        while seen.len() < 2 * APPENDS as usize {
            let limits = ReadLimits { bytes: 3000, wait: std::time::Duration::from_secs(30) };
            let batch = journal.read(&at, from, limits).await.expect("a read beside appends succeeds");
            assert!(!batch.records.is_empty(), "a reader is not left waiting while records are there");
            from = batch.next;
            seen.extend(batch.records);
        }
        seen
    };
    let (receipts, seen) = join(join_all(appends), join_all((0..4).map(|_| reader()))).await;
    let receipts: Vec<_> = receipts.into_iter().map(|r| r.expect("an append succeeds")).collect();
    assert!(receipts.is_sorted_by(|a, b| a.end <= b.first), "the order is that of the calls");
    for records in &seen {
        assert_eq!(records, &seen[0], "readers agree");
        records
            .iter()
            .enumerate()
            .for_each(|(i, r)| assert_eq!(r.sequence, i as u64, "the order is that of the calls"));
    }
}

/// The place is taken by the call: dropping the future does not take the records back.
pub async fn a_dropped_append_keeps_its_place(rig: &dyn Rig) {
    let journal = journal(rig, Shape::SmallFiles, 1).await;
    let at = partition(0);
    drop(journal.append(&at, vec![record(0, 8)]));
    let second = journal.append(&at, vec![record(1, 8)]);
    drop(journal.append(&at, vec![record(2, 8)]));
    journal.append(&at, vec![record(3, 8)]).await.expect("an append succeeds");
    second.await.expect("an append succeeds");
    let sequences: Vec<_> = read_all(journal.as_ref(), &at, Offset(0)).await.iter().map(|r| r.sequence).collect();
    assert_eq!(sequences, [0, 1, 2, 3]);
}

/// What goes to one partition is not seen in another, and each counts for itself.
pub async fn partitions_are_independent(rig: &dyn Rig) {
    let journal = journal(rig, Shape::SmallFiles, 3).await;
    let append = |i: u64| journal.append(&partition((i % 3) as u32), vec![record(i, 100)]);
    let receipts = join_all((0..90).map(append)).await;
    assert!(receipts.iter().all(Result::is_ok), "{receipts:?}");
    for number in 0..3 {
        let all = read_all(journal.as_ref(), &partition(number), Offset(0)).await;
        let expected: Vec<_> = (0..30).map(|i| 3 * i + u64::from(number)).collect();
        assert_eq!(all.iter().map(|r| r.sequence).collect::<Vec<_>>(), expected);
        assert_eq!(all.iter().map(|r| r.ordinal).collect::<Vec<_>>(), (0..30).collect::<Vec<_>>());
    }
}

/// Ingest times never fall within a partition.
pub async fn ingest_times_never_fall(rig: &dyn Rig) {
    let journal = journal(rig, Shape::SmallFiles, 1).await;
    let at = partition(0);
    for i in 0..100 {
        journal.append(&at, vec![record(i, 10)]).await.expect("an append succeeds");
    }
    let all = read_all(journal.as_ref(), &at, Offset(0)).await;
    assert_eq!(all.len(), 100);
    assert!(all.is_sorted_by_key(|r| r.ingest_time));
}
