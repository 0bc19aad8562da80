//! The fold: applies the journal to a replica.
//!
//! A record is checked as a whole before anything of it is applied, so a refused record leaves no trace. What was
//! applied becomes visible with the next commit, in one step, together with its position.

use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use parking_lot::RwLock;
use tidemill_journal::{ApplyError, Catalog, Cursor, Env, Fold};
use tidemill_model::payload::samples::{ColumnView, Run};
use tidemill_model::payload::{DeleteRange, Heartbeat, SamplesView};
use tidemill_model::{Offset, Record, RecordKind, Series, SeriesId, TimeRange, ValueType};
use tidemill_store_block::IdMap;

use crate::StoreError;
use crate::digest::{hash_column, sample_hash, text_bits};
use crate::flush::{Checkpoint, FlushQueue};
use crate::memtable::{Deletion, Found, Memtable, Row, Rows, SeriesRows};
use crate::replica::Replica;
use crate::view::{View, overlay, row_hash};

/// Applies records to a [`Replica`]; a follower drives it.
pub struct ReplicaFold {
    replica: Arc<Replica>,
    catalog: Arc<Catalog>,
    /// The registry's slots once more, where they are found without a lock.
    slots: IdMap<u32>,
    /// `[slot]`
    series: Vec<Arc<Series>>,
    /// `[slot]`; apart from `series` so that checking a record stays in the cache.
    types: Vec<ValueType>,
    active: Arc<Memtable>,
    digest: u64,
    samples: u64,
    /// Slots of the runs of the record at hand; kept for its buffer.
    run_slots: Vec<u32>,
    env: Arc<dyn Env>,
    queue: FlushQueue,
    /// When the last freeze was.
    frozen_at: Duration,
    /// Where the cursors were then.
    frozen_offsets: Vec<Offset>,
}

/// Memtables that may wait for their flush. One is being written; a second keeps the fold going meanwhile.
const FROZEN_MAX: usize = 2;

/// What the follower does about an error of the replica's own files.
fn outcome(error: StoreError) -> ApplyError {
    match error {
        StoreError::Io { .. } => ApplyError::Retry(error.to_string()),
        _ => ApplyError::Halt(error.to_string()),
    }
}

/// A failure to read what is below the active memtable. It comes in the middle of a record, so the fold cannot go on.
fn halt(error: StoreError) -> ApplyError {
    ApplyError::Halt(error.to_string())
}

impl ReplicaFold {
    pub(crate) fn new(replica: Arc<Replica>, catalog: Arc<Catalog>, env: Arc<dyn Env>) -> Self {
        let view = replica.view();
        let registry = replica.registry.read();
        let series: Vec<_> = (0..registry.len() as u32).map(|slot| registry.series(slot).clone()).collect();
        drop(registry);
        Self {
            slots: series.iter().zip(0..).map(|(series, slot)| (series.id, slot)).collect(),
            types: series.iter().map(|series| series.value_type).collect(),
            series,
            queue: FlushQueue::start(replica.clone(), &*env),
            frozen_at: env.monotonic(),
            frozen_offsets: view.position.offsets.clone(),
            env,
            replica,
            catalog,
            active: view.active,
            digest: view.digest,
            samples: view.samples,
            run_slots: Vec::new(),
        }
    }

    fn apply_samples(&mut self, record: &Record) -> Result<Option<i64>, ApplyError> {
        let view = SamplesView::parse(&record.payload).map_err(|error| ApplyError::Refused(error.to_string()))?;
        self.resolve_runs(&view)?;
        let active = self.active.clone();
        let mut rows = active.rows.write();
        rows.series.resize_with(self.series.len(), SeriesRows::default);
        rows.ordinal += 1;
        rows.len += view.len();
        let mut newest = None;
        let run_slots = std::mem::take(&mut self.run_slots);
        let mut slots = run_slots.iter();
        let mut below = None;
        for column in view.columns() {
            for (run, slot) in column.runs().zip(slots.by_ref()) {
                newest = newest.max(self.apply_run(&mut rows, &mut below, column, run, *slot)?);
            }
        }
        self.run_slots = run_slots;
        Ok(newest)
    }

    /// Finds the slots of all runs, adding series that have their first sample in this record.
    fn resolve_runs(&mut self, view: &SamplesView<'_>) -> Result<(), ApplyError> {
        let mut run_slots = std::mem::take(&mut self.run_slots);
        run_slots.clear();
        let known = self.series.len();
        for column in view.columns() {
            for run in column.runs() {
                match self.resolve(run.series, column.value_type()) {
                    Ok(slot) => run_slots.push(slot),
                    Err(error) => {
                        self.forget_series(known);
                        return Err(error);
                    }
                }
            }
        }
        self.run_slots = run_slots;
        if self.series.len() > known {
            let mut registry = self.replica.registry.write();
            for series in &self.series[known..] {
                registry.add(series.clone());
            }
        }
        Ok(())
    }

    #[inline]
    fn resolve(&mut self, id: SeriesId, offered: ValueType) -> Result<u32, ApplyError> {
        let slot = match self.slots.get(&id) {
            Some(slot) => *slot,
            None => self.meet(id)?,
        };
        if self.types[slot as usize] == offered {
            return Ok(slot);
        }
        let series = &self.series[slot as usize];
        Err(ApplyError::Refused(format!("{} has type {}, the record has {offered}", series.key, series.value_type)))
    }

    /// Takes a series in that had no sample here before.
    #[cold]
    fn meet(&mut self, id: SeriesId) -> Result<u32, ApplyError> {
        let series = match self.catalog.series(id) {
            Some(series) => Some(series),
            None => {
                block_on(self.catalog.series_or_refresh(id)).map_err(|error| ApplyError::Retry(error.to_string()))?
            }
        };
        let series = series.ok_or_else(|| ApplyError::Refused(format!("series {id} is not in the catalog")))?;
        let slot = self.series.len() as u32;
        self.slots.insert(id, slot);
        self.types.push(series.value_type);
        self.series.push(series);
        Ok(slot)
    }

    /// Undoes [`ReplicaFold::meet`] for all but the first `known` series.
    fn forget_series(&mut self, known: usize) {
        for series in self.series.drain(known..) {
            self.slots.remove(&series.id);
        }
        self.types.truncate(known);
    }

    /// Appends one run. `below` is what lies under the active memtable, once a late row has asked for it.
    fn apply_run(
        &mut self,
        rows: &mut Rows,
        below: &mut Option<View>,
        column: &ColumnView<'_>,
        run: Run,
        slot: u32,
    ) -> Result<Option<i64>, ApplyError> {
        let (is_text, ordinal) = (column.value_type() == ValueType::Text, rows.ordinal);
        let mut newest = None;
        for index in run.first..run.first + run.rows {
            let (time, quality) = (column.time(index), column.quality(index).0);
            let (bits, hashed) = if is_text {
                (rows.intern(column.text(index)), text_bits(column.text(index)))
            } else {
                (column.bits(index), column.bits(index))
            };
            let row = Row { time, bits, quality, ordinal };
            self.digest = self.digest.wrapping_add(sample_hash(run.series, time, hashed, quality));
            self.samples += 1;
            let series = &mut rows.series[slot as usize];
            if time > series.newest {
                series.push(row);
            } else {
                self.apply_late(rows, below, row, slot)?;
            }
            newest = newest.max(Some(time));
        }
        Ok(newest)
    }

    /// Appends a row that may replace a sample; takes that one out of the digest.
    #[cold]
    fn apply_late(&mut self, rows: &mut Rows, below: &mut Option<View>, row: Row, slot: u32) -> Result<(), ApplyError> {
        let series = &self.series[slot as usize];
        let replaced = match rows.series[slot as usize].find(row.time) {
            Found::Live(replaced) => Some(row_hash(rows, series, replaced)),
            Found::Deleted => None,
            Found::Absent => {
                let below = below.get_or_insert_with(|| self.replica.view());
                below.hash_below(slot, series, row.time).map_err(halt)?
            }
        };
        if let Some(hash) = replaced {
            self.digest = self.digest.wrapping_sub(hash);
            self.samples -= 1;
        }
        rows.series[slot as usize].push_late(row);
        Ok(())
    }

    fn apply_delete(&mut self, record: &Record) -> Result<(), ApplyError> {
        let refused = |error: tidemill_model::payload::PayloadError| ApplyError::Refused(error.to_string());
        let delete = DeleteRange::parse(&record.payload).map_err(refused)?;
        let range = TimeRange::new(delete.start, delete.end);
        let below = self.replica.view();
        let active = self.active.clone();
        let mut rows = active.rows.write();
        rows.series.resize_with(self.series.len(), SeriesRows::default);
        rows.ordinal += 1;
        let deletion = Deletion { range, ordinal: rows.ordinal };
        // A series without samples has nothing to delete; one that the catalog does not know has none.
        for slot in delete.series.iter().filter_map(|id| self.slots.get(&SeriesId(*id))) {
            let series = &self.series[*slot as usize];
            let mut live = below.scan_frozen(*slot, series, range).map_err(halt)?;
            overlay(&mut live, &rows, *slot, range, u32::MAX);
            self.digest = self.digest.wrapping_sub(hash_column(series.id, &live));
            self.samples -= live.len() as u64;
            rows.series[*slot as usize].delete(deletion);
            rows.deletions += 1;
        }
        Ok(())
    }

    /// Makes everything applied visible at the cursors' position.
    fn publish(&mut self, cursors: &[Cursor]) {
        let cut = self.active.rows.read().ordinal;
        let offsets = cursors.iter().map(|cursor| cursor.next).collect();
        self.replica.publish(offsets, self.digest, self.samples, self.series.len() as u32, cut);
    }

    /// Publishes, and hands the memtable over to be flushed when it is full or old.
    fn settle(&mut self, cursors: &[Cursor], stopping: bool) -> Result<(), ApplyError> {
        self.replica.storage.check_present().map_err(outcome)?;
        self.publish(cursors);
        self.queue.poll().map_err(outcome)?;
        if self.is_due(cursors, stopping) {
            self.queue.wait_for(FROZEN_MAX - 1).map_err(outcome)?;
            self.freeze(cursors).map_err(outcome)?;
        }
        if stopping {
            self.queue.wait_for(0).map_err(outcome)?;
        }
        Ok(())
    }

    fn is_due(&self, cursors: &[Cursor], stopping: bool) -> bool {
        let rows = self.active.rows.read();
        if rows.weight() >= self.replica.config.memtable_rows_max {
            return true;
        }
        let is_old = self.env.monotonic().saturating_sub(self.frozen_at) >= self.replica.config.flush_after;
        let has_moved = || cursors.iter().map(|cursor| cursor.next).ne(self.frozen_offsets.iter().copied());
        (stopping || (is_old && self.queue.is_empty())) && (!rows.is_empty() || has_moved())
    }

    /// Starts a new memtable and queues the old one. Everything applied has been published.
    fn freeze(&mut self, cursors: &[Cursor]) -> Result<(), StoreError> {
        let full = self.active.clone();
        let rows = full.rows.read();
        let memtable = (!rows.is_empty()).then(|| full.clone());
        if memtable.is_some() {
            let view = self.replica.view();
            let next = rows.successor(&self.types, |slot| view.last(slot, &self.series[slot as usize]))?;
            self.active = Arc::new(Memtable { rows: RwLock::new(next) });
            self.replica.replace_active(self.active.clone());
        }
        drop(rows);
        self.queue.push(Checkpoint {
            memtable,
            cursors: cursors.to_vec(),
            digest: self.digest,
            samples: self.samples,
            series_count: self.series.len() as u32,
        });
        self.frozen_at = self.env.monotonic();
        self.frozen_offsets = cursors.iter().map(|cursor| cursor.next).collect();
        Ok(())
    }
}

impl Drop for ReplicaFold {
    /// From here on the directory is left alone.
    fn drop(&mut self) {
        self.replica.storage.close();
    }
}

impl Fold for ReplicaFold {
    fn apply(&mut self, _partition: u32, record: &Record) -> Result<Option<i64>, ApplyError> {
        match record.kind() {
            Some(RecordKind::Samples) => self.apply_samples(record),
            Some(RecordKind::DeleteRange) => self.apply_delete(record).map(|()| None),
            Some(RecordKind::Heartbeat) => match Heartbeat::parse(&record.payload) {
                Ok(heartbeat) => Ok(Some(heartbeat.time)),
                Err(error) => Err(ApplyError::Refused(error.to_string())),
            },
            _ => Err(ApplyError::Refused(format!("a replica cannot apply a record of kind {}", record.kind_number))),
        }
    }

    fn gap(&mut self, _partition: u32, _from: Offset, _to: Offset) -> Result<(), ApplyError> {
        Ok(())
    }

    fn commit(&mut self, cursors: &[Cursor]) -> Result<(), ApplyError> {
        self.settle(cursors, false)
    }

    fn idle(&mut self, cursors: &[Cursor], stopping: bool) -> Result<(), ApplyError> {
        self.settle(cursors, stopping)
    }

    fn needed_from(&self, _cursors: &[Cursor]) -> Option<Vec<Offset>> {
        self.replica.storage.durable_offsets()
    }
}
