//! The journal: the seam's calls, each handed to the part that does it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use tidemill_journal::{
    Batch, Bounds, Env, Journal, JournalError, Metric, ReadLimits, Receipt, Share, TopicConfig, TopicPartition,
};
use tidemill_model::{JournalIdentity, NewRecord, Offset};

use crate::codec::Outgoing;
use crate::config::KafkaConfig;
use crate::control::Control;
use crate::counters::Counters;
use crate::producer::Producer;
use crate::readers::{ReadError, Readers};
use crate::topics::{Known, Topics};
use crate::{identity, share};

/// A journal in Apache Kafka or Redpanda.
pub struct KafkaJournal {
    identity: JournalIdentity,
    config: KafkaConfig,
    env: Arc<dyn Env>,
    control: Control,
    topics: Arc<Topics>,
    producer: Producer,
    readers: Readers,
    counters: Arc<Counters>,
    is_closed: AtomicBool,
}

impl KafkaJournal {
    /// Opens the journal at `url` (`kafka://host:port[,host:port…]/PREFIX?librdkafka.property=value&replication=N`) with
    /// further librdkafka properties from `settings`, and makes it if it is not there. Nothing is written before the
    /// brokers have answered.
    ///
    /// # Errors
    /// [`JournalError::Invalid`] for an address or a property that is wrong or would break a promise;
    /// [`JournalError::Unavailable`] when no broker answers within about 10 s, or as soon as they refuse the
    /// credentials.
    pub async fn open(
        url: &str,
        settings: Vec<(String, String)>,
        env: Arc<dyn Env>,
    ) -> Result<Arc<Self>, JournalError> {
        let config = KafkaConfig::parse(url, settings)?;
        let counters = Arc::new(Counters::default());
        let control = Control::new(&config, &env)?;
        let topics = Arc::new(Topics::new(config.clone(), env.clone(), control.clone()));
        topics.list().await?;
        let producer = Producer::new(config.clone(), env.clone(), counters.clone())?;
        let readers = Readers::new(config.clone(), env.clone(), control.clone(), counters.clone());
        let identity = identity::establish(&config, &*env, &control, &topics, &producer, &readers).await?;
        tracing::info!(journal = %identity, place = control.place(), prefix = config.prefix, "kafka journal open");
        let is_closed = AtomicBool::new(false);
        Ok(Arc::new(Self { identity, config, env, control, topics, producer, readers, counters, is_closed }))
    }

    /// Takes part in sharing the partitions of `topic` between all nodes that use the name `group`; see [`Share`].
    /// Dropping the share, or the process, hands its partitions to the others.
    ///
    /// # Errors
    /// [`JournalError::NoSuchPartition`] when there is no such topic.
    pub async fn share(&self, topic: &str, group: &str) -> Result<Share, JournalError> {
        self.check_open()?;
        let known = self.topics.find(&TopicPartition::new(topic, 0)).await?;
        share::join(&self.config, &self.env, &known.kafka_name, group)
    }

    fn check_open(&self) -> Result<(), JournalError> {
        if self.is_closed.load(SeqCst) { Err(JournalError::Closed) } else { Ok(()) }
    }

    /// What is known of the topic of `at`.
    async fn topic_of(&self, at: &TopicPartition) -> Result<Known, JournalError> {
        self.check_open()?;
        self.topics.find(at).await
    }

    /// The topic of `at`, and where the partition starts and ends.
    async fn ends(&self, at: &TopicPartition) -> Result<(Known, u64, u64), JournalError> {
        let known = self.topic_of(at).await?;
        let (name, partition) = (known.kafka_name.clone(), at.partition);
        let ends = self.control.ask(move |asker| asker.watermarks(&name, partition)).await?;
        let (start, end) = ends.ok_or_else(|| no_such(at))?;
        Ok((known, start, end))
    }
}

fn no_such(at: &TopicPartition) -> JournalError {
    JournalError::NoSuchPartition { topic: at.topic.clone(), partition: at.partition }
}

impl Journal for KafkaJournal {
    fn identity(&self) -> JournalIdentity {
        self.identity
    }

    fn share(&self, topic: &str, group: &str) -> BoxFuture<'_, Result<Share, JournalError>> {
        let (topic, group) = (topic.to_owned(), group.to_owned());
        async move { KafkaJournal::share(self, &topic, &group).await }.boxed()
    }

    fn create(&self, topic: TopicConfig) -> BoxFuture<'_, Result<(), JournalError>> {
        async move {
            self.check_open()?;
            self.topics.create(topic).await
        }
        .boxed()
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<TopicConfig>, JournalError>> {
        async move {
            self.check_open()?;
            self.topics.list().await
        }
        .boxed()
    }

    fn append(
        &self,
        at: &TopicPartition,
        records: Vec<NewRecord>,
    ) -> BoxFuture<'static, Result<Receipt, JournalError>> {
        if let Err(error) = self.check_open() {
            return ready(Err(error)).boxed();
        }
        let Some(known) = self.topics.known(at) else {
            return refuse_unknown(self.topics.clone(), at.clone()).boxed();
        };
        if records.is_empty() {
            return nowhere(self.control.clone(), known, at.clone()).boxed();
        }
        let now = self.env.now();
        let outgoing = records.into_iter().map(|r| Outgoing::of(r, known.is_compacted, now, || self.env.random()));
        match outgoing.collect::<Result<Vec<_>, _>>() {
            Ok(outgoing) => self.producer.append(at, &known.kafka_name, &outgoing),
            Err(error) => ready(Err(JournalError::Invalid { reason: error.to_string() })).boxed(),
        }
    }

    fn read(
        &self,
        at: &TopicPartition,
        from: Offset,
        limits: ReadLimits,
    ) -> BoxFuture<'_, Result<Batch, JournalError>> {
        let at = at.clone();
        async move {
            let known = self.topic_of(&at).await?;
            let read = self.readers.read(&known.kafka_name, at.partition, from.0, limits).await;
            read.map_err(|error| match error {
                ReadError::Missing => no_such(&at),
                ReadError::Journal(error) => error,
            })
        }
        .boxed()
    }

    fn bounds(&self, at: &TopicPartition) -> BoxFuture<'_, Result<Bounds, JournalError>> {
        let at = at.clone();
        async move {
            let (_, start, end) = self.ends(&at).await?;
            // What is not yet acknowledged by all replicas is shown to nobody: for a reader the tail is there.
            let (start, durable) = (Offset(start), Offset(end));
            Ok(Bounds { start, durable, tail: durable, records: end, kept_since: None })
        }
        .boxed()
    }

    fn find(&self, at: &TopicPartition, ingest_time: i64) -> BoxFuture<'_, Result<Offset, JournalError>> {
        let at = at.clone();
        async move {
            let (known, start, end) = self.ends(&at).await?;
            // Kafka counts milliseconds: the first one that is not before.
            let ms = ingest_time.max(0).div_euclid(1_000_000) + i64::from(ingest_time.max(0) % 1_000_000 > 0);
            let partition = at.partition;
            let found = self.control.ask(move |asker| asker.offset_at(&known.kafka_name, partition, ms)).await?;
            Ok(Offset(found.unwrap_or(end).clamp(start, end.max(start))))
        }
        .boxed()
    }

    fn trim(&self, at: &TopicPartition, before: Offset) -> BoxFuture<'_, Result<(), JournalError>> {
        let at = at.clone();
        async move {
            let (known, start, end) = self.ends(&at).await?;
            let before = before.0.min(end);
            if before > start {
                let start = self.topics.delete_before(&known.kafka_name, at.partition, before).await?;
                self.readers.forget_before(&known.kafka_name, at.partition, start);
            }
            Ok(())
        }
        .boxed()
    }

    /// Does nothing: the brokers decide on retention.
    fn hold(&self, _at: &TopicPartition, _follower: &str, _from: Option<Offset>) {}

    fn metrics(&self) -> Vec<Metric> {
        self.counters.metrics()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async move {
            self.is_closed.store(true, SeqCst);
            self.producer.close().await;
            self.readers.close();
            self.control.close().await;
        }
        .boxed()
    }
}

/// An append to a topic of which nothing is known: nothing is written, and the next one finds it known.
async fn refuse_unknown(topics: Arc<Topics>, at: TopicPartition) -> Result<Receipt, JournalError> {
    topics.find(&at).await?;
    Err(JournalError::Unavailable {
        place: format!("topic {:?}", at.topic),
        reason: "it has only just become known here; append again".to_owned(),
    })
}

/// An append of nothing: the end of the partition.
async fn nowhere(control: Control, known: Known, at: TopicPartition) -> Result<Receipt, JournalError> {
    let partition = at.partition;
    let ends = control.ask(move |asker| asker.watermarks(&known.kafka_name, partition)).await?;
    let (_, end) = ends.ok_or_else(|| no_such(&at))?;
    Ok(Receipt { first: Offset(end), end: Offset(end) })
}
