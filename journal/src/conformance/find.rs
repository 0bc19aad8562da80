//! Properties of looking records up by ingest time.
//!
//! Backends stamp with different precision, so the times that are asked for are those that the records came back with.

use tidemill_model::{Offset, Record};

use super::{Rig, Shape, journal, partition, read_all, record};
use crate::{Journal, TopicPartition};

/// The first record whose ingest time is not before the one asked for; `durable` where there is none.
pub async fn find_leads_to_the_first_record_not_before(rig: &dyn Rig) {
    let journal = journal(rig, Shape::SmallFiles, 2).await;
    let (at, empty) = (partition(0), partition(1));
    let nothing = journal.bounds(&empty).await.expect("bounds").durable;
    for i in 0..100 {
        // Records of one append may well share their time.
        let records = (0..3).map(|j| record(3 * i + j, 700)).collect();
        journal.append(&at, records).await.expect("an append succeeds");
    }
    let all = read_all(journal.as_ref(), &at, Offset(0)).await;
    assert_eq!(all.len(), 300);
    assert_found(journal.as_ref(), &at, &all).await;
    for time in [i64::MIN, -1, 0, all[150].ingest_time, i64::MAX] {
        let found = journal.find(&empty, time).await.expect("an empty partition can be searched");
        assert_eq!(found, nothing, "an empty partition has no record for {time}");
    }
}

/// What was trimmed is not found any more; the first record that is left takes its place.
pub async fn find_goes_on_after_a_trim(rig: &dyn Rig) {
    let journal = journal(rig, Shape::SmallFiles, 1).await;
    let at = partition(0);
    for i in 0..60 {
        let records = (0..5).map(|j| record(5 * i + j, 2000)).collect();
        journal.append(&at, records).await.expect("an append succeeds");
    }
    let all = read_all(journal.as_ref(), &at, Offset(0)).await;
    journal.trim(&at, all[200].offset).await.expect("a trim succeeds");
    let start = journal.bounds(&at).await.expect("bounds").start;
    let kept = read_all(journal.as_ref(), &at, start).await;
    assert!(kept.len() < all.len(), "200 records of 2000 bytes fill whole files");
    let first = journal.find(&at, all[0].ingest_time).await.expect("the time of a trimmed record can be asked for");
    let wanted = kept.iter().find(|r| r.ingest_time >= all[0].ingest_time).map(|r| r.offset);
    assert_eq!(Some(first), wanted, "the first record that is left");
    assert_found(journal.as_ref(), &at, &kept).await;
}

/// Checks the times of all records, those just before and after, and the ends of time.
pub(super) async fn assert_found(journal: &dyn Journal, at: &TopicPartition, all: &[Record]) {
    let durable = journal.bounds(at).await.expect("bounds").durable;
    let mut times: Vec<i64> = all.iter().flat_map(|r| [r.ingest_time - 1, r.ingest_time, r.ingest_time + 1]).collect();
    times.extend([i64::MIN, -1, 0, i64::MAX]);
    times.sort_unstable();
    times.dedup();
    for time in times {
        let found = journal.find(at, time).await.expect("a partition can be searched");
        let wanted = all.iter().find(|r| r.ingest_time >= time).map_or(durable, |r| r.offset);
        assert_eq!(found, wanted, "the first record that was not appended before {time}");
    }
}
