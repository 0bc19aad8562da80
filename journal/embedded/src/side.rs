//! Work that nobody waits for (or only a full segment): running hashes, zeros ahead, spare files. A thread of its own, so
//! that neither writing nor syncing waits for it.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::appender::Partition;
use crate::chain::Chain;
use crate::footer::Hash;
use crate::storage::StorageFile;

/// Jobs that may wait. They hold what was written, so there must not be many.
pub(crate) const JOBS_MAX: usize = 8;

/// A job.
#[derive(Debug)]
pub(crate) enum Job {
    /// Goes on with the running hash of a partition.
    Hash { partition: Arc<Partition>, bytes: Vec<Bytes> },
    /// The same, up to the end of a segment: tells the hash, and starts the next segment's.
    Seal { partition: Arc<Partition>, bytes: Vec<Bytes>, hashed: oneshot::Sender<Hash> },
    /// Writes zeros ahead in segment `index`.
    Zeros { partition: Arc<Partition>, file: Arc<dyn StorageFile>, index: u64 },
    /// Makes a spare file.
    Spare { partition: Arc<Partition> },
}

/// Does the jobs in order until nobody sends any more.
pub(crate) async fn run(mut jobs: mpsc::Receiver<Job>) {
    while let Some(job) = jobs.recv().await {
        match job {
            Job::Hash { partition, bytes } => partition.chain.lock().extend(&bytes),
            Job::Seal { partition, bytes, hashed } => {
                let mut chain = partition.chain.lock();
                chain.extend(&bytes);
                let hash = chain.hash();
                *chain = Chain::new(hash);
                // Nobody waits for it if writing has been stopped.
                let _ = hashed.send(hash);
            }
            Job::Zeros { partition, file, index } => partition.log.ahead.write_zeros(&*file, index),
            Job::Spare { partition } => partition.log.ahead.make_spare(&partition.log.place),
        }
    }
}
