//! What operators ask of replicas: past samples at a known position.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tidemill_journal::Env;
use tidemill_model::{Offset, SampleColumn, SeriesId, TimeRange};
use tidemill_runtime::{History, HistoryError};

use crate::replicas::Replicas;

/// How long a read waits for a replica. The operator asks again, so this only bounds how long a stop takes.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Reads from whichever replica is far enough.
pub(crate) struct ReplicaHistory {
    replicas: Arc<Replicas>,
    env: Arc<dyn Env>,
    pause: (Mutex<()>, Condvar),
}

impl ReplicaHistory {
    /// History over these replicas.
    pub(crate) fn new(replicas: Arc<Replicas>, env: Arc<dyn Env>) -> Self {
        Self { replicas, env, pause: (Mutex::new(()), Condvar::new()) }
    }

    /// Blocks the thread for a moment.
    fn pause(&self) {
        let mut guard = self.pause.0.lock();
        self.pause.1.wait_for(&mut guard, LOOK_EVERY);
    }
}

impl History for ReplicaHistory {
    fn read(
        &self,
        series: SeriesId,
        range: TimeRange,
        partition: u32,
        at_least: Offset,
    ) -> Result<SampleColumn, HistoryError> {
        let until = self.env.monotonic() + WAIT_MAX;
        loop {
            let open = self.replicas.slots().iter().filter_map(|slot| slot.open()).find(|open| {
                open.progress.offsets().get(partition as usize).is_some_and(|applied| *applied >= at_least)
            });
            if let Some(open) = open {
                let samples = open.replica.snapshot().scan(series, range);
                return samples.map_err(|error| HistoryError::Unavailable(error.to_string()));
            }
            if self.env.monotonic() >= until {
                return Err(HistoryError::Unavailable(format!("no replica has applied offset {at_least} yet")));
            }
            self.pause();
        }
    }
}
