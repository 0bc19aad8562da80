//! Turns rows into lines of line protocol.

use csv::StringRecord;
use xxhash_rust::xxh3::Xxh3;

use super::mapping::{Field, FieldKind, Mapping, parse_flag};
use super::survey::is_missing;

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Converted {
    /// A line was appended. Rows with equal keys have the same time and labels.
    Line {
        /// Hash of time and labels.
        key: u64,
        /// The time, ns.
        time: i64,
    },
    /// Every field is missing: there is nothing to store.
    Empty,
}

/// Appends the line of `row` to `out`.
///
/// # Errors
/// Why the row is bad; `out` is then as before.
pub fn convert(
    mapping: &Mapping,
    header: &[String],
    row: &StringRecord,
    out: &mut String,
) -> Result<Converted, String> {
    let start = out.len();
    let result = append(mapping, header, row, out);
    if !matches!(result, Ok(Converted::Line { .. })) {
        out.truncate(start);
    }
    result
}

fn append(mapping: &Mapping, header: &[String], row: &StringRecord, out: &mut String) -> Result<Converted, String> {
    if row.len() != header.len() {
        return Err(format!("{} columns instead of {}", row.len(), header.len()));
    }
    let cell = |column: usize| row.get(column).unwrap_or_default().trim();
    let time_text = cell(mapping.time);
    let time = mapping.format.parse(time_text).ok_or_else(|| format!("{time_text:?} is not a time"))?;
    let start = out.len();
    push_escaped(out, &mapping.measurement, ", ")?;
    for (name, value) in &mapping.constants {
        push_label(out, name, value)?;
    }
    for (column, name) in &mapping.labels {
        if !is_missing(cell(*column)) {
            push_label(out, name, cell(*column))?;
        }
    }
    let mut key = Xxh3::new();
    key.update(&out.as_bytes()[start..]);
    key.update(&time.to_le_bytes());
    let mut separator = ' ';
    for field in mapping.fields.iter().filter(|field| !is_missing(cell(field.column))) {
        out.push(separator);
        separator = ',';
        push_field(out, field, cell(field.column))?;
    }
    if separator == ' ' {
        return Ok(Converted::Empty);
    }
    out.push_str(&format!(" {time}\n"));
    Ok(Converted::Line { key: key.digest(), time })
}

fn push_label(out: &mut String, name: &str, value: &str) -> Result<(), String> {
    out.push(',');
    push_escaped(out, name, ",= ")?;
    out.push('=');
    push_escaped(out, value, ",= ")
}

fn push_field(out: &mut String, field: &Field, cell: &str) -> Result<(), String> {
    let name = &field.name;
    push_escaped(out, name, ",= ")?;
    out.push('=');
    match field.kind {
        FieldKind::Number => {
            let number = cell.parse::<f64>().ok().filter(|number| number.is_finite());
            // The debug form is the shortest one that reads back as the same number.
            out.push_str(&format!("{:?}", number.ok_or_else(|| format!("{name}: {cell:?} is not a number"))?));
        }
        FieldKind::Flag => {
            let flag = parse_flag(cell).ok_or_else(|| format!("{name}: {cell:?} is neither true nor false"))?;
            out.push_str(if flag { "true" } else { "false" });
        }
        FieldKind::Text => {
            out.push('"');
            cell.chars().for_each(|c| match c {
                '"' | '\\' => out.extend(['\\', c]),
                c => out.push(c),
            });
            out.push('"');
        }
    }
    Ok(())
}

/// Appends a name with a backslash before each of `special`. Line protocol has no way to write a line end in a name.
fn push_escaped(out: &mut String, name: &str, special: &str) -> Result<(), String> {
    if name.contains(['\n', '\r']) || name.ends_with('\\') {
        return Err(format!("{name:?} has a line end, or ends with a backslash, and cannot be a name or label"));
    }
    for c in name.chars() {
        if special.contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    Ok(())
}
