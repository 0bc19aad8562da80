//! Snapshots: consistent views of a replica at one position.

use std::sync::Arc;

use tidemill_model::{Position, Sample, SampleColumn, Selector, Series, SeriesId, TimeRange, ValueType};

use crate::StoreError;
use crate::replica::Replica;
use crate::view::View;

/// Selects series whose label has one of these values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LabelFilter {
    /// The label's name.
    pub name: String,
    /// The values that are let through; none selects nothing.
    pub values: Vec<String>,
}

/// A consistent view at one position. Cheap to make and to clone; it keeps its files open while it lives.
///
/// The same question to snapshots at the same position has the same answer on every replica.
#[derive(Clone)]
pub struct Snapshot {
    replica: Arc<Replica>,
    view: View,
}

impl Snapshot {
    pub(crate) fn new(replica: Arc<Replica>, view: View) -> Self {
        Self { replica, view }
    }

    /// Everything before it is visible, nothing after it.
    pub fn position(&self) -> &Position {
        &self.view.position
    }

    /// The series that `selector` matches, by key text. A series is there once it has had a sample.
    pub fn select(&self, selector: &Selector) -> Vec<Arc<Series>> {
        self.replica.sorted_registry().select(selector, self.view.series_count)
    }

    /// All series that have had a sample, by key text.
    pub fn series(&self) -> Vec<Arc<Series>> {
        self.select(&Selector::all())
    }

    /// The measurements of all series, sorted.
    pub fn measurements(&self) -> Vec<String> {
        self.replica.registry.read().measurements(self.view.series_count)
    }

    /// The series of a measurement that pass every filter, by key text.
    pub fn by_labels(&self, measurement: &str, filters: &[LabelFilter]) -> Vec<Arc<Series>> {
        self.replica.registry.read().by_labels(measurement, filters, self.view.series_count)
    }

    /// The live samples of a series in `range`, in ascending time; none for a series that is not there.
    ///
    /// # Errors
    /// When a block is damaged or cannot be read.
    pub fn scan(&self, id: SeriesId, range: TimeRange) -> Result<SampleColumn, StoreError> {
        match self.find(id) {
            Some((slot, series)) => self.view.scan(slot, &series, range),
            None => Ok(SampleColumn::empty(ValueType::Float)),
        }
    }

    /// The live sample with the largest time, from memory. After that one was deleted, the one before it is read from
    /// blocks until the next flush; if that fails, the error is logged and there is none.
    pub fn last(&self, id: SeriesId) -> Option<Sample> {
        let (slot, series) = self.find(id)?;
        self.view.last(slot, &series).unwrap_or_else(|error| {
            tracing::error!(series = %series.key, %error, "last value cannot be read");
            None
        })
    }

    fn find(&self, id: SeriesId) -> Option<(u32, Arc<Series>)> {
        let registry = self.replica.registry.read();
        let slot = registry.slot(id).filter(|slot| *slot < self.view.series_count)?;
        Some((slot, registry.series(slot).clone()))
    }
}
