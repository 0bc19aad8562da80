//! [`RemoteJournal`]: the seam's implementation over a connection.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use futures::future::{BoxFuture, FutureExt};
use parking_lot::Mutex;
use tidemill_api::journal::v1::{CreateRequest, DescribeRequest, FindRequest, TopicsRequest, TrimRequest};
use tidemill_journal::env::Task;
use tidemill_journal::{
    Batch, Bounds, Env, Journal, JournalError, Metric, ReadLimits, Receipt, TopicConfig, TopicPartition,
};
use tidemill_model::{JournalIdentity, NewRecord, Offset, ProducerId};
use tokio::sync::oneshot;

use crate::append::{Queue, Waiting, Worker};
use crate::hold::Holds;
use crate::link::Link;
use crate::read::Readers;
use crate::settings::{Address, RemoteSettings};
use crate::wire::{encode_new, identity_from, identity_to, target_to, topic_from, topic_to};

/// Another node's journal.
pub struct RemoteJournal {
    link: Arc<Link>,
    identity: JournalIdentity,
    settings: RemoteSettings,
    queue: Arc<Queue>,
    readers: Readers,
    holds: Arc<Holds>,
    tasks: Mutex<Vec<Task>>,
}

impl RemoteJournal {
    /// The journal of the node at `url`: `grpc://host:port`, or `grpcs://host:port` with TLS. Must be called, and used,
    /// on a tokio runtime. Drop does not wait for the end; use [`Journal::close`].
    ///
    /// # Errors
    /// [`JournalError::Invalid`] for the address or the certificates. Unless the settings name the journal that must be
    /// there, also [`JournalError::Unavailable`] when the node does not answer within the settings' `call_wait`.
    pub async fn open(url: &str, settings: RemoteSettings, env: Arc<dyn Env>) -> Result<Arc<Self>, JournalError> {
        let link = Arc::new(Link::new(&Address::parse(url)?, &settings, env.clone())?);
        let identity = match settings.identity {
            Some(identity) => identity,
            None => describe(&link).await?,
        };
        let queue = Arc::new(Queue::default());
        let session = env.random();
        let worker = Worker { link: link.clone(), queue: queue.clone(), journal: identity, session };
        let holds = Arc::new(Holds::default());
        let tasks = vec![
            env.spawn("journal-append", worker.run().boxed()),
            env.spawn("journal-hold", holds.clone().run(link.clone(), identity).boxed()),
        ];
        let readers = Readers::new(link.clone(), identity);
        Ok(Arc::new(Self { link, identity, settings, queue, readers, holds, tasks: Mutex::new(tasks) }))
    }

    fn enqueue(
        &self,
        at: &TopicPartition,
        records: &[NewRecord],
    ) -> Result<oneshot::Receiver<Result<Receipt, JournalError>>, JournalError> {
        let (parts, bytes) = encode_new(records)?;
        let (done, answer) = oneshot::channel();
        self.queue.push(Waiting {
            at: at.clone(),
            parts,
            bytes,
            records: records.len() as u64,
            is_anonymous: records.iter().any(|record| record.producer == ProducerId::NONE),
            deadline: self.link.env.monotonic() + self.settings.append_wait,
            done,
        })?;
        Ok(answer)
    }

    fn end(&self) {
        self.queue.close();
        self.holds.close();
        self.readers.clear();
    }
}

async fn describe(link: &Link) -> Result<JournalIdentity, JournalError> {
    let there = link.call(|mut client| async move { client.describe(DescribeRequest {}).await }).await?;
    tracing::info!(place = link.place, version = there.version, can_append = there.can_append, "journal found");
    there.journal.map(identity_from).ok_or_else(|| link.unavailable("it does not say which journal it has"))
}

impl Drop for RemoteJournal {
    fn drop(&mut self) {
        self.end();
    }
}

impl Journal for RemoteJournal {
    fn identity(&self) -> JournalIdentity {
        self.identity
    }

    fn create(&self, topic: TopicConfig) -> BoxFuture<'_, Result<(), JournalError>> {
        let request = CreateRequest { journal: Some(identity_to(self.identity)), topic: Some(topic_to(&topic)) };
        async move {
            let call = self.link.call(|mut client| {
                let request = request.clone();
                async move { client.create(request).await }
            });
            call.await.map(drop)
        }
        .boxed()
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<TopicConfig>, JournalError>> {
        let request = TopicsRequest { journal: Some(identity_to(self.identity)) };
        async move {
            let call = self.link.call(|mut client| async move { client.topics(request).await });
            Ok(call.await?.topics.into_iter().map(topic_from).collect())
        }
        .boxed()
    }

    fn append(
        &self,
        at: &TopicPartition,
        records: Vec<NewRecord>,
    ) -> BoxFuture<'static, Result<Receipt, JournalError>> {
        let queued = self.enqueue(at, &records);
        let place = self.link.place.clone();
        // The sender goes without an answer only if the worker has panicked or the runtime is gone.
        let died = |_| JournalError::Unavailable { place, reason: "nobody sends appends any more".to_owned() };
        async move { queued?.await.map_err(died)? }.boxed()
    }

    fn read(
        &self,
        at: &TopicPartition,
        from: Offset,
        limits: ReadLimits,
    ) -> BoxFuture<'_, Result<Batch, JournalError>> {
        let at = at.clone();
        async move { self.readers.read(&at, from, limits).await }.boxed()
    }

    fn bounds(&self, at: &TopicPartition) -> BoxFuture<'_, Result<Bounds, JournalError>> {
        let at = at.clone();
        async move { self.readers.bounds(&at).await }.boxed()
    }

    fn find(&self, at: &TopicPartition, ingest_time: i64) -> BoxFuture<'_, Result<Offset, JournalError>> {
        let request = FindRequest { at: Some(target_to(self.identity, at)), ingest_time };
        async move {
            let call = self.link.call(|mut client| {
                let request = request.clone();
                async move { client.find(request).await }
            });
            Ok(Offset(call.await?.offset))
        }
        .boxed()
    }

    fn trim(&self, at: &TopicPartition, before: Offset) -> BoxFuture<'_, Result<(), JournalError>> {
        let request = TrimRequest { at: Some(target_to(self.identity, at)), before: before.0 };
        let at = at.clone();
        async move {
            let call = self.link.call(|mut client| {
                let request = request.clone();
                async move { client.trim(request).await }
            });
            call.await?;
            self.readers.forget(&at);
            Ok(())
        }
        .boxed()
    }

    fn hold(&self, at: &TopicPartition, follower: &str, from: Option<Offset>) {
        self.holds.wish(at, format!("{}/{follower}", self.settings.client), from);
    }

    fn metrics(&self) -> Vec<Metric> {
        let counters = &self.queue.counters;
        let (retries, waiting) = (self.link.retries.load(Relaxed), self.queue.bytes() as f64);
        let counter =
            |name, help, value: &std::sync::atomic::AtomicU64| Metric::counter(name, help, value.load(Relaxed));
        vec![
            counter("journal_appends", "Appends acknowledged.", &counters.appends),
            counter("journal_appended_records", "Records acknowledged.", &counters.records),
            counter("journal_appended_bytes", "Bytes of acknowledged records as sent.", &counters.bytes),
            counter("journal_resent_appends", "Appends sent again after a broken connection.", &counters.resent),
            counter("journal_given_up_appends", "Appends that got no answer in time.", &counters.given_up),
            Metric::counter("journal_retried_calls", "Calls made again because the node was away.", retries),
            Metric::gauge("journal_waiting_bytes", "Bytes of appends without an answer.", waiting),
            Metric::gauge("journal_read_streams", "Read streams that are open.", self.readers.streams() as f64),
        ]
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async move {
            self.end();
            let tasks = std::mem::take(&mut *self.tasks.lock());
            for task in tasks {
                task.join().await;
            }
        }
        .boxed()
    }
}
