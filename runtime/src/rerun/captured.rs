//! A journal that keeps what is appended for itself, so that an operator can be run again without anybody noticing: outputs
//! are remembered, what would go into the quarantine a second time is dropped. Reads go through to the journal behind it.

use std::sync::Arc;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tidemill_journal::{
    Batch, Bounds, Journal, JournalError, Metric, ReadLimits, Receipt, TOPIC_DATA, TOPIC_SHADOW, TopicConfig,
    TopicPartition,
};
use tidemill_model::{JournalIdentity, NewRecord, Offset};

/// A journal that keeps outputs for itself.
pub(crate) struct Captured {
    behind: Arc<dyn Journal>,
    kept: Mutex<Vec<NewRecord>>,
}

impl Captured {
    pub(crate) fn new(behind: Arc<dyn Journal>) -> Arc<Self> {
        Arc::new(Self { behind, kept: Mutex::default() })
    }

    /// What was appended since the last call.
    pub(crate) fn take(&self) -> Vec<NewRecord> {
        std::mem::take(&mut *self.kept.lock())
    }
}

impl Journal for Captured {
    fn identity(&self) -> JournalIdentity {
        self.behind.identity()
    }

    fn create(&self, topic: TopicConfig) -> BoxFuture<'_, Result<(), JournalError>> {
        self.behind.create(topic)
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<TopicConfig>, JournalError>> {
        self.behind.topics()
    }

    fn append(
        &self,
        at: &TopicPartition,
        records: Vec<NewRecord>,
    ) -> BoxFuture<'static, Result<Receipt, JournalError>> {
        if at.topic == TOPIC_DATA || at.topic == TOPIC_SHADOW {
            self.kept.lock().extend(records);
        }
        Box::pin(async { Ok(Receipt { first: Offset(0), end: Offset(0) }) })
    }

    fn read(
        &self,
        at: &TopicPartition,
        from: Offset,
        limits: ReadLimits,
    ) -> BoxFuture<'_, Result<Batch, JournalError>> {
        self.behind.read(at, from, limits)
    }

    fn bounds(&self, at: &TopicPartition) -> BoxFuture<'_, Result<Bounds, JournalError>> {
        self.behind.bounds(at)
    }

    fn find(&self, at: &TopicPartition, ingest_time: i64) -> BoxFuture<'_, Result<Offset, JournalError>> {
        self.behind.find(at, ingest_time)
    }

    fn trim(&self, _: &TopicPartition, _: Offset) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async { Ok(()) })
    }

    fn hold(&self, _: &TopicPartition, _: &str, _: Option<Offset>) {}

    fn metrics(&self) -> Vec<Metric> {
        self.behind.metrics()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}
