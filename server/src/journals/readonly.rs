//! An embedded journal that is only looked at, behind the seam: for tools, while a node may be writing it.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use tidemill_journal::{
    Batch, Bounds, Env, Journal, JournalError, Metric, ReadLimits, Receipt, TopicConfig, TopicPartition,
};
use tidemill_journal_embedded::ReadOnlyJournal;
use tidemill_model::{JournalIdentity, NewRecord, Offset};

/// How often a read that waits looks again: nobody tells another process of news.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// See the module. Everything that would change the journal is refused.
pub(super) struct Watched {
    journal: ReadOnlyJournal,
    env: Arc<dyn Env>,
}

impl Watched {
    pub(super) fn new(journal: ReadOnlyJournal, env: Arc<dyn Env>) -> Self {
        Self { journal, env }
    }
}

fn refused<T: Send + 'static>() -> BoxFuture<'static, Result<T, JournalError>> {
    let reason = "the journal was opened to be looked at, not to be changed".to_owned();
    ready(Err(JournalError::Invalid { reason })).boxed()
}

impl Journal for Watched {
    fn identity(&self) -> JournalIdentity {
        self.journal.identity()
    }

    fn create(&self, _topic: TopicConfig) -> BoxFuture<'_, Result<(), JournalError>> {
        refused()
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<TopicConfig>, JournalError>> {
        ready(self.journal.topics()).boxed()
    }

    fn append(&self, _: &TopicPartition, _: Vec<NewRecord>) -> BoxFuture<'static, Result<Receipt, JournalError>> {
        refused()
    }

    fn read(
        &self,
        at: &TopicPartition,
        from: Offset,
        limits: ReadLimits,
    ) -> BoxFuture<'_, Result<Batch, JournalError>> {
        let at = at.clone();
        async move {
            let until = self.env.monotonic() + limits.wait;
            loop {
                let batch = self.journal.read(&at, from, limits.bytes)?;
                if !batch.records.is_empty() || self.env.monotonic() >= until {
                    return Ok(batch);
                }
                self.env.sleep(LOOK_EVERY).await;
            }
        }
        .boxed()
    }

    fn bounds(&self, at: &TopicPartition) -> BoxFuture<'_, Result<Bounds, JournalError>> {
        ready(self.journal.bounds(at)).boxed()
    }

    fn find(&self, at: &TopicPartition, ingest_time: i64) -> BoxFuture<'_, Result<Offset, JournalError>> {
        ready(self.journal.find(at, ingest_time)).boxed()
    }

    fn trim(&self, _: &TopicPartition, _: Offset) -> BoxFuture<'_, Result<(), JournalError>> {
        refused()
    }

    /// Holds are the writer's affair.
    fn hold(&self, _: &TopicPartition, _: &str, _: Option<Offset>) {}

    fn metrics(&self) -> Vec<Metric> {
        Vec::new()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }
}
