//! Properties of the offset line: start, durable, tail, trimming and waiting.

use std::time::Duration;

use futures::future::{join, join_all};
use tidemill_model::Offset;

use super::{Rig, Shape, assert_is, journal, partition, read_all, record};
use crate::{JournalError, ReadLimits};

/// A resolved append is durable and readable at once; no reader sees more than what is durable.
pub async fn only_durable_records_are_shown(rig: &dyn Rig) {
    let journal = journal(rig, Shape::SmallFiles, 1).await;
    let at = partition(0);
    let appends: Vec<_> = (0..200).map(|i| journal.append(&at, vec![record(i, 200)])).collect();
    let check = async {
        let (mut from, mut seen) = (Offset(0), 0);
        while seen < 200 {
            let limits = ReadLimits { bytes: 1000, wait: Duration::from_secs(30) };
            let batch = journal.read(&at, from, limits).await.expect("a read beside appends succeeds");
            let bounds = journal.bounds(&at).await.expect("bounds");
            assert!(batch.next <= bounds.durable, "nothing is shown before it is durable");
            (from, seen) = (batch.next, seen + batch.records.len());
        }
    };
    join(check, join_all(appends)).await;
    let receipt = journal.append(&at, vec![record(200, 200)]).await.expect("an append succeeds");
    assert!(journal.bounds(&at).await.expect("bounds").durable >= receipt.end, "an acknowledged append is durable");
    let batch = journal.read(&at, receipt.first, ReadLimits::default()).await.expect("it can be read at once");
    assert_is(&batch.records[0], 200, 200);
}

/// `start <= durable <= tail`, and none of them ever falls.
pub async fn bounds_never_fall_and_stay_in_order(rig: &dyn Rig) {
    let journal = journal(rig, Shape::SmallFiles, 1).await;
    let at = partition(0);
    let empty = journal.bounds(&at).await.expect("bounds");
    let start = empty.start;
    assert_eq!((empty.durable, empty.tail, empty.records), (start, start, 0), "empty");
    let mut before = empty;
    for i in 0..200 {
        let receipt = journal.append(&at, vec![record(i, 2000)]).await.expect("an append succeeds");
        if i % 40 == 39 {
            journal.trim(&at, receipt.first).await.expect("a trim succeeds");
        }
        let now = journal.bounds(&at).await.expect("bounds");
        assert!(now.start <= now.durable && now.durable <= now.tail, "{now:?}");
        assert!(before.start <= now.start && before.durable < now.durable && before.tail <= now.tail, "{now:?}");
        assert_eq!(now.records, i + 1);
        before = now;
    }
}

/// After a trim, reads below the start name the start, reads from it go on, and nothing kept has changed.
pub async fn trim_moves_the_start_and_reads_below_it_say_so(rig: &dyn Rig) {
    let journal = journal(rig, Shape::SmallFiles, 1).await;
    let at = partition(0);
    let records = (0..300).map(|i| record(i, 2000)).collect();
    journal.append(&at, records).await.expect("an append succeeds");
    let all = read_all(journal.as_ref(), &at, Offset(0)).await;
    journal.trim(&at, all[200].offset).await.expect("a trim succeeds");
    let bounds = journal.bounds(&at).await.expect("bounds");
    assert!(bounds.start > all[0].offset, "200 records of 2000 bytes fill whole files");
    assert!(bounds.start <= all[200].offset, "a trim keeps what is not before its offset");
    let kept = read_all(journal.as_ref(), &at, bounds.start).await;
    assert_eq!(kept, all[all.len() - kept.len()..], "what is kept has not changed");
    for gone in &all[..all.len() - kept.len()] {
        match journal.read(&at, gone.offset, ReadLimits::default()).await {
            Err(JournalError::Trimmed { from, start }) => assert_eq!((from, start), (gone.offset, bounds.start)),
            other => panic!("a read below the start must say so, not {other:?}"),
        }
    }
    let next = journal.append(&at, vec![record(300, 10)]).await.expect("an append after a trim succeeds");
    let batch = journal.read(&at, next.first, ReadLimits::default()).await.expect("it can be read");
    assert_eq!(batch.records[0].ordinal, 300, "a trim does not change the count");
}

/// Even a trim of everything leaves a journal that goes on.
pub async fn trim_never_passes_durable(rig: &dyn Rig) {
    let journal = journal(rig, Shape::SmallFiles, 1).await;
    let at = partition(0);
    let records = (0..300).map(|i| record(i, 1000)).collect();
    journal.append(&at, records).await.expect("an append succeeds");
    journal.trim(&at, Offset(u64::MAX)).await.expect("a trim succeeds");
    let bounds = journal.bounds(&at).await.expect("bounds");
    assert!(bounds.start <= bounds.durable, "{bounds:?}");
    journal.append(&at, vec![record(300, 10)]).await.expect("an append after a trim succeeds");
    let rest = read_all(journal.as_ref(), &at, bounds.start).await;
    assert_eq!(rest.last().map(|r| r.sequence), Some(300));
}

/// A follower that stands before the start is told exactly where its gap ends; one that has read all that went has none,
/// whether it took its place from a receipt or from a read.
pub async fn gaps_are_named_exactly(rig: &dyn Rig) {
    let journal = journal(rig, Shape::SmallFiles, 1).await;
    let at = partition(0);
    // Where followers stand, and how many records they have read.
    let mut places = vec![(Offset(0), 0)];
    for i in 0..300 {
        places
            .push((journal.append(&at, vec![record(i, 2000)]).await.expect("an append succeeds").end, i as usize + 1));
    }
    for bytes in [1, 10_000] {
        let (mut from, mut read) = (Offset(0), 0);
        while read < 300 {
            let limits = ReadLimits { bytes, ..ReadLimits::default() };
            let batch = journal.read(&at, from, limits).await.expect("a read succeeds");
            (from, read) = (batch.next, read + batch.records.len());
            places.push((from, read));
        }
    }
    let mut gone_before = 0;
    for trimmed in [100, 150, 299] {
        journal.trim(&at, places[trimmed].0).await.expect("a trim succeeds");
        let bounds = journal.bounds(&at).await.expect("bounds");
        let gone = 300 - read_all(journal.as_ref(), &at, bounds.start).await.len();
        assert!(gone > gone_before && gone <= trimmed, "{gone} records are gone after a trim of {trimmed}");
        for (place, read) in &places {
            match journal.read(&at, *place, ReadLimits::default()).await {
                Ok(batch) => {
                    assert!(*read >= gone, "who has read {read} records misses some of {gone} and must be told");
                    assert_eq!(batch.records.first().map(|r| r.ordinal), (*read < 300).then_some(*read as u64));
                }
                Err(JournalError::Trimmed { from, start }) => {
                    assert!(*read < gone, "who has read {read} records misses none of {gone}");
                    assert_eq!((from, start), (*place, bounds.start), "the gap has its exact extent");
                }
                Err(other) => panic!("a read from {place}, after {read} records: {other:?}"),
            }
        }
        gone_before = gone;
    }
}

/// A read that waits at the tail returns the record that arrives.
pub async fn a_waiting_read_wakes_on_an_append(rig: &dyn Rig) {
    let journal = journal(rig, Shape::SmallFiles, 1).await;
    let at = partition(0);
    let mut from = Offset(0);
    for i in 0..20 {
        let limits = ReadLimits { bytes: 1, wait: Duration::from_secs(60) };
        let append = async { journal.append(&at, vec![record(i, 10)]).await };
        let (batch, receipt) = join(journal.read(&at, from, limits), append).await;
        let (batch, receipt) = (batch.expect("a read succeeds"), receipt.expect("an append succeeds"));
        assert_eq!(batch.records.len(), 1, "the read woke");
        assert_is(&batch.records[0], i, 10);
        assert_eq!(batch.next, receipt.end);
        from = batch.next;
    }
}

/// A read at the tail returns nothing, and where to read on, when nothing comes.
pub async fn a_waiting_read_returns_nothing_when_its_time_is_up(rig: &dyn Rig) {
    let journal = journal(rig, Shape::SmallFiles, 1).await;
    let at = partition(0);
    let end = journal.append(&at, vec![record(0, 10)]).await.expect("an append succeeds").end;
    for wait in [Duration::ZERO, Duration::from_millis(1)] {
        let batch = journal.read(&at, end, ReadLimits { bytes: 1, wait }).await.expect("a read at the tail succeeds");
        assert_eq!((batch.records.len(), batch.next), (0, end));
    }
}
