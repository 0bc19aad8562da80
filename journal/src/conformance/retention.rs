//! Properties of retention, as far as it can be told without waiting.

use std::time::Duration;

use futures::future::join_all;
use tidemill_model::Offset;

use super::{Checked, Rig, Shape, TOPIC, journal, journal_with, partition, read_all, record};
use crate::{Journal, Retention, TopicConfig};

/// A topic that is there takes over the retention it is created with, and keeps its records.
pub async fn creating_again_takes_over_the_retention(rig: &dyn Rig) {
    let journal = journal(rig, Shape::SmallFiles, 1).await;
    let at = partition(0);
    journal.append(&at, vec![record(0, 10).with_key("key")]).await.expect("an append succeeds");
    let week = Some(Duration::from_secs(7 * 86_400));
    for retention in [
        Retention { age: week, ..Retention::default() },
        Retention { bytes: Some(64 << 20), ..Retention::default() },
        Retention { age: week, bytes: Some(1 << 30), compacted: false },
        Retention { compacted: true, ..Retention::default() },
        Retention::default(),
    ] {
        let wanted = TopicConfig { retention, ..TopicConfig::new(TOPIC, 1) };
        journal.create(wanted.clone()).await.expect("a topic can be created again");
        assert_eq!(journal.topics().await.expect("topics"), [wanted], "the new retention counts");
    }
    assert_eq!(read_all(journal.as_ref(), &at, Offset(0)).await.len(), 1);
}

/// Retention drops nothing that a follower holds, before and after a restart, and drops it once it is let go (the last
/// where the rig can force it). Nothing to check where the backend cannot hold.
pub async fn what_is_held_survives_retention(rig: &dyn Rig) -> Checked {
    if !rig.can_hold() {
        return Checked::InPart;
    }
    let retention = Retention { bytes: Some(100_000), ..Retention::default() };
    let topic = TopicConfig { retention, ..TopicConfig::new(TOPIC, 1) };
    let mut journal = journal_with(rig, Shape::SmallFiles, topic).await;
    let (at, identity) = (partition(0), journal.identity());
    append(journal.as_ref(), 0..50).await;
    let held = journal.bounds(&at).await.expect("bounds").durable;
    journal.hold(&at, "slow", Some(held));
    journal.hold(&at, "fast", Some(Offset(u64::MAX)));
    append(journal.as_ref(), 50..600).await;
    let is_forced = rig.retain(identity).await;
    assert_held(journal.as_ref(), held, 50..600).await;
    journal.close().await;
    drop(journal);
    let Some(again) = rig.reopen(identity).await else { return Checked::InPart };
    journal = again;
    append(journal.as_ref(), 600..700).await;
    rig.retain(identity).await;
    assert_held(journal.as_ref(), held, 50..700).await;
    for follower in ["slow", "fast"] {
        journal.hold(&at, follower, None);
    }
    append(journal.as_ref(), 700..800).await;
    if !(is_forced && rig.retain(identity).await) {
        return Checked::InPart;
    }
    let start = journal.bounds(&at).await.expect("bounds").start;
    assert!(start > held, "what nobody holds goes: {start}");
    let kept = read_all(journal.as_ref(), &at, start).await;
    assert!(kept.iter().map(|r| r.payload.len()).sum::<usize>() >= 90_000, "the newest bytes are kept");
    assert_eq!(kept.last().map(|r| r.sequence), Some(799));
    Checked::Fully
}

async fn append(journal: &dyn Journal, sequences: std::ops::Range<u64>) {
    // Ten at a time: where every record has a page of its own, as on a busy machine, headers are a fifth of what is kept.
    let sequences: Vec<_> = sequences.collect();
    let records = sequences.chunks(10).map(|ten| ten.iter().map(|i| record(*i, 1000)).collect());
    let receipts = join_all(records.map(|records| journal.append(&partition(0), records))).await;
    assert!(receipts.iter().all(Result::is_ok), "{receipts:?}");
}

async fn assert_held(journal: &dyn Journal, held: Offset, sequences: std::ops::Range<u64>) {
    let start = journal.bounds(&partition(0)).await.expect("bounds").start;
    assert!(start <= held, "retention passed a hold at {held}: the start is {start}");
    let kept = read_all(journal, &partition(0), held).await;
    assert!(kept.iter().map(|r| r.sequence).eq(sequences), "what is held is there");
}
