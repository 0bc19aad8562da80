//! History, as far as an instance has read.

use std::sync::Arc;

use tidemill_model::{Offset, SampleColumn, Series, TimeRange};

use crate::error::HistoryError;
use crate::history::History;

/// What a replica is asked for: it must have applied whatever the operator has.
pub(crate) struct Horizon {
    history: Arc<dyn History>,
    /// Where the operator reads on, per partition of the journal.
    next: Vec<Offset>,
}

impl Horizon {
    /// Before the first record of a journal of so many partitions.
    pub(crate) fn new(history: Arc<dyn History>, partitions: u32) -> Self {
        Self { history, next: vec![Offset(0); partitions as usize] }
    }

    /// Everything before `next` has been read.
    pub(super) fn move_to(&mut self, partition: u32, next: Offset) {
        self.next[partition as usize] = next;
    }

    /// The samples of a series in `range`.
    pub(super) fn read(&self, series: &Series, range: TimeRange) -> Result<SampleColumn, HistoryError> {
        let partition = series.key.partition_hash() % self.next.len() as u64;
        self.history.read(series.id, range, partition as u32, self.next[partition as usize])
    }
}
