//! What operators ask of replicas: past samples at a known position.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tidemill_journal::Env;
use tidemill_model::{Offset, SampleColumn, SeriesId, TimeRange};
use tidemill_runtime::{History, HistoryError};

use crate::replicas::{Open, Replicas};

/// How long a read waits for a replica. The operator asks again, so this only bounds how long a stop takes.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Reads from whichever replica is far enough and intact.
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
            let open = self.replicas.slots().iter().filter_map(|slot| slot.open());
            let is_far_enough = |open: &Open| open.progress.offsets().get(partition as usize) >= Some(&at_least);
            let mut damage = None;
            for open in open.filter(is_far_enough) {
                match open.replica.snapshot().scan(series, range) {
                    Ok(samples) => return Ok(samples),
                    // The next one may be intact: nobody waits for somebody else's damage.
                    Err(error) => damage = Some(error),
                }
            }
            if let Some(error) = damage {
                return Err(HistoryError::Unavailable(error.to_string()));
            }
            if self.env.monotonic() >= until {
                return Err(HistoryError::Unavailable(format!("no replica has applied offset {at_least} yet")));
            }
            self.pause();
        }
    }
}
