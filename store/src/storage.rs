//! What lies on disk.

use tidemill_model::{Sample, SampleColumn, Series, TimeRange};

use crate::StoreError;

/// The blocks of a view, oldest first.
#[derive(Default)]
pub(crate) struct BlockSet {}

impl BlockSet {
    pub(crate) fn scan(&self, series: &Series, _range: TimeRange) -> Result<SampleColumn, StoreError> {
        Ok(SampleColumn::empty(series.value_type))
    }

    pub(crate) fn find(&self, _series: &Series, _time: i64) -> Result<Option<Sample>, StoreError> {
        Ok(None)
    }
}
