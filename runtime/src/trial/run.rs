//! Runs a plugin as an operator over a fixture, with crashes where they are wanted.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tidemill_journal::{
    ApplyError, Catalog, Cursor, Env, Fold, Journal, JournalError, ReadLimits, TOPIC_DATA, TOPIC_QUARANTINE,
    TOPIC_SHADOW, TopicConfig, TopicPartition,
};
use tidemill_model::payload::{Quarantined, SamplesView};
use tidemill_model::{Offset, Record, RecordKind, Series, SeriesId};

use super::fixture::{Event, Fixture, FixtureSeries, Row, Step};
use super::history::TrialHistory;
use crate::compile::{Tried, try_out};
use crate::error::{DeployError, InstallError};
use crate::guest::{About, LogLine, Plugin, World, inspect};
use crate::operator::checkpoint::CheckpointFile;
use crate::operator::fold::{OperatorFold, Surroundings};
use crate::operator::layout::Begin;
use crate::operator::outputs::producer;
use crate::operator::spec::{DeployRequest, Spec};
use crate::operator::status::Shared;

/// Checkpoints are written when a trial says so, never because of the time.
const NEVER: Duration = Duration::from_secs(1 << 30);
/// Log lines kept of a trial.
const LOG_LINES_MAX: usize = 1000;
/// Generation of the operator.
const GENERATION: u64 = 1;

/// A plugin that is tried.
pub struct Subject {
    plugin: Arc<Plugin>,
    about: About,
}

impl Subject {
    /// Checks and compiles a Wasm file.
    ///
    /// # Errors
    /// Why a node would refuse it.
    pub fn new(wasm: &[u8], env: Arc<dyn Env>) -> Result<Self, InstallError> {
        let Tried { plugin, about, .. } = try_out(&inspect(wasm)?, env)?;
        Ok(Self { plugin: Arc::new(plugin), about })
    }

    /// What it says of itself.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Its world.
    pub fn world(&self) -> World {
        self.plugin.world()
    }

    /// How late samples may come in an operator with this request, ns.
    ///
    /// # Errors
    /// When the request does not fit the plugin.
    pub fn lateness_ns(&self, request: &DeployRequest) -> Result<i64, DeployError> {
        Ok(self.spec(request)?.lateness_ns)
    }

    fn spec(&self, request: &DeployRequest) -> Result<Spec, DeployError> {
        Spec::new(request, ("trial", GENERATION), self.plugin.world(), &self.about)
    }
}

/// Where a trial takes place.
pub struct Place<'a> {
    /// An empty journal.
    pub journal: Arc<dyn Journal>,
    /// An empty directory, for checkpoints.
    pub dir: &'a Path,
    /// The world.
    pub env: Arc<dyn Env>,
}

/// What happens in a trial besides the fixture.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Conditions {
    /// The operator crashes after every so many records and starts again, every other time without a fresh checkpoint.
    pub crash_every: Option<usize>,
    /// Most rows per call of `process`.
    pub rows_per_call: Option<u64>,
}

/// What came of a trial.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What the operator has written.
    pub outputs: Fixture,
    /// Input rows by series.
    pub rows_in: BTreeMap<String, u64>,
    /// Records and windows that the plugin failed on, and other errors of the operator.
    pub errors: Vec<String>,
    /// Crashes survived.
    pub crashes: usize,
    /// Time in the operator.
    pub elapsed: Duration,
    /// Fuel used; only of the time since the last crash.
    pub fuel: u64,
    /// Bytes of state at the end.
    pub state_bytes: u64,
    /// What the plugin has logged.
    pub logs: Vec<LogLine>,
}

/// A trial could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrialError {
    /// The request does not fit the plugin.
    #[error(transparent)]
    Request(#[from] DeployError),
    /// The trial's journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The operator does not start or stops.
    #[error("{0}")]
    Operator(String),
}

/// Runs `subject` as an operator over `fixture`. Blocks: give it a thread of a runtime that has others.
///
/// # Errors
/// See [`TrialError`]; records that the plugin fails on are no error but part of the outcome.
pub async fn run(
    subject: &Subject,
    request: &DeployRequest,
    fixture: &Fixture,
    conditions: Conditions,
    place: Place<'_>,
) -> Result<Outcome, TrialError> {
    let mut spec = subject.spec(request)?;
    spec.limits.rows_per_call = conditions.rows_per_call.unwrap_or(u64::MAX);
    let stage = Stage::prepare(subject.plugin.clone(), Arc::new(spec), fixture, place).await?;
    let mut outcome = stage.follow(conditions.crash_every)?;
    outcome.outputs = stage.read_outputs(&mut outcome.errors).await?;
    outcome.errors.extend(stage.read_quarantine().await?);
    if stage.shared.instances[0].counters.errors.load(Relaxed) > outcome.errors.len() as u64 {
        outcome.errors.extend(stage.shared.last_error.lock().clone());
    }
    for (_, row) in fixture.rows() {
        *outcome.rows_in.entry(fixture.series[row.series].key.to_string()).or_default() += 1;
    }
    outcome.logs = stage.shared.logs.newest(0, LOG_LINES_MAX);
    stage.around.journal.close().await;
    Ok(outcome)
}

/// A journal with the fixture in it, and everything that an operator needs.
struct Stage {
    around: Surroundings,
    plugin: Arc<Plugin>,
    spec: Arc<Spec>,
    shared: Arc<Shared>,
    checkpoints: CheckpointFile,
    /// The fixture as the journal has it.
    records: Vec<Record>,
    /// Where the fixture ends in the journal.
    end: Offset,
    /// The fixture's own offsets.
    offsets: HashMap<Offset, u64>,
}

impl Stage {
    async fn prepare(
        plugin: Arc<Plugin>,
        spec: Arc<Spec>,
        fixture: &Fixture,
        place: Place<'_>,
    ) -> Result<Self, TrialError> {
        let Place { journal, dir, env } = place;
        for topic in [TOPIC_DATA, TOPIC_SHADOW, TOPIC_QUARANTINE] {
            journal.create(TopicConfig::new(topic, 1)).await?;
        }
        let catalog = Catalog::open(journal.clone()).await?;
        let wanted: Vec<_> =
            fixture.series.iter().map(|series| Series::new(series.key.clone(), series.value_type)).collect();
        let ids: Vec<SeriesId> = wanted.iter().map(|series| series.id).collect();
        for answer in catalog.register(wanted).await? {
            answer.map_err(|error| TrialError::Operator(error.to_string()))?;
        }
        for record in fixture.records(&ids) {
            journal.append(&TopicPartition::new(TOPIC_DATA, 0), vec![record]).await?;
        }
        let records = read_all(&journal).await?;
        let end = journal.bounds(&TopicPartition::new(TOPIC_DATA, 0)).await?.durable;
        let mut history = TrialHistory::default();
        for (step, record) in fixture.steps.iter().zip(&records) {
            if let Event::Samples(rows) = &step.event {
                let value_type = |row: &Row| fixture.series[row.series].value_type;
                rows.iter().for_each(|row| history.add(ids[row.series], value_type(row), record.offset, row));
            }
        }
        let offsets = fixture.steps.iter().zip(&records).map(|(step, record)| (record.offset, step.offset)).collect();
        let history = Arc::new(history);
        let around = Surroundings { journal, catalog, history, env, partitions: 1, checkpoint_every: NEVER };
        let (shared, checkpoints) = (Shared::new(1), CheckpointFile::new(dir, 0));
        Ok(Self { around, plugin, spec, shared, checkpoints, records, end, offsets })
    }

    fn open(&self) -> Result<(OperatorFold, Vec<Cursor>), TrialError> {
        let parts = (self.plugin.clone(), self.spec.clone());
        let (checkpoints, shared) = (self.checkpoints.clone(), self.shared.clone());
        OperatorFold::open(&self.around, parts, 0, checkpoints, shared, Begin::earliest(1))
            .map_err(|error| TrialError::Operator(error.to_string()))
    }

    /// Follows the fixture to its end.
    fn follow(&self, crash_every: Option<usize>) -> Result<Outcome, TrialError> {
        let (mut fold, mut cursors) = self.open()?;
        let mut outcome = Outcome::default();
        let (mut next, mut farthest) = (0, 0);
        while let Some(record) = self.records.get(next) {
            let is_new = next >= farthest;
            let started = self.around.env.monotonic();
            let refusal = self.apply(&mut fold, record)?;
            let following = self.records.get(next + 1);
            cursors[0].admit(record, following.map_or(self.end, |following| following.offset));
            settled(fold.commit(&cursors))?;
            outcome.elapsed += self.around.env.monotonic() - started;
            if let Some(reason) = refusal.filter(|_| is_new) {
                outcome.errors.push(format!("record at {}: {reason}", self.offsets[&record.offset]));
            }
            next += 1;
            farthest = farthest.max(next);
            if crash_every.is_some_and(|every| is_new && next.is_multiple_of(every)) {
                if outcome.crashes.is_multiple_of(2) {
                    settled(fold.idle(&cursors, true))?;
                }
                outcome.crashes += 1;
                drop(fold);
                (fold, cursors) = self.open()?;
                next = self.records.partition_point(|record| record.offset < cursors[0].next);
            }
        }
        settled(fold.idle(&cursors, true))?;
        outcome.fuel = fold.fuel();
        let status = &self.shared.instances[0];
        outcome.state_bytes = status.state_bytes.load(Relaxed);
        Ok(outcome)
    }

    /// Applies a record. Returns why it was refused, if it was.
    fn apply(&self, fold: &mut OperatorFold, record: &Record) -> Result<Option<String>, TrialError> {
        loop {
            match fold.apply(0, record) {
                Ok(_) => return Ok(None),
                Err(ApplyError::Refused(reason)) => return Ok(Some(reason)),
                Err(ApplyError::Retry(_)) => {}
                Err(ApplyError::Halt(reason)) => return Err(TrialError::Operator(reason)),
            }
        }
    }

    /// What the operator has written, without repetitions; one that differs from its first time is an error.
    async fn read_outputs(&self, errors: &mut Vec<String>) -> Result<Fixture, TrialError> {
        let own = producer(&self.spec, self.around.journal.identity(), 0);
        let mut first: HashMap<u64, bytes::Bytes> = HashMap::new();
        let mut places: HashMap<u64, usize> = HashMap::new();
        let mut outputs = Fixture::default();
        for record in read_all(&self.around.journal).await? {
            if record.producer != own || record.kind() != Some(RecordKind::Samples) {
                continue;
            }
            let offset = self.offsets.get(&Offset(record.sequence)).copied().unwrap_or(record.sequence);
            if let Some(payload) = first.get(&record.sequence) {
                if *payload != record.payload {
                    errors.push(format!("record at {offset}: its outputs were others when it was applied again"));
                }
                continue;
            }
            first.insert(record.sequence, record.payload.clone());
            let rows = self.rows_of(&record, &mut outputs.series, &mut places)?;
            outputs.steps.push(Step { offset, event: Event::Samples(rows) });
        }
        Ok(outputs)
    }

    /// The rows that the plugin has failed on, record by record.
    async fn read_quarantine(&self) -> Result<Vec<String>, TrialError> {
        let (mut seen, mut errors) = (BTreeSet::new(), Vec::new());
        for record in read_topic(&self.around.journal, TOPIC_QUARANTINE).await? {
            let entry = Quarantined::parse(&record.payload).map_err(|error| TrialError::Operator(error.to_string()))?;
            if seen.insert(entry.offset) {
                let offset = self.offsets.get(&Offset(entry.offset)).copied().unwrap_or(entry.offset);
                errors.push(format!("record at {offset}: {}", entry.reason));
            }
        }
        Ok(errors)
    }

    fn rows_of(
        &self,
        record: &Record,
        series: &mut Vec<FixtureSeries>,
        places: &mut HashMap<u64, usize>,
    ) -> Result<Vec<Row>, TrialError> {
        let view = SamplesView::parse(&record.payload).map_err(|error| TrialError::Operator(error.to_string()))?;
        let mut rows = Vec::new();
        for column in view.columns() {
            for run in column.runs() {
                let place = *places.entry(run.series.0).or_insert(series.len());
                if place == series.len() {
                    let known = self.around.catalog.series(run.series);
                    let known = known.ok_or_else(|| TrialError::Operator(format!("no series {}", run.series)))?;
                    series.push(FixtureSeries { key: known.key.clone(), value_type: known.value_type });
                }
                rows.extend((run.first..run.first + run.rows).map(|row| Row {
                    series: place,
                    time: column.time(row),
                    value: column.value(row),
                    quality: column.quality(row),
                }));
            }
        }
        Ok(rows)
    }
}

fn settled(result: Result<(), ApplyError>) -> Result<(), TrialError> {
    result.map_err(|error| TrialError::Operator(error.to_string()))
}

async fn read_all(journal: &Arc<dyn Journal>) -> Result<Vec<Record>, JournalError> {
    read_topic(journal, TOPIC_DATA).await
}

async fn read_topic(journal: &Arc<dyn Journal>, topic: &str) -> Result<Vec<Record>, JournalError> {
    let at = TopicPartition::new(topic, 0);
    let (mut from, mut all) = (Offset(0), Vec::new());
    loop {
        let batch = journal.read(&at, from, ReadLimits::default()).await?;
        if batch.records.is_empty() {
            return Ok(all);
        }
        from = batch.next;
        all.extend(batch.records);
    }
}
