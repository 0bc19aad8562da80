//! A follower that takes the records of its partitions in one order.

use std::time::Duration;

use tidemill_model::Offset;
use tokio::sync::{mpsc, watch};

use super::merge::Merge;
use super::read_ahead::{READ_AHEAD_BATCHES, READ_BYTES, READ_WAIT};
use super::{Fold, Follower, next_arrival};
use crate::{Batch, JournalError};

/// Least bytes per read: so much waits for each of many partitions.
const READ_BYTES_MIN: usize = 256 << 10;
/// Records between two commits. More delay what the fold publishes, fewer cost calls.
const RECORDS_PER_COMMIT: usize = 4096;
/// A partition without a record for so long is one that a merge waits for: heartbeats come every second.
const PATIENCE: Duration = Duration::from_secs(3);

impl<F: Fold> Follower<F> {
    /// Merges until it is to stop. A partition is read ahead only so far, however long the others keep it waiting.
    pub(super) async fn merge(&mut self, stop: &mut watch::Receiver<bool>) -> Result<(), String> {
        let count = self.partitions.len();
        let bytes = (READ_BYTES / count.max(1)).max(READ_BYTES_MIN);
        let mut lanes: Vec<_> = (0..count)
            .map(|index| {
                let (batches, arrivals) = mpsc::channel(READ_AHEAD_BATCHES);
                self.read_ahead(index, bytes, batches);
                arrivals
            })
            .collect();
        let mut merge = Merge::new(count);
        let mut waits = 0;
        while !*stop.borrow() {
            if let Some(index) = merge.wants() {
                let arrival = tokio::select! {
                    arrival = next_arrival(&mut lanes[index], stop) => arrival?.map(|arrival| arrival.result),
                    // Not even a read that finds nothing: the partition is away.
                    () = self.env.sleep(2 * READ_WAIT) => Some(Ok(Batch { records: Vec::new(), next: Offset(0) })),
                };
                let Some(arrival) = arrival else {
                    break;
                };
                match arrival {
                    Ok(batch) if batch.records.is_empty() => {
                        waits += 1;
                        self.look_around(stop).await?;
                    }
                    Ok(batch) => {
                        waits = 0;
                        merge.push(index, batch);
                    }
                    Err(JournalError::Trimmed { from, start }) => self.pass_gap(index, from, start, stop).await?,
                    Err(error) => return Err(error.to_string()),
                }
                let is_long = READ_WAIT * waits >= PATIENCE;
                self.progress.wait_for(is_long.then(|| self.partitions[index]));
                self.hold();
                continue;
            }
            let mut applied = 0;
            while applied < RECORDS_PER_COMMIT
                && let Some((index, record, after)) = merge.take()
            {
                if !self.apply(index, &record, after, stop).await? {
                    return Ok(());
                }
                applied += 1;
            }
            self.retry(stop, |this| this.fold.commit(&this.cursors)).await?;
            self.observe_tail().await?;
            self.publish();
            self.hold();
        }
        Ok(())
    }
}
