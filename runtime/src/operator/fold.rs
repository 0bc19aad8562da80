//! An instance of an operator, as a fold over the journal: over one partition, or over all of them in one order.
//!
//! The steps of a record: what it means to this operator; what its guest makes of it; where the outputs go. Invariants:
//! - a record that fails leaves the state as it was, or comes again and is taken up where it failed;
//! - a checkpoint is captured only when every output of the records before its cursor is durable, so that whatever it
//!   covers never has to be computed again; it counts once it is durable itself, which another thread sees to;
//! - what fails there costs neither outputs nor state: the next checkpoint is a whole one.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tidemill_journal::{ApplyError, Catalog, Cursor, Env, Fold, Journal, TOPIC_QUARANTINE, TopicPartition};
use tidemill_model::{NewRecord, Offset, ProducerId, Record, RecordKind};

use crate::guest::{OutputRows, Plugin, World};
use crate::history::History;
use crate::operator::aggregation::{Aggregation, Holding, Horizon};
use crate::operator::bytes::{Bytes, Damaged};
use crate::operator::calculation::{Applied, Calculation, GuestFactory};
use crate::operator::checkpoint::{CheckpointFile, Frame, Keeper, Outcome, Saved};
use crate::operator::inputs::{Inputs, of_journal};
use crate::operator::layout::Begin;
use crate::operator::outputs::{Outputs, producer, withdrawer};
use crate::operator::refused::{self, RefusedRows};
use crate::operator::spec::Spec;
use crate::operator::status::{InstanceStatus, Shared};
use crate::operator::wait::block_on;

/// A checkpoint may take this share of the time: the next one waits so many times as long as the last one took.
const CHECKPOINT_SHARE: u32 = 10;

/// Characters of a quarantine entry's reason.
const REASON_CHARS_MAX: usize = 4096;

/// What every operator needs from its surroundings.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) history: Arc<dyn History>,
    pub(crate) env: Arc<dyn Env>,
    pub(crate) partitions: u32,
    pub(crate) checkpoint_every: Duration,
}

/// The state of an operator's world.
enum Kernel {
    Calculation(Box<Calculation>),
    Aggregation(Box<Aggregation>),
}

/// An instance of an operator.
pub(crate) struct OperatorFold {
    instance: u32,
    /// The partitions that it reads.
    reads: Range<u32>,
    spec: Arc<Spec>,
    inputs: Inputs,
    kernel: Kernel,
    outputs: Outputs,
    /// Appends the operator's outputs: such records are passed over unread.
    own: Vec<ProducerId>,
    rows: OutputRows,
    /// The record whose outputs are in `rows`, not yet handed over, and the newest time in it.
    computed: Option<(u32, Offset, Option<i64>)>,
    /// What has to be in the quarantine before those outputs are handed over.
    quarantine: Option<NewRecord>,
    journal: Arc<dyn Journal>,
    /// A record has been begun and not finished: the state fits no cursor.
    is_midway: bool,
    keeper: Keeper,
    /// Where the last capture reads on, and the last one that is durable, per partition.
    captured: Vec<Offset>,
    persisted: Vec<Offset>,
    next_checkpoint: Duration,
    every: Duration,
    shared: Arc<Shared>,
    env: Arc<dyn Env>,
}

impl OperatorFold {
    /// Starts the guest and takes up the last checkpoint. Returns the cursors to read on from; those of `begin` if there is
    /// none.
    ///
    /// # Errors
    /// [`ApplyError::Retry`] while the journal is away; another error when the operator cannot be started as it is.
    pub(crate) fn open(
        around: &Surroundings,
        (plugin, spec): (Arc<Plugin>, Arc<Spec>),
        instance: u32,
        checkpoints: CheckpointFile,
        shared: Arc<Shared>,
        begin: Begin,
    ) -> Result<(Self, Vec<Cursor>), ApplyError> {
        let env = around.env.clone();
        let reads = spec.layout(around.partitions).read_by(instance);
        let factory = GuestFactory { plugin, spec: spec.clone(), logs: shared.logs.clone(), env: env.clone() };
        let kernel = match spec.world {
            World::Calculation => {
                Calculation::new(factory).map(|calculation| Kernel::Calculation(Box::new(calculation)))
            }
            World::Aggregation => {
                let horizon = Horizon::new(around.history.clone(), around.partitions);
                Aggregation::new(factory, instance, horizon, shared.clone(), Holding::default())
                    .map(|aggregation| Kernel::Aggregation(Box::new(aggregation)))
            }
        };
        let (catalog, journal) = (around.catalog.clone(), around.journal.clone());
        let every = spec.checkpoint_every.unwrap_or(around.checkpoint_every);
        let opened = Keeper::open(checkpoints, &spec, env.clone());
        let (keeper, saved) = opened.map_err(halt)?;
        let mut fold = Self {
            instance,
            inputs: Inputs::new(spec.clone(), catalog.clone(), around.partitions),
            kernel: kernel.map_err(halt)?,
            outputs: Outputs::new(spec.clone(), catalog, journal, (reads.clone(), &begin.cuts), around.partitions),
            own: (0..around.partitions)
                .flat_map(|p| [producer, withdrawer].map(|of| of(&spec, around.journal.identity(), p)))
                .collect(),
            rows: OutputRows::default(),
            computed: None,
            quarantine: None,
            journal: around.journal.clone(),
            is_midway: false,
            next_checkpoint: env.monotonic() + every,
            every,
            keeper,
            captured: Vec::new(),
            persisted: Vec::new(),
            reads,
            spec,
            shared,
            env,
        };
        let cursors = match saved {
            None => begin.cursors,
            Some(saved) => {
                let cursors = fold.decode(&saved).map_err(|reason| halt(fold.keeper.error(reason)))?;
                fold.outputs.find_durable(&offsets(&cursors))?;
                cursors
            }
        };
        fold.begin_at(&cursors)?;
        Ok((fold, cursors))
    }

    /// It is about to read on from `cursors`.
    fn begin_at(&mut self, cursors: &[Cursor]) -> Result<(), ApplyError> {
        let offsets = offsets(cursors);
        if let Kernel::Aggregation(aggregation) = &mut self.kernel {
            aggregation.begin_at(self.reads.clone().zip(offsets.iter().copied()));
        }
        (self.captured, self.persisted) = (offsets.clone(), offsets);
        self.register_outputs()
    }

    /// The cursors in a checkpoint, one per partition that it reads.
    fn cursors_in(&self, saved: &Saved) -> Result<Vec<Cursor>, String> {
        let cursors = Cursor::decode_all(&saved.cursor).map_err(|error| error.to_string())?;
        match cursors.len() == self.reads.len() {
            true => Ok(cursors),
            false => Err(format!("checkpoint has {} cursors instead of {}", cursors.len(), self.reads.len())),
        }
    }

    /// Takes over the state of another version of the plugin, from its checkpoint. Returns the cursors to read on from.
    ///
    /// # Errors
    /// As [`OperatorFold::open`].
    pub(crate) fn inherit(
        &mut self,
        from: &GuestFactory,
        checkpoint: &CheckpointFile,
    ) -> Result<Vec<Cursor>, ApplyError> {
        let saved = checkpoint.read(&from.spec).map_err(halt)?;
        let saved = saved.ok_or_else(|| halt("the version before has no checkpoint yet: try again in a moment"))?;
        let cursors = self.cursors_in(&saved).map_err(halt)?;
        self.inputs.decode(&mut Bytes::new(&saved.places), true).map_err(halt)?;
        let groups = self.inputs.groups().len() as u32;
        match &mut self.kernel {
            Kernel::Calculation(calculation) => calculation.inherit(from, &saved, groups).map_err(halt)?,
            Kernel::Aggregation(_) => return Err(halt("an aggregation has no state to take over")),
        }
        self.begin_at(&cursors)?;
        Ok(cursors)
    }

    /// Whether it has taken up a checkpoint of its own.
    pub(crate) fn is_fresh(&self) -> bool {
        self.keeper.is_fresh()
    }

    /// Registers the outputs of groups that are new; a name that is taken costs only that output.
    fn register_outputs(&mut self) -> Result<(), ApplyError> {
        for refusal in self.outputs.register(self.inputs.groups())? {
            self.shared.error(self.instance, format!("output dropped: {refusal}"));
        }
        Ok(())
    }

    /// Computes the outputs of a record into `rows`.
    fn compute(&mut self, partition: u32, record: &Record) -> Result<Option<i64>, ApplyError> {
        self.rows.clear();
        let event = self.inputs.read(record)?;
        for stray in self.inputs.take_strays() {
            self.shared.error(self.instance, format!("series not taken: {stray}"));
        }
        self.register_outputs()?;
        let (inputs, rows) = (&mut self.inputs, &mut self.rows);
        let applied = match &mut self.kernel {
            Kernel::Calculation(calculation) => calculation.apply(record, inputs, &event, rows, &mut self.keeper)?,
            Kernel::Aggregation(aggregation) => {
                let (rows_in, newest) = aggregation.apply(partition, record, inputs, &event, rows)?;
                Applied { rows_in, newest, refused: Vec::new() }
            }
        };
        self.quarantine = self.report(partition, record.offset, &applied.refused);
        let counters = &self.instance_status().counters;
        counters.rows_in.fetch_add(applied.rows_in, Relaxed);
        counters.rows_out.fetch_add(self.rows.times.len() as u64, Relaxed);
        Ok(applied.newest)
    }

    /// Tells people of rows that were refused. Returns the entry for them.
    fn report(&self, partition: u32, offset: Offset, refused: &[RefusedRows]) -> Option<NewRecord> {
        if refused.is_empty() {
            return None;
        }
        let rows = refused.iter().map(RefusedRows::len).sum::<usize>();
        let reasons: Vec<_> = refused.iter().map(|refused| refused.describe(self.inputs.catalog())).collect();
        let reason: String = reasons.join("; ").chars().take(REASON_CHARS_MAX).collect();
        tracing::warn!(operator = self.spec.name, partition, %offset, rows, reason, "rows quarantined");
        self.instance_status().counters.quarantined_rows.fetch_add(rows as u64, Relaxed);
        self.shared.error(self.instance, format!("record at {offset}: {reason}"));
        let journal = self.journal.identity();
        Some(refused::entry(&self.spec, journal, (partition, offset), refused, &reason))
    }

    fn compute_and_emit(&mut self, partition: u32, record: &Record) -> Result<Option<i64>, ApplyError> {
        let newest = match self.computed {
            Some((of, offset, newest)) if (of, offset) == (partition, record.offset) => newest,
            _ => self.compute(partition, record)?,
        };
        self.computed = Some((partition, record.offset, newest));
        if let Some(entry) = &self.quarantine {
            let at = TopicPartition::new(TOPIC_QUARANTINE, 0);
            block_on(self.journal.append(&at, vec![entry.clone()])).map_err(of_journal)?;
            self.quarantine = None;
        }
        if !self.rows.is_empty() {
            let index = (partition - self.reads.start) as usize;
            let lost = self.outputs.emit(index, record, &self.rows)?;
            self.instance_status().counters.errors.fetch_add(lost, Relaxed);
        }
        self.computed = None;
        Ok(newest)
    }

    /// Captures a checkpoint if it is time for one or the operator is `stopping`, and takes note of what became of the last.
    fn checkpoint(&mut self, cursors: &[Cursor], stopping: bool) -> Result<(), ApplyError> {
        let outcome = self.keeper.poll();
        self.take_note(outcome);
        if self.is_midway {
            return Ok(());
        }
        let started = self.env.monotonic();
        let is_full = matches!(&self.kernel, Kernel::Calculation(calculation) if calculation.is_full());
        let is_due = stopping || is_full || started >= self.next_checkpoint;
        if !is_due || (self.keeper.is_busy() && !stopping && !is_full) {
            return Ok(());
        }
        let outcome = self.keeper.wait();
        self.take_note(outcome);
        self.outputs.flush()?;
        let has_moved = cursors.iter().zip(&self.captured).any(|(cursor, captured)| cursor.next > *captured);
        if has_moved || self.keeper.wants_base() {
            let frame = self.capture(cursors);
            self.captured.clone_from(&frame.next);
            self.keeper.write(frame);
        } else {
            self.instance_status().checkpoint_at.store(self.env.now(), Relaxed);
        }
        if stopping {
            let outcome = self.keeper.wait();
            self.take_note(outcome);
        }
        let finished = self.env.monotonic();
        self.next_checkpoint = finished + self.every.max((finished - started) * CHECKPOINT_SHARE);
        Ok(())
    }

    fn instance_status(&self) -> &InstanceStatus {
        &self.shared.instances[self.instance as usize]
    }

    fn take_note(&mut self, outcome: Option<Outcome>) {
        match outcome {
            None => {}
            Some(Outcome::Durable(next)) => {
                self.persisted = next;
                self.instance_status().checkpoint_at.store(self.env.now(), Relaxed);
                *self.instance_status().checkpoint_error.lock() = None;
            }
            Some(Outcome::Failed(reason)) => {
                let (operator, instance) = (&self.spec.name, self.instance);
                tracing::warn!(operator, instance, reason, "cannot write a checkpoint, the next one is a whole one");
                *self.instance_status().checkpoint_error.lock() = Some(reason);
            }
        }
    }

    /// The state as it is now, or what has changed since the last capture.
    fn capture(&mut self, cursors: &[Cursor]) -> Frame {
        let is_base = self.keeper.wants_base()
            || matches!(&self.kernel, Kernel::Calculation(calculation) if calculation.wants_base());
        let cursor = cursors.iter().flat_map(Cursor::encode).collect();
        let mut frame = Frame { is_base, next: offsets(cursors), cursor, ..Frame::default() };
        self.instance_status().counters.encode(&mut frame.counters);
        frame.places = self.inputs.encode(is_base);
        match &mut self.kernel {
            Kernel::Calculation(calculation) => {
                let (state, memory) = calculation.capture(is_base);
                (frame.state, frame.memory) = (state, Some(memory));
            }
            Kernel::Aggregation(aggregation) => aggregation.encode(&mut frame.state),
        }
        self.instance_status().state_bytes.store(self.state_bytes(), Relaxed);
        frame
    }

    /// Fuel that the guest has used since it was started.
    pub(crate) fn fuel(&self) -> u64 {
        match &self.kernel {
            Kernel::Calculation(calculation) => calculation.fuel(),
            Kernel::Aggregation(aggregation) => aggregation.fuel(),
        }
    }

    /// Whether windows wait for the next records.
    pub(crate) fn has_windows_waiting(&self) -> bool {
        matches!(&self.kernel, Kernel::Aggregation(aggregation) if aggregation.has_windows_waiting())
    }

    fn state_bytes(&self) -> u64 {
        match &self.kernel {
            Kernel::Calculation(calculation) => calculation.state_bytes(),
            Kernel::Aggregation(aggregation) => aggregation.state_bytes(),
        }
    }

    /// Takes over a checkpoint. Returns its cursors.
    fn decode(&mut self, saved: &Saved) -> Result<Vec<Cursor>, String> {
        let damaged = |error: Damaged| format!("checkpoint is damaged: {error}");
        let cursors = self.cursors_in(saved)?;
        let counters = &self.instance_status().counters;
        counters.decode(&mut Bytes::new(&saved.counters)).map_err(damaged)?;
        self.inputs.decode(&mut Bytes::new(&saved.places), false).map_err(damaged)?;
        match &mut self.kernel {
            Kernel::Calculation(calculation) => calculation.decode(saved)?,
            Kernel::Aggregation(aggregation) => {
                let mut bytes = Bytes::new(&saved.state);
                aggregation.decode(&mut bytes, self.inputs.groups()).map_err(damaged)?;
                if !bytes.is_empty() {
                    return Err(damaged(Damaged("bytes behind its end")));
                }
            }
        }
        Ok(cursors)
    }

    /// Whether a record only says that time passes in a partition whose word does not count: of partitions that are merged,
    /// each has its heartbeats, and a group that reads several of them would be silent too soon.
    fn is_idle_talk(&self, partition: u32, record: &Record) -> bool {
        partition != self.reads.start && record.kind() == Some(RecordKind::Heartbeat)
    }
}

/// What no repetition mends.
fn halt(reason: impl ToString) -> ApplyError {
    ApplyError::Halt(reason.to_string())
}

fn offsets(cursors: &[Cursor]) -> Vec<Offset> {
    cursors.iter().map(|cursor| cursor.next).collect()
}

impl Fold for OperatorFold {
    fn apply(&mut self, partition: u32, record: &Record) -> Result<Option<i64>, ApplyError> {
        if self.own.contains(&record.producer) || self.is_idle_talk(partition, record) {
            return Ok(None);
        }
        self.is_midway = true;
        let result = self.compute_and_emit(partition, record);
        if let Err(ApplyError::Refused(reason)) = &result {
            self.shared.error(self.instance, format!("record at {}: {reason}", record.offset));
        }
        self.is_midway = matches!(result, Err(ApplyError::Retry(_) | ApplyError::Halt(_)));
        result
    }

    fn gap(&mut self, _: u32, from: Offset, to: Offset) -> Result<(), ApplyError> {
        // Nothing can be computed of what is gone; the follower counts and reports the gap.
        self.shared.error(self.instance, format!("records from {from} to {to} were trimmed before they were read"));
        Ok(())
    }

    fn commit(&mut self, cursors: &[Cursor]) -> Result<(), ApplyError> {
        self.instance_status().has_windows_waiting.store(self.has_windows_waiting(), Relaxed);
        self.outputs.push()?;
        self.checkpoint(cursors, false)
    }

    fn idle(&mut self, cursors: &[Cursor], stopping: bool) -> Result<(), ApplyError> {
        self.outputs.push()?;
        self.checkpoint(cursors, stopping)
    }

    fn needed_from(&self, _: &[Cursor]) -> Option<Vec<Offset>> {
        Some(self.persisted.clone())
    }
}
