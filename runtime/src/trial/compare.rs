//! Where two fixtures differ.

use std::collections::BTreeMap;

use tidemill_model::{Quality, Value};

use super::fixture::{Fixture, Row};

/// A row as it is compared.
#[derive(Clone, PartialEq, Debug)]
pub struct Found {
    /// The offset of the input record that caused it.
    pub offset: u64,
    /// Its source time, ns.
    pub time: i64,
    /// Its value.
    pub value: Value,
    /// Its quality.
    pub quality: Quality,
}

/// The first row that two fixtures do not share.
#[derive(Clone, PartialEq, Debug)]
pub struct Difference {
    /// The series.
    pub series: String,
    /// Which row of the series, counted from 1.
    pub row: usize,
    /// What was expected there, if anything.
    pub expected: Option<Found>,
    /// What was found there, if anything.
    pub found: Option<Found>,
}

/// The first difference, in the order of series keys and then of rows. Numbers are compared bit for bit.
pub fn difference(expected: &Fixture, found: &Fixture, with_offsets: bool) -> Option<Difference> {
    let (expected, found) = (by_series(expected), by_series(found));
    let none = Vec::new();
    let mut keys: Vec<_> = expected.keys().chain(found.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let (left, right) = (expected.get(key).unwrap_or(&none), found.get(key).unwrap_or(&none));
        let differ = |at: &usize| match (left.get(*at), right.get(*at)) {
            (Some(left), Some(right)) => !is_same(left, right, with_offsets),
            _ => true,
        };
        if let Some(at) = (0..left.len().max(right.len())).find(differ) {
            let (expected, found) = (left.get(at).cloned(), right.get(at).cloned());
            return Some(Difference { series: key.clone(), row: at + 1, expected, found });
        }
    }
    None
}

fn by_series(fixture: &Fixture) -> BTreeMap<String, Vec<Found>> {
    let mut series: BTreeMap<String, Vec<Found>> = BTreeMap::new();
    for (offset, Row { series: place, time, value, quality }) in fixture.rows() {
        let found = Found { offset, time: *time, value: value.clone(), quality: *quality };
        series.entry(fixture.series[*place].key.to_string()).or_default().push(found);
    }
    series
}

fn is_same(left: &Found, right: &Found, with_offsets: bool) -> bool {
    let is_same_value = match (&left.value, &right.value) {
        (Value::Float(left), Value::Float(right)) => left.to_bits() == right.to_bits(),
        (left, right) => left == right,
    };
    is_same_value
        && left.time == right.time
        && left.quality == right.quality
        && (!with_offsets || left.offset == right.offset)
}
