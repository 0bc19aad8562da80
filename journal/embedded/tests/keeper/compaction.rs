//! Compaction keeps the last record of every key, leaves offsets and ordinals as they are, and survives anything.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use tidemill_journal::{Journal, JournalError, ReadLimits, Retention};
use tidemill_journal_embedded::{Compacted, EmbeddedJournal, open_read_only, verify};
use tidemill_model::{NewRecord, Offset, Record};

use crate::common::{ManualEnv, at, copy_dir, read_all, record, segment};
use crate::world::{Fault, World, create, idle, metric, open, until};

const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3600);

fn compacted() -> Retention {
    Retention { compacted: true, ..Retention::default() }
}

fn keyed(number: u64, key: &str, bytes: usize) -> NewRecord {
    record(number, bytes).with_key(key.to_owned())
}

async fn append(journal: &EmbeddedJournal, records: Vec<NewRecord>) {
    for record in records {
        journal.append(&at(), vec![record]).await.unwrap();
    }
}

/// Ten keys in turn, and every seventh record without one; some segments full of them.
fn mixed(count: u64) -> Vec<NewRecord> {
    let one = |n: u64| if n.is_multiple_of(7) { record(n, 700) } else { keyed(n, &format!("key {}", n % 10), 700) };
    (0..count).map(one).collect()
}

/// What must be left of `all`: records without a key, the last of each key.
fn last_of_each(all: &[Record]) -> Vec<Record> {
    let last: BTreeMap<&Bytes, Offset> = all.iter().map(|r| (&r.key, r.offset)).collect();
    all.iter().filter(|r| r.key.is_empty() || last[&r.key] == r.offset).cloned().collect()
}

/// The same, where records in the last segment stay.
fn is_compacted(left: &[Record], all: &[Record], last_segment: Offset) -> bool {
    let wanted = last_of_each(all);
    let (old, new): (Vec<_>, Vec<_>) = all.iter().cloned().partition(|r| r.offset < last_segment);
    let old = old.into_iter().filter(|record| wanted.contains(record));
    left == old.chain(new).collect::<Vec<_>>()
}

fn last_segment(all: &[Record]) -> Offset {
    Offset(all.last().unwrap().offset.0 >> 14 << 14)
}

#[tokio::test]
async fn the_last_record_of_each_key_stays_where_it_was() {
    let (dir, env, world) = (TempDir::new().unwrap(), ManualEnv::new(), World::new());
    let journal = open(&world, dir.path(), idle(), env.clone());
    create(&journal, compacted()).await;
    append(&journal, mixed(100)).await;
    let all = read_all(journal.as_ref(), Offset(0)).await.unwrap();
    let before = journal.bounds(&at()).await.unwrap();
    let done = journal.compact_now(&at()).await.unwrap();
    let left = read_all(journal.as_ref(), Offset(0)).await.unwrap();
    assert!(is_compacted(&left, &all, last_segment(&all)));
    assert_eq!(done.records as usize, all.len() - left.len());
    assert!(done.records > 50 && done.segments >= 4, "{done:?}");
    assert_eq!(journal.bounds(&at()).await.unwrap(), before);
    assert_eq!(metric(&journal, "journal_compacted_records"), done.records as f64);
    assert_eq!(journal.compact_now(&at()).await.unwrap(), Compacted::default(), "nothing is left to do");

    for removed in all.iter().filter(|record| !left.contains(record)) {
        let next = left.iter().find(|record| record.offset > removed.offset).unwrap();
        let batch = journal.read(&at(), removed.offset, ReadLimits::default()).await.unwrap();
        assert_eq!(&batch.records[0], next, "from {} it goes on with the next", removed.offset);
    }
    for record in &left {
        let batch = journal.read(&at(), Offset(record.offset.0 + 8), ReadLimits::default()).await;
        assert!(matches!(batch, Err(JournalError::NoSuchOffset { .. })), "between records is nowhere");
    }
    journal.close().await;
    let report = verify(dir.path(), |_| {}).unwrap();
    assert_eq!((report.damage, report.records), (vec![], left.len() as u64));
    let journal = open(&world, dir.path(), idle(), env);
    assert_eq!(read_all(journal.as_ref(), Offset(0)).await.unwrap(), left, "after a restart");
    append(&journal, mixed(100)).await;
    journal.compact_now(&at()).await.unwrap();
    let again = read_all(journal.as_ref(), Offset(0)).await.unwrap();
    let keys = last_of_each(&again);
    assert!(again.len() < left.len() + 40 && keys.len() >= 10, "holes grow together: {}", again.len());
    journal.close().await;
    assert_eq!(verify(dir.path(), |_| {}).unwrap().damage, []);
}

#[tokio::test]
async fn removed_records_give_their_blocks_back() {
    use std::os::unix::fs::MetadataExt;
    let (dir, env) = (TempDir::new().unwrap(), ManualEnv::new());
    let config = tidemill_journal_embedded::EmbeddedConfig {
        segment_bytes: 1 << 20,
        keeping: idle(),
        ..tidemill_journal_embedded::EmbeddedConfig::new(dir.path())
    };
    let journal = EmbeddedJournal::open(config, env.clone()).unwrap();
    create(&journal, compacted()).await;
    // Groups end at blocks of 4 KiB, so a record of 100 bytes takes one, of which most is padding.
    append(&journal, (0..800).map(|n| keyed(n, "one", 100)).collect()).await;
    let (before, size) =
        (segment(dir.path(), 0).metadata().unwrap().blocks(), segment(dir.path(), 0).metadata().unwrap().len());
    journal.compact_now(&at()).await.unwrap();
    let after = segment(dir.path(), 0).metadata().unwrap();
    assert_eq!(after.len(), size);
    assert!(before * 512 > 900 << 10 && after.blocks() * 512 < 64 << 10, "{before} blocks before, {}", after.blocks());
    journal.close().await;
}

#[tokio::test]
async fn a_reader_that_is_under_way_goes_on_undisturbed() {
    let (dir, env) = (TempDir::new().unwrap(), ManualEnv::new());
    let journal = open(&World::new(), dir.path(), idle(), env);
    create(&journal, compacted()).await;
    append(&journal, mixed(100)).await;
    let all = read_all(journal.as_ref(), Offset(0)).await.unwrap();
    let (mut seen, mut from) = (Vec::new(), Offset(0));
    let outside = open_read_only(dir.path()).unwrap();
    for step in 0.. {
        if step == 20 {
            journal.compact_now(&at()).await.unwrap();
        }
        let batch = journal.read(&at(), from, ReadLimits { bytes: 1, ..ReadLimits::default() }).await.unwrap();
        assert_eq!(outside.read(&at(), from, 1).unwrap().records, batch.records);
        if batch.records.is_empty() {
            break;
        }
        from = batch.next;
        seen.extend(batch.records);
    }
    assert_eq!(seen[..20], all[..20]);
    let wanted = last_of_each(&all);
    assert!(wanted.iter().all(|record| seen.contains(record)), "the last of each key was seen");
    assert!(seen.len() < all.len() - 20, "and most of the others were not");
    journal.close().await;
}

#[tokio::test]
async fn tombstones_go_after_a_day_when_nobody_needs_them_and_nothing_comes_back() {
    let (dir, env) = (TempDir::new().unwrap(), ManualEnv::new());
    let journal = open(&World::new(), dir.path(), idle(), env.clone());
    create(&journal, compacted()).await;
    append(&journal, (0..10).map(|n| keyed(n, &format!("key {n}"), 700)).collect()).await;
    let gone = |n: u64| keyed(100 + n, &format!("key {n}"), 0);
    let tombstone = journal.append(&at(), vec![gone(0)]).await.unwrap().first;
    append(&journal, (1..5).map(gone).collect()).await;
    append(&journal, (200..240).map(|n| record(n, 700)).collect()).await;
    let keys = || async {
        let records = read_all(journal.as_ref(), Offset(0)).await.unwrap();
        let keys = records.into_iter().filter(|r| !r.key.is_empty());
        keys.map(|r| (String::from_utf8(r.key.to_vec()).unwrap(), r.payload.is_empty())).collect::<BTreeMap<_, _>>()
    };
    journal.compact_now(&at()).await.unwrap();
    let young = keys().await;
    assert_eq!(young.iter().filter(|(_, is_tombstone)| **is_tombstone).count(), 5, "{young:?}");
    env.advance(HOUR * 25);
    journal.hold(&at(), "slow", Some(tombstone));
    assert_eq!(journal.compact_now(&at()).await.unwrap().records, 0, "a follower has yet to see them");
    journal.hold(&at(), "slow", None);
    assert_eq!(journal.compact_now(&at()).await.unwrap().records, 5);
    let old = keys().await;
    assert!(old.values().all(|is_tombstone| !is_tombstone), "{old:?}");
    assert_eq!(old.len(), 5);
    journal.close().await;
}

#[tokio::test]
async fn where_whole_segments_went_a_read_goes_on_behind_them() {
    let (dir, env) = (TempDir::new().unwrap(), ManualEnv::new());
    let journal = open(&World::new(), dir.path(), idle(), env.clone());
    create(&journal, compacted()).await;
    append(&journal, (0..40).map(|n| keyed(n, "one", 700)).collect()).await;
    append(&journal, (40..200).map(|n| keyed(n, "one", 0)).collect()).await;
    append(&journal, vec![record(999, 16_000)]).await;
    let all = read_all(journal.as_ref(), Offset(0)).await.unwrap();
    env.advance(DAY * 2);
    assert_eq!(journal.compact_now(&at()).await.unwrap().records, 200);
    for removed in &all[..200] {
        let batch = journal.read(&at(), removed.offset, ReadLimits::default()).await.unwrap();
        assert_eq!(batch.records.iter().map(|r| r.sequence).collect::<Vec<_>>(), [999]);
    }
    assert_eq!(journal.find(&at(), all[0].ingest_time).await.unwrap(), all[200].offset);
    journal.close().await;
    assert_eq!(verify(dir.path(), |_| {}).unwrap().damage, []);
}

#[tokio::test]
async fn only_compacted_topics_are_compacted() {
    let (dir, env) = (TempDir::new().unwrap(), ManualEnv::new());
    let journal = open(&World::new(), dir.path(), idle(), env);
    create(&journal, Retention::default()).await;
    append(&journal, mixed(60)).await;
    let refusal = journal.compact_now(&at()).await;
    assert!(matches!(refusal, Err(JournalError::Invalid { .. })), "{refusal:?}");
    assert_eq!(read_all(journal.as_ref(), Offset(0)).await.unwrap().len(), 60);
    journal.close().await;
}

#[tokio::test]
async fn the_keeper_compacts_by_itself() {
    let (dir, env) = (TempDir::new().unwrap(), ManualEnv::new());
    let journal = open(&World::new(), dir.path(), idle(), env.clone());
    create(&journal, compacted()).await;
    append(&journal, mixed(100)).await;
    let is_done = || metric(&journal, "journal_compacted_segments") >= 4.0;
    until(&env, Duration::from_secs(10), "it is compacted", is_done).await;
    journal.close().await;
}

#[tokio::test]
async fn a_damaged_segment_stays_as_it_is_and_is_reported() {
    let (dir, env) = (TempDir::new().unwrap(), ManualEnv::new());
    let journal = open(&World::new(), dir.path(), idle(), env);
    create(&journal, compacted()).await;
    append(&journal, mixed(100)).await;
    let path = segment(dir.path(), 1);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[5000] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let done = journal.compact_now(&at()).await.unwrap();
    assert!(done.segments >= 2, "the others are compacted");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    let damage = journal.damage();
    assert!(damage.len() == 1 && damage[0].file == path.display().to_string(), "{damage:?}");
    journal.close().await;
}

/// A journal with something to compact, and its records.
async fn prepared(dir: &Path) -> Vec<Record> {
    let journal = open(&World::new(), dir, idle(), ManualEnv::new());
    create(&journal, compacted()).await;
    append(&journal, mixed(70)).await;
    let all = read_all(journal.as_ref(), Offset(0)).await.unwrap();
    journal.close().await;
    all
}

#[tokio::test]
async fn a_crash_at_any_call_leaves_each_segment_old_or_new() {
    let origin = TempDir::new().unwrap();
    let all = prepared(origin.path()).await;
    let wanted = last_of_each(&all);
    let mut crashes = 0;
    for n in 0.. {
        let (dir, world) = (TempDir::new().unwrap(), World::new());
        copy_dir(origin.path(), dir.path());
        let journal = open(&world, dir.path(), idle(), ManualEnv::new());
        world.fail_at(n, Fault::Crash);
        let outcome = journal.compact_now(&at()).await;
        let has_crashed = world.has_failed();
        journal.close().await;
        assert_eq!(verify(dir.path(), |_| {}).unwrap().damage, [], "crash at call {n}");
        let journal = open(&World::new(), dir.path(), idle(), ManualEnv::new());
        let left = read_all(journal.as_ref(), Offset(0)).await.unwrap();
        assert!(left.iter().all(|record| all.contains(record)), "nothing is invented");
        assert!(wanted.iter().all(|record| left.contains(record)), "nothing that counts is lost");
        journal.compact_now(&at()).await.unwrap();
        let left = read_all(journal.as_ref(), Offset(0)).await.unwrap();
        assert!(is_compacted(&left, &all, last_segment(&all)), "it is done the next time");
        journal.close().await;
        let names = std::fs::read_dir(segment(dir.path(), 0).parent().unwrap()).unwrap();
        let leftovers = names.filter(|name| name.as_ref().unwrap().path().extension().is_some_and(|e| e == "new"));
        assert_eq!(leftovers.count(), 0, "crash at call {n}");
        if !has_crashed {
            assert!(outcome.is_ok());
            break;
        }
        crashes += 1;
    }
    assert!(crashes > 15, "{crashes}");
}

#[tokio::test]
async fn a_full_disk_at_any_call_fails_the_compaction_and_nothing_else() {
    let origin = TempDir::new().unwrap();
    let all = prepared(origin.path()).await;
    for n in 0.. {
        let (dir, world) = (TempDir::new().unwrap(), World::new());
        copy_dir(origin.path(), dir.path());
        let journal = open(&world, dir.path(), idle(), ManualEnv::new());
        world.fail_at(n, Fault::Full);
        let outcome = journal.compact_now(&at()).await;
        if !world.has_failed() {
            journal.close().await;
            break;
        }
        let is_last = outcome.is_ok();
        append(&journal, vec![record(70, 700)]).await;
        journal.compact_now(&at()).await.unwrap();
        let left = read_all(journal.as_ref(), Offset(0)).await.unwrap();
        assert!(is_compacted(&left[..left.len() - 1], &all, last_segment(&all)), "full at call {n}, {is_last}");
        journal.close().await;
        assert_eq!(verify(dir.path(), |_| {}).unwrap().damage, []);
    }
}
