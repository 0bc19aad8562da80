//! From rows of groups and ports to durable records.
//!
//! The outputs of one input record become at most one record per output partition, whose producer is the operator,
//! generation, input partition and journal, and whose sequence is the input offset. A re-run makes the same records again and
//! every follower drops them.
//!
//! Outputs that are taken back become deletions. They are records of a second producer, because one input record may have
//! many of them: their sequence is the input record's ordinal and a running number. They go before the outputs of the same
//! record, in the same append or an earlier one.
//!
//! Invariant: at most one append per partition is under way, and what comes meanwhile waits and goes into the next
//! one. So records become durable in the order of their sequences even if an append fails and is made again.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tidemill_journal::{
    ApplyError, Catalog, Journal, JournalError, ReadLimits, Receipt, TOPIC_DATA, TOPIC_SHADOW, TopicPartition,
};
use tidemill_model::payload::{DeleteRange, SamplesBuilder};
use tidemill_model::{
    JournalIdentity, NewRecord, Offset, ProducerId, Quality, Record, RecordKind, Series, SeriesId, ValueType,
};

use crate::guest::{Kind, OutputRows, Withdrawal};
use crate::operator::inputs::{Member, of_journal};
use crate::operator::spec::Spec;
use crate::operator::wait::block_on;

/// Bytes that may wait for an append to finish. More only costs memory.
const WAITING_BYTES_MAX: usize = 32 << 20;

/// Withdrawals per input record: the running number in a sequence has so many bits.
const WITHDRAWAL_BITS: u32 = 20;

/// An output series, or nothing if its name is taken by a series of another type.
type Output = Option<(SeriesId, u32)>;

/// Where inputs come from, and in whose name their outputs go.
struct Source {
    at: TopicPartition,
    producer: ProducerId,
    withdrawer: ProducerId,
    /// Outputs of inputs before this are on trial.
    cut: Offset,
}

/// The outputs of one instance of an operator.
pub(crate) struct Outputs {
    spec: Arc<Spec>,
    catalog: Arc<Catalog>,
    journal: Arc<dyn Journal>,
    /// By index of the input partition.
    sources: Vec<Source>,
    /// `[group * ports + port]`
    series: Vec<Output>,
    /// Into the topic for outputs on trial, and into the data.
    shadow_lanes: Vec<Lane>,
    lanes: Vec<Lane>,
    builders: Vec<SamplesBuilder>,
}

/// An append that is under way. The mutex is never locked: it only lets the fold be shared, which its follower asks for.
type Append = Mutex<BoxFuture<'static, Result<Receipt, JournalError>>>;

/// The way into one partition.
struct Lane {
    at: TopicPartition,
    /// The last sequence of each of the operator's producers that was durable when it started.
    durable: HashMap<ProducerId, u64>,
    under_way: Option<(Vec<NewRecord>, Append)>,
    waiting: Vec<NewRecord>,
    waiting_bytes: usize,
}

/// The producer of an operator's outputs from one input partition. Sequences are offsets of one journal: in a copy of it
/// the operator is another producer, or followers would take its new outputs for repetitions.
pub(crate) fn producer(spec: &Spec, journal: JournalIdentity, input_partition: u32) -> ProducerId {
    producer_of(&spec.name, spec.generation, journal, input_partition)
}

/// The same, by name and generation.
pub(crate) fn producer_of(
    operator: &str,
    generation: u64,
    journal: JournalIdentity,
    input_partition: u32,
) -> ProducerId {
    ProducerId::from_name(&format!("operator/{operator}/{generation}/{input_partition}/{journal}"))
}

/// The producer of what an operator takes back.
pub(crate) fn withdrawer(spec: &Spec, journal: JournalIdentity, input_partition: u32) -> ProducerId {
    let (name, generation) = (&spec.name, spec.generation);
    ProducerId::from_name(&format!("operator/{name}/{generation}/{input_partition}/{journal}/withdrawn"))
}

/// The sequence of the first withdrawal for an input record of this ordinal or a later one.
pub(crate) fn withdrawals_from(ordinal: u64) -> u64 {
    ordinal << WITHDRAWAL_BITS
}

impl Outputs {
    pub(crate) fn new(
        spec: Arc<Spec>,
        catalog: Arc<Catalog>,
        journal: Arc<dyn Journal>,
        (inputs, cuts): (Range<u32>, &[Offset]),
        partitions: u32,
    ) -> Self {
        let source = |(partition, cut): (u32, &Offset)| Source {
            at: TopicPartition::new(TOPIC_DATA, partition),
            producer: producer(&spec, journal.identity(), partition),
            withdrawer: withdrawer(&spec, journal.identity(), partition),
            cut: *cut,
        };
        let sources = inputs.zip(cuts).map(source).collect();
        let lanes = |topic: &str| (0..partitions).map(|p| Lane::new(TopicPartition::new(topic, p))).collect();
        let (shadow_lanes, lanes) = (lanes(TOPIC_SHADOW), lanes(TOPIC_DATA));
        let builders = (0..partitions).map(|_| SamplesBuilder::new()).collect();
        let series = Vec::new();
        Self { spec, catalog, journal, sources, series, shadow_lanes, lanes, builders }
    }

    /// Registers the output series of groups that are new. Returns what was refused.
    ///
    /// # Errors
    /// When the journal cannot take them; nothing has changed then.
    pub(crate) fn register(&mut self, groups: &[Vec<Member>]) -> Result<Vec<String>, ApplyError> {
        let ports = self.spec.outputs.len();
        let known = self.series.len() / ports.max(1);
        if known >= groups.len() {
            return Ok(Vec::new());
        }
        let mut refusals = Vec::new();
        let mut keys = Vec::new();
        for members in &groups[known..] {
            let first = &members[0].series.key;
            keys.extend((0..ports).map(|port| self.spec.output_key(first, port, self.sources[0].at.partition)));
        }
        let types = self.spec.output_kinds.iter().cycle().map(|kind| match kind {
            Kind::Number => ValueType::Float,
            Kind::Text => ValueType::Text,
        });
        let wanted = keys.iter().zip(types).filter_map(|(key, value_type)| Some((key.as_ref().ok()?, value_type)));
        let wanted = wanted.map(|(key, value_type)| Series::new(key.clone(), value_type)).collect();
        let mut answers = block_on(self.catalog.register(wanted)).map_err(of_journal)?.into_iter();
        let partitions = self.lanes.len() as u64;
        for key in keys {
            let answer = match key {
                Ok(_) => answers.next().expect("one answer per wanted series").map_err(|error| error.to_string()),
                Err(reason) => Err(reason),
            };
            self.series.push(match answer {
                Ok(series) => Some((series.id, (series.key.partition_hash() % partitions) as u32)),
                Err(reason) => {
                    refusals.push(reason);
                    None
                }
            });
        }
        Ok(refusals)
    }

    /// Hands the outputs of a record to the journal; `index` is that of its partition. Returns how many rows had no series to
    /// go to.
    ///
    /// # Errors
    /// When the journal does not take them now; nothing has changed then.
    pub(crate) fn emit(&mut self, index: usize, record: &Record, rows: &OutputRows) -> Result<u64, ApplyError> {
        let is_on_trial = record.offset < self.sources[index].cut;
        let lanes = if is_on_trial { &mut self.shadow_lanes } else { &mut self.lanes };
        for lane in &mut *lanes {
            lane.make_room(&self.journal)?;
        }
        self.withdraw(index, record, &rows.withdrawn)?;
        let lanes = if is_on_trial { &mut self.shadow_lanes } else { &mut self.lanes };
        let (ports, mut first, mut lost) = (self.spec.outputs.len(), 0, 0);
        for [group, port, count] in &rows.runs {
            let run = first..first + *count as usize;
            first = run.end;
            let Some((series, partition)) = self.series[*group as usize * ports + *port as usize] else {
                lost += u64::from(*count);
                continue;
            };
            let builder = &mut self.builders[partition as usize];
            let kind = self.spec.output_kinds[*port as usize];
            for row in run {
                let (time, quality) = (rows.times[row], Quality(rows.qualities[row]));
                match kind {
                    Kind::Number => {
                        builder.push_bits(series, ValueType::Float, time, rows.values[row].to_bits(), quality)
                    }
                    Kind::Text => builder.push_text(series, time, rows.text(row).to_owned(), quality),
                }
            }
        }
        for (builder, lane) in self.builders.iter_mut().zip(lanes) {
            if !builder.is_empty() {
                lane.push(NewRecord {
                    producer: self.sources[index].producer,
                    sequence: record.offset.0,
                    ..NewRecord::anonymous(RecordKind::Samples, builder.encode())
                });
            }
            // What fails here waits again, and the next commit meets the error.
            let _ = lane.advance(&self.journal);
        }
        Ok(lost)
    }

    /// Makes deletions of what is taken back: one per range and partition, for all ports together.
    fn withdraw(&mut self, index: usize, record: &Record, withdrawn: &[Withdrawal]) -> Result<(), ApplyError> {
        let ports = self.spec.outputs.len();
        let mut deletions: Vec<(u32, DeleteRange)> = Vec::new();
        // A range that is open here has its deletions from here on.
        let mut first = 0;
        for Withdrawal { group, port, start, end } in withdrawn {
            if deletions.get(first).is_some_and(|(_, range)| (range.start, range.end) != (*start, *end)) {
                first = deletions.len();
            }
            let ports_taken = port.map_or(0..ports, |port| port as usize..port as usize + 1);
            for port in ports_taken {
                let Some((series, partition)) = self.series[*group as usize * ports + port] else {
                    continue;
                };
                match deletions[first..].iter_mut().find(|(lane, _)| *lane == partition) {
                    Some((_, range)) => range.series.push(series.0),
                    None => {
                        let range = DeleteRange { series: vec![series.0], start: *start, end: *end };
                        deletions.push((partition, range));
                    }
                }
            }
        }
        if deletions.len() >= 1 << WITHDRAWAL_BITS {
            return Err(ApplyError::Halt(format!("{} deletions for one record are too many", deletions.len())));
        }
        let Source { withdrawer, cut, .. } = &self.sources[index];
        let lanes = if record.offset < *cut { &mut self.shadow_lanes } else { &mut self.lanes };
        for (number, (partition, range)) in (0..).zip(deletions) {
            lanes[partition as usize].push(NewRecord {
                producer: *withdrawer,
                sequence: withdrawals_from(record.ordinal) | number,
                ..NewRecord::anonymous(RecordKind::DeleteRange, range.to_payload())
            });
        }
        Ok(())
    }

    /// Finds out what was durable already when the operator was stopped behind its last checkpoint, which reads on at `from`
    /// (per input partition). Its records are made again and not handed over a second time: followers would drop them, and
    /// remember each one.
    ///
    /// # Errors
    /// When the journal cannot be read now.
    pub(crate) fn find_durable(&mut self, from: &[Offset]) -> Result<(), ApplyError> {
        // What is read a second time was appended at this time or later, and its outputs after that.
        let mut since = None;
        for (source, from) in self.sources.iter().zip(from) {
            let time = block_on(ingest_time(&self.journal, &source.at, *from)).map_err(of_journal)?;
            since = since.into_iter().chain(time).min();
        }
        let Some(since) = since else {
            // No input is read a second time, so no output is made a second time.
            return Ok(());
        };
        let producers: Vec<_> = self.sources.iter().flat_map(|source| [source.producer, source.withdrawer]).collect();
        let has_trial = self.sources.iter().zip(from).any(|(source, from)| *from < source.cut);
        let shadow_lanes: &mut [Lane] = if has_trial { &mut self.shadow_lanes } else { &mut [] };
        for lane in shadow_lanes.iter_mut().chain(&mut self.lanes) {
            let bounds = block_on(self.journal.bounds(&lane.at)).map_err(of_journal)?;
            let mut next = block_on(self.journal.find(&lane.at, since)).map_err(of_journal)?;
            while next < bounds.durable {
                let batch = block_on(self.journal.read(&lane.at, next, ReadLimits::default())).map_err(of_journal)?;
                for record in batch.records.iter().filter(|record| producers.contains(&record.producer)) {
                    let last = lane.durable.entry(record.producer).or_default();
                    *last = record.sequence.max(*last);
                }
                if batch.next <= next {
                    break;
                }
                next = batch.next;
            }
        }
        Ok(())
    }

    /// Hands everything over, without waiting for it to become durable.
    pub(crate) fn push(&mut self) -> Result<(), ApplyError> {
        let mut lanes = self.shadow_lanes.iter_mut().chain(&mut self.lanes);
        lanes.try_for_each(|lane| lane.push_all(&self.journal))
    }

    /// Waits until everything is durable.
    pub(crate) fn flush(&mut self) -> Result<(), ApplyError> {
        self.push()?;
        self.shadow_lanes.iter_mut().chain(&mut self.lanes).try_for_each(Lane::wait)
    }
}

/// When the record at `offset`, or the next one, was appended; `None` if there is none yet.
async fn ingest_time(
    journal: &Arc<dyn Journal>,
    at: &TopicPartition,
    offset: Offset,
) -> Result<Option<i64>, JournalError> {
    let bounds = journal.bounds(at).await?;
    if offset >= bounds.durable {
        return Ok(None);
    }
    let limits = ReadLimits { bytes: 1, ..ReadLimits::default() };
    let batch = journal.read(at, offset.max(bounds.start), limits).await?;
    Ok(batch.records.first().map(|record| record.ingest_time))
}

impl Lane {
    fn new(at: TopicPartition) -> Self {
        Self { at, durable: HashMap::new(), under_way: None, waiting: Vec::new(), waiting_bytes: 0 }
    }

    fn push(&mut self, record: NewRecord) {
        if self.durable.get(&record.producer).is_some_and(|last| record.sequence <= *last) {
            return;
        }
        self.waiting_bytes += record.payload.len();
        self.waiting.push(record);
    }

    fn launch(&mut self, journal: &Arc<dyn Journal>, records: Vec<NewRecord>) {
        let append = journal.append(&self.at, records.clone());
        self.under_way = Some((records, Mutex::new(append)));
    }

    /// Launches what waits if nothing is under way any more. Never blocks.
    fn advance(&mut self, journal: &Arc<dyn Journal>) -> Result<(), ApplyError> {
        if let Some((_, append)) = &mut self.under_way {
            match append.get_mut().now_or_never() {
                None => return Ok(()),
                Some(result) => self.settle(result)?,
            }
        }
        self.launch_waiting(journal);
        Ok(())
    }

    fn launch_waiting(&mut self, journal: &Arc<dyn Journal>) {
        if self.under_way.is_none() && !self.waiting.is_empty() {
            self.waiting_bytes = 0;
            let records = std::mem::take(&mut self.waiting);
            self.launch(journal, records);
        }
    }

    /// Takes note of an append's end. After a failure its records wait again, before all others.
    fn settle(&mut self, result: Result<Receipt, JournalError>) -> Result<(), ApplyError> {
        let records = self.under_way.take().map(|(records, _)| records).unwrap_or_default();
        result.map(drop).map_err(|error| {
            let mut records = records;
            self.waiting_bytes += records.iter().map(|record| record.payload.len()).sum::<usize>();
            records.append(&mut self.waiting);
            self.waiting = records;
            of_journal(error)
        })
    }

    /// Waits for what is under way.
    fn wait(&mut self) -> Result<(), ApplyError> {
        match &mut self.under_way {
            None => Ok(()),
            Some((_, append)) => {
                let result = block_on(append.get_mut());
                self.settle(result)
            }
        }
    }

    fn push_all(&mut self, journal: &Arc<dyn Journal>) -> Result<(), ApplyError> {
        if !self.waiting.is_empty() {
            self.wait()?;
            self.launch_waiting(journal);
        }
        Ok(())
    }

    fn make_room(&mut self, journal: &Arc<dyn Journal>) -> Result<(), ApplyError> {
        if self.waiting_bytes > WAITING_BYTES_MAX { self.push_all(journal) } else { Ok(()) }
    }
}
