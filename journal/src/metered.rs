//! A journal that measures how it is used: how long appends and reads take, how much passes, which errors come back.
//!
//! [`Metered`] stands before any backend and adds nothing to what the backend itself tells in [`Journal::metrics`]: the
//! backend counts what it does (syncs, requests, bytes on disk), this counts what its users see.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tidemill_model::{JournalIdentity, NewRecord, Offset};

use crate::{
    Batch, Bounds, Env, ErrorKind, Journal, JournalError, Metric, ReadLimits, Receipt, Share, TopicConfig,
    TopicPartition,
};

/// Upper bounds of the buckets of a [`Histogram`], in microseconds; one more has no bound.
pub const BUCKETS_US: [u64; 14] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 2_500_000, 10_000_000];

/// Kinds of errors and the names they are counted under.
const KINDS: [(ErrorKind, &str); 7] = [
    (ErrorKind::Retry, "retry"),
    (ErrorKind::Fenced, "fenced"),
    (ErrorKind::Invalid, "invalid"),
    (ErrorKind::NotFound, "not-found"),
    (ErrorKind::Corrupt, "corrupt"),
    (ErrorKind::Closed, "closed"),
    (ErrorKind::Unknown, "unknown"),
];

/// How long calls took.
#[derive(Default, Debug)]
pub struct Histogram {
    counts: [AtomicU64; BUCKETS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    fn observe(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.counts[BUCKETS_US.partition_point(|bound| *bound < us)].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
    }

    /// Calls per bucket, the last one without an upper bound.
    pub fn counts(&self) -> [u64; BUCKETS_US.len() + 1] {
        std::array::from_fn(|i| self.counts[i].load(Relaxed))
    }

    /// All durations together.
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_us.load(Relaxed))
    }
}

/// Calls of one method.
#[derive(Default, Debug)]
pub struct Calls {
    /// How long those took that succeeded. Of reads, those that were not to wait for news.
    pub duration: Histogram,
    /// Records that passed.
    pub records: AtomicU64,
    /// Bytes of their keys and payloads.
    pub bytes: AtomicU64,
    errors: [AtomicU64; KINDS.len()],
}

impl Calls {
    fn pass(&self, records: usize, bytes: usize) {
        self.records.fetch_add(records as u64, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }

    fn fail(&self, error: &JournalError) {
        if let Some(index) = KINDS.iter().position(|(kind, _)| *kind == error.kind()) {
            self.errors[index].fetch_add(1, Relaxed);
        }
    }

    /// Errors by kind; every kind is there.
    pub fn errors(&self) -> impl Iterator<Item = (&'static str, u64)> {
        KINDS.iter().zip(&self.errors).map(|((_, name), count)| (*name, count.load(Relaxed)))
    }
}

/// What [`Metered`] has counted.
#[derive(Default, Debug)]
pub struct Meters {
    /// [`Journal::append`].
    pub append: Calls,
    /// [`Journal::read`].
    pub read: Calls,
}

/// See the module.
pub struct Metered {
    inner: Arc<dyn Journal>,
    env: Arc<dyn Env>,
    meters: Arc<Meters>,
}

impl Metered {
    /// Measures the use of `inner`.
    pub fn new(inner: Arc<dyn Journal>, env: Arc<dyn Env>) -> Arc<Self> {
        Arc::new(Self { inner, env, meters: Arc::default() })
    }

    /// What was counted until now.
    pub fn meters(&self) -> &Meters {
        &self.meters
    }
}

fn body_bytes<'a>(bodies: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> usize {
    bodies.map(|(key, payload)| key.len() + payload.len()).sum()
}

impl Journal for Metered {
    fn identity(&self) -> JournalIdentity {
        self.inner.identity()
    }

    fn create(&self, topic: TopicConfig) -> BoxFuture<'_, Result<(), JournalError>> {
        self.inner.create(topic)
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<TopicConfig>, JournalError>> {
        self.inner.topics()
    }

    fn append(
        &self,
        at: &TopicPartition,
        records: Vec<NewRecord>,
    ) -> BoxFuture<'static, Result<Receipt, JournalError>> {
        let (count, bytes) = (records.len(), body_bytes(records.iter().map(|r| (&r.key[..], &r.payload[..]))));
        let (env, meters, started) = (self.env.clone(), self.meters.clone(), self.env.monotonic());
        let appended = self.inner.append(at, records);
        async move {
            let result = appended.await;
            match &result {
                Ok(_) => {
                    meters.append.duration.observe(env.monotonic().saturating_sub(started));
                    meters.append.pass(count, bytes);
                }
                Err(error) => meters.append.fail(error),
            }
            result
        }
        .boxed()
    }

    fn read(
        &self,
        at: &TopicPartition,
        from: Offset,
        limits: ReadLimits,
    ) -> BoxFuture<'_, Result<Batch, JournalError>> {
        let read = self.inner.read(at, from, limits);
        async move {
            let (calls, started) = (&self.meters.read, self.env.monotonic());
            let result = read.await;
            match &result {
                Ok(batch) => {
                    if limits.wait.is_zero() {
                        calls.duration.observe(self.env.monotonic().saturating_sub(started));
                    }
                    let bytes = body_bytes(batch.records.iter().map(|r| (&r.key[..], &r.payload[..])));
                    calls.pass(batch.records.len(), bytes);
                }
                Err(error) => calls.fail(error),
            }
            result
        }
        .boxed()
    }

    fn bounds(&self, at: &TopicPartition) -> BoxFuture<'_, Result<Bounds, JournalError>> {
        self.inner.bounds(at)
    }

    fn find(&self, at: &TopicPartition, ingest_time: i64) -> BoxFuture<'_, Result<Offset, JournalError>> {
        self.inner.find(at, ingest_time)
    }

    fn trim(&self, at: &TopicPartition, before: Offset) -> BoxFuture<'_, Result<(), JournalError>> {
        self.inner.trim(at, before)
    }

    fn hold(&self, at: &TopicPartition, follower: &str, from: Option<Offset>) {
        self.inner.hold(at, follower, from);
    }

    fn share(&self, topic: &str, group: &str) -> BoxFuture<'_, Result<Share, JournalError>> {
        self.inner.share(topic, group)
    }

    fn metrics(&self) -> Vec<Metric> {
        self.inner.metrics()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.inner.close()
    }
}
