//! An operator in one partition, as a fold over the journal.
//!
//! The steps of a record: what it means to this operator; what its guest makes of it; where the outputs go. Invariants:
//! - a record that fails leaves the state as it was, or comes again and is taken up where it failed;
//! - a checkpoint is written only when every output of the records before its cursor is durable, so that whatever it
//!   covers never has to be computed again.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tidemill_journal::{ApplyError, Catalog, Cursor, Env, Fold, Journal};
use tidemill_model::{Offset, ProducerId, Record};

use crate::guest::{OutputRows, Plugin, World};
use crate::history::History;
use crate::operator::aggregation::Aggregation;
use crate::operator::bytes::Bytes;
use crate::operator::calculation::{Calculation, GuestFactory};
use crate::operator::checkpoint::CheckpointFile;
use crate::operator::inputs::Inputs;
use crate::operator::outputs::{Outputs, producer};
use crate::operator::spec::Spec;
use crate::operator::status::Shared;

/// A checkpoint may take this share of the time: the next one waits so many times as long as the last one took.
const CHECKPOINT_SHARE: u32 = 10;

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
    Calculation(Calculation),
    Aggregation(Aggregation),
}

/// An operator in one partition.
pub(crate) struct OperatorFold {
    partition: u32,
    spec: Arc<Spec>,
    inputs: Inputs,
    kernel: Kernel,
    outputs: Outputs,
    /// Appends the operator's outputs: such records are passed over unread.
    own: Vec<ProducerId>,
    rows: OutputRows,
    /// The record whose outputs are in `rows`, not yet handed over, and the newest time in it.
    computed: Option<(Offset, Option<i64>)>,
    /// A record has been begun and not finished: the state fits no cursor.
    is_midway: bool,
    checkpoints: CheckpointFile,
    /// Where the last checkpoint reads on.
    persisted: Offset,
    next_checkpoint: Duration,
    every: Duration,
    shared: Arc<Shared>,
    env: Arc<dyn Env>,
}

impl OperatorFold {
    /// Starts the guest and takes up the last checkpoint. Returns the cursor to read on from; `begin` if there is none.
    ///
    /// # Errors
    /// The reason, for people.
    pub(crate) fn open(
        around: &Surroundings,
        (plugin, spec): (Arc<Plugin>, Arc<Spec>),
        partition: u32,
        checkpoints: CheckpointFile,
        shared: Arc<Shared>,
        (begin, cut): (Cursor, Offset),
    ) -> Result<(Self, Cursor), String> {
        let env = around.env.clone();
        let factory = GuestFactory { plugin, spec: spec.clone(), logs: shared.logs.clone(), env: env.clone() };
        let kernel = match spec.world {
            World::Calculation => Calculation::new(factory).map(Kernel::Calculation),
            World::Aggregation => {
                Aggregation::new(factory, partition, around.history.clone(), shared.clone()).map(Kernel::Aggregation)
            }
        };
        let (catalog, journal) = (around.catalog.clone(), around.journal.clone());
        let mut fold = Self {
            partition,
            inputs: Inputs::new(spec.clone(), catalog.clone()),
            kernel: kernel.map_err(|error| error.to_string())?,
            outputs: Outputs::new(spec.clone(), catalog, journal, (partition, cut), around.partitions),
            own: (0..around.partitions).map(|p| producer(&spec, around.journal.identity(), p)).collect(),
            rows: OutputRows::default(),
            computed: None,
            is_midway: false,
            next_checkpoint: env.monotonic() + around.checkpoint_every,
            every: around.checkpoint_every,
            checkpoints,
            persisted: Offset(0),
            spec,
            shared,
            env,
        };
        let cursor = match fold.checkpoints.read(&fold.spec).map_err(|error| error.to_string())? {
            None => begin,
            Some(loaded) => {
                fold.decode(&loaded.body).map_err(|reason| fold.checkpoints.error(reason).to_string())?;
                loaded.cursor
            }
        };
        fold.register()?;
        fold.persisted = cursor.next;
        Ok((fold, cursor))
    }

    fn register(&mut self) -> Result<(), String> {
        self.register_outputs().map_err(|error| error.to_string())
    }

    /// Registers the outputs of groups that are new; a name that is taken costs only that output.
    fn register_outputs(&mut self) -> Result<(), ApplyError> {
        for refusal in self.outputs.register(self.inputs.groups())? {
            self.shared.error(self.partition, format!("output dropped: {refusal}"));
        }
        Ok(())
    }

    /// Computes the outputs of a record into `rows`.
    fn compute(&mut self, record: &Record) -> Result<Option<i64>, ApplyError> {
        self.rows.clear();
        let event = self.inputs.read(record)?;
        self.register_outputs()?;
        let (inputs, rows) = (&mut self.inputs, &mut self.rows);
        let (rows_in, newest) = match &mut self.kernel {
            Kernel::Calculation(calculation) => calculation.apply(record, inputs, &event, rows)?,
            Kernel::Aggregation(aggregation) => aggregation.apply(record, inputs, &event, rows)?,
        };
        let counters = &self.shared.partitions[self.partition as usize].counters;
        counters.rows_in.fetch_add(rows_in, Relaxed);
        counters.rows_out.fetch_add(self.rows.times.len() as u64, Relaxed);
        Ok(newest)
    }

    fn compute_and_emit(&mut self, record: &Record) -> Result<Option<i64>, ApplyError> {
        let newest = match self.computed {
            Some((offset, newest)) if offset == record.offset => newest,
            _ => self.compute(record)?,
        };
        self.computed = Some((record.offset, newest));
        if !self.rows.times.is_empty() {
            let lost = self.outputs.emit(record.offset, &self.rows)?;
            self.shared.partitions[self.partition as usize].counters.errors.fetch_add(lost, Relaxed);
        }
        self.computed = None;
        Ok(newest)
    }

    /// Writes a checkpoint if it is time for one or the operator is `stopping`.
    fn checkpoint(&mut self, cursors: &[Cursor], stopping: bool) -> Result<(), ApplyError> {
        let started = self.env.monotonic();
        if self.is_midway || (!stopping && started < self.next_checkpoint) {
            return Ok(());
        }
        self.outputs.flush()?;
        let mut body = Vec::new();
        self.encode(&mut body);
        let written = self.checkpoints.write(&self.spec, &cursors[0], &body);
        written.map_err(|error| ApplyError::Retry(format!("cannot write a checkpoint: {error}")))?;
        self.persisted = cursors[0].next;
        let status = &self.shared.partitions[self.partition as usize];
        status.checkpoint_at.store(self.env.now(), Relaxed);
        status.state_bytes.store(self.state_bytes(), Relaxed);
        let finished = self.env.monotonic();
        self.next_checkpoint = finished + self.every.max((finished - started) * CHECKPOINT_SHARE);
        Ok(())
    }

    fn state_bytes(&self) -> u64 {
        match &self.kernel {
            Kernel::Calculation(calculation) => calculation.state_bytes(),
            Kernel::Aggregation(aggregation) => aggregation.state_bytes(),
        }
    }

    fn encode(&mut self, out: &mut Vec<u8>) {
        self.shared.partitions[self.partition as usize].counters.encode(out);
        self.inputs.encode(out);
        match &mut self.kernel {
            Kernel::Calculation(calculation) => calculation.encode(out),
            Kernel::Aggregation(aggregation) => aggregation.encode(out),
        }
    }

    fn decode(&mut self, body: &[u8]) -> Result<(), String> {
        let mut bytes = Bytes::new(body);
        if bytes.is_empty() {
            // The first checkpoint of an operator that starts at the newest record: a cursor, and no state.
            return Ok(());
        }
        let counters = &self.shared.partitions[self.partition as usize].counters;
        counters.decode(&mut bytes).map_err(|error| error.to_string())?;
        self.inputs.decode(&mut bytes).map_err(|error| error.to_string())?;
        match &mut self.kernel {
            Kernel::Calculation(calculation) => calculation.decode(&mut bytes)?,
            Kernel::Aggregation(aggregation) => {
                aggregation.decode(&mut bytes, self.inputs.groups()).map_err(|error| error.to_string())?;
            }
        }
        if bytes.is_empty() { Ok(()) } else { Err("checkpoint is damaged: bytes behind its end".into()) }
    }
}

impl Fold for OperatorFold {
    fn apply(&mut self, _: u32, record: &Record) -> Result<Option<i64>, ApplyError> {
        if self.own.contains(&record.producer) {
            return Ok(None);
        }
        self.is_midway = true;
        let result = self.compute_and_emit(record);
        if let Err(ApplyError::Refused(reason)) = &result {
            self.shared.error(self.partition, format!("record at {}: {reason}", record.offset));
        }
        self.is_midway = matches!(result, Err(ApplyError::Retry(_) | ApplyError::Halt(_)));
        result
    }

    fn gap(&mut self, _: u32, from: Offset, to: Offset) -> Result<(), ApplyError> {
        // Nothing can be computed of what is gone; the follower counts and reports the gap.
        self.shared.error(self.partition, format!("records from {from} to {to} were trimmed before they were read"));
        Ok(())
    }

    fn commit(&mut self, cursors: &[Cursor]) -> Result<(), ApplyError> {
        self.outputs.push()?;
        self.checkpoint(cursors, false)
    }

    fn idle(&mut self, cursors: &[Cursor], stopping: bool) -> Result<(), ApplyError> {
        self.outputs.push()?;
        self.checkpoint(cursors, stopping)
    }

    fn needed_from(&self, _: &[Cursor]) -> Option<Vec<Offset>> {
        Some(vec![self.persisted])
    }
}
