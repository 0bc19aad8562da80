//! A view: the memtables and blocks that make up the replica at one moment, and how they are read as one.
//!
//! ```text
//!   older                                                newer
//!   block 1 ─ block 2 ─ … ─ block n ─ frozen memtables ─ active memtable up to `cut`
//! ```
//!
//! Later wins at equal source times. A deletion hides what is older than itself.

use std::sync::Arc;

use tidemill_model::{Position, Sample, SampleColumn, Series, TimeRange};
use tidemill_store_block::column;

use crate::StoreError;
use crate::blocks::BlockSet;
use crate::digest::{hash_of, sample_hash, text_bits};
use crate::memtable::{Found, Last, Memtable, Row, Rows};

/// All that a reader needs. Cloning copies a handful of pointers.
#[derive(Clone)]
pub(crate) struct View {
    /// Everything before it is in, nothing after it.
    pub(crate) position: Arc<Position>,
    /// Wrapping sum of the hashes of the live samples.
    pub(crate) digest: u64,
    /// Number of live samples.
    pub(crate) samples: u64,
    /// Number of series; later slots are not in sight.
    pub(crate) series_count: u32,
    /// Ordinal of the newest record of the active memtable that is in sight.
    pub(crate) cut: u32,
    pub(crate) active: Arc<Memtable>,
    /// Memtables that are being written to blocks, oldest first.
    pub(crate) frozen: Vec<Arc<Memtable>>,
    pub(crate) blocks: Arc<BlockSet>,
}

impl View {
    /// The live samples of a series in `range`.
    pub(crate) fn scan(&self, slot: u32, series: &Series, range: TimeRange) -> Result<SampleColumn, StoreError> {
        let mut samples = self.scan_frozen(slot, series, range)?;
        let rows = self.active.rows.read();
        overlay(&mut samples, &rows, slot, range, self.cut);
        drop(rows);
        column::normalize(&mut samples);
        Ok(samples)
    }

    /// The same without the active memtable.
    pub(crate) fn scan_frozen(&self, slot: u32, series: &Series, range: TimeRange) -> Result<SampleColumn, StoreError> {
        let mut samples = self.blocks.scan(series, range)?;
        for memtable in &self.frozen {
            overlay(&mut samples, &memtable.rows.read(), slot, range, u32::MAX);
        }
        Ok(samples)
    }

    /// The live sample with the largest time.
    pub(crate) fn last(&self, slot: u32, series: &Series) -> Result<Option<Sample>, StoreError> {
        let rows = self.active.rows.read();
        let last = rows.series.get(slot as usize).map_or(Last::None, |series| series.last(self.cut));
        match last {
            Last::None => return Ok(None),
            Last::Row(row) => return Ok(Some(rows.sample(series.value_type, row))),
            Last::LookUp => drop(rows),
        }
        let samples = self.scan(slot, series, TimeRange::ALL)?;
        Ok(samples.len().checked_sub(1).and_then(|row| samples.get(row)))
    }

    /// Hash of the live sample at `time` that lies below the active memtable.
    pub(crate) fn hash_below(&self, slot: u32, series: &Series, time: i64) -> Result<Option<u64>, StoreError> {
        for memtable in self.frozen.iter().rev() {
            let rows = memtable.rows.read();
            match rows.series.get(slot as usize).map_or(Found::Absent, |series| series.find(time)) {
                Found::Live(row) => return Ok(Some(row_hash(&rows, series, row))),
                Found::Deleted => return Ok(None),
                Found::Absent => {}
            }
        }
        Ok(self.blocks.find(series, time)?.map(|sample| hash_of(series.id, &sample)))
    }
}

/// Lays what a memtable holds of a series over what is older.
pub(crate) fn overlay(samples: &mut SampleColumn, rows: &Rows, slot: u32, range: TimeRange, cut: u32) {
    let Some(series) = rows.series.get(slot as usize) else {
        return;
    };
    for deletion in series.deletions().iter().filter(|deletion| deletion.ordinal <= cut) {
        column::remove(samples, deletion.range);
    }
    let value_type = samples.values.value_type();
    let newer = rows.column(slot as usize, value_type, range, cut);
    let older = std::mem::replace(samples, SampleColumn::empty(value_type));
    *samples = column::merge(older, newer);
}

/// Hash of a memtable's row.
pub(crate) fn row_hash(rows: &Rows, series: &Series, row: Row) -> u64 {
    use tidemill_model::ValueType::Text;
    let bits = if series.value_type == Text { text_bits(rows.text(row.bits)) } else { row.bits };
    sample_hash(series.id, row.time, bits, row.quality)
}
