//! Rows that a guest fails on, and the quarantine entry that names them.

use std::fmt::Write;
use std::ops::Range;

use tidemill_journal::{Catalog, TOPIC_DATA};
use tidemill_model::payload::{Quarantined, SamplesBuilder, SamplesView};
use tidemill_model::{JournalIdentity, NewRecord, Offset, ProducerId, Quality, RecordKind, SeriesId, Value};

use crate::operator::inputs::Target;
use crate::operator::spec::Spec;

/// Rows that are named one by one; the payload has all of them.
const NAMED_ROWS_MAX: usize = 16;
/// Characters of a text value that are named.
const NAMED_CHARS_MAX: usize = 40;

/// Rows next to each other that a guest fails on.
#[derive(Debug)]
pub(crate) struct RefusedRows {
    pub(crate) reason: String,
    rows: Vec<(SeriesId, i64, Value, Quality)>,
}

impl RefusedRows {
    /// The number of rows.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The rows by name, and why they were refused.
    pub(crate) fn describe(&self, catalog: &Catalog) -> String {
        let mut out = String::new();
        for (series, time, value, _) in self.rows.iter().take(NAMED_ROWS_MAX) {
            let key = catalog.series(*series).map_or_else(|| series.to_string(), |series| series.key.to_string());
            let value = match value {
                Value::Float(value) => value.to_string(),
                Value::Int(value) => value.to_string(),
                Value::Uint(value) => value.to_string(),
                Value::Bool(value) => value.to_string(),
                Value::Text(text) => format!("{:?}", text.chars().take(NAMED_CHARS_MAX).collect::<String>()),
            };
            write!(out, "{key} at {time} ns = {value}, ").expect("a string takes everything");
        }
        if self.rows.len() > NAMED_ROWS_MAX {
            write!(out, "{} more rows, ", self.rows.len() - NAMED_ROWS_MAX).expect("a string takes everything");
        }
        out.truncate(out.len().saturating_sub(2));
        format!("{out}: {}", self.reason)
    }
}

/// The rows of a record in the order in which a guest gets them: column and row.
fn in_order(view: &SamplesView<'_>, targets: &[Target]) -> Vec<(usize, SeriesId, usize)> {
    let mut rows = Vec::new();
    let mut targets = targets.iter();
    for (index, column) in view.columns().iter().enumerate() {
        for (run, target) in column.runs().zip(&mut targets) {
            if target.is_input() {
                let first = rows.len();
                rows.extend((run.first..run.first + run.rows).map(|row| (index, run.series, row)));
                rows[first..].sort_by_key(|(_, _, row)| column.time(*row));
            }
        }
    }
    rows
}

/// Takes the refused rows out of their record.
pub(crate) fn take_out(
    view: &SamplesView<'_>,
    targets: &[Target],
    refused: Vec<(Range<usize>, String)>,
) -> Vec<RefusedRows> {
    let order = in_order(view, targets);
    let row = |(column, series, row): &(usize, SeriesId, usize)| {
        let column = &view.columns()[*column];
        (*series, column.time(*row), column.value(*row), column.quality(*row))
    };
    let take =
        |(range, reason): (Range<usize>, String)| RefusedRows { reason, rows: order[range].iter().map(row).collect() };
    refused.into_iter().map(take).collect()
}

/// The entry for the rows of one record. Its producer and sequence make a repetition harmless.
pub(crate) fn entry(
    spec: &Spec,
    journal: JournalIdentity,
    (partition, offset): (u32, Offset),
    refused: &[RefusedRows],
    reason: &str,
) -> NewRecord {
    let mut samples = SamplesBuilder::new();
    for (series, time, value, quality) in refused.iter().flat_map(|refused| &refused.rows) {
        samples.push(*series, *time, value.clone(), *quality);
    }
    let entry = Quarantined {
        follower: format!("operator {}", spec.name),
        topic: TOPIC_DATA.to_owned(),
        partition,
        offset: offset.0,
        reason: reason.to_owned(),
        payload: samples.encode().into(),
    };
    let producer = format!("quarantine/operator/{}/{}/{partition}/{journal}", spec.name, spec.generation);
    NewRecord {
        producer: ProducerId::from_name(&producer),
        sequence: offset.0,
        ..NewRecord::anonymous(RecordKind::Quarantined, entry.to_payload())
    }
}
