//! How far a follower is, and how fast.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tidemill_model::Offset;
use tokio::sync::watch;

use crate::Cursor;
use crate::margin::NEVER;

/// How far a follower is, readable by everyone at any time.
#[derive(Debug)]
pub struct Progress {
    pub(super) cursors: watch::Sender<Vec<Offset>>,
    pub(super) applied_records: AtomicU64,
    pub(super) tail_records: AtomicU64,
    pub(super) newest_source_time: AtomicI64,
    pub(super) rate_millis: AtomicU64,
    pub(super) quarantined: AtomicU64,
    pub(super) gaps: AtomicU64,
    pub(super) falls_off_at: AtomicI64,
    pub(super) stopped: AtomicBool,
    pub(super) error: Mutex<Option<String>>,
    pub(super) waits_for: AtomicI64,
}

/// Stands for no partition.
const NONE: i64 = -1;

impl Progress {
    pub(super) fn new(cursors: &[Cursor]) -> Arc<Self> {
        Arc::new(Self {
            cursors: watch::Sender::new(cursors.iter().map(|c| c.next).collect()),
            applied_records: AtomicU64::new(cursors.iter().map(|c| c.ordinal).sum()),
            tail_records: AtomicU64::new(0),
            newest_source_time: AtomicI64::new(newest(cursors)),
            rate_millis: AtomicU64::new(0),
            quarantined: AtomicU64::new(0),
            gaps: AtomicU64::new(0),
            falls_off_at: AtomicI64::new(NEVER),
            stopped: AtomicBool::new(false),
            error: Mutex::new(None),
            waits_for: AtomicI64::new(NONE),
        })
    }

    /// The next offset of each partition: everything before it is applied and visible.
    pub fn offsets(&self) -> Vec<Offset> {
        self.cursors.borrow().clone()
    }

    /// Tells of every change of [`Progress::offsets`].
    pub fn watch(&self) -> watch::Receiver<Vec<Offset>> {
        self.cursors.subscribe()
    }

    /// Lag: durable records that are not yet applied.
    pub fn lag_records(&self) -> u64 {
        self.tail_records.load(Relaxed).saturating_sub(self.applied_records.load(Relaxed))
    }

    /// Newest source time applied, ns; `None` before the first sample.
    pub fn newest_source_time(&self) -> Option<i64> {
        Some(self.newest_source_time.load(Relaxed)).filter(|t| *t != i64::MIN)
    }

    /// Staleness at `now`: how long ago the newest applied sample was stamped, ns. `None` before the first sample.
    pub fn staleness(&self, now: i64) -> Option<i64> {
        self.newest_source_time().map(|newest| now.saturating_sub(newest).max(0))
    }

    /// When the lag will be gone at the present rate; `None` while the rate is unknown.
    pub fn ready_in(&self) -> Option<Duration> {
        let rate = self.rate_millis.load(Relaxed);
        (rate > 0).then(|| Duration::from_millis(self.lag_records().saturating_mul(1_000_000) / rate))
    }

    /// Records quarantined since the start of the process.
    pub fn quarantined(&self) -> u64 {
        self.quarantined.load(Relaxed)
    }

    /// Gaps met since the start of the process.
    pub fn gaps(&self) -> u64 {
        self.gaps.load(Relaxed)
    }

    /// How long from `now` until the follower falls off: until retention drops a record that it has not applied, if it
    /// applies nothing more. `None` if nothing is ever dropped, or if that is not known.
    pub fn falls_off_in(&self, now: i64) -> Option<Duration> {
        let at = Some(self.falls_off_at.load(Relaxed)).filter(|at| *at != NEVER)?;
        Some(Duration::from_nanos(u64::try_from(at.saturating_sub(now)).unwrap_or(0)))
    }

    /// Whether the follower has stopped.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    /// The partition that a merge waits for, because nothing has been appended there for longer than heartbeats take.
    pub fn waits_for(&self) -> Option<u32> {
        u32::try_from(self.waits_for.load(Relaxed)).ok()
    }

    pub(super) fn wait_for(&self, partition: Option<u32>) {
        self.waits_for.store(partition.map_or(NONE, i64::from), Relaxed);
    }

    /// The last error, while it lasts.
    pub fn error(&self) -> Option<String> {
        self.error.lock().clone()
    }
}

pub(super) fn newest(cursors: &[Cursor]) -> i64 {
    cursors.iter().map(|c| c.newest_source_time).max().unwrap_or(i64::MIN)
}

/// Applied records per second over the last seconds.
#[derive(Default)]
pub(super) struct Rate {
    since: Duration,
    from: u64,
    per_second_millis: u64,
}

impl Rate {
    /// Thousandths of records per second, measured over windows of about a second.
    pub(super) fn observe(&mut self, now: Duration, applied: u64) -> u64 {
        let window = now.saturating_sub(self.since);
        if window >= Duration::from_secs(1) {
            let applied_millis = applied.saturating_sub(self.from).saturating_mul(1_000_000);
            self.per_second_millis = applied_millis / window.as_millis().max(1) as u64;
            (self.since, self.from) = (now, applied);
        }
        self.per_second_millis
    }
}
