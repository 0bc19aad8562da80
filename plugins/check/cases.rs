//! Runs a calculation on the cases of a reference file (`cases.py` says what is in it) and compares.
//!
//! Every case runs three times, with the rows between two watermarks in one batch, in pairs and one by one: how rows
//! are cut into batches must not matter. What is emitted later for the same output and time wins, as it does in a
//! journal.

use std::collections::BTreeMap;

use tidemill_sdk::prelude::*;
use tidemill_sdk::testing::{Harness, mixed_batch};

enum Step {
    Row(Row, Option<String>),
    Advance(Time),
}

#[derive(Default)]
struct Case {
    params: String,
    steps: Vec<Step>,
    expected: BTreeMap<(u32, u32, Time), (f64, Quality)>,
}

/// Checks `C` against all cases of `file`. `bound` gives the greatest difference allowed from an expected value.
pub(crate) fn check<C: Calculation>(file: &str, bound: impl Fn(f64) -> f64) {
    let cases = read(file);
    assert!(!cases.is_empty(), "a reference file has cases");
    for (number, case) in cases.iter().enumerate() {
        for rows_max in [usize::MAX, 2, 1] {
            let got = run::<C>(case, rows_max);
            let what = format!("case {number}, {}, batches of {rows_max}", case.params);
            let missing: Vec<_> = case.expected.keys().filter(|key| !got.contains_key(key)).take(5).collect();
            let surplus: Vec<_> = got.keys().filter(|key| !case.expected.contains_key(key)).take(5).collect();
            assert!(missing.is_empty() && surplus.is_empty(), "{what}: missing {missing:?}, surplus {surplus:?}");
            for (key, (value, quality)) in &case.expected {
                let (got_value, got_quality) = got[key];
                let is_near = (got_value - value).abs() <= bound(*value) || (got_value.is_nan() && value.is_nan());
                assert!(is_near, "{what}: {key:?} is {got_value}, expected {value}");
                assert_eq!(got_quality, *quality, "{what}: quality of {key:?}");
            }
        }
    }
}

fn run<C: Calculation>(case: &Case, rows_max: usize) -> BTreeMap<(u32, u32, Time), (f64, Quality)> {
    let mut harness = Harness::<C>::new(&case.params).expect("the parameters are accepted");
    let mut emitted = Vec::new();
    let mut pending: Vec<(Row, Option<&str>)> = Vec::new();
    for step in &case.steps {
        if let Step::Row(row, text) = step {
            pending.push((*row, text.as_deref()));
        }
        if pending.len() >= rows_max || matches!(step, Step::Advance(_)) {
            emitted.extend(harness.process_to_rows(&mixed_batch(pending.drain(..))).expect("no problem"));
        }
        if let Step::Advance(time) = step {
            emitted.extend(harness.advance(*time).expect("no problem"));
        }
    }
    emitted.extend(harness.process_to_rows(&mixed_batch(pending)).expect("no problem"));
    emitted.iter().map(|row| ((row.group, row.port, row.time), (row.value, row.quality))).collect()
}

fn read(file: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in file.lines().filter(|line| !line.starts_with('#')) {
        let (kind, rest) = line.split_once(',').expect("a line has a kind");
        if kind == "case" {
            cases.push(Case { params: rest.to_owned(), ..Case::default() });
            continue;
        }
        let case = cases.last_mut().expect("a case begins before its lines");
        let fields: Vec<&str> = rest.splitn(5, ',').collect();
        match kind {
            "in" => case.steps.push(Step::Row(row(&fields, fields[3], fields[4]), None)),
            "text" => case.steps.push(Step::Row(row(&fields, "0", fields[3]), Some(fields[4].to_owned()))),
            "advance" => case.steps.push(Step::Advance(Time(number(fields[0])))),
            "out" => {
                let row = row(&fields, fields[3], fields[4]);
                case.expected.insert((row.group, row.port, row.time), (row.value, row.quality));
            }
            other => panic!("`{other}` is no kind of line"),
        }
    }
    cases
}

fn row(fields: &[&str], value: &str, quality: &str) -> Row {
    Row {
        group: number(fields[0]),
        port: number(fields[1]),
        time: Time(number(fields[2])),
        value: number(value),
        quality: Quality(number(quality)),
    }
}

fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a number")
}
