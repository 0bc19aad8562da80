//! The clock that stamps what is appended.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::Env;

/// A wall clock that never falls and never stands still.
///
/// Stamps of a partition may not fall, so when the wall clock steps back they cannot follow it. If they stood still until it
/// had caught up, each partition would stand at a time of its own, and whoever merges partitions by their stamps would wait
/// all the while for the one that stands earliest. So the stamps of all partitions go on together, at half speed, until the
/// wall clock is ahead again.
pub struct IngestClock {
    env: Arc<dyn Env>,
    /// The last stamp, and when it was given.
    last: Mutex<(i64, Duration)>,
}

impl IngestClock {
    /// A clock that has given no stamp.
    pub fn new(env: Arc<dyn Env>) -> Self {
        Self { env, last: Mutex::new((i64::MIN, Duration::ZERO)) }
    }

    /// A stamp for what is appended now behind a record with the stamp `newest`: not before it, nor before any stamp that was
    /// given; ns since the Unix epoch.
    pub fn stamp(&self, newest: i64) -> i64 {
        let mut last = self.last.lock();
        let now = self.env.monotonic();
        let passed = i64::try_from(now.saturating_sub(last.1).as_nanos() / 2).unwrap_or(i64::MAX);
        let stamp = self.env.now().max(last.0.saturating_add(passed)).max(newest);
        *last = (stamp, now);
        stamp
    }
}
