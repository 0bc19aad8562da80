//! The three formats.

use std::future::ready;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};

use super::cell::{Cell, cell, type_name};
use crate::{SqlError, SqlStream};

/// `{"columns":[{"name":…,"type":…},…],"rows":[[…],…]}`, a row per line.
pub fn write_json(rows: SqlStream) -> impl Stream<Item = Result<Bytes, SqlError>> + Send {
    let head = Bytes::from(json_head(&rows.schema()));
    let mut is_first = true;
    let body = rows.map(move |batch| batch.map(|batch| json_rows(&batch, &mut is_first)));
    // The document is closed only when every row has come.
    close(stream::iter([Ok(head)]).chain(body), Bytes::from_static(b"\n]}\n"))
}

/// One JSON object per row and line. A name that comes twice gets `_2`, `_3`, ….
pub fn write_ndjson(rows: SqlStream) -> impl Stream<Item = Result<Bytes, SqlError>> + Send {
    let names = json_names(&rows.schema());
    rows.map(move |batch| batch.map(|batch| ndjson_rows(&batch, &names)))
}

/// RFC 4180: a line with the names, then a line per row; lines end with CR LF.
pub fn write_csv(rows: SqlStream) -> impl Stream<Item = Result<Bytes, SqlError>> + Send {
    let head = Bytes::from(csv_head(&rows.schema()));
    stream::iter([Ok(head)]).chain(rows.map(|batch| batch.map(|batch| csv_rows(&batch))))
}

/// Adds `last`, unless an error came before.
fn close(
    chunks: impl Stream<Item = Result<Bytes, SqlError>> + Send,
    last: Bytes,
) -> impl Stream<Item = Result<Bytes, SqlError>> + Send {
    let chunks = chunks.map(Some).chain(stream::iter([None]));
    chunks
        .scan(false, move |has_failed, chunk| {
            let chunk = match chunk {
                Some(chunk) => {
                    *has_failed |= chunk.is_err();
                    Some(chunk)
                }
                None => (!*has_failed).then(|| Ok(last.clone())),
            };
            ready(chunk)
        })
        .fuse()
}

fn json_head(schema: &Schema) -> String {
    let mut out = String::from("{\"columns\":[");
    for (i, field) in schema.fields().iter().enumerate() {
        out.push_str(if i == 0 { "{\"name\":" } else { ",{\"name\":" });
        push_json_text(&mut out, field.name());
        out.push_str(",\"type\":");
        push_json_text(&mut out, &type_name(field.data_type()));
        out.push('}');
    }
    out.push_str("],\"rows\":[");
    out
}

fn json_rows(batch: &RecordBatch, is_first: &mut bool) -> Bytes {
    let mut out = String::with_capacity(batch.num_rows() * batch.num_columns() * 16);
    let mut scratch = String::new();
    for row in 0..batch.num_rows() {
        out.push_str(if std::mem::take(is_first) { "\n[" } else { ",\n[" });
        for (i, column) in batch.columns().iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            push_json_cell(&mut out, cell(column, row, &mut scratch));
        }
        out.push(']');
    }
    out.into()
}

/// The columns' names as JSON texts.
fn json_names(schema: &SchemaRef) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for field in schema.fields() {
        let mut name = field.name().clone();
        let mut count = 1;
        while names.contains(&name) {
            count += 1;
            name = format!("{}_{count}", field.name());
        }
        names.push(name);
    }
    let quoted = |name: &String| {
        let mut out = String::new();
        push_json_text(&mut out, name);
        out
    };
    names.iter().map(quoted).collect()
}

fn ndjson_rows(batch: &RecordBatch, names: &[String]) -> Bytes {
    let mut out = String::with_capacity(batch.num_rows() * batch.num_columns() * 24);
    let mut scratch = String::new();
    for row in 0..batch.num_rows() {
        for (i, (column, name)) in batch.columns().iter().zip(names).enumerate() {
            out.push(if i == 0 { '{' } else { ',' });
            out.push_str(name);
            out.push(':');
            push_json_cell(&mut out, cell(column, row, &mut scratch));
        }
        out.push_str(if names.is_empty() { "{}\n" } else { "}\n" });
    }
    out.into()
}

fn push_json_cell(out: &mut String, cell: Cell<'_>) {
    match cell {
        Cell::Null | Cell::NotFinite(_) => out.push_str("null"),
        Cell::Plain(text) => out.push_str(text),
        Cell::Text(text) => push_json_text(out, text),
    }
}

/// Appends a JSON string (RFC 8259, section 7).
fn push_json_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn csv_head(schema: &Schema) -> String {
    let mut out = String::new();
    for (i, field) in schema.fields().iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_csv_text(&mut out, field.name());
    }
    out + "\r\n"
}

fn csv_rows(batch: &RecordBatch) -> Bytes {
    let mut out = String::with_capacity(batch.num_rows() * batch.num_columns() * 16);
    let mut scratch = String::new();
    for row in 0..batch.num_rows() {
        for (i, column) in batch.columns().iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            match cell(column, row, &mut scratch) {
                Cell::Null => {}
                Cell::Plain(text) | Cell::NotFinite(text) => out.push_str(text),
                Cell::Text(text) => push_csv_text(&mut out, text),
            }
        }
        out.push_str("\r\n");
    }
    out.into()
}

/// Quotes what needs it, and the empty text, which would look like null.
fn push_csv_text(out: &mut String, text: &str) {
    if !text.is_empty() && !text.contains(['"', ',', '\r', '\n']) {
        return out.push_str(text);
    }
    out.push('"');
    for c in text.chars() {
        if c == '"' {
            out.push('"');
        }
        out.push(c);
    }
    out.push('"');
}
