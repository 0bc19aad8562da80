//! Sets of output samples, and how two of them differ.

use std::collections::BTreeMap;

use serde::Serialize;
use tidemill_journal::Catalog;
use tidemill_model::payload::{DeleteRange, SamplesView};
use tidemill_model::{RecordKind, SeriesId, TimeRange, Value};

use crate::error::DeployError;

/// Most samples that are held for a comparison; each takes about 60 bytes, twice.
const SAMPLES_MAX: usize = 5_000_000;
/// Differences that are listed.
const EXAMPLES_MAX: usize = 20;

/// The newest value of every series and time.
#[derive(Default, Clone)]
pub(crate) struct Samples {
    pub(crate) values: BTreeMap<(u64, i64), (Value, u32)>,
}

impl Samples {
    /// Takes over a record: its samples, or what it deletes.
    pub(crate) fn apply(
        &mut self,
        kind: Option<RecordKind>,
        payload: &[u8],
        range: TimeRange,
    ) -> Result<(), DeployError> {
        match kind {
            Some(RecordKind::Samples) => self.add(payload, range),
            Some(RecordKind::DeleteRange) => {
                let gone = DeleteRange::parse(payload).map_err(|error| DeployError::invalid(error.to_string()))?;
                for series in &gone.series {
                    let keys: Vec<_> =
                        self.values.range((*series, gone.start)..(*series, gone.end)).map(|(key, _)| *key).collect();
                    keys.iter().for_each(|key| drop(self.values.remove(key)));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Adds the samples of a record that lie in `range`; later ones win.
    pub(crate) fn add(&mut self, payload: &[u8], range: TimeRange) -> Result<(), DeployError> {
        let view = SamplesView::parse(payload).map_err(|error| DeployError::invalid(error.to_string()))?;
        for column in view.columns() {
            for run in column.runs() {
                for row in (run.first..run.first + run.rows).filter(|row| range.contains(column.time(*row))) {
                    let sample = (column.value(row), column.quality(row).0);
                    self.values.insert((run.series.0, column.time(row)), sample);
                }
            }
        }
        self.check()
    }

    /// Refuses more samples than are held.
    pub(crate) fn check(&self) -> Result<(), DeployError> {
        if self.values.len() > SAMPLES_MAX {
            return Err(DeployError::invalid(format!(
                "more than {SAMPLES_MAX} samples to compare: ask for a shorter range"
            )));
        }
        Ok(())
    }
}

/// A sample that two sets do not agree on.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Difference {
    /// The series.
    pub series: String,
    /// Source time, ns, as text: some languages' numbers cannot hold it.
    pub time: String,
    /// Its value in the first set, if it is there.
    pub first: Option<String>,
    /// Its value in the second set, if it is there.
    pub second: Option<String>,
}

/// How two sets of samples differ. Values are compared bit by bit, with their qualities.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Comparison {
    /// Samples that are the same in both.
    pub same: u64,
    /// Samples in both with different values or qualities.
    pub different: u64,
    /// Samples only in the first.
    pub only_first: u64,
    /// Samples only in the second.
    pub only_second: u64,
    /// The largest distance between two numbers of the same series and time.
    pub largest_distance: f64,
    /// The first differences.
    pub examples: Vec<Difference>,
}

impl Comparison {
    /// Whether there is no difference.
    pub fn is_equal(&self) -> bool {
        self.different + self.only_first + self.only_second == 0
    }

    pub(crate) fn of(first: &Samples, second: &Samples, catalog: &Catalog) -> Self {
        let mut comparison = Self::default();
        for (key, one) in &first.values {
            match second.values.get(key) {
                Some(two) if same(one, two) => comparison.same += 1,
                two => comparison.note(*key, Some(one), two, catalog),
            }
        }
        for (key, two) in second.values.iter().filter(|(key, _)| !first.values.contains_key(key)) {
            comparison.note(*key, None, Some(two), catalog);
        }
        comparison
    }

    fn note(
        &mut self,
        (series, time): (u64, i64),
        first: Option<&(Value, u32)>,
        second: Option<&(Value, u32)>,
        catalog: &Catalog,
    ) {
        match (first, second) {
            (Some(_), Some(_)) => self.different += 1,
            (Some(_), None) => self.only_first += 1,
            _ => self.only_second += 1,
        }
        if let (Some((Value::Float(one), _)), Some((Value::Float(two), _))) = (first, second) {
            self.largest_distance = self.largest_distance.max((one - two).abs());
        }
        if self.examples.len() < EXAMPLES_MAX {
            let series =
                catalog.series(SeriesId(series)).map_or_else(|| SeriesId(series).to_string(), |s| s.key.to_string());
            let (first, second) = (first.map(text_of), second.map(text_of));
            self.examples.push(Difference { series, time: time.to_string(), first, second });
        }
    }
}

/// Equal bits; every NaN is the same one in outputs.
pub(crate) fn same(one: &(Value, u32), two: &(Value, u32)) -> bool {
    let is_same_value = match (&one.0, &two.0) {
        (Value::Float(one), Value::Float(two)) => one.to_bits() == two.to_bits(),
        (one, two) => one == two,
    };
    is_same_value && one.1 == two.1
}

/// A value as people read it, with its quality unless that is good.
pub(crate) fn text_of((value, quality): &(Value, u32)) -> String {
    let value = match value {
        Value::Float(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Text(value) => format!("{value:?}"),
    };
    if *quality == 0 { value } else { format!("{value} (quality {quality:#010x})") }
}

/// Number of samples in a record.
pub(crate) fn rows_in(record: &tidemill_model::Record) -> u64 {
    SamplesView::parse(&record.payload).map_or(0, |view| view.len() as u64)
}
