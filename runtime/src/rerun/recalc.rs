//! Calculating a stretch of history anew, from what the replicas hold now.
//!
//! An operator runs again from nothing over the rows of its inputs, sorted by source time, from some time before the range
//! (a stateful plugin has to warm up) to its end; its outputs in the range are compared with what stands there. A preview
//! ends here. Otherwise what is gone is deleted, what is new or different is written, in that order, and then the
//! operators that take these outputs follow, nearest first.
//!
//! A recalculation differs from what ran live in one thing: rows come sorted, so nothing is late.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;
use tidemill_journal::{Stretch, TOPIC_DATA, TopicPartition};
use tidemill_model::payload::{DeleteRange, Heartbeat, OperatorDefinition, SamplesBuilder};
use tidemill_model::{NewRecord, Offset, ProducerId, Record, RecordKind, Series, SeriesId, TimeRange};

use super::samples::same;
use super::{Comparison, Rerun, Samples};
use crate::error::DeployError;
use crate::operator::outputs::withdrawals_from;
use crate::operator::wait::block_on;
use crate::runtime::Runtime;

/// Most rows of the inputs, with those that warm up; each takes about 64 bytes.
const ROWS_MAX: usize = 10_000_000;
/// Rows per record that a rerun gets.
const ROWS_PER_RECORD: usize = 4096;
/// Samples per record that is written.
const SAMPLES_PER_RECORD: usize = 100_000;
/// Times to ask history for before giving up; each waits for seconds.
const ATTEMPTS_MAX: usize = 12;

/// What to calculate anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecalcRequest {
    /// Outputs with source times in this range are replaced.
    pub range: TimeRange,
    /// Inputs are read from so long before the range, ns.
    pub warm_up_ns: i64,
    /// Only tell what would change.
    pub preview: bool,
    /// Go on with the operators that take the outputs.
    pub cascade: bool,
}

/// What a recalculation of one operator has changed, or would: `first` is what stood there, `second` what is calculated now.
#[derive(Debug, Serialize)]
pub struct RecalcReport {
    /// The operator.
    pub operator: String,
    /// Input rows that were read.
    pub rows: u64,
    /// How the samples of the range differ.
    pub samples: Comparison,
    /// Whether the differences have been written.
    pub is_written: bool,
    /// The newest error of the plugin. If samples that stand there are missing because of one, nothing is written.
    pub error: Option<String>,
}

/// What has come of a calculation.
struct Calculated {
    report: RecalcReport,
    old: Samples,
    new: Samples,
    /// Records and windows that the plugin failed on.
    failures: u64,
}

impl Calculated {
    /// Whether what is missing in it is really gone, and not only what the plugin failed on.
    fn is_complete(&self) -> bool {
        self.failures == 0 || self.report.samples.only_first == 0
    }
}

/// What was written while a calculation ran.
#[derive(Default)]
struct Newer {
    samples: HashSet<(u64, i64)>,
    deleted: Vec<DeleteRange>,
}

impl Newer {
    fn add(&mut self, record: &Record, range: TimeRange) -> Result<(), DeployError> {
        match record.kind() {
            Some(RecordKind::Samples) => {
                let mut samples = Samples::default();
                samples.add(&record.payload, range)?;
                self.samples.extend(samples.values.into_keys());
            }
            Some(RecordKind::DeleteRange) => {
                let gone = DeleteRange::parse(&record.payload);
                self.deleted.push(gone.map_err(|error| DeployError::invalid(error.to_string()))?);
            }
            _ => {}
        }
        Ok(())
    }

    fn has(&self, (series, time): (u64, i64)) -> bool {
        let is_deleted = |gone: &DeleteRange| (gone.start..gone.end).contains(&time) && gone.series.contains(&series);
        self.samples.contains(&(series, time)) || self.deleted.iter().any(is_deleted)
    }
}

impl Runtime {
    /// Calculates a range of an operator's outputs anew, and then, if that was asked for, those of its dependents.
    ///
    /// # Errors
    /// When there is no such operator, or history is not available.
    pub async fn recalc(
        self: &Arc<Self>,
        name: &str,
        request: RecalcRequest,
    ) -> Result<Vec<RecalcReport>, DeployError> {
        let definition = self.definition(name).ok_or_else(|| self.no_such_operator(name))?;
        let affected = if request.cascade { self.with_dependents(&definition) } else { vec![definition] };
        let mut reports = Vec::new();
        let mut at_least = self.ends().await?;
        for (number, definition) in affected.into_iter().enumerate() {
            let (needed, own) = (at_least.clone(), definition.clone());
            let work = move |runtime: Arc<Runtime>| runtime.calculate(&own, request, &needed);
            let mut calculated = self.aside("recalc", work).await?;
            if !request.preview && !calculated.report.samples.is_equal() && calculated.is_complete() {
                calculated.report.is_written = true;
                let (old, new) = (std::mem::take(&mut calculated.old), std::mem::take(&mut calculated.new));
                if number > 0 {
                    // What it makes of the corrections before it is corrected in turn, not the other way round.
                    self.reach(&definition, &at_least).await?;
                }
                self.write(&definition, (old, new), request.range, at_least).await?;
            }
            reports.push(calculated.report);
            at_least = self.ends().await?;
        }
        Ok(reports)
    }

    /// Writes what has changed. The operator stands still meanwhile on this node, and what it has made of inputs from the offsets
    /// `since` on, which the calculation may not have read, is left alone: that is newer.
    async fn write(
        self: &Arc<Self>,
        definition: &OperatorDefinition,
        (mut old, mut new): (Samples, Samples),
        range: TimeRange,
        since: Vec<Offset>,
    ) -> Result<(), DeployError> {
        let _one_at_a_time = self.deploying.lock().await;
        if self.definition(&definition.name).is_none_or(|present| present.generation != definition.generation) {
            return Err(DeployError::invalid(format!("{} was deployed anew meanwhile: ask again", definition.name)));
        }
        let producers = self.producers_of(definition)?;
        let runs_here = self.supervisor.lock().knows(&definition.name);
        if runs_here && let Err(error) = self.hold(definition).await {
            self.let_go(definition);
            return Err(error);
        }
        let work = move |runtime: Arc<Runtime>| {
            let newer = block_on(runtime.written_since(&producers, range, &since))?;
            for samples in [&mut old, &mut new] {
                samples.values.retain(|key, _| !newer.has(*key));
            }
            runtime.replace(&old, &new)
        };
        let written = self.aside("recalc", work).await;
        self.let_go(definition);
        written
    }

    /// What `producers`, two for each partition, have written or taken back in `range` for inputs from some offsets on.
    async fn written_since(
        &self,
        producers: &[ProducerId],
        range: TimeRange,
        since: &[Offset],
    ) -> Result<Newer, DeployError> {
        let (mut newer, mut first) = (Newer::default(), HashMap::new());
        let at = |partition| TopicPartition::new(TOPIC_DATA, partition);
        for ((partition, from), both) in (0..).zip(since).zip(producers.chunks(2)) {
            let ordinal = self.ordinal_at(&at(partition), *from).await?;
            first.extend([(both[0], from.0), (both[1], withdrawals_from(ordinal))]);
        }
        // Outputs come after their inputs, whatever partitions both are in.
        for (partition, from) in (0..).zip(since) {
            let bounds = self.around.journal.bounds(&at(partition)).await?;
            let mut stretch = Stretch::new(at(partition), (*from).max(bounds.start), bounds.durable);
            while let Some(batch) = stretch.read(&*self.around.journal).await? {
                let is_newer = |record: &&Record| first.get(&record.producer).is_some_and(|at| record.sequence >= *at);
                batch.records.iter().filter(is_newer).try_for_each(|record| newer.add(record, range))?;
            }
        }
        Ok(newer)
    }

    /// An operator and everything downstream of it, so that each comes after all that it takes from.
    fn with_dependents(&self, first: &OperatorDefinition) -> Vec<OperatorDefinition> {
        let definitions = self.around.catalog.operators();
        let others = definitions.iter().filter(|other| !other.shadow && other.name != first.name);
        let specs: BTreeMap<_, _> =
            others.filter_map(|other| Some((other.name.clone(), self.spec_of(other)?))).collect();
        let Some(own) = self.spec_of(first) else {
            return vec![first.clone()];
        };
        // Deploys refuse circles, so going by the longest way from the first ends.
        let mut depth: BTreeMap<String, usize> = BTreeMap::new();
        let mut open = vec![(own.name.clone(), 0)];
        while let Some((name, reached)) = open.pop() {
            let from = if name == own.name { &own } else { &specs[&name] };
            for (next, _) in specs.iter().filter(|(_, spec)| from.feeds(spec)) {
                let known = depth.get(next).copied().unwrap_or(0);
                if known <= reached && reached < specs.len() {
                    depth.insert(next.clone(), reached + 1);
                    open.push((next.clone(), reached + 1));
                }
            }
        }
        let mut names: Vec<_> = depth.into_iter().collect();
        names.sort_by(|a, b| a.1.cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
        let find = |name: &String| definitions.iter().find(|definition| definition.name == *name).cloned();
        std::iter::once(first.clone()).chain(names.iter().filter_map(|(name, _)| find(name))).collect()
    }

    /// The journal's end in every partition.
    pub(super) async fn ends(&self) -> Result<Vec<Offset>, DeployError> {
        let mut ends = Vec::new();
        for partition in 0..self.around.partitions {
            ends.push(self.around.journal.bounds(&TopicPartition::new(TOPIC_DATA, partition)).await?.durable);
        }
        Ok(ends)
    }

    /// What an operator makes of a range, and what stands there.
    fn calculate(
        &self,
        definition: &OperatorDefinition,
        request: RecalcRequest,
        at_least: &[Offset],
    ) -> Result<Calculated, DeployError> {
        let spec = self.spec_of(definition);
        let spec = spec
            .ok_or_else(|| DeployError::invalid(format!("the plugin of {} is not installed here", definition.name)))?;
        let (mut rows, mut new, mut error, mut failures) = (0, Samples::default(), None, 0);
        let layout = spec.layout(self.around.partitions);
        // A sliding window reaches back from its stamp.
        let back = spec.windows.filter(|shape| !shape.is_grid()).map_or(0, |shape| shape.reach_ns());
        let range = TimeRange::new(
            request.range.start.saturating_sub(request.warm_up_ns.max(back)),
            request.range.end.saturating_add(spec.reach_ns()),
        );
        for instance in 0..layout.instances() {
            let reads = layout.read_by(instance);
            // Sorted by time, rows of all partitions may stand in one record: it is given out as one of the first.
            let first = reads.start;
            let mut rerun = Rerun::open(self, definition, instance, at_least)?;
            let offset = place(first, at_least);
            for record in self.inputs_of(&spec, reads, range, at_least)? {
                rerun.apply(first, &record)?;
                rows += super::samples::rows_in(&record);
                rerun.collect(&mut new, request.range, |_, _| true)?;
            }
            // The first heartbeat ends the business of the rows, the second closes what is open, however long that has to be
            // silent. A record handles so many windows only, so more follow until none is left.
            let idle_close = spec.windows.map_or(0, |shape| shape.idle_close);
            let last = range.end.saturating_add(idle_close);
            rerun.apply(first, &heartbeat(range.end, offset))?;
            loop {
                rerun.apply(first, &heartbeat(last, offset))?;
                rerun.collect(&mut new, request.range, |_, _| true)?;
                if !rerun.fold.has_windows_waiting() {
                    break;
                }
            }
            error = rerun.error().or(error);
            failures += rerun.failures();
        }
        let old = self.standing(&spec, request.range, at_least)?;
        let samples = Comparison::of(&old, &new, &self.around.catalog);
        let report = RecalcReport { operator: definition.name.clone(), rows, samples, is_written: false, error };
        Ok(Calculated { report, old, new, failures })
    }

    /// The rows of an operator's inputs in some partitions, by time, as records.
    fn inputs_of(
        &self,
        spec: &crate::operator::spec::Spec,
        reads: Range<u32>,
        range: TimeRange,
        at_least: &[Offset],
    ) -> Result<Vec<Record>, DeployError> {
        let partition_of = |series: &Series| (series.key.partition_hash() % u64::from(self.around.partitions)) as u32;
        let series = self.around.catalog.series_since(0);
        let inputs =
            series.iter().filter(|s| reads.contains(&partition_of(s)) && spec.port_of(&s.key, s.value_type).is_some());
        let mut columns = Vec::new();
        let mut order: Vec<(i64, usize, usize)> = Vec::new();
        for series in inputs {
            let column = self.past(series.id, range, partition_of(series), at_least)?;
            if order.len() + column.times.len() > ROWS_MAX {
                return Err(DeployError::invalid(format!(
                    "more than {ROWS_MAX} input rows to calculate from: ask for a shorter range"
                )));
            }
            order.extend(column.times.iter().enumerate().map(|(row, time)| (*time, columns.len(), row)));
            columns.push((series.id, column));
        }
        order.sort_unstable();
        let mut records = Vec::new();
        let mut builder = SamplesBuilder::new();
        for rows in order.chunks(ROWS_PER_RECORD) {
            for (time, series, row) in rows {
                let (id, column) = &columns[*series];
                if let Some(value) = column.values.get(*row) {
                    builder.push(*id, *time, value, column.quality(*row));
                }
            }
            records.push(record(RecordKind::Samples, place(reads.start, at_least), builder.encode().into()));
        }
        Ok(records)
    }

    /// The series that an operator makes of what is in the catalog. Others may have names of the same shape.
    fn made_by(&self, spec: &crate::operator::spec::Spec) -> Vec<Arc<Series>> {
        let all = self.around.catalog.series_since(0);
        let mut keys = HashSet::new();
        for input in all.iter().filter(|series| spec.port_of(&series.key, series.value_type).is_some()) {
            if spec.group_of(&input.key).is_some() {
                let partition = (input.key.partition_hash() % u64::from(self.around.partitions)) as u32;
                let ports = 0..spec.outputs.len();
                keys.extend(ports.filter_map(|port| spec.output_key(&input.key, port, partition).ok()));
            }
        }
        all.into_iter().filter(|series| keys.contains(&series.key)).collect()
    }

    /// What stands of an operator's outputs in `range`.
    fn standing(
        &self,
        spec: &crate::operator::spec::Spec,
        range: TimeRange,
        at_least: &[Offset],
    ) -> Result<Samples, DeployError> {
        let mut samples = Samples::default();
        for series in self.made_by(spec) {
            let partition = (series.key.partition_hash() % u64::from(self.around.partitions)) as u32;
            let column = self.past(series.id, range, partition, at_least)?;
            for (row, time) in column.times.iter().enumerate() {
                if let Some(value) = column.values.get(row) {
                    samples.values.insert((series.id.0, *time), (value, column.quality(row).0));
                }
            }
            samples.check()?;
        }
        Ok(samples)
    }

    fn past(
        &self,
        series: SeriesId,
        range: TimeRange,
        partition: u32,
        at_least: &[Offset],
    ) -> Result<tidemill_model::SampleColumn, DeployError> {
        let offset = at_least.get(partition as usize).copied().unwrap_or_default();
        let mut failure = String::new();
        for _ in 0..ATTEMPTS_MAX {
            match self.around.history.read(series, range, partition, offset) {
                Ok(column) => return Ok(column),
                Err(error) => failure = error.to_string(),
            }
        }
        Err(DeployError::invalid(format!("{failure}: a recalculation needs a replica that keeps up")))
    }

    /// Deletes what is gone, and writes what is new or different.
    fn replace(&self, old: &Samples, new: &Samples) -> Result<(), DeployError> {
        let gone = old.values.keys().filter(|key| !new.values.contains_key(key));
        let changed = new.values.iter().filter(|(key, value)| old.values.get(key).is_none_or(|old| !same(old, value)));
        let mut by_partition: BTreeMap<u32, Vec<NewRecord>> = BTreeMap::new();
        let partition_of = |series: u64| {
            let key = self.around.catalog.series(SeriesId(series));
            key.map_or(0, |series| (series.key.partition_hash() % u64::from(self.around.partitions)) as u32)
        };
        for (start, series) in gone_by_time(gone) {
            let by_place = series.into_iter().fold(BTreeMap::<u32, Vec<u64>>::new(), |mut map, id| {
                map.entry(partition_of(id)).or_default().push(id);
                map
            });
            for (partition, series) in by_place {
                let range = DeleteRange { series, start, end: start.saturating_add(1) };
                let record = NewRecord::anonymous(RecordKind::DeleteRange, range.to_payload());
                by_partition.entry(partition).or_default().push(record);
            }
        }
        let mut builders: BTreeMap<u32, SamplesBuilder> = BTreeMap::new();
        for ((series, time), (value, quality)) in changed {
            let partition = partition_of(*series);
            let builder = builders.entry(partition).or_default();
            builder.push(SeriesId(*series), *time, value.clone(), tidemill_model::Quality(*quality));
            if builder.len() >= SAMPLES_PER_RECORD {
                let record = NewRecord::anonymous(RecordKind::Samples, builder.encode());
                by_partition.entry(partition).or_default().push(record);
            }
        }
        for (partition, mut builder) in builders {
            if !builder.is_empty() {
                let record = NewRecord::anonymous(RecordKind::Samples, builder.encode());
                by_partition.entry(partition).or_default().push(record);
            }
        }
        for (partition, records) in by_partition {
            block_on(self.around.journal.append(&TopicPartition::new(TOPIC_DATA, partition), records))?;
        }
        Ok(())
    }
}

/// Series that lose a sample, by its time.
fn gone_by_time<'a>(keys: impl Iterator<Item = &'a (u64, i64)>) -> BTreeMap<i64, BTreeSet<u64>> {
    let mut by_time: BTreeMap<i64, BTreeSet<u64>> = BTreeMap::new();
    for (series, time) in keys {
        by_time.entry(*time).or_default().insert(*series);
    }
    by_time
}

/// Where all records of a rerun stand: windows that it reads from history see what its inputs are made of.
fn place(partition: u32, at_least: &[Offset]) -> u64 {
    at_least.get(partition as usize).map_or(0, |end| end.0.saturating_sub(1))
}

fn record(kind: RecordKind, offset: u64, payload: bytes::Bytes) -> Record {
    Record {
        offset: Offset(offset),
        ordinal: offset,
        kind_number: kind as u8,
        producer: ProducerId::NONE,
        epoch: 0,
        sequence: 0,
        ingest_time: 0,
        key: bytes::Bytes::new(),
        payload,
    }
}

fn heartbeat(time: i64, offset: u64) -> Record {
    record(RecordKind::Heartbeat, offset, Heartbeat { time }.to_payload())
}
