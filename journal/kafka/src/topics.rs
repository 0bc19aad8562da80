//! Topics: how they are made, what is known of them, what their retention is in Kafka's settings.
//!
//! ```text
//!   kept for ever          cleanup.policy=delete           retention.ms=-1      retention.bytes=-1
//!   age, bytes             cleanup.policy=delete           retention.ms=age     retention.bytes=bytes
//!   compacted              cleanup.policy=compact,delete   with age and bytes as above, or -1
//! ```
//!
//! A topic that somebody has made before is taken over: settings that the journal needs are changed, others stay.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use rdkafka::TopicPartitionList;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ConfigResource, ConfigSource};
use rdkafka::admin::{NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tidemill_journal::{Env, JournalError, Retention, TopicConfig, TopicPartition};

use crate::config::{KafkaConfig, MESSAGE_BYTES_MAX};
use crate::control::{ANSWER_TIMEOUT, Control};
use crate::failure::{Context, code_of, misconfigured};

/// Name of the topic that says which journal this is. No topic of records can have it.
pub(crate) const IDENTITY_TOPIC: &str = "journal";
/// How long a topic may take to get its leaders.
const LEADER_PAUSE: Duration = Duration::from_millis(20);
/// Smallest and largest file that retention drops. The smallest takes the largest batch.
const SEGMENT_BYTES: std::ops::RangeInclusive<u64> = 32 << 20..=1 << 30;
/// Shortest and longest time after which a file is closed, so that retention or compaction can get at it.
const SEGMENT_AGE: (Duration, Duration) = (Duration::from_secs(600), Duration::from_secs(7 * 86_400));
/// The same for compacted topics.
const COMPACTED_SEGMENT_MS: u64 = 3_600_000;
/// How long a record without payload stays for followers to see, in compacted topics.
const TOMBSTONE_MS: u64 = 86_400_000;

/// What an append must know of a topic.
#[derive(Clone)]
pub(crate) struct Known {
    /// Kafka's name of it.
    pub(crate) kafka_name: Arc<str>,
    pub(crate) partitions: u32,
    pub(crate) is_compacted: bool,
}

/// The journal's topics.
pub(crate) struct Topics {
    config: KafkaConfig,
    env: Arc<dyn Env>,
    control: Control,
    known: RwLock<HashMap<String, Known>>,
}

impl Topics {
    pub(crate) fn new(config: KafkaConfig, env: Arc<dyn Env>, control: Control) -> Self {
        Self { config, env, control, known: RwLock::default() }
    }

    /// What is known of the topic of a partition, without asking; `None` if the partition is not known.
    pub(crate) fn known(&self, at: &TopicPartition) -> Option<Known> {
        let known = self.known.read();
        known.get(&at.topic).filter(|topic| at.partition < topic.partitions).cloned()
    }

    /// The same, after asking where nothing is known.
    ///
    /// # Errors
    /// [`JournalError::NoSuchPartition`], or what the question met.
    pub(crate) async fn find(&self, at: &TopicPartition) -> Result<Known, JournalError> {
        if let Some(known) = self.known(at) {
            return Ok(known);
        }
        let missing = || JournalError::NoSuchPartition { topic: at.topic.clone(), partition: at.partition };
        if TopicConfig::new(&at.topic, 1).check().is_err() || at.topic == IDENTITY_TOPIC {
            return Err(missing());
        }
        self.look_up(&at.topic).await?;
        self.known(at).ok_or_else(missing)
    }

    /// Takes note of a topic as it is now; `None` if it is not there.
    async fn look_up(&self, topic: &str) -> Result<Option<TopicConfig>, JournalError> {
        let name = self.config.kafka_topic(topic);
        let Some((partitions, _)) = self.control.ask(move |asker| asker.topic(&name)).await? else { return Ok(None) };
        Ok(self.describe(vec![(topic.to_owned(), partitions)]).await?.into_iter().next().map(|(topic, _)| topic))
    }

    /// All topics of the journal, by name. They are known from then on.
    pub(crate) async fn list(&self) -> Result<Vec<TopicConfig>, JournalError> {
        let prefix = format!("{}.", self.config.prefix);
        let all = self.control.ask(move |asker| asker.topics(&prefix)).await?;
        let ours = all.into_iter().filter_map(|(name, partitions)| {
            let name = name.get(self.config.prefix.len() + 1..)?.to_owned();
            let is_ours = name != IDENTITY_TOPIC && TopicConfig::new(&name, 1).check().is_ok();
            is_ours.then_some((name, partitions))
        });
        let mut topics: Vec<_> = self.describe(ours.collect()).await?.into_iter().map(|(topic, _)| topic).collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(topics)
    }

    /// The settings of topics, and what they mean for retention.
    async fn describe(&self, topics: Vec<(String, u32)>) -> Result<Vec<(TopicConfig, ConfigResource)>, JournalError> {
        if topics.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<_> = topics.iter().map(|(name, _)| self.config.kafka_topic(name)).collect();
        let wanted: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let admin = self.admin()?;
        let answer = admin.describe_configs(&wanted, &options()).await;
        self.control.discard(admin);
        let answer = answer.map_err(|error| self.refused("describe topics", &error))?;
        let mut described = Vec::new();
        for ((name, partitions), resource) in topics.into_iter().zip(answer) {
            let resource = match resource {
                Ok(resource) => resource,
                // Deleted since it was listed.
                Err(RDKafkaErrorCode::UnknownTopicOrPartition) => continue,
                Err(code) => return Err(self.refused("describe topics", &KafkaError::AdminOp(code))),
            };
            let topic = TopicConfig { name, partitions, retention: retention_of(&resource) };
            self.note(&topic);
            described.push((topic, resource));
        }
        Ok(described)
    }

    fn note(&self, topic: &TopicConfig) {
        let kafka_name = self.config.kafka_topic(&topic.name).into();
        let known = Known { kafka_name, partitions: topic.partitions, is_compacted: topic.retention.compacted };
        self.known.write().insert(topic.name.clone(), known);
    }

    /// Creates a topic, or gives the one that is there the wanted retention.
    ///
    /// # Errors
    /// [`JournalError::Invalid`] for a bad name, another number of partitions, or settings that the broker refuses.
    pub(crate) async fn create(&self, wanted: TopicConfig) -> Result<(), JournalError> {
        wanted.check()?;
        if wanted.name == IDENTITY_TOPIC {
            let reason = format!("topic name {IDENTITY_TOPIC:?} is taken: it says which journal this is");
            return Err(JournalError::Invalid { reason });
        }
        let name = self.config.kafka_topic(&wanted.name);
        let settings = settings_of(&wanted.retention, self.config.replication);
        let question = name.clone();
        let there = self.control.ask(move |asker| asker.topic(&question)).await?;
        if there.is_none() && self.make(&name, wanted.partitions, &settings).await? {
            self.note(&wanted);
            return Ok(());
        }
        let partitions = self.await_leaders(&name).await?;
        let described = self.describe(vec![(wanted.name.clone(), partitions)]).await?;
        let (there, resource) = described.into_iter().next().ok_or_else(|| JournalError::Unavailable {
            place: self.control.place().to_owned(),
            reason: format!("topic {name} was deleted while it was looked at"),
        })?;
        there.accept(&wanted)?;
        let is_other = |(setting, value): &(&str, String)| {
            resource.get(setting).is_none_or(|entry| entry.value.as_ref() != Some(value))
        };
        if settings.iter().any(is_other) {
            self.alter(&name, &resource, &settings).await?;
        }
        self.note(&wanted);
        Ok(())
    }

    /// Makes a topic of Kafka's and waits until it can be used; `false` if it is there already.
    pub(crate) async fn make(
        &self,
        name: &str,
        partitions: u32,
        settings: &[(&str, String)],
    ) -> Result<bool, JournalError> {
        let copies = self.config.replication.map_or(-1, i32::from);
        let mut topic = NewTopic::new(name, partitions as i32, TopicReplication::Fixed(copies));
        for (setting, value) in settings {
            topic = topic.set(setting, value);
        }
        let admin = self.admin()?;
        let answer = admin.create_topics([&topic], &options().operation_timeout(Some(ANSWER_TIMEOUT))).await;
        self.control.discard(admin);
        let answer = answer.map_err(|error| self.refused(&format!("create topic {name}"), &error))?;
        match answer.into_iter().next() {
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(false),
            Some(Err((_, code))) => Err(self.refused(&format!("create topic {name}"), &KafkaError::AdminOp(code))),
            Some(Ok(_)) | None => self.await_leaders(name).await.map(|_| true),
        }
    }

    /// Waits until every partition of a topic of Kafka's has a leader; returns how many there are.
    async fn await_leaders(&self, name: &str) -> Result<u32, JournalError> {
        let started = self.env.monotonic();
        loop {
            let question = name.to_owned();
            match self.control.ask(move |asker| asker.topic(&question)).await? {
                Some((partitions, true)) => return Ok(partitions),
                _ if self.env.monotonic().saturating_sub(started) < ANSWER_TIMEOUT => {}
                _ => {
                    let reason = format!("topic {name} was made and has no leader for every partition yet");
                    return Err(JournalError::Unavailable { place: self.control.place().to_owned(), reason });
                }
            }
            self.env.sleep(LEADER_PAUSE).await;
        }
    }

    /// Changes settings; those that were set by others stay.
    async fn alter(&self, name: &str, there: &ConfigResource, settings: &[(&str, String)]) -> Result<(), JournalError> {
        // The request replaces all settings of the topic.
        let kept = there.entries.iter().filter(|entry| entry.source == ConfigSource::DynamicTopic);
        let mut all: HashMap<&str, &str> =
            kept.filter_map(|entry| Some((entry.name.as_str(), entry.value.as_deref()?))).collect();
        all.extend(settings.iter().map(|(setting, value)| (*setting, value.as_str())));
        let mut change = AlterConfig::new(ResourceSpecifier::Topic(name));
        for (setting, value) in all {
            change = change.set(setting, value);
        }
        let admin = self.admin()?;
        let answer = admin.alter_configs([&change], &options()).await;
        self.control.discard(admin);
        let what = format!("change the settings of topic {name}");
        let answer = answer.map_err(|error| self.refused(&what, &error))?;
        match answer.into_iter().next() {
            Some(Err((_, code))) => Err(self.refused(&what, &KafkaError::AdminOp(code))),
            _ => Ok(()),
        }
    }

    /// Deletes the records before `before`, which is not beyond the end, of a partition of a topic of Kafka's. Returns
    /// where it starts then.
    pub(crate) async fn delete_before(&self, name: &str, partition: u32, before: u64) -> Result<u64, JournalError> {
        let what = format!("delete records of topic {name}, partition {partition}");
        let mut places = TopicPartitionList::new();
        let place = rdkafka::Offset::Offset(before as i64);
        places.add_partition_offset(name, partition as i32, place).map_err(|error| self.refused(&what, &error))?;
        let admin = self.admin()?;
        let answer = admin.delete_records(&places, &options().operation_timeout(Some(ANSWER_TIMEOUT))).await;
        self.control.discard(admin);
        let answer = answer.map_err(|error| self.refused(&what, &error))?;
        let elements = answer.elements();
        let Some(element) = elements.first() else { return Ok(before) };
        element.error().map_err(|error| self.refused(&what, &error))?;
        Ok(match element.offset() {
            rdkafka::Offset::Offset(start) => start.max(0) as u64,
            _ => before,
        })
    }

    /// A client for one request: a client that idles would collect messages that nobody takes.
    fn admin(&self) -> Result<AdminClient<Context>, JournalError> {
        self.config.admin().create_with_context(Context::default()).map_err(misconfigured)
    }

    fn refused(&self, what: &str, error: &KafkaError) -> JournalError {
        use RDKafkaErrorCode as Code;
        let reason = format!("cannot {what}: {error}");
        match code_of(error) {
            Some(
                Code::InvalidConfig
                | Code::PolicyViolation
                | Code::InvalidReplicationFactor
                | Code::InvalidPartitions
                | Code::InvalidTopic
                | Code::InvalidRequest,
            ) => JournalError::Invalid { reason },
            _ => JournalError::Unavailable { place: self.control.place().to_owned(), reason },
        }
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ANSWER_TIMEOUT))
}

/// Kafka's settings of a topic with this retention.
pub(crate) fn settings_of(retention: &Retention, replication: Option<u16>) -> Vec<(&'static str, String)> {
    let unlimited = || "-1".to_owned();
    let policy = if retention.compacted { "compact,delete" } else { "delete" };
    let mut settings = vec![
        ("cleanup.policy", policy.to_owned()),
        ("retention.ms", retention.age.map_or_else(unlimited, |age| age.as_millis().min(i64::MAX as u128).to_string())),
        ("retention.bytes", retention.bytes.map_or_else(unlimited, |bytes| bytes.min(i64::MAX as u64).to_string())),
        // The broker stamps the time at which it takes a record in.
        ("message.timestamp.type", "LogAppendTime".to_owned()),
        ("max.message.bytes", MESSAGE_BYTES_MAX.to_string()),
    ];
    // What is acknowledged is on a majority, so that the loss of one broker loses nothing.
    if let Some(copies) = replication {
        settings.push(("min.insync.replicas", (copies / 2 + 1).min(copies).to_string()));
    }
    if retention.compacted {
        settings.push(("delete.retention.ms", TOMBSTONE_MS.to_string()));
        settings.push(("segment.ms", COMPACTED_SEGMENT_MS.to_string()));
        settings.push(("segment.bytes", (SEGMENT_BYTES.start() * 2).to_string()));
    } else {
        if let Some(age) = retention.age {
            let (shortest, longest) = (SEGMENT_AGE.0.min(age.max(Duration::from_secs(1))), SEGMENT_AGE.1);
            settings.push(("segment.ms", (age / 8).clamp(shortest, longest).as_millis().to_string()));
        }
        if let Some(bytes) = retention.bytes {
            let segment = (bytes / 8).clamp(*SEGMENT_BYTES.start(), *SEGMENT_BYTES.end());
            settings.push(("segment.bytes", segment.to_string()));
        }
    }
    settings
}

/// The retention that a topic's settings mean.
fn retention_of(resource: &ConfigResource) -> Retention {
    let value = |setting| resource.get(setting).and_then(|entry| entry.value.as_deref());
    let number = |setting| value(setting).and_then(|text| text.parse::<u64>().ok());
    Retention {
        age: number("retention.ms").map(Duration::from_millis),
        bytes: number("retention.bytes"),
        compacted: value("cleanup.policy").is_some_and(|policy| policy.contains("compact")),
    }
}
