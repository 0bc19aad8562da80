//! What operators may ask of a replica, as a trait that the server fills.

use tidemill_model::{Offset, SampleColumn, SeriesId, TimeRange};

use crate::error::HistoryError;

/// Reads samples that have been applied to a replica.
pub trait History: Send + Sync + 'static {
    /// The samples of a series in a range of source time, as a replica sees them that has applied `partition` up to
    /// `at_least` or further. Blocks until one has.
    ///
    /// # Errors
    /// [`HistoryError::Unavailable`] when none gets there in reasonable time; the caller asks again.
    fn read(
        &self,
        series: SeriesId,
        range: TimeRange,
        partition: u32,
        at_least: Offset,
    ) -> Result<SampleColumn, HistoryError>;
}
