//! Running operators again, beside the ones that run: to compare versions, to prove outputs, to calculate history anew, and
//! to tell where a sample comes from.
//!
//! A rerun is the operator's own code on a journal that keeps outputs for itself (`captured`), with checkpoints in a
//! directory that goes away. There is no second implementation of anything.

mod captured;
mod diff;
mod lineage;
mod recalc;
mod samples;
mod verify;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tidemill_journal::{ApplyError, Cursor, Fold, TopicPartition};
use tidemill_model::payload::OperatorDefinition;
use tidemill_model::{Offset, ProducerId, Record, RecordKind, TimeRange};

use crate::error::DeployError;
use crate::operator::checkpoint::CheckpointFile;
use crate::operator::fold::{OperatorFold, Surroundings};
use crate::operator::layout::Begin;
use crate::operator::outputs::{producer, withdrawer};
use crate::operator::status::Shared;
use crate::rerun::captured::Captured;
use crate::runtime::Runtime;

pub use diff::DiffReport;
pub use lineage::{Lineage, Origin};
pub use recalc::{RecalcReport, RecalcRequest};
pub(crate) use samples::Samples;
pub use samples::{Comparison, Difference};
pub use verify::VerifyReport;

/// How far a device's clock may be ahead of the node's: outputs of a source time are looked for from so long before it in
/// the order of appending, ns.
const CLOCKS_APART_NS: i64 = 24 * 3600 * 1_000_000_000;
/// A rerun writes no checkpoints.
const NEVER: Duration = Duration::from_secs(1 << 30);

/// Times that a record is handed over before giving up; each waits for seconds.
const ATTEMPTS_MAX: usize = 12;

/// An instance of an operator that runs again from nothing.
struct Rerun {
    fold: OperatorFold,
    /// They count records. Its captures need a place that moves, or what it keeps for a replay grows without end.
    cursors: Vec<Cursor>,
    captured: Arc<Captured>,
    shared: Arc<Shared>,
    dir: PathBuf,
    /// Records that were refused as a whole.
    refused: u64,
}

impl Drop for Rerun {
    fn drop(&mut self) {
        // What is left behind is deleted at the next start of the node.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Rerun {
    /// Starts an instance of the operator of `definition`. What it asks of replicas has applied `at_least`, and what it is
    /// given. Compiles perhaps: only on a thread of its own.
    fn open(
        runtime: &Runtime,
        definition: &OperatorDefinition,
        instance: u32,
        at_least: &[Offset],
    ) -> Result<Self, DeployError> {
        let (plugin, spec) = runtime.load(definition).map_err(DeployError::invalid)?;
        let captured = Captured::new(runtime.around.journal.clone());
        let around = Surroundings { journal: captured.clone(), checkpoint_every: NEVER, ..runtime.around.clone() };
        let number = runtime.around.env.random();
        // Not among the operators': what is nobody's there is cleared away while nodes run.
        let dir = runtime.reruns_dir().join(format!("{number:016x}"));
        let layout = spec.layout(runtime.around.partitions);
        let shared = Shared::new(layout.instances());
        let checkpoints = CheckpointFile::new(&dir, instance);
        let reads = layout.read_by(instance);
        let begin = Begin {
            cursors: reads
                .clone()
                .map(|p| Cursor::at(at_least.get(p as usize).copied().unwrap_or_default(), 0))
                .collect(),
            ..Begin::earliest(reads.len())
        };
        let opened = OperatorFold::open(&around, (plugin, spec), instance, checkpoints, shared.clone(), begin);
        let (fold, cursors) = opened.map_err(|error| DeployError::invalid(error.to_string()))?;
        Ok(Self { fold, cursors, captured, shared, dir, refused: 0 })
    }

    /// Applies a record. What the plugin refuses is counted as it is in the operator itself.
    fn apply(&mut self, partition: u32, record: &Record) -> Result<(), DeployError> {
        let mut failure = String::new();
        for _ in 0..ATTEMPTS_MAX {
            match self.fold.apply(partition, record) {
                applied @ (Ok(_) | Err(ApplyError::Refused(_))) => {
                    self.refused += u64::from(applied.is_err());
                    self.cursors[0].next.0 += 1;
                    return Ok(());
                }
                Err(ApplyError::Halt(reason)) => return Err(DeployError::invalid(reason)),
                Err(ApplyError::Retry(reason)) => failure = reason,
            }
        }
        Err(DeployError::invalid(failure))
    }

    /// Adds what the operator has put out since the last call to `samples`, as far as it is wanted by producer and offset of the
    /// input.
    fn collect(
        &mut self,
        samples: &mut Samples,
        range: TimeRange,
        is_wanted: impl Fn(ProducerId, Offset) -> bool,
    ) -> Result<(), DeployError> {
        self.fold.commit(&self.cursors).map_err(|error| DeployError::invalid(error.to_string()))?;
        for record in self.captured.take() {
            let kind = Some(record.kind);
            if kind != Some(RecordKind::Samples) || is_wanted(record.producer, Offset(record.sequence)) {
                samples.apply(kind, &record.payload, range)?;
            }
        }
        Ok(())
    }

    /// Records as a whole and windows that the plugin has failed on. Single rows are not counted: their outputs alone are missing.
    fn failures(&self) -> u64 {
        self.refused + self.shared.instances.iter().map(|one| one.failed_windows.load(Relaxed)).sum::<u64>()
    }

    /// The newest error, if there was one.
    fn error(&self) -> Option<String> {
        self.shared.last_error.lock().clone()
    }
}

impl Runtime {
    /// The producers of an operator's outputs and withdrawals.
    fn producers_of(&self, definition: &OperatorDefinition) -> Result<Vec<ProducerId>, DeployError> {
        let missing = || DeployError::invalid(format!("the plugin of {} is not installed here", definition.name));
        let spec = self.spec_of(definition).ok_or_else(missing)?;
        let journal = self.around.journal.identity();
        let both = |partition| [producer, withdrawer].map(|of| of(&spec, journal, partition));
        Ok((0..self.around.partitions).flat_map(both).collect())
    }

    /// Everything that `producers` have written to a topic and that lies in `range`, as far as it is wanted by producer and
    /// sequence.
    async fn written(
        &self,
        topic: &str,
        producers: &HashSet<ProducerId>,
        range: TimeRange,
        is_wanted: impl Fn(ProducerId, u64) -> bool,
    ) -> Result<Samples, DeployError> {
        let mut samples = Samples::default();
        for partition in 0..self.around.partitions {
            let at = TopicPartition::new(topic, partition);
            let mut next = self.around.journal.find(&at, range.start.saturating_sub(CLOCKS_APART_NS)).await?;
            let end = self.around.journal.bounds(&at).await?.durable;
            while next < end {
                let batch = self.around.journal.read(&at, next, Default::default()).await?;
                for record in batch.records.iter().filter(|record| producers.contains(&record.producer)) {
                    if is_wanted(record.producer, record.sequence) {
                        samples.apply(record.kind(), &record.payload, range)?;
                    }
                }
                if batch.next <= next {
                    break;
                }
                next = batch.next;
            }
        }
        Ok(samples)
    }

    /// Runs `work` on a thread of its own, where it may compute for long and wait.
    async fn aside<T: Send + 'static>(
        self: &Arc<Self>,
        name: &str,
        work: impl FnOnce(Arc<Self>) -> Result<T, DeployError> + Send + 'static,
    ) -> Result<T, DeployError> {
        let (answer, result) = tokio::sync::oneshot::channel();
        let runtime = self.clone();
        // Nobody may be waiting any more; that is fine.
        let attempt = async move { drop(answer.send(work(runtime))) };
        drop(self.around.env.spawn_thread(name, Box::pin(attempt)));
        result.await.unwrap_or_else(|_| Err(DeployError::invalid(format!("{name} has failed: see the node's log"))))
    }
}
