//! The rows of one series in a memtable.

use std::collections::HashMap;

use tidemill_model::TimeRange;

use super::{Deletion, Found};

/// One applied sample: 24 bytes, so that applying it touches one cache line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Row {
    pub(crate) time: i64,
    /// Bits of the value, or a place in the memtable's texts.
    pub(crate) bits: u64,
    pub(crate) quality: u32,
    pub(crate) ordinal: u32,
}

const _: () = assert!(size_of::<Row>() == 24);

/// The rows of one series, and what it knows of its past: one cache line.
pub(crate) struct SeriesRows {
    /// The in-order lane.
    pub(crate) rows: Vec<Row>,
    /// Largest source time the series ever had; deleting does not lower it.
    pub(crate) newest: i64,
    /// The last live sample from before this memtable.
    pub(crate) base: Base,
    cold: Option<Box<Cold>>,
}

const _: () = assert!(size_of::<SeriesRows>() == 64);

/// A series' last live sample when the memtable began; the bits are as in a [`Row`].
///
/// An `Option` inside out, because the outer one would not fit into the cache line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Base {
    time: i64,
    bits: u64,
    quality: u32,
    is_known: bool,
}

impl Base {
    /// The series has no live sample.
    pub(crate) const NONE: Base = Base { time: 0, bits: 0, quality: 0, is_known: false };

    pub(crate) fn new(time: i64, bits: u64, quality: u32) -> Self {
        Self { time, bits, quality, is_known: true }
    }

    fn row(self) -> Option<Row> {
        self.is_known.then_some(Row { time: self.time, bits: self.bits, quality: self.quality, ordinal: 0 })
    }
}

/// What only few series have.
#[derive(Default)]
struct Cold {
    late: Vec<Row>,
    /// Source time to the newest late row of it.
    late_by_time: HashMap<i64, u32>,
    /// Largest source time among the late rows.
    late_newest: Option<i64>,
    deletions: Vec<Deletion>,
}

/// What a memtable knows about a series' last sample.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Last {
    /// This is it.
    Row(Row),
    /// There is none.
    None,
    /// It was deleted here; what is last now must be looked up among older samples, unless this row, which is
    /// older than the deleted one, turns out to be.
    LookUp,
}

impl Default for SeriesRows {
    fn default() -> Self {
        Self::new(i64::MIN, Base::NONE, 0)
    }
}

impl SeriesRows {
    /// No rows yet; the past is `newest` and `base`.
    pub(crate) fn new(newest: i64, base: Base, capacity: usize) -> Self {
        Self { rows: Vec::with_capacity(capacity), newest, base, cold: None }
    }

    /// Appends a row that is newer in source time than all before.
    #[inline]
    pub(crate) fn push(&mut self, row: Row) {
        self.newest = row.time;
        self.rows.push(row);
    }

    /// Appends a row that is not.
    pub(crate) fn push_late(&mut self, row: Row) {
        let cold = self.cold.get_or_insert_default();
        cold.late_by_time.insert(row.time, cold.late.len() as u32);
        cold.late.push(row);
        cold.late_newest = cold.late_newest.max(Some(row.time));
        self.newest = self.newest.max(row.time);
    }

    /// Hides what lies in the range and came before.
    pub(crate) fn delete(&mut self, deletion: Deletion) {
        self.cold.get_or_insert_default().deletions.push(deletion);
    }

    pub(crate) fn deletions(&self) -> &[Deletion] {
        self.cold.as_ref().map_or(&[], |cold| &cold.deletions)
    }

    /// Whether there is no row in either lane.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.cold.as_ref().is_none_or(|cold| cold.late.is_empty())
    }

    /// The newest row at `time`, with everything that was applied in sight.
    pub(crate) fn find(&self, time: i64) -> Found<Row> {
        let late = self.cold.as_ref().and_then(|cold| Some(cold.late[*cold.late_by_time.get(&time)? as usize]));
        let in_order = || self.rows.binary_search_by_key(&time, |row| row.time).ok().map(|at| self.rows[at]);
        let row = late.or_else(in_order);
        let deleted = self.deletions().iter().filter(|d| d.range.contains(time)).map(|d| d.ordinal).max();
        match (row, deleted) {
            (Some(row), Some(deleted)) if row.ordinal <= deleted => Found::Deleted,
            (Some(row), _) => Found::Live(row),
            (None, Some(_)) => Found::Deleted,
            (None, None) => Found::Absent,
        }
    }

    /// Hands the live rows in `range` to `visit` in pieces, times ascending, as the record with ordinal `cut` left them.
    pub(crate) fn visit(&self, range: TimeRange, cut: u32, mut visit: impl FnMut(&[Row])) {
        let in_order = &self.rows[..visible(&self.rows, cut)];
        let first = in_order.partition_point(|row| row.time < range.start);
        let end = in_order.partition_point(|row| row.time < range.end).max(first);
        let in_order = &in_order[first..end];
        let Some(cold) = &self.cold else {
            return visit(in_order);
        };
        let mut rows = in_order.to_vec();
        rows.extend(cold.late[..visible(&cold.late, cut)].iter().filter(|row| range.contains(row.time)));
        // Stable, so that of equal times the row that came last stays last.
        rows.sort_by_key(|row| row.time);
        let mut kept = Vec::with_capacity(rows.len());
        for (i, row) in rows.iter().enumerate() {
            let is_replaced = rows.get(i + 1).is_some_and(|next| next.time == row.time);
            if !is_replaced && !cold.hides(row.time, row.ordinal, cut) {
                kept.push(*row);
            }
        }
        visit(&kept);
    }

    /// The last live sample as the record with ordinal `cut` left it.
    pub(crate) fn last(&self, cut: u32) -> Last {
        let base = self.base.row();
        let or_none = |row: Option<Row>| row.map_or(Last::None, Last::Row);
        let in_order = &self.rows[..visible(&self.rows, cut)];
        let Some(cold) = &self.cold else {
            return or_none(in_order.last().copied().or(base));
        };
        if let Some(row) = in_order.last()
            && Some(row.time) > cold.late_newest
            && !cold.hides(row.time, row.ordinal, cut)
        {
            return Last::Row(*row);
        }
        let mut newest: Option<Row> = None;
        self.visit(TimeRange::ALL, cut, |rows| newest = rows.last().copied());
        match (newest, base) {
            (Some(row), Some(base)) if row.time >= base.time => Last::Row(row),
            (_, Some(base)) if cold.hides(base.time, 0, cut) => Last::LookUp,
            (_, Some(base)) => Last::Row(base),
            (newest, None) => or_none(newest),
        }
    }
}

impl Cold {
    /// Whether a row of this time and ordinal is deleted in the eyes of `cut`.
    fn hides(&self, time: i64, ordinal: u32, cut: u32) -> bool {
        self.deletions.iter().any(|d| d.ordinal <= cut && ordinal < d.ordinal && d.range.contains(time))
    }
}

/// How many rows of a lane `cut` sees.
fn visible(rows: &[Row], cut: u32) -> usize {
    match rows.last() {
        Some(last) if last.ordinal > cut => rows.partition_point(|row| row.ordinal <= cut),
        _ => rows.len(),
    }
}
