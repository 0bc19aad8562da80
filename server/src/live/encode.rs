//! Live events as bytes: JSON in server-sent events.
//!
//! Times are nanoseconds: the first one of a series as text, because JavaScript's numbers cannot hold it, the others as
//! distances from it. Numbers that JSON cannot hold (none can be written, but operators compute) are `null`.

use std::collections::HashMap;
use std::fmt::Write;

use bytes::Bytes;
use tidemill_model::payload::samples::{ColumnView, Run};
use tidemill_model::payload::{DeleteRange, SamplesView};
use tidemill_model::{Position, Record, RecordKind, Sample, SeriesId, Value};

use super::channel::Channel;

/// What a record has for a channel: the members of an event's data after its position.
pub(super) fn record(channel: &Channel, record: &Record) -> Option<Bytes> {
    match record.kind()? {
        RecordKind::Samples => samples(channel, &record.payload),
        RecordKind::DeleteRange => delete(channel, &record.payload),
        _ => None,
    }
}

/// The event's name for a record.
pub(super) fn event_of(record: &Record) -> &'static str {
    if record.kind() == Some(RecordKind::DeleteRange) { "delete" } else { "samples" }
}

/// An event whose data are a position and `members`. With `is_resumable`, the position is the event's id.
pub(super) fn event(name: &str, position: &Position, members: &[u8], is_resumable: bool) -> Bytes {
    let position = position.to_string();
    let mut out = Vec::with_capacity(members.len() + 2 * position.len() + 64);
    if is_resumable {
        out.extend_from_slice(format!("id: {position}\n").as_bytes());
    }
    out.extend_from_slice(format!("event: {name}\ndata: {{\"position\":\"{position}\"").as_bytes());
    if !members.is_empty() {
        out.push(b',');
        out.extend_from_slice(members);
    }
    out.extend_from_slice(b"}\n\n");
    out.into()
}

fn samples(channel: &Channel, payload: &[u8]) -> Option<Bytes> {
    let view = SamplesView::parse(payload).ok()?;
    let mut out = String::from("\"series\":[");
    let empty = out.len();
    for column in view.columns() {
        for (series, runs) in runs_by_series(column) {
            let Some(head) = channel.head(series) else { continue };
            if out.len() > empty {
                out.push(',');
            }
            out.push_str(&head);
            let rows: Vec<usize> = runs.iter().flat_map(|run| run.first..run.first + run.rows).collect();
            push_rows(&mut out, column, &rows);
        }
    }
    let is_empty = out.len() == empty;
    out.push(']');
    (!is_empty).then(|| out.into())
}

/// The runs of a column, those of one series together, in the order of their first ones.
fn runs_by_series(column: &ColumnView<'_>) -> Vec<(SeriesId, Vec<Run>)> {
    let mut places: HashMap<SeriesId, usize> = HashMap::new();
    let mut out: Vec<(SeriesId, Vec<Run>)> = Vec::new();
    for run in column.runs() {
        let place = *places.entry(run.series).or_insert_with(|| {
            out.push((run.series, Vec::new()));
            out.len() - 1
        });
        out[place].1.push(run);
    }
    out
}

fn push_rows(out: &mut String, column: &ColumnView<'_>, rows: &[usize]) {
    let t0 = column.time(rows[0]);
    push_list(out, &format!(",\"t0\":\"{t0}\",\"dt\""), rows, |out, row| {
        let _ = write!(out, "{}", i128::from(column.time(*row)) - i128::from(t0));
    });
    push_list(out, ",\"values\"", rows, |out, row| push_value(out, &column.value(*row)));
    if rows.iter().any(|row| column.quality(*row).0 != 0) {
        push_list(out, ",\"quality\"", rows, |out, row| {
            let _ = write!(out, "{}", column.quality(*row).0);
        });
    }
    out.push('}');
}

fn push_list<T>(out: &mut String, name: &str, items: &[T], push: impl Fn(&mut String, &T)) {
    out.push_str(name);
    out.push_str(":[");
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push(out, item);
    }
    out.push(']');
}

fn push_value(out: &mut String, value: &Value) {
    out.push_str(&json(value).to_string());
}

/// A value as JSON.
pub(crate) fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Float(v) => (*v).into(),
        Value::Int(v) => (*v).into(),
        Value::Uint(v) => (*v).into(),
        Value::Bool(v) => (*v).into(),
        Value::Text(v) => v.as_str().into(),
    }
}

fn delete(channel: &Channel, payload: &[u8]) -> Option<Bytes> {
    let range = DeleteRange::parse(payload).ok()?;
    let keys: Vec<_> = range.series.iter().filter_map(|id| channel.key(SeriesId(*id))).collect();
    let text = format!("\"series\":[{}],\"start\":\"{}\",\"end\":\"{}\"", keys.join(","), range.start, range.end);
    (!keys.is_empty()).then(|| text.into())
}

/// The last values of series as the members of an event.
pub(super) fn last_values(channel: &Channel, samples: &[(SeriesId, Sample)]) -> Bytes {
    let mut out = String::from("\"series\":[");
    let mut is_first = true;
    for (series, sample) in samples {
        let Some(head) = channel.head(*series) else { continue };
        if !std::mem::take(&mut is_first) {
            out.push(',');
        }
        out.push_str(&head);
        let _ = write!(out, ",\"t0\":\"{}\",\"dt\":[0],\"values\":[", sample.time);
        push_value(&mut out, &sample.value);
        out.push(']');
        if sample.quality.0 != 0 {
            let _ = write!(out, ",\"quality\":[{}]", sample.quality.0);
        }
        out.push('}');
    }
    out.push(']');
    out.into()
}
