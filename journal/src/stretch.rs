//! A stretch of a partition that is read to its end.

use tidemill_model::Offset;

use crate::{Batch, Journal, JournalError, ReadLimits, TopicPartition};

/// The records of a partition from one offset to another.
#[derive(Debug)]
pub struct Stretch {
    at: TopicPartition,
    next: Offset,
    end: Offset,
}

impl Stretch {
    /// From `from` to `end`, which must not be beyond what is durable.
    pub fn new(at: TopicPartition, from: Offset, end: Offset) -> Self {
        Self { at, next: from, end }
    }

    /// The partition.
    pub fn partition(&self) -> u32 {
        self.at.partition
    }

    /// The next records; `None` at the end.
    ///
    /// # Errors
    /// The journal's own.
    pub async fn read(&mut self, journal: &dyn Journal) -> Result<Option<Batch>, JournalError> {
        while self.next < self.end {
            let mut batch = journal.read(&self.at, self.next, ReadLimits::default()).await?;
            if batch.next <= self.next && batch.records.is_empty() {
                break;
            }
            self.next = batch.next;
            batch.records.retain(|record| record.offset < self.end);
            if !batch.records.is_empty() {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }
}
