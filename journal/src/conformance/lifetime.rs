//! Properties of the end of a journal and of its next life.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tidemill_model::Offset;

use super::{Checked, Rig, Shape, TOPIC, assert_is, journal, partition, read_all, record};
use crate::{Journal, JournalError, ReadLimits, Retention, TopicConfig, TopicPartition};

/// Closing finishes the appends that wait, refuses later ones and loses nothing (the last where the rig can reopen).
pub async fn close_finishes_what_waits_and_refuses_the_rest(rig: &dyn Rig) -> Checked {
    let journal = journal(rig, Shape::SmallFiles, 1).await;
    let (at, identity) = (partition(0), journal.identity());
    let appends: Vec<_> = (0..200).map(|i| journal.append(&at, vec![record(i, 500)])).collect();
    journal.close().await;
    for append in appends {
        append.await.expect("an append from before the close succeeds");
    }
    let refused = journal.append(&at, vec![record(200, 1)]).await;
    assert!(matches!(refused, Err(JournalError::Closed)), "{refused:?}");
    journal.close().await;
    drop(journal);
    let Some(journal) = rig.reopen(identity).await else { return Checked::InPart };
    let all = read_all(journal.as_ref(), &at, Offset(0)).await;
    assert!(all.iter().map(|r| r.sequence).eq(0..200), "nothing is lost, nothing refused is there");
    Checked::Fully
}

/// Identity, topics, bounds and records outlive a restart, and appends go on where they ended. Needs a rig that
/// reopens.
pub async fn a_journal_comes_back_as_it_was_closed(rig: &dyn Rig) -> Checked {
    let mut journal = journal(rig, Shape::SmallFiles, 2).await;
    let identity = journal.identity();
    let retention = Retention { age: Some(Duration::from_secs(86_400)), ..Retention::default() };
    journal.create(TopicConfig { retention, ..TopicConfig::new("kept-a-day", 1) }).await.expect("a second topic");
    let (busy, quiet, day) = (partition(0), partition(1), TopicPartition::new("kept-a-day", 0));
    let mut next = 0;
    for life in 0..3 {
        let appends = (next..next + 150).map(|i| journal.append(&busy, vec![record(i, 1500).with_key(i.to_string())]));
        let receipts = join_all(appends.collect::<Vec<_>>()).await;
        let receipts: Vec<_> = receipts.into_iter().map(|r| r.expect("an append succeeds")).collect();
        journal.append(&day, vec![record(life, 10)]).await.expect("an append succeeds");
        next += 150;
        if life > 0 {
            journal.trim(&busy, receipts[0].first).await.expect("a trim succeeds");
        }
        let before = snapshot(&journal, &[&busy, &quiet, &day]).await;
        let topics = journal.topics().await.expect("topics");
        journal.close().await;
        drop(journal);
        let Some(again) = rig.reopen(identity).await else { return Checked::InPart };
        assert_eq!(again.identity(), identity, "the same journal");
        assert_eq!(again.topics().await.expect("topics"), topics, "the same topics with the same retention");
        assert_eq!(snapshot(&again, &[&busy, &quiet, &day]).await, before, "the same records at the same places");
        journal = again;
        goes_on(journal.as_ref(), &busy, next).await;
        next += 1;
    }
    let topics: Vec<_> = journal.topics().await.expect("topics").into_iter().map(|t| t.name).collect();
    assert_eq!(topics, [TOPIC, "kept-a-day"]);
    Checked::Fully
}

/// Start, count and records of each partition.
async fn snapshot(
    journal: &Arc<dyn Journal>,
    partitions: &[&TopicPartition],
) -> Vec<(Offset, u64, Vec<tidemill_model::Record>)> {
    let mut all = Vec::new();
    for at in partitions {
        let bounds = journal.bounds(at).await.expect("bounds");
        all.push((bounds.start, bounds.records, read_all(journal.as_ref(), at, bounds.start).await));
    }
    all
}

/// A follower that had read everything before the restart reads exactly what comes after it.
async fn goes_on(journal: &dyn Journal, at: &TopicPartition, sequence: u64) {
    let bounds = journal.bounds(at).await.expect("bounds");
    let last = read_all(journal, at, bounds.start).await.pop().expect("records are kept");
    let receipt = journal.append(at, vec![record(sequence, 10)]).await.expect("an append after a restart succeeds");
    assert!(receipt.first >= bounds.durable, "no place is given twice");
    let batch = journal.read(at, bounds.durable, ReadLimits::default()).await.expect("reading goes on");
    assert_is(&batch.records[0], sequence, 10);
    assert_eq!(batch.records[0].ordinal, bounds.records, "the count goes on");
    assert!(batch.records[0].ingest_time >= last.ingest_time, "ingest times never fall");
    assert_eq!(batch.next, receipt.end);
}
