//! Proof by repetition: an operator runs again over the journal, and what it puts out is compared bit by bit with what stands
//! there.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use tidemill_journal::{Cursor, ReadLimits, TOPIC_DATA, TopicPartition};
use tidemill_model::payload::{OperatorDefinition, OperatorState};
use tidemill_model::{Offset, ProducerId, TimeRange};

use super::{Comparison, Rerun, Samples};
use crate::error::DeployError;
use crate::operator::wait::block_on;
use crate::runtime::Runtime;

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
            None => self.ends().await?,
        };
        let producers = self.producers_of(&definition)?;
        // It goes on meanwhile; what it puts out from there on is not compared.
        let ends: HashMap<_, _> =
            producers.chunks(2).zip(&until).flat_map(|(both, end)| both.iter().map(|of| (*of, *end))).collect();
        let repeated = definition.clone();
        let work = move |runtime: Arc<Runtime>| runtime.repeat(&repeated, range, &until);
        let (records, second, error) = self.aside("verify", work).await?;
        let is_before = |producer: ProducerId, input: Offset| ends.get(&producer).is_none_or(|end| input < *end);
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
        for partition in 0..self.around.partitions {
            let mut records = 0;
            let at = TopicPartition::new(TOPIC_DATA, partition);
            let begin = definition.start_offsets.get(partition as usize).copied().unwrap_or(0);
            let first = definition.start_ordinals.get(partition as usize).copied().unwrap_or(0);
            let cut = Offset(definition.cut_offsets.get(partition as usize).copied().unwrap_or(0));
            let bounds = block_on(self.around.journal.bounds(&at))?;
            let end = until.get(partition as usize).copied().unwrap_or(bounds.durable).min(bounds.durable);
            let mut rerun = Rerun::open(self, definition, partition)?;
            let mut cursor = Cursor::at(Offset(begin.max(bounds.start.0)), 0);
            while cursor.next < end {
                let batch = block_on(self.around.journal.read(&at, cursor.next, ReadLimits::default()))?;
                if records == 0 && batch.records.first().is_some_and(|record| record.ordinal > first) {
                    let reason = format!("its first inputs in partition {partition} are gone from the journal");
                    return Err(DeployError::invalid(reason));
                }
                for record in batch.records.iter().filter(|record| record.offset < end) {
                    if cursor.admit(record, record.offset) {
                        rerun.apply(record)?;
                        records += 1;
                    }
                }
                rerun.collect(&mut samples, range, |offset| offset >= cut)?;
                if batch.next <= cursor.next && batch.records.is_empty() {
                    break;
                }
                cursor.next = batch.next;
            }
            total += records;
            error = rerun.error().or(error);
        }
        Ok((total, samples, error))
    }
}
