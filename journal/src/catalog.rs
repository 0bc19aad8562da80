//! The catalog: the configuration topic, folded into the dictionary that gives records their meaning.
//!
//! Every node follows the one-partition topic `catalog` from its beginning. A producer registers a new series by
//! appending a record and waiting for its own record to come back: the first registration of a key wins, so two
//! producers that add fields at the same moment both succeed, and a clash of types is one typed error.
//!
//! The topic is compacted, but series carry no key: of two registrations the first must stay, not the last.
//!
//! Invariants: a series never changes once it is there; the registration order is the journal's order, on every node
//! alike.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tidemill_model::payload::{OperatorDefinition, OperatorState, SeriesDefinition};
use tidemill_model::{NewRecord, Offset, Record, RecordKind, Series, SeriesId, SeriesKey, ValueType};
use tokio::sync::watch;

use crate::{Env, Journal, JournalError, ReadLimits, Retention, TOPIC_CATALOG, TopicConfig, TopicPartition};

/// Records per append when many series are registered at once.
const REGISTER_RECORDS: usize = 4096;

/// A registration that lost: the series is there with another type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// The key is registered with another value type.
    #[error("{key} has type {existing}, a value of type {offered} does not fit; write it to another field")]
    TypeClash {
        /// The series.
        key: SeriesKey,
        /// Its type since its first registration.
        existing: ValueType,
        /// The type that was offered.
        offered: ValueType,
    },
    /// Another key already has the id that this key hashes to.
    #[error("{key} hashes to the same id as {existing}; rename one of them")]
    IdTaken {
        /// The series that is refused.
        key: SeriesKey,
        /// The series that has the id.
        existing: SeriesKey,
    },
}

#[derive(Default)]
struct State {
    next: Offset,
    series: HashMap<SeriesId, Arc<Series>>,
    order: Vec<Arc<Series>>,
    operators: BTreeMap<String, OperatorDefinition>,
    refused: u64,
}

/// The catalog as far as this node has followed it.
pub struct Catalog {
    journal: Arc<dyn Journal>,
    at: TopicPartition,
    state: RwLock<State>,
    /// Read by one task at a time, so that records are applied once and in order.
    reading: tokio::sync::Mutex<()>,
    version: watch::Sender<u64>,
}

impl Catalog {
    /// Creates the topic if needed and reads it to its end.
    ///
    /// # Errors
    /// What the journal says.
    pub async fn open(journal: Arc<dyn Journal>) -> Result<Arc<Self>, JournalError> {
        let retention = Retention { compacted: true, ..Retention::default() };
        journal.create(TopicConfig { retention, ..TopicConfig::new(TOPIC_CATALOG, 1) }).await?;
        Self::read(journal).await
    }

    /// Reads the catalog of a journal that has one, and changes nothing.
    ///
    /// # Errors
    /// What the journal says.
    pub async fn read(journal: Arc<dyn Journal>) -> Result<Arc<Self>, JournalError> {
        let catalog = Arc::new(Self {
            journal,
            at: TopicPartition::new(TOPIC_CATALOG, 0),
            state: RwLock::default(),
            reading: tokio::sync::Mutex::new(()),
            version: watch::Sender::new(0),
        });
        catalog.refresh().await?;
        Ok(catalog)
    }

    /// Follows the topic until `stop` turns true.
    pub async fn follow(self: Arc<Self>, env: Arc<dyn Env>, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let limits = ReadLimits { bytes: 1, wait: Duration::from_secs(1) };
            let next = self.state.read().next;
            let news = tokio::select! {
                _ = stop.changed() => return,
                read = self.journal.read(&self.at, next, limits) => read,
            };
            let followed = match news {
                Ok(batch) if batch.records.is_empty() => Ok(()),
                Ok(_) => self.refresh().await,
                Err(error) => Err(error),
            };
            if let Err(error) = followed {
                tracing::error!(%error, "catalog cannot be followed");
                env.sleep(Duration::from_secs(1)).await;
            }
        }
    }

    /// Reads the topic to its present end.
    ///
    /// # Errors
    /// What the journal says.
    pub async fn refresh(&self) -> Result<(), JournalError> {
        let _one_at_a_time = self.reading.lock().await;
        let durable = self.journal.bounds(&self.at).await?.durable;
        loop {
            let next = self.state.read().next;
            if next >= durable {
                return Ok(());
            }
            let batch = self.journal.read(&self.at, next, ReadLimits::default()).await?;
            let mut state = self.state.write();
            batch.records.iter().for_each(|record| state.apply(record));
            state.next = batch.next;
            drop(state);
            self.version.send_modify(|version| *version += 1);
        }
    }

    /// The series with this id.
    pub fn series(&self, id: SeriesId) -> Option<Arc<Series>> {
        self.state.read().series.get(&id).cloned()
    }

    /// The series with this id, after reading on if this node does not know it yet.
    ///
    /// # Errors
    /// What the journal says.
    pub async fn series_or_refresh(&self, id: SeriesId) -> Result<Option<Arc<Series>>, JournalError> {
        if let Some(series) = self.series(id) {
            return Ok(Some(series));
        }
        self.refresh().await?;
        Ok(self.series(id))
    }

    /// Number of series.
    pub fn len(&self) -> usize {
        self.state.read().order.len()
    }

    /// Whether there is no series yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The series from the `first`-th on, in registration order.
    pub fn series_since(&self, first: usize) -> Vec<Arc<Series>> {
        self.state.read().order.get(first..).unwrap_or_default().to_vec()
    }

    /// The operators that are deployed, by name.
    pub fn operators(&self) -> Vec<OperatorDefinition> {
        self.state.read().operators.values().cloned().collect()
    }

    /// Entries of the topic that this version could not read.
    pub fn refused(&self) -> u64 {
        self.state.read().refused
    }

    /// Changes with every batch of news.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Registers series and waits until they are durable. The answers come in the order of `wanted`.
    ///
    /// # Errors
    /// What the journal says; a lost registration is an answer, not an error.
    pub async fn register(&self, wanted: Vec<Series>) -> Result<Vec<Result<Arc<Series>, RegisterError>>, JournalError> {
        let unknown: Vec<_> = wanted.iter().filter(|series| self.series(series.id).is_none()).collect();
        for chunk in unknown.chunks(REGISTER_RECORDS) {
            let record =
                |series: &&Series| NewRecord::anonymous(RecordKind::Series, SeriesDefinition::of(series).to_payload());
            self.journal.append(&self.at, chunk.iter().map(record).collect()).await?;
        }
        if !unknown.is_empty() {
            self.refresh().await?;
        }
        Ok(wanted.into_iter().map(|series| self.outcome(series)).collect())
    }

    /// Whether `offered` is registered as offered.
    fn outcome(&self, offered: Series) -> Result<Arc<Series>, RegisterError> {
        let existing = self.series(offered.id).expect("a durable registration has been read back");
        if existing.key != offered.key {
            return Err(RegisterError::IdTaken { key: offered.key, existing: existing.key.clone() });
        }
        if existing.value_type != offered.value_type {
            let (existing, offered_type) = (existing.value_type, offered.value_type);
            return Err(RegisterError::TypeClash { key: offered.key, existing, offered: offered_type });
        }
        Ok(existing)
    }

    /// Deploys or changes an operator and waits until that is durable.
    ///
    /// # Errors
    /// What the journal says.
    pub async fn put_operator(&self, definition: OperatorDefinition) -> Result<(), JournalError> {
        self.put_operators(vec![definition]).await
    }

    /// Deploys or changes operators that belong together, in one append, and waits until that is durable.
    ///
    /// # Errors
    /// What the journal says.
    pub async fn put_operators(&self, definitions: Vec<OperatorDefinition>) -> Result<(), JournalError> {
        let record = |definition: OperatorDefinition| {
            let key = format!("operator/{}", definition.name);
            NewRecord::anonymous(RecordKind::Operator, definition.to_payload()).with_key(key)
        };
        self.journal.append(&self.at, definitions.into_iter().map(record).collect()).await?;
        self.refresh().await
    }
}

impl State {
    /// Applies one record; what this version cannot read is counted and skipped, so that a newer node in the same
    /// cluster does not stop an older one.
    fn apply(&mut self, record: &Record) {
        let applied = match record.kind() {
            Some(RecordKind::Series) => {
                SeriesDefinition::parse(&record.payload).and_then(SeriesDefinition::series).map(|s| self.add(s))
            }
            Some(RecordKind::Operator) => OperatorDefinition::parse(&record.payload).map(|o| self.set_operator(o)),
            _ => {
                self.refused += 1;
                return;
            }
        };
        if let Err(error) = applied {
            tracing::warn!(offset = %record.offset, %error, "catalog entry skipped");
            self.refused += 1;
        }
    }

    /// The first registration wins.
    fn add(&mut self, series: Series) {
        if let std::collections::hash_map::Entry::Vacant(slot) = self.series.entry(series.id) {
            let series = Arc::new(series);
            slot.insert(series.clone());
            self.order.push(series);
        }
    }

    fn set_operator(&mut self, definition: OperatorDefinition) {
        if definition.operator_state() == Some(OperatorState::Removed) {
            self.operators.remove(&definition.name);
        } else {
            self.operators.insert(definition.name.clone(), definition);
        }
    }
}
