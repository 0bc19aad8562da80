//! The conformance suite: what every backend's tests run against the backend.
//!
//! Each property is a function that makes a journal, uses it through the seam only, and panics when the backend breaks
//! its promise. [`run_all`] runs them all; a backend's test suite calls it, or the functions one by one.
//!
//! Left to each backend: what survives a crash, and how damage is found, because that needs its files.

mod bounds;
mod order;
mod requests;

pub use bounds::{
    a_waiting_read_returns_nothing_when_its_time_is_up, a_waiting_read_wakes_on_an_append,
    bounds_never_fall_and_stay_in_order, only_durable_records_are_shown,
    trim_moves_the_start_and_reads_below_it_say_so, trim_never_passes_durable,
};
pub use order::{
    a_dropped_append_keeps_its_place, concurrent_writers_and_readers_see_one_order, every_reader_sees_the_same,
    ingest_times_never_fall, ordinals_count_and_offsets_rise, partitions_are_independent,
};
pub use requests::{
    an_oversized_record_is_refused_and_harms_nothing, bad_topics_are_refused,
    create_is_idempotent_and_refuses_other_partitions, empty_and_large_records_come_back,
    offsets_without_a_record_are_refused, reads_keep_their_byte_limit, unknown_partitions_are_named,
};

use std::sync::Arc;

use futures::future::BoxFuture;
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

/// Makes a new, empty journal on every call.
pub trait Make: Fn(Shape) -> BoxFuture<'static, Arc<dyn Journal>> {}

impl<F: Fn(Shape) -> BoxFuture<'static, Arc<dyn Journal>>> Make for F {}

/// Runs every property.
///
/// # Panics
/// When the backend breaks a promise of the seam.
pub async fn run_all(make: impl Make) {
    let make = &make;
    ordinals_count_and_offsets_rise(make).await;
    every_reader_sees_the_same(make).await;
    concurrent_writers_and_readers_see_one_order(make).await;
    a_dropped_append_keeps_its_place(make).await;
    partitions_are_independent(make).await;
    ingest_times_never_fall(make).await;
    only_durable_records_are_shown(make).await;
    bounds_never_fall_and_stay_in_order(make).await;
    trim_moves_the_start_and_reads_below_it_say_so(make).await;
    trim_never_passes_durable(make).await;
    a_waiting_read_wakes_on_an_append(make).await;
    a_waiting_read_returns_nothing_when_its_time_is_up(make).await;
    create_is_idempotent_and_refuses_other_partitions(make).await;
    bad_topics_are_refused(make).await;
    unknown_partitions_are_named(make).await;
    offsets_without_a_record_are_refused(make).await;
    empty_and_large_records_come_back(make).await;
    an_oversized_record_is_refused_and_harms_nothing(make).await;
    reads_keep_their_byte_limit(make).await;
}

const TOPIC: &str = "conformance";

/// A journal with one topic of so many partitions.
async fn journal(make: &impl Make, shape: Shape, partitions: u32) -> Arc<dyn Journal> {
    let journal = make(shape).await;
    journal.create(TopicConfig::new(TOPIC, partitions)).await.expect("a topic can be created");
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
    let wanted = record(sequence, bytes);
    assert_eq!(found.payload, wanted.payload, "payload of record {sequence}");
    assert_eq!((found.sequence, found.epoch, found.producer), (sequence, wanted.epoch, wanted.producer));
    assert_eq!(found.kind(), Some(wanted.kind));
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
