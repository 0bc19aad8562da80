//! Proof by repetition: an operator runs again over the journal, and what it puts out is compared bit by bit with what stands
//! there.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use tidemill_journal::{Batch, Cursor, Merge, Stretch, TOPIC_DATA, TopicPartition};
use tidemill_model::payload::{OperatorDefinition, OperatorState};
use tidemill_model::{Offset, ProducerId, TimeRange};

use super::{Comparison, Rerun, Samples};
use crate::error::DeployError;
use crate::operator::outputs::withdrawals_from;
use crate::operator::wait::block_on;
use crate::runtime::Runtime;
use crate::supervisor::cut_of;

/// What a repetition has shown: `first` is what stands in the journal, `second` what the repetition put out.
#[derive(Debug, Serialize)]
pub struct VerifyReport {
    /// Records that were applied again.
    pub records: u64,
    /// How the samples of the range differ.
    pub samples: Comparison,
    /// The newest error of the repetition.
    pub error: Option<String>,
}

impl Runtime {
    /// Runs an operator again, from where it started to where it is now, and compares its outputs with source times in `range`.
    ///
    /// # Errors
    /// When there is no such operator, its first inputs are gone from the journal, or the range holds too many samples.
    pub async fn verify(self: &Arc<Self>, name: &str, range: TimeRange) -> Result<VerifyReport, DeployError> {
        let definition = self.definition(name).ok_or_else(|| self.no_such_operator(name))?;
        if definition.load_from > 0 {
            return Err(DeployError::invalid(format!(
                "{name} began with the state of the version before, so it cannot be repeated from its inputs alone"
            )));
        }
        let until = match self.offsets_of(&definition) {
            Some(until) => until,
            None if definition.operator_state() == Some(OperatorState::Paused) => self.checkpointed(&definition)?,
            None if self.layout_of(&definition).merges => {
                return Err(DeployError::invalid(format!(
                    "{name} merges partitions and runs on the node that works on partition 0: ask that one"
                )));
            }
            None => self.ends().await?,
        };
        let producers = self.producers_of(&definition)?;
        // It goes on meanwhile; what it puts out and takes back from there on is not compared.
        let mut ends = HashMap::new();
        for ((partition, end), both) in (0..).zip(&until).zip(producers.chunks(2)) {
            let ordinal = self.ordinal_at(&TopicPartition::new(TOPIC_DATA, partition), *end).await?;
            ends.extend([(both[0], end.0), (both[1], withdrawals_from(ordinal))]);
        }
        let repeated = definition.clone();
        let work = move |runtime: Arc<Runtime>| runtime.repeat(&repeated, range, &until);
        let (records, second, error) = self.aside("verify", work).await?;
        let is_before = |producer, sequence| ends.get(&producer).is_none_or(|end| sequence < *end);
        let first = self.written(TOPIC_DATA, &producers.into_iter().collect(), range, is_before).await?;
        Ok(VerifyReport { records, samples: Comparison::of(&first, &second, &self.around.catalog), error })
    }

    /// Runs an operator again up to the offsets `until`.
    fn repeat(
        &self,
        definition: &OperatorDefinition,
        range: TimeRange,
        until: &[Offset],
    ) -> Result<(u64, Samples, Option<String>), DeployError> {
        let (mut total, mut samples, mut error) = (0, Samples::default(), None);
        let producers = self.producers_of(definition)?;
        let cut = |partition| cut_of(definition, partition, self.around.journal.identity());
        let cuts: HashMap<_, _> = (0..).zip(producers.chunks(2)).map(|(index, both)| (both[0], cut(index))).collect();
        let is_wanted = |producer: ProducerId, input: Offset| cuts.get(&producer).is_none_or(|cut| input >= *cut);
        let layout = self.layout_of(definition);
        for instance in 0..layout.instances() {
            let mut rerun = Rerun::open(self, definition, instance, &[])?;
            let mut past: Vec<_> =
                layout.read_by(instance).map(|p| Past::open(self, definition, p, until)).collect::<Result<_, _>>()?;
            let mut merge = Merge::new(past.len());
            loop {
                while let Some((index, record, _)) = merge.take() {
                    if past[index].seen.admit(&record, record.offset) {
                        rerun.apply(past[index].stretch.partition(), &record)?;
                        total += 1;
                    }
                }
                rerun.collect(&mut samples, range, is_wanted)?;
                let Some(index) = merge.wants() else {
                    break;
                };
                match past[index].read(self)? {
                    Some(batch) => merge.push(index, batch),
                    None => merge.end(index),
                }
            }
            error = rerun.error().or(error);
        }
        Ok((total, samples, error))
    }
}

/// What an operator has read in a partition.
struct Past {
    stretch: Stretch,
    /// Of records before this the operator knows nothing; the ordinal of the first one that it has read.
    first: u64,
    seen: Cursor,
}

impl Past {
    fn open(
        runtime: &Runtime,
        definition: &OperatorDefinition,
        partition: u32,
        until: &[Offset],
    ) -> Result<Self, DeployError> {
        let at = TopicPartition::new(TOPIC_DATA, partition);
        let of = |values: &[u64]| values.get(partition as usize).copied().unwrap_or(0);
        let bounds = block_on(runtime.around.journal.bounds(&at))?;
        let end = until.get(partition as usize).copied().unwrap_or(bounds.durable).min(bounds.durable);
        let next = Offset(of(&definition.start_offsets).max(bounds.start.0));
        let (stretch, first) = (Stretch::new(at, next, end), of(&definition.start_ordinals));
        Ok(Self { stretch, first, seen: Cursor::default() })
    }

    /// The next records; nothing at the end.
    fn read(&mut self, runtime: &Runtime) -> Result<Option<Batch>, DeployError> {
        let batch = block_on(self.stretch.read(&*runtime.around.journal))?;
        let is_first = self.seen.ordinal == 0;
        let records = batch.iter().flat_map(|batch| &batch.records);
        if is_first && records.take(1).any(|record| record.ordinal > self.first) {
            let partition = self.stretch.partition();
            let reason = format!("its first inputs in partition {partition} are gone from the journal");
            return Err(DeployError::invalid(reason));
        }
        Ok(batch)
    }
}
