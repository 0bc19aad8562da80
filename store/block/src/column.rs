//! Operations on columns of samples that both blocks and the merge of blocks need.

use std::ops::Range;

use tidemill_model::{SampleColumn, TimeRange, Values};

/// Appends rows of `from`, which must have the same value type.
///
/// # Panics
/// When the value types differ or `rows` is out of bounds.
pub fn append(to: &mut SampleColumn, from: &SampleColumn, rows: Range<usize>) {
    if rows.is_empty() {
        return;
    }
    let before = to.times.len();
    to.times.extend_from_slice(&from.times[rows.clone()]);
    if !(to.qualities.is_empty() && from.qualities.is_empty()) {
        to.qualities.resize(before, 0);
        match from.qualities.get(rows.clone()) {
            Some(qualities) => to.qualities.extend_from_slice(qualities),
            None => to.qualities.resize(before + rows.len(), 0),
        }
    }
    match (&mut to.values, &from.values) {
        (Values::Float(to), Values::Float(from)) => to.extend_from_slice(&from[rows]),
        (Values::Int(to), Values::Int(from)) => to.extend_from_slice(&from[rows]),
        (Values::Uint(to), Values::Uint(from)) => to.extend_from_slice(&from[rows]),
        (Values::Bool(to), Values::Bool(from)) => to.extend_from_slice(&from[rows]),
        (Values::Text(to), Values::Text(from)) => to.extend_from_slice(&from[rows]),
        (to, from) => panic!("a column of {} cannot take values of {}", to.value_type(), from.value_type()),
    }
}

/// The rows inside `range` out of `rows`, whose times ascend.
pub fn rows_inside(times: &[i64], rows: Range<usize>, range: TimeRange) -> Range<usize> {
    let times = &times[rows.clone()];
    let first = times.partition_point(|time| *time < range.start);
    let end = times.partition_point(|time| *time < range.end).max(first);
    rows.start + first..rows.start + end
}

/// Merges two columns of ascending times; where both have a time, `newer` wins.
pub fn merge(older: SampleColumn, newer: SampleColumn) -> SampleColumn {
    if newer.is_empty() {
        return older;
    }
    if older.is_empty() {
        return newer;
    }
    if older.times.last() < newer.times.first() {
        let mut merged = older;
        append(&mut merged, &newer, 0..newer.len());
        return merged;
    }
    let mut merged = SampleColumn::empty(older.values.value_type());
    let (mut o, mut n) = (0, 0);
    while o < older.len() && n < newer.len() {
        // Whole runs of one side are copied at once: late samples are few.
        let older_run = o + older.times[o..].partition_point(|time| *time < newer.times[n]);
        append(&mut merged, &older, o..older_run);
        o = older_run + usize::from(older.times.get(older_run) == Some(&newer.times[n]));
        let limit = older.times.get(o).copied().unwrap_or(i64::MAX);
        let newer_run = n + newer.times[n..].partition_point(|time| *time < limit);
        append(&mut merged, &newer, n..newer_run);
        n = newer_run;
    }
    append(&mut merged, &older, o..older.len());
    append(&mut merged, &newer, n..newer.len());
    merged
}

/// Takes the rows inside `range` out.
pub fn remove(column: &mut SampleColumn, range: TimeRange) {
    let inside = rows_inside(&column.times, 0..column.len(), range);
    if inside.is_empty() {
        return;
    }
    column.times.drain(inside.clone());
    if !column.qualities.is_empty() {
        column.qualities.drain(inside.clone());
    }
    match &mut column.values {
        Values::Float(values) => drop(values.drain(inside)),
        Values::Int(values) => drop(values.drain(inside)),
        Values::Uint(values) => drop(values.drain(inside)),
        Values::Bool(values) => drop(values.drain(inside)),
        Values::Text(values) => drop(values.drain(inside)),
    }
}

/// Drops the qualities when every one is good.
pub fn normalize(column: &mut SampleColumn) {
    if column.qualities.iter().all(|quality| *quality == 0) {
        column.qualities.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use tidemill_model::Value;

    use super::*;

    type Model = BTreeMap<i64, (i64, u32)>;

    fn column(model: &Model) -> SampleColumn {
        SampleColumn {
            times: model.keys().copied().collect(),
            values: Values::Int(model.values().map(|v| v.0).collect()),
            qualities: model.values().map(|v| v.1).collect(),
        }
    }

    fn model(column: &SampleColumn) -> Model {
        let value = |row| match column.values.get(row) {
            Some(Value::Int(value)) => value,
            other => panic!("not an integer: {other:?}"),
        };
        (0..column.len()).map(|row| (column.times[row], (value(row), column.quality(row).0))).collect()
    }

    fn some_rows() -> impl Strategy<Value = Model> {
        proptest::collection::btree_map(0..40i64, (any::<i64>(), 0..2u32), 0..30)
    }

    proptest! {
        #[test]
        fn merging_lets_the_newer_side_win(older in some_rows(), newer in some_rows()) {
            let merged = merge(column(&older), column(&newer));
            let mut expected = older;
            expected.extend(newer);
            prop_assert!(merged.times.is_sorted());
            prop_assert_eq!(merged.len(), expected.len());
            prop_assert_eq!(model(&merged), expected);
        }

        #[test]
        fn removing_takes_exactly_the_range_out(rows in some_rows(), start in 0..40i64, end in 0..40i64) {
            let mut removed = column(&rows);
            remove(&mut removed, TimeRange::new(start, end));
            let mut expected = rows;
            expected.retain(|time, _| !(start..end).contains(time));
            prop_assert_eq!(model(&removed), expected);
        }
    }
}
