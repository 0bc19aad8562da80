//! Reads a partition ahead of whoever applies its records.

use std::sync::Arc;
use std::time::Duration;

use tidemill_model::Offset;
use tokio::sync::mpsc;

use crate::{Batch, Env, ErrorKind, Journal, JournalError, ReadLimits, TopicPartition};

/// Batches that are read ahead per partition.
pub(super) const READ_AHEAD_BATCHES: usize = 3;
/// Bytes per read. Smaller reads cost calls, larger ones delay commits.
pub(super) const READ_BYTES: usize = 2 << 20;
/// How long a read waits before the follower looks around (for a stop, for its progress).
pub(super) const READ_WAIT: Duration = Duration::from_millis(500);
/// Pause after an error that may pass.
pub(super) const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// One read of a partition.
pub(super) struct Arrival {
    pub(super) index: usize,
    pub(super) result: Result<Batch, JournalError>,
}

/// Reads a partition ahead of the fold.
pub(super) struct ReadAhead {
    pub(super) index: usize,
    pub(super) at: TopicPartition,
    pub(super) bytes: usize,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) env: Arc<dyn Env>,
    pub(super) batches: mpsc::Sender<Arrival>,
}

impl ReadAhead {
    /// Ends when the follower is gone or after an error that will not pass.
    pub(super) async fn run(self, mut from: Offset) {
        let limits = ReadLimits { bytes: self.bytes, wait: READ_WAIT };
        loop {
            let result = self.journal.read(&self.at, from, limits).await;
            let again = match &result {
                Ok(batch) => {
                    from = batch.next;
                    true
                }
                Err(JournalError::Trimmed { start, .. }) => {
                    from = *start;
                    true
                }
                Err(error) if error.kind() == ErrorKind::Retry => {
                    tracing::warn!(topic = self.at.topic, partition = self.at.partition, %error, "journal read failed");
                    self.env.sleep(RETRY_PAUSE).await;
                    continue;
                }
                Err(_) => false,
            };
            if self.batches.send(Arrival { index: self.index, result }).await.is_err() || !again {
                return;
            }
        }
    }
}
