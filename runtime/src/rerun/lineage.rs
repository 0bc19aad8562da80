//! Where a derived sample comes from: which operator, which plugin, which input.
//!
//! An output record names its producer, which is the operator, its generation and the input partition, and its sequence,
//! which is the offset of the input record. So the way back is written down with every sample; this finds it.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use tidemill_journal::{Cursor, ReadLimits, TOPIC_DATA, TopicPartition};
use tidemill_model::payload::{OperatorDefinition, SamplesView};
use tidemill_model::{Offset, ProducerId, Record, RecordKind, SeriesKey};

use crate::error::DeployError;
use crate::operator::outputs::producer_of;
use crate::operator::spec::Spec;
use crate::rerun::CLOCKS_APART_NS;
use crate::rerun::samples::text_of;
use crate::runtime::Runtime;

/// Input rows that are listed.
const ROWS_MAX: usize = 100;

/// An input row of a derived sample.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct InputRow {
    /// The series.
    pub series: String,
    /// Source time, ns, as text.
    pub time: String,
    /// The value, as text.
    pub value: String,
}

/// One writing of a derived sample.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Origin {
    /// The operator.
    pub operator: String,
    /// Its generation.
    pub generation: u64,
    /// The plugin's own name.
    pub plugin: String,
    /// The plugin's hash.
    pub plugin_hash: String,
    /// Partition and offset of the record that holds the sample.
    pub written_at: (u32, u64),
    /// Partition and offset of the input record that caused it: the newest row that went into it, or the one that closed its
    /// window.
    pub input_at: (u32, u64),
    /// The rows of that record that the operator takes for this series' group.
    pub input_rows: Vec<InputRow>,
    /// The value that was written, as text.
    pub value: String,
}

/// Every writing of a derived sample, oldest first: the last one counts.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Lineage {
    /// The series.
    pub series: String,
    /// Source time, ns, as text.
    pub time: String,
    /// The writings.
    pub origins: Vec<Origin>,
}

/// A generation that may have written.
struct Author {
    spec: Arc<Spec>,
    generation: u64,
    plugin: String,
    plugin_hash: String,
    input_partition: u32,
}

impl Runtime {
    /// Finds where the sample of `key` at `time` (source time, ns) comes from.
    ///
    /// # Errors
    /// When no operator writes such a series, or the journal cannot be read.
    pub async fn lineage(&self, key: &SeriesKey, time: i64) -> Result<Lineage, DeployError> {
        let authors = self.authors_of(key);
        if authors.is_empty() {
            return Err(DeployError::NotFound {
                reason: format!("no operator writes {key}: it was written from outside"),
            });
        }
        let partition = (key.partition_hash() % u64::from(self.around.partitions)) as u32;
        let at = TopicPartition::new(TOPIC_DATA, partition);
        let mut origins = Vec::new();
        let mut cursor = Cursor::at(self.around.journal.find(&at, time.saturating_sub(CLOCKS_APART_NS)).await?, 0);
        let end = self.around.journal.bounds(&at).await?.durable;
        while cursor.next < end {
            let batch = self.around.journal.read(&at, cursor.next, ReadLimits::default()).await?;
            for record in &batch.records {
                if let Some(author) = authors.get(&record.producer)
                    && cursor.admit(record, record.offset)
                    && let Some(value) = value_in(record, key, time, &self.around.catalog)
                {
                    origins.push(self.origin(author, key, (partition, record), value).await?);
                }
            }
            if batch.next <= cursor.next && batch.records.is_empty() {
                break;
            }
            cursor.next = batch.next;
        }
        Ok(Lineage { series: key.to_string(), time: time.to_string(), origins })
    }

    /// The generations of all operators that write such a series, by producer.
    fn authors_of(&self, key: &SeriesKey) -> HashMap<ProducerId, Author> {
        let journal = self.around.journal.identity();
        let mut authors = HashMap::new();
        for definition in self.around.catalog.operators().iter().filter(|definition| !definition.shadow) {
            let Some(spec) = self.spec_of(definition).filter(|spec| spec.makes(key)) else {
                continue;
            };
            let spec = Arc::new(spec);
            for (generation, plugin, plugin_hash) in generations(definition) {
                for input_partition in 0..self.around.partitions {
                    let producer = producer_of(&spec.name, generation, journal, input_partition);
                    let (plugin, plugin_hash) = (plugin.clone(), plugin_hash.clone());
                    authors.insert(
                        producer,
                        Author { spec: spec.clone(), generation, plugin, plugin_hash, input_partition },
                    );
                }
            }
        }
        authors
    }

    async fn origin(
        &self,
        author: &Author,
        key: &SeriesKey,
        (partition, record): (u32, &Record),
        value: String,
    ) -> Result<Origin, DeployError> {
        let at = TopicPartition::new(TOPIC_DATA, author.input_partition);
        let limits = ReadLimits { bytes: 1, ..ReadLimits::default() };
        // What retention has dropped leaves the rows unknown, not the lineage.
        let input = self.around.journal.read(&at, Offset(record.sequence), limits).await.ok();
        let input = input.and_then(|batch| batch.records.into_iter().next());
        let input = input.filter(|input| input.offset.0 == record.sequence);
        Ok(Origin {
            operator: author.spec.name.clone(),
            generation: author.generation,
            plugin: author.plugin.clone(),
            plugin_hash: author.plugin_hash.clone(),
            written_at: (partition, record.offset.0),
            input_at: (author.input_partition, record.sequence),
            input_rows: input.map(|input| self.rows_for(author, key, &input)).unwrap_or_default(),
            value,
        })
    }

    /// The rows of a record that an operator takes for a series of its outputs.
    fn rows_for(&self, author: &Author, key: &SeriesKey, record: &Record) -> Vec<InputRow> {
        let Author { spec, input_partition, .. } = author;
        let mut rows = Vec::new();
        let Ok(view) = SamplesView::parse(&record.payload) else {
            return rows;
        };
        for column in view.columns() {
            for run in column.runs() {
                let Some(series) = self.around.catalog.series(run.series) else {
                    continue;
                };
                let is_taken = spec.port_of(&series.key, series.value_type).is_some();
                let goes_there =
                    |port| spec.output_key(&series.key, port, *input_partition).is_ok_and(|output| output == *key);
                if !is_taken || !(0..spec.outputs.len()).any(goes_there) {
                    continue;
                }
                let row = |row| InputRow {
                    series: series.key.to_string(),
                    time: column.time(row).to_string(),
                    value: text_of(&(column.value(row), column.quality(row).0)),
                };
                rows.extend((run.first..run.first + run.rows).map(row).take(ROWS_MAX - rows.len()));
            }
        }
        rows
    }
}

/// Generation, plugin and hash of everything that ran under an operator's name.
fn generations(definition: &OperatorDefinition) -> Vec<(u64, String, String)> {
    let own = (definition.generation, definition.plugin.clone(), definition.plugin_hash.clone());
    let before = definition.versions.iter();
    let before = before.map(|version| (version.generation, version.plugin.clone(), version.plugin_hash.clone()));
    before.chain([own]).collect()
}

/// The value that a record holds for a series and time.
fn value_in(record: &Record, key: &SeriesKey, time: i64, catalog: &tidemill_journal::Catalog) -> Option<String> {
    if record.kind() != Some(RecordKind::Samples) {
        return None;
    }
    let view = SamplesView::parse(&record.payload).ok()?;
    let mut found = None;
    for column in view.columns() {
        for run in column.runs() {
            let is_it = catalog.series(run.series).is_some_and(|series| series.key == *key);
            for row in (run.first..run.first + run.rows).filter(|row| is_it && column.time(*row) == time) {
                found = Some(text_of(&(column.value(row), column.quality(row).0)));
            }
        }
    }
    found
}
