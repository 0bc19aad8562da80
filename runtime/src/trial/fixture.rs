//! Fixtures: a slice of a journal as plain data, and the ways in which trials rearrange one.
//!
//! Invariant: rearranging never changes which of two rows of one series and time comes later, so the samples that a
//! replica would end with stay the same.

use std::collections::HashMap;
use std::hash::Hasher;

use tidemill_model::payload::{Heartbeat, SamplesBuilder};
use tidemill_model::{NewRecord, Quality, RecordKind, SeriesKey, Value, ValueType};
use xxhash_rust::xxh3::Xxh3;

/// A series of a fixture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FixtureSeries {
    /// Its key.
    pub key: SeriesKey,
    /// What its rows carry.
    pub value_type: ValueType,
}

/// A sample.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// The place of its series in [`Fixture::series`].
    pub series: usize,
    /// Source time, ns since the Unix epoch.
    pub time: i64,
    /// The value.
    pub value: Value,
    /// Its quality.
    pub quality: Quality,
}

/// What a record is.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// Samples, in the order in which the record holds them.
    Samples(Vec<Row>),
    /// A heartbeat, with its time.
    Heartbeat(i64),
}

/// A record.
#[derive(Clone, PartialEq, Debug)]
pub struct Step {
    /// Its offset in the journal that it was taken from. Of outputs: the offset of the input record that caused them.
    pub offset: u64,
    /// What it is.
    pub event: Event,
}

/// A slice of a journal.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Fixture {
    /// The series that occur in it.
    pub series: Vec<FixtureSeries>,
    /// The records, in journal order.
    pub steps: Vec<Step>,
}

impl Fixture {
    /// All rows with the offsets of their records.
    pub fn rows(&self) -> impl Iterator<Item = (u64, &Row)> {
        self.steps.iter().flat_map(|step| {
            let rows: &[Row] = match &step.event {
                Event::Samples(rows) => rows,
                Event::Heartbeat(_) => &[],
            };
            rows.iter().map(|row| (step.offset, row))
        })
    }

    /// The newest source time, of rows and heartbeats.
    pub fn newest(&self) -> Option<i64> {
        let newest = |step: &Step| match &step.event {
            Event::Samples(rows) => rows.iter().map(|row| row.time).max(),
            Event::Heartbeat(time) => Some(*time),
        };
        self.steps.iter().filter_map(newest).max()
    }

    /// The same with every row in a record of its own.
    pub fn one_row_per_record(&self) -> Self {
        let mut steps = Vec::new();
        for step in &self.steps {
            match &step.event {
                Event::Heartbeat(_) => steps.push(step.clone()),
                Event::Samples(rows) => {
                    let single = |row: &Row| Step { offset: step.offset, event: Event::Samples(vec![row.clone()]) };
                    steps.extend(rows.iter().map(single));
                }
            }
        }
        Self { series: self.series.clone(), steps }
    }

    /// The same rows in another order: each comes up to `lateness_ns` later than it would in the order of time.
    /// Heartbeats are left out.
    pub fn shuffled(&self, lateness_ns: i64) -> Self {
        let mut rows: Vec<(i64, u64, &Row)> = self.rows().map(|(offset, row)| (0, offset, row)).collect();
        for (due, _, row) in &mut rows {
            let mut hasher = Xxh3::new();
            hasher.write(self.series[row.series].key.to_string().as_bytes());
            hasher.write_i64(row.time);
            let delay = (i128::from(hasher.finish()) * i128::from(lateness_ns.max(0))) >> 64;
            *due = row.time.saturating_add(delay as i64);
        }
        // Rows of one series and time have the same delay, and a stable sort leaves them in their order.
        rows.sort_by_key(|(due, ..)| *due);
        let step =
            |(_, offset, row): &(i64, u64, &Row)| Step { offset: *offset, event: Event::Samples(vec![(*row).clone()]) };
        Self { series: self.series.clone(), steps: rows.iter().map(step).collect() }
    }

    /// The same, and heartbeats behind it that close every window which ends before `time`.
    #[must_use]
    pub fn closed_by(mut self, time: i64) -> Self {
        let offset = self.steps.last().map_or(0, |step| step.offset);
        self.steps.extend((1..=2).map(|n| Step { offset: offset + n, event: Event::Heartbeat(time) }));
        self
    }

    /// The records for a journal in which series have these ids.
    pub(super) fn records(&self, ids: &[tidemill_model::SeriesId]) -> Vec<NewRecord> {
        let mut builder = SamplesBuilder::new();
        let mut record = |step: &Step| match &step.event {
            Event::Heartbeat(time) => {
                NewRecord::anonymous(RecordKind::Heartbeat, Heartbeat { time: *time }.to_payload())
            }
            Event::Samples(rows) => {
                for row in rows {
                    builder.push(ids[row.series], row.time, row.value.clone(), row.quality);
                }
                NewRecord::anonymous(RecordKind::Samples, builder.encode())
            }
        };
        self.steps.iter().map(&mut record).collect()
    }

    /// What each series ends with: the last row of every time, by series and time.
    #[must_use]
    pub fn last_of_each_time(&self) -> Self {
        let mut last: HashMap<(usize, i64), (u64, &Row)> = HashMap::new();
        for (offset, row) in self.rows() {
            last.insert((row.series, row.time), (offset, row));
        }
        let mut rows: Vec<_> = last.into_values().collect();
        rows.sort_by_key(|(_, row)| (row.series, row.time));
        let step = |(offset, row): (u64, &Row)| Step { offset, event: Event::Samples(vec![row.clone()]) };
        Self { series: self.series.clone(), steps: rows.into_iter().map(step).collect() }
    }
}
