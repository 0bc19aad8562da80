//! Snapshots: consistent views of a replica at one position.

use std::sync::Arc;

use tidemill_model::{Position, Sample, SampleColumn, Selector, Series, SeriesId, TimeRange, ValueType};

use crate::StoreError;

/// Selects series whose label has one of these values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LabelFilter {
    /// The label's name.
    pub name: String,
    /// The values that are let through; none selects nothing.
    pub values: Vec<String>,
}

/// A consistent view at one position. Cheap to make and to clone; it keeps its files open while it lives.
#[derive(Clone)]
pub struct Snapshot {
    pub(crate) position: Position,
}

impl Snapshot {
    /// Everything before it is visible, nothing after it.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// The series with samples that `selector` matches, by key text.
    pub fn select(&self, _selector: &Selector) -> Vec<Arc<Series>> {
        Vec::new()
    }

    /// All series with samples, by key text.
    pub fn series(&self) -> Vec<Arc<Series>> {
        Vec::new()
    }

    /// The measurements of all series, sorted.
    pub fn measurements(&self) -> Vec<String> {
        Vec::new()
    }

    /// The series of a measurement that pass every filter, by key text.
    pub fn by_labels(&self, _measurement: &str, _filters: &[LabelFilter]) -> Vec<Arc<Series>> {
        Vec::new()
    }

    /// The live samples of a series in `range`, in ascending time. A series without samples has none.
    ///
    /// # Errors
    /// When a block is damaged or cannot be read.
    pub fn scan(&self, _id: SeriesId, _range: TimeRange) -> Result<SampleColumn, StoreError> {
        Ok(SampleColumn::empty(ValueType::Float))
    }

    /// The live sample with the largest time.
    pub fn last(&self, _id: SeriesId) -> Option<Sample> {
        None
    }
}
