//! Rows of many groups and ports, as columns.
//!
//! Invariants: the rows of the runs add up to the length of the columns; `qualities` is empty (all good) or as long as the others;
//! rows of a run are ordered by time.

use std::collections::BTreeMap;

use crate::{Problem, Quality, Time};

/// Consecutive rows of one port of one group. 12 bytes, as in the contract.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Run {
    /// The group.
    pub group: u32,
    /// The port.
    pub port: u32,
    /// How many rows of the columns belong to this run.
    pub rows: u32,
}

/// One row.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Row {
    /// The group.
    pub group: u32,
    /// The port.
    pub port: u32,
    /// Source time.
    pub time: Time,
    /// The value; in a row of a text port, the place of the text: see [`Batch::text`].
    pub value: f64,
    /// The quality.
    pub quality: Quality,
}

impl Row {
    /// A row of good quality.
    pub const fn good(group: u32, port: u32, time: Time, value: f64) -> Row {
        Row { group, port, time, value, quality: Quality::GOOD }
    }
}

/// Rows as columns.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(crate) t0: i64,
    pub(crate) runs: Vec<Run>,
    pub(crate) dt: Vec<i64>,
    pub(crate) values: Vec<f64>,
    pub(crate) qualities: Vec<u32>,
    pub(crate) texts: Texts,
}

/// Each text once, in order of first use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts {
    pub(crate) list: Vec<String>,
    places: BTreeMap<String, u32>,
}

impl Texts {
    /// Texts that came in. They are only looked up by place.
    pub(crate) fn given(list: Vec<String>) -> Texts {
        Texts { list, places: BTreeMap::new() }
    }

    pub(crate) fn get(&self, value: f64) -> Option<&str> {
        let is_place = value >= 0.0 && value < self.list.len() as f64;
        if is_place { self.list.get(value as usize).map(String::as_str) } else { None }
    }

    fn place(&mut self, text: &str) -> u32 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = self.list.len() as u32;
        self.list.push(text.to_owned());
        self.places.insert(text.to_owned(), place);
        place
    }

    fn clear(&mut self) {
        self.list.clear();
        self.places.clear();
    }
}

/// The columns of one run.
#[derive(Clone, Copy, Debug)]
pub struct RunRows<'a> {
    /// The group.
    pub group: u32,
    /// The port.
    pub port: u32,
    t0: i64,
    dt: &'a [i64],
    values: &'a [f64],
    qualities: &'a [u32],
    texts: &'a Texts,
}

impl Batch {
    pub(crate) const fn empty() -> Batch {
        let texts = Texts { list: Vec::new(), places: BTreeMap::new() };
        Batch { t0: 0, runs: Vec::new(), dt: Vec::new(), values: Vec::new(), qualities: Vec::new(), texts }
    }

    /// Refuses columns whose lengths do not fit each other.
    pub(crate) fn checked(self) -> Result<Batch, Problem> {
        let rows = self.dt.len();
        let in_runs: u64 = self.runs.iter().map(|run| u64::from(run.rows)).sum();
        if in_runs != rows as u64 || self.values.len() != rows {
            return Err(Problem::contract("runs, dt and values differ in length"));
        }
        if !self.qualities.is_empty() && self.qualities.len() != rows {
            return Err(Problem::contract("qualities and values differ in length"));
        }
        Ok(self)
    }

    /// The text that a row of a text port stands for.
    pub fn text(&self, row: &Row) -> Option<&str> {
        self.texts.get(row.value)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// There are no rows.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The runs with their columns: the fast way, for calculations that work on slices.
    pub fn runs(&self) -> impl Iterator<Item = RunRows<'_>> {
        let mut start = 0;
        self.runs.iter().map(move |run| {
            let range = start..start + run.rows as usize;
            start = range.end;
            RunRows {
                group: run.group,
                port: run.port,
                t0: self.t0,
                dt: &self.dt[range.clone()],
                values: &self.values[range.clone()],
                qualities: self.qualities.get(range).unwrap_or(&[]),
                texts: &self.texts,
            }
        })
    }

    /// The rows, run by run.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        self.runs().flat_map(RunRows::rows)
    }

    /// The rows by group, then time, then port, for calculations that combine several inputs. Costs a sort and a copy.
    pub fn rows_by_time(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = self.rows().collect();
        rows.sort_by_key(|row| (row.group, row.time, row.port));
        rows
    }

    /// Appends a row to the last run, or to a new one when it does not fit there.
    #[inline]
    pub(crate) fn push(&mut self, row: Row) {
        let dt = row.time.0.wrapping_sub(self.t0);
        match (self.runs.last_mut(), self.dt.last()) {
            (Some(run), Some(last)) if run.group == row.group && run.port == row.port && *last <= dt => {
                run.rows += 1;
                self.dt.push(dt);
            }
            _ => self.begin_run(&row),
        }
        if row.quality != Quality::GOOD || !self.qualities.is_empty() {
            self.push_quality(row.quality);
        }
        self.values.push(row.value);
    }

    /// Appends a row whose value is a text.
    pub(crate) fn push_text(&mut self, row: Row, text: &str) {
        let value = f64::from(self.texts.place(text));
        self.push(Row { value, ..row });
    }

    #[cold]
    fn begin_run(&mut self, row: &Row) {
        if self.runs.is_empty() {
            self.t0 = row.time.0;
        }
        self.runs.push(Run { group: row.group, port: row.port, rows: 1 });
        self.dt.push(row.time.0.wrapping_sub(self.t0));
    }

    /// Before the value is pushed. The first quality that is worth a word brings those of all rows before it.
    #[cold]
    fn push_quality(&mut self, quality: Quality) {
        self.qualities.resize(self.values.len(), Quality::GOOD.0);
        self.qualities.push(quality.0);
    }

    /// Forgets the rows. Keeps the buffers, unless one call made them unusually large: they would be part of every checkpoint.
    pub(crate) fn clear(&mut self) {
        if self.values.capacity() > ROWS_KEPT_MAX {
            *self = Batch::empty();
        }
        self.runs.clear();
        self.dt.clear();
        self.values.clear();
        self.qualities.clear();
        self.texts.clear();
    }
}

/// Buffers beyond this many rows (1.5 MB) are given back after the call.
const ROWS_KEPT_MAX: usize = 65_536;

impl<'a> RunRows<'a> {
    /// The values, ordered by time.
    pub fn values(&self) -> &'a [f64] {
        self.values
    }

    /// Source time of row `index`.
    pub fn time(&self, index: usize) -> Time {
        Time(self.t0.wrapping_add(self.dt[index]))
    }

    /// Quality of row `index`.
    pub fn quality(&self, index: usize) -> Quality {
        self.qualities.get(index).map_or(Quality::GOOD, |code| Quality(*code))
    }

    /// The text of row `index`, if the port carries texts.
    pub fn text(&self, index: usize) -> Option<&'a str> {
        self.texts.get(self.values[index])
    }

    /// Every row is good without details (the common case, worth a fast path).
    pub fn is_all_good(&self) -> bool {
        self.qualities.is_empty()
    }

    /// The rows.
    pub fn rows(self) -> impl Iterator<Item = Row> + 'a {
        self.dt.iter().zip(self.values).enumerate().map(move |(index, (dt, value))| Row {
            group: self.group,
            port: self.port,
            time: Time(self.t0.wrapping_add(*dt)),
            value: *value,
            quality: self.quality(index),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were_pushed() {
        let bad = Row { quality: Quality::BAD, ..Row::good(1, 0, Time(3), 5.0) };
        let rows = [Row::good(1, 0, Time(7), 1.0), Row::good(1, 0, Time(7), 2.0), bad, Row::good(1, 2, Time(4), 3.0)];
        let mut batch = Batch::default();
        rows.iter().for_each(|row| batch.push(*row));
        assert_eq!(batch.rows().collect::<Vec<_>>(), rows);
        assert_eq!(
            batch.runs.iter().map(|run| run.rows).collect::<Vec<_>>(),
            [2, 1, 1],
            "time must not go back within a run"
        );
        assert!(batch.checked().is_ok());
    }

    #[test]
    fn qualities_stay_away_while_everything_is_good() {
        let mut batch = Batch::default();
        batch.push(Row::good(0, 0, Time(1), 1.0));
        assert!(batch.qualities.is_empty());
        batch.push(Row { quality: Quality::UNCERTAIN, ..Row::good(0, 0, Time(2), 1.0) });
        batch.push(Row::good(0, 0, Time(3), 1.0));
        assert_eq!(batch.qualities, [0, Quality::UNCERTAIN.0, 0]);
    }

    #[test]
    fn columns_of_different_length_are_refused() {
        let mut batch = Batch::default();
        batch.push(Row::good(0, 0, Time(1), 1.0));
        let longer_run = Batch { runs: vec![Run { group: 0, port: 0, rows: 2 }], ..batch.clone() };
        let fewer_values = Batch { values: Vec::new(), ..batch.clone() };
        let more_qualities = Batch { qualities: vec![0, 0], ..batch };
        for wrong in [longer_run, fewer_values, more_qualities] {
            assert_eq!(wrong.checked().expect_err("lengths differ").code, Problem::CONTRACT);
        }
    }

    #[test]
    fn rows_by_time_merges_the_ports_of_a_group() {
        let mut batch = Batch::default();
        for (port, seconds) in [(0, 1), (0, 3), (1, 1), (1, 2)] {
            batch.push(Row::good(0, port, Time::from_seconds(seconds), 0.0));
        }
        let order: Vec<_> = batch.rows_by_time().iter().map(|row| (row.time.0 / 1_000_000_000, row.port)).collect();
        assert_eq!(order, [(1, 0), (1, 1), (2, 1), (3, 0)]);
    }
}
