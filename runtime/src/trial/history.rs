//! What a replica that follows the trial's journal would answer.

use std::collections::{BTreeMap, HashMap};

use tidemill_model::payload::samples::push_value;
use tidemill_model::{Offset, SampleColumn, SeriesId, TimeRange, Value, ValueType, Values};

use super::fixture::Row;
use crate::error::HistoryError;
use crate::history::History;

/// By time, the rows of a series, each with the record that it came in.
type Rows = BTreeMap<i64, Vec<(Offset, Row)>>;

/// The inputs of a trial: of each series its rows by time, each with the record that it came in.
#[derive(Default)]
pub(super) struct TrialHistory {
    series: HashMap<u64, (ValueType, Rows)>,
}

impl TrialHistory {
    pub(super) fn add(&mut self, id: SeriesId, value_type: ValueType, offset: Offset, row: &Row) {
        let (_, rows) = self.series.entry(id.0).or_insert_with(|| (value_type, BTreeMap::new()));
        rows.entry(row.time).or_default().push((offset, row.clone()));
    }
}

impl History for TrialHistory {
    fn read(
        &self,
        series: SeriesId,
        range: TimeRange,
        _partition: u32,
        at_least: Offset,
    ) -> Result<SampleColumn, HistoryError> {
        let Some((value_type, rows)) = self.series.get(&series.0) else {
            return Ok(SampleColumn::empty(ValueType::Float));
        };
        let (mut times, mut values, mut qualities) = (Vec::new(), Values::new(*value_type), Vec::new());
        for (time, versions) in rows.iter().filter(|(time, _)| range.contains(**time)) {
            let Some((_, row)) = versions.iter().rev().find(|(offset, _)| *offset < at_least) else {
                continue;
            };
            times.push(*time);
            let (bits, text) = match &row.value {
                Value::Float(v) => (v.to_bits(), ""),
                Value::Int(v) => (*v as u64, ""),
                Value::Uint(v) => (*v, ""),
                Value::Bool(v) => (u64::from(*v), ""),
                Value::Text(v) => (0, v.as_str()),
            };
            push_value(&mut values, bits, text);
            qualities.push(row.quality.0);
        }
        Ok(SampleColumn { times, values, qualities })
    }
}
