//! Properties of compacted topics: what may go, what must stay, and that nothing moves.

use std::collections::HashMap;

use bytes::Bytes;
use futures::future::join_all;
use tidemill_model::{NewRecord, Offset, Record};

use super::find::assert_found;
use super::{Checked, Rig, Shape, TOPIC, assert_same, journal_with, partition, read_all, record};
use crate::{Journal, ReadLimits, Retention, TopicConfig};

/// Compaction removes nothing but records whose key was written again. What stays keeps its order, offset, ordinal and
/// bytes; reading from a removed offset goes on with the next record; the word that a key is gone stays for a day.
/// Whether something is removed is checked where the rig can force it, a restart where it can reopen.
pub async fn compaction_keeps_the_last_of_each_key_where_it_was(rig: &dyn Rig) -> Checked {
    let retention = Retention { compacted: true, ..Retention::default() };
    let topic = TopicConfig { retention, ..TopicConfig::new(TOPIC, 1) };
    let mut journal = journal_with(rig, Shape::SmallFiles, topic).await;
    let (at, identity) = (partition(0), journal.identity());
    let mut written: Vec<(NewRecord, Offset)> = Vec::new();
    let mut is_forced = true;
    for _round in 0..3 {
        let first = written.len() as u64;
        let records: Vec<_> = (first..first + 300).map(keyed).collect();
        let appends: Vec<_> = records.iter().map(|r| journal.append(&at, vec![r.clone()])).collect();
        let receipts = join_all(appends).await.into_iter().map(|r| r.expect("an append succeeds").first);
        written.extend(records.into_iter().zip(receipts));
        is_forced &= rig.compact(identity, &at).await;
        assert_compacted(journal.as_ref(), &written, is_forced).await;
    }
    journal.close().await;
    drop(journal);
    let Some(again) = rig.reopen(identity).await else { return Checked::InPart };
    journal = again;
    assert_compacted(journal.as_ref(), &written, is_forced).await;
    let receipt = journal.append(&at, vec![keyed(900)]).await.expect("an append after compaction succeeds");
    let batch = journal.read(&at, receipt.first, ReadLimits::default()).await.expect("it can be read");
    assert_eq!(batch.records[0].ordinal, 900, "compaction does not change the count");
    if is_forced { Checked::Fully } else { Checked::InPart }
}

/// Ten keys that are written again and again, one of which is gone every other time; records without a key; a key that
/// is written once.
fn keyed(sequence: u64) -> NewRecord {
    match sequence % 20 {
        19 => record(sequence, 800),
        18 if sequence % 100 == 18 => record(sequence, 800).with_key(format!("once-{sequence}")),
        n @ (0 | 10) => record(sequence, if n == 0 { 900 } else { 0 }).with_key("comes and goes"),
        n => record(sequence, 1000).with_key(format!("key-{}", n % 9)),
    }
}

async fn assert_compacted(journal: &dyn Journal, written: &[(NewRecord, Offset)], is_forced: bool) {
    let at = partition(0);
    let bounds = journal.bounds(&at).await.expect("bounds");
    assert_eq!(bounds.records, written.len() as u64, "compaction does not change the count");
    let left = read_all(journal, &at, bounds.start).await;
    let mut last: HashMap<&Bytes, u64> = HashMap::new();
    for (ordinal, (record, _)) in written.iter().enumerate() {
        last.insert(&record.key, ordinal as u64);
    }
    let mut is_left = vec![false; written.len()];
    for found in &left {
        let (record, offset) = &written[found.ordinal as usize];
        assert_same(found, record);
        assert_eq!(found.offset, *offset, "record {} has moved", found.ordinal);
        assert!(!std::mem::replace(&mut is_left[found.ordinal as usize], true), "record {} twice", found.ordinal);
    }
    assert!(left.is_sorted_by(|a, b| a.ordinal < b.ordinal), "the order is kept");
    for (ordinal, (record, _)) in written.iter().enumerate() {
        let must_stay = record.key.is_empty() || last[&record.key] == ordinal as u64;
        assert!(is_left[ordinal] || !must_stay, "record {ordinal}, the last with key {:?}, is gone", record.key);
    }
    assert!(!is_forced || left.len() < written.len(), "compaction was made to run and removed nothing");
    assert_goes_on_from_each(journal, written, &left).await;
    assert_found(journal, &at, &left).await;
}

/// Reading from any offset that a record ever had leads to the next one that is left.
async fn assert_goes_on_from_each(journal: &dyn Journal, written: &[(NewRecord, Offset)], left: &[Record]) {
    for (_, offset) in written {
        let limits = ReadLimits { bytes: 1, ..ReadLimits::default() };
        let batch = journal.read(&partition(0), *offset, limits).await.expect("any offset of a record can be read");
        let next = left.iter().find(|r| r.offset >= *offset);
        assert_eq!(batch.records.first(), next, "reading on from {offset}");
        assert!(batch.next > *offset, "a read from {offset} makes progress");
    }
}
