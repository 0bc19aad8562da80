//! The conformance suite: what every backend's tests run against the backend.
//!
//! Each property is a function that makes a journal, uses it through the seam only, and panics when the backend breaks
//! its promise. [`run_all`] runs them all; a backend's test suite calls it, or the functions one by one. A [`Rig`]
//! makes the journals and tells what the backend cannot do. How to use it from outside: `docs/journals/conformance.md`.
//!
//! Invariants: no property sleeps, asserts a time, or assumes more of an offset than that it is opaque and ordered.
//!
//! Left to each backend: what survives a crash, and how damage is found, because that needs its files.

mod bounds;
mod compaction;
mod find;
mod lifetime;
mod load;
mod order;
mod requests;
mod retention;
mod rig;

pub use bounds::{
    a_waiting_read_returns_nothing_when_its_time_is_up, a_waiting_read_wakes_on_an_append,
    bounds_never_fall_and_stay_in_order, gaps_are_named_exactly, only_durable_records_are_shown,
    trim_moves_the_start_and_reads_below_it_say_so, trim_never_passes_durable,
};
pub use compaction::compaction_keeps_the_last_of_each_key_where_it_was;
pub use find::{find_goes_on_after_a_trim, find_leads_to_the_first_record_not_before};
pub use lifetime::{a_journal_comes_back_as_it_was_closed, close_finishes_what_waits_and_refuses_the_rest};
pub use load::{
    batches_stay_together_whatever_their_size, many_partitions_work_at_once,
    writers_readers_and_trims_run_at_the_same_time,
};
pub use order::{
    a_dropped_append_keeps_its_place, concurrent_writers_and_readers_see_one_order, every_reader_sees_the_same,
    ingest_times_never_fall, ordinals_count_and_offsets_rise, partitions_are_independent,
};
pub use requests::{
    an_oversized_record_is_refused_and_harms_nothing, bad_topics_are_refused,
    create_is_idempotent_and_refuses_other_partitions, empty_and_large_records_come_back, keys_come_back,
    offsets_without_a_record_are_refused, reads_keep_their_byte_limit, unknown_partitions_are_named,
};
pub use retention::{creating_again_takes_over_the_retention, what_is_held_survives_retention};
pub use rig::Rig;

use std::sync::Arc;

use tidemill_model::{NewRecord, Offset, ProducerId, Record, RecordKind};

use crate::{Journal, ReadLimits, TopicConfig, TopicPartition};

/// Which journal a property needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// Files of at most 64 KiB, so that a property can fill several.
    SmallFiles,
    /// Files that take records of the largest size.
    LargeRecords,
}

/// How far a property could be checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Checked {
    /// All of it.
    Fully,
    /// Only what needs none of the rig's hooks, because the rig lacks one.
    InPart,
}

/// Runs every property; returns the names of those that could be checked only in part, in the order of the run.
///
/// # Panics
/// When the backend breaks a promise of the seam.
pub async fn run_all(rig: impl Rig) -> Vec<&'static str> {
    let rig: &dyn Rig = &rig;
    ordinals_count_and_offsets_rise(rig).await;
    every_reader_sees_the_same(rig).await;
    concurrent_writers_and_readers_see_one_order(rig).await;
    a_dropped_append_keeps_its_place(rig).await;
    partitions_are_independent(rig).await;
    ingest_times_never_fall(rig).await;
    only_durable_records_are_shown(rig).await;
    bounds_never_fall_and_stay_in_order(rig).await;
    trim_moves_the_start_and_reads_below_it_say_so(rig).await;
    trim_never_passes_durable(rig).await;
    gaps_are_named_exactly(rig).await;
    a_waiting_read_wakes_on_an_append(rig).await;
    a_waiting_read_returns_nothing_when_its_time_is_up(rig).await;
    create_is_idempotent_and_refuses_other_partitions(rig).await;
    creating_again_takes_over_the_retention(rig).await;
    bad_topics_are_refused(rig).await;
    unknown_partitions_are_named(rig).await;
    offsets_without_a_record_are_refused(rig).await;
    empty_and_large_records_come_back(rig).await;
    keys_come_back(rig).await;
    an_oversized_record_is_refused_and_harms_nothing(rig).await;
    reads_keep_their_byte_limit(rig).await;
    find_leads_to_the_first_record_not_before(rig).await;
    find_goes_on_after_a_trim(rig).await;
    batches_stay_together_whatever_their_size(rig).await;
    many_partitions_work_at_once(rig).await;
    writers_readers_and_trims_run_at_the_same_time(rig).await;
    let outcomes = [
        ("close_finishes_what_waits_and_refuses_the_rest", close_finishes_what_waits_and_refuses_the_rest(rig).await),
        ("a_journal_comes_back_as_it_was_closed", a_journal_comes_back_as_it_was_closed(rig).await),
        (
            "compaction_keeps_the_last_of_each_key_where_it_was",
            compaction_keeps_the_last_of_each_key_where_it_was(rig).await,
        ),
        ("what_is_held_survives_retention", what_is_held_survives_retention(rig).await),
    ];
    outcomes.into_iter().filter(|(_, checked)| *checked == Checked::InPart).map(|(name, _)| name).collect()
}

const TOPIC: &str = "conformance";

/// A journal with one topic of so many partitions.
async fn journal(rig: &dyn Rig, shape: Shape, partitions: u32) -> Arc<dyn Journal> {
    journal_with(rig, shape, TopicConfig::new(TOPIC, partitions)).await
}

/// A journal with one topic.
async fn journal_with(rig: &dyn Rig, shape: Shape, topic: TopicConfig) -> Arc<dyn Journal> {
    let journal = rig.make(shape).await;
    journal.create(topic).await.expect("a topic can be created");
    journal
}

fn partition(number: u32) -> TopicPartition {
    TopicPartition::new(TOPIC, number)
}

/// A record with `bytes` payload bytes that can be told from others by its sequence.
fn record(sequence: u64, bytes: usize) -> NewRecord {
    let mut payload = vec![sequence as u8; bytes];
    let head = bytes.min(8);
    payload[..head].copy_from_slice(&sequence.to_le_bytes()[..head]);
    let producer = ProducerId::from_name("conformance");
    NewRecord { producer, epoch: 7, sequence, ..NewRecord::anonymous(RecordKind::Samples, payload) }
}

/// Asserts that `found` is what `record(sequence, bytes)` was appended as.
fn assert_is(found: &Record, sequence: u64, bytes: usize) {
    assert_same(found, &record(sequence, bytes));
}

/// Asserts that `found` is what `appended` has become.
fn assert_same(found: &Record, appended: &NewRecord) {
    let sequence = appended.sequence;
    assert_eq!(found.key, appended.key, "key of record {sequence}");
    assert_eq!(found.payload, appended.payload, "payload of record {sequence}");
    assert_eq!((found.sequence, found.epoch, found.producer), (sequence, appended.epoch, appended.producer));
    assert_eq!(found.kind(), Some(appended.kind));
}

/// Everything durable from `from` on.
async fn read_all(journal: &dyn Journal, at: &TopicPartition, mut from: Offset) -> Vec<Record> {
    let mut all = Vec::new();
    loop {
        let batch = journal.read(at, from, ReadLimits::default()).await.expect("a durable record can be read");
        if batch.records.is_empty() {
            return all;
        }
        assert!(batch.next > from, "a read makes progress");
        from = batch.next;
        all.extend(batch.records);
    }
}
