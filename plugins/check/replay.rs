//! Replays a file that a script of this folder has written: the results a calculation must give. `replay.py` describes
//! the lines.
//!
//! Tests of plugins include this file by its path. Every case is replayed with its rows in whole batches, in threes and
//! one by one, so that a plugin whose results depend on the cuts fails here.

use tidemill_sdk::Calculation;
use tidemill_sdk::prelude::*;
use tidemill_sdk::testing::Harness;

/// What a value that comes out is.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Value {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}

type Emitted = (Row, Value);

enum Call {
    Row(Row),
    Advance(Time),
}

struct Case<'a> {
    name: &'a str,
    params: &'a str,
    calls: Vec<Call>,
    expected: Vec<Emitted>,
}

/// Replays all cases of `reference`, or the file that `TIDEMILL_REFERENCE` names. `agrees` compares a number with what
/// it must be.
///
/// # Panics
/// The file cannot be read, or a result differs.
pub(crate) fn all<C: Calculation>(reference: &str, agrees: fn(f64, f64) -> bool) {
    let other = std::env::var("TIDEMILL_REFERENCE").ok().map(|path| std::fs::read_to_string(path).expect("a file"));
    let cases = parse(other.as_deref().unwrap_or(reference));
    assert!(!cases.is_empty(), "there are cases");
    for case in &cases {
        for rows_max in [usize::MAX, 3, 1] {
            compare(case, &run::<C>(case, rows_max), agrees, rows_max);
        }
    }
}

fn compare(case: &Case, emitted: &[Emitted], agrees: fn(f64, f64) -> bool, rows_max: usize) {
    let place = |index: usize| format!("case {}, row {index} of what came out, batches of {rows_max}", case.name);
    for (index, (want, got)) in case.expected.iter().zip(emitted).enumerate() {
        let key = |row: &Row| (row.group, row.port, row.time, row.quality);
        assert_eq!(key(&got.0), key(&want.0), "{}: {got:?} instead of {want:?}", place(index));
        let same = match (&want.1, &got.1) {
            (Value::Number(want), Value::Number(got)) => (want.is_nan() && got.is_nan()) || agrees(*want, *got),
            (want, got) => want == got,
        };
        assert!(same, "{}: {got:?} instead of {want:?}", place(index));
    }
    assert_eq!(emitted.len(), case.expected.len(), "{}", place(emitted.len().min(case.expected.len())));
}

/// What comes out, by group and port, in the order it came.
fn run<C: Calculation>(case: &Case, rows_max: usize) -> Vec<Emitted> {
    let mut harness = Harness::<C>::new(case.params).expect("valid parameters");
    let mut emitted = Vec::new();
    let mut keep = |harness: &Harness<C>, rows: Vec<Row>| {
        emitted.extend(rows.into_iter().map(|row| match C::ABOUT.outputs[row.port as usize].kind {
            tidemill_sdk::Kind::Number => (row, Value::Number(row.value)),
            tidemill_sdk::Kind::Text => (row, Value::Text(harness.text(&row).expect("a text").to_owned())),
        }));
    };
    let mut rows = Vec::new();
    for (index, call) in case.calls.iter().enumerate() {
        if let Call::Row(row) = call {
            rows.push(*row);
        }
        let row_follows = matches!(case.calls.get(index + 1), Some(Call::Row(_)));
        if !rows.is_empty() && (rows.len() == rows_max || !row_follows) {
            let out = harness.process(&rows).expect("no problem");
            keep(&harness, out);
            rows.clear();
        }
        if let Call::Advance(watermark) = call {
            let out = harness.advance(*watermark).expect("no problem");
            keep(&harness, out);
        }
    }
    emitted.sort_by_key(|(row, _)| (row.group, row.port));
    emitted
}

fn parse(text: &str) -> Vec<Case<'_>> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (kind, rest) = line.split_once(',').expect("a kind of line");
        if kind == "case" {
            let (name, params) = rest.split_once(',').expect("name and parameters");
            cases.push(Case { name, params, calls: Vec::new(), expected: Vec::new() });
            continue;
        }
        let case = cases.last_mut().expect("lines belong to a case");
        match kind {
            "in" => case.calls.push(Call::Row(number_row(rest))),
            "advance" => case.calls.push(Call::Advance(Time(rest.parse().expect("a time")))),
            "out" => {
                let row = number_row(rest);
                case.expected.push((row, Value::Number(row.value)));
            }
            "text" => {
                let (row, text) = row(rest);
                case.expected.push((row, Value::Text(text.to_owned())));
            }
            other => panic!("unknown line `{other}`"),
        }
    }
    cases.iter_mut().for_each(|case| case.expected.sort_by_key(|(row, _)| (row.group, row.port)));
    cases
}

fn number_row(fields: &str) -> Row {
    let (row, value) = row(fields);
    Row { value: value.parse().expect("a number"), ..row }
}

/// A row without its value, which comes beside it.
fn row(fields: &str) -> (Row, &str) {
    let fields: Vec<&str> = fields.split(',').collect();
    let [group, port, time, value, quality] = fields[..] else { panic!("five fields: {fields:?}") };
    let row = Row {
        quality: Quality(quality.parse().expect("a quality")),
        ..Row::good(
            group.parse().expect("a group"),
            port.parse().expect("a port"),
            Time(time.parse().expect("a time")),
            0.0,
        )
    };
    (row, value)
}
