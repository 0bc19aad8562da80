//! What people see of an operator: counters, state, logs. Written by its threads, read by everyone.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use serde::Serialize;
use tidemill_journal::Progress;
use tidemill_model::Offset;

use crate::guest::Logs;
use crate::operator::bytes::{Bytes, Damaged};
use crate::operator::stage::Stage;

/// An operator that lags by more records than this is catching up.
const CATCHING_UP_RECORDS: u64 = 1000;

/// Windows that are listed per operator; older ones are forgotten, their counts are not.
const LISTED_WINDOWS_MAX: usize = 256;

/// A window that was computed again or could not be computed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct WindowNote {
    /// The partition of its inputs; 0 if the operator merges partitions.
    pub partition: u32,
    /// The first series of its group.
    pub series: String,
    /// First source time in it, ns.
    pub start_ns: i64,
    /// First source time after it, ns.
    pub end_ns: i64,
    /// `late`: rows came after it had closed. `edited`: samples were deleted. `withdrawn`: it holds no samples any more.
    /// `failed`: it has no output.
    pub reason: &'static str,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Counts of one instance of an operator; they survive restarts in its checkpoints.
#[derive(Default, Debug)]
pub(crate) struct Counters {
    pub(crate) rows_in: AtomicU64,
    pub(crate) rows_out: AtomicU64,
    pub(crate) late_rows: AtomicU64,
    pub(crate) revised_windows: AtomicU64,
    pub(crate) errors: AtomicU64,
    pub(crate) quarantined_rows: AtomicU64,
}

impl Counters {
    fn all(&self) -> [&AtomicU64; 6] {
        let Self { rows_in, rows_out, late_rows, revised_windows, errors, quarantined_rows } = self;
        [rows_in, rows_out, late_rows, revised_windows, errors, quarantined_rows]
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        self.all().iter().for_each(|counter| out.extend_from_slice(&counter.load(Relaxed).to_le_bytes()));
    }

    pub(crate) fn decode(&self, bytes: &mut Bytes<'_>) -> Result<(), Damaged> {
        self.all().iter().try_for_each(|counter| bytes.u64().map(|value| counter.store(value, Relaxed)))
    }
}

/// What one instance of an operator is doing.
#[derive(Default, Debug)]
pub(crate) struct InstanceStatus {
    pub(crate) counters: Counters,
    /// Windows that have no output.
    pub(crate) failed_windows: AtomicU64,
    pub(crate) state_bytes: AtomicU64,
    /// When the newest checkpoint became durable, ns since the Unix epoch; 0: never.
    pub(crate) checkpoint_at: AtomicI64,
    /// Why the newest checkpoint could not be written.
    pub(crate) checkpoint_error: Mutex<Option<String>>,
    pub(crate) progress: Mutex<Option<Arc<Progress>>>,
    /// Whether windows wait for the next records.
    pub(crate) has_windows_waiting: AtomicBool,
    /// Where it read on when it stopped.
    pub(crate) stopped_at: Mutex<Vec<Offset>>,
}

/// What the threads of one operator share with everyone.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) logs: Arc<Logs>,
    pub(crate) instances: Vec<InstanceStatus>,
    pub(crate) last_error: Mutex<Option<String>>,
    /// The newest windows that were computed again or could not be.
    pub(crate) windows: Mutex<VecDeque<WindowNote>>,
    /// Why it could not be started.
    pub(crate) failure: Mutex<Option<String>>,
}

impl Shared {
    pub(crate) fn new(instances: u32) -> Arc<Self> {
        Arc::new(Self {
            logs: Arc::default(),
            instances: (0..instances).map(|_| InstanceStatus::default()).collect(),
            last_error: Mutex::new(None),
            windows: Mutex::default(),
            failure: Mutex::new(None),
        })
    }

    /// Counts an error and remembers its text.
    pub(crate) fn error(&self, instance: u32, reason: String) {
        self.instances[instance as usize].counters.errors.fetch_add(1, Relaxed);
        *self.last_error.lock() = Some(reason);
    }

    /// Lists a window.
    pub(crate) fn note_window(&self, note: WindowNote) {
        let mut windows = self.windows.lock();
        if windows.len() == LISTED_WINDOWS_MAX {
            windows.pop_front();
        }
        windows.push_back(note);
    }

    /// The operator cannot run.
    pub(crate) fn fail(&self, name: &str, reason: String) {
        tracing::error!(operator = name, reason, "operator failed");
        *self.failure.lock() = Some(reason);
    }
}

/// What an operator is doing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct OperatorStatus {
    /// Its name.
    pub name: String,
    /// The operator that it runs in the shadow of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow_of: Option<String>,
    /// Which deploy it is of: grows with every new version.
    pub generation: u64,
    /// Versions that ran under this name before.
    pub versions: usize,
    /// Whether there is a version to roll back to.
    pub can_roll_back: bool,
    /// The plugin's own name.
    pub plugin: String,
    /// The plugin's hash.
    pub hash: String,
    /// `calculation` or `aggregation`.
    pub world: String,
    /// `running`, `catching-up`, `paused` or `failed`.
    pub state: &'static str,
    /// Which of two stages it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// Whether it merges all partitions into one order.
    pub merges_partitions: bool,
    /// The partition that such a merge waits for: nothing has been appended there for seconds, not even a heartbeat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for_partition: Option<u32>,
    /// Durable records that it has not read, over all partitions.
    pub lag_records: u64,
    /// How long ago its newest input was stamped; absent before the first.
    pub staleness_ms: Option<i64>,
    /// How long until the journal's retention drops records that it has not read; absent if nothing is ever dropped.
    pub falls_off_in_ms: Option<i64>,
    /// Input rows.
    pub rows_in: u64,
    /// Output rows.
    pub rows_out: u64,
    /// Input rows that came after their window had closed.
    pub late_rows: u64,
    /// Windows that were computed again.
    pub revised_windows: u64,
    /// Windows that have no output, because the plugin failed on them or they were too large.
    pub failed_windows: u64,
    /// The newest windows that were computed again or have no output, oldest first.
    pub windows: Vec<WindowNote>,
    /// Records and windows that the plugin failed on, and output rows that had no series to go to.
    pub errors: u64,
    /// Input rows that the plugin failed on and that are in the quarantine.
    pub quarantined_rows: u64,
    /// The newest error.
    pub last_error: Option<String>,
    /// Bytes of its state.
    pub state_bytes: u64,
    /// Age of its oldest newest checkpoint; absent before the first.
    pub checkpoint_age_ms: Option<i64>,
    /// Why its newest checkpoint could not be written; it computes on, and tries again.
    pub checkpoint_error: Option<String>,
}

impl OperatorStatus {
    /// Fills in what the threads have written.
    pub(crate) fn fill(&mut self, shared: &Shared, now_ns: i64) {
        let sum = |count: fn(&Counters) -> &AtomicU64| -> u64 {
            shared.instances.iter().map(|instance| count(&instance.counters).load(Relaxed)).sum()
        };
        self.rows_in = sum(|c| &c.rows_in);
        self.rows_out = sum(|c| &c.rows_out);
        self.late_rows = sum(|c| &c.late_rows);
        self.revised_windows = sum(|c| &c.revised_windows);
        self.failed_windows = shared.instances.iter().map(|instance| instance.failed_windows.load(Relaxed)).sum();
        self.windows = shared.windows.lock().iter().cloned().collect();
        self.errors = sum(|c| &c.errors);
        self.quarantined_rows = sum(|c| &c.quarantined_rows);
        self.last_error = shared.last_error.lock().clone();
        self.state_bytes = shared.instances.iter().map(|instance| instance.state_bytes.load(Relaxed)).sum();
        let oldest = shared.instances.iter().map(|instance| instance.checkpoint_at.load(Relaxed)).min();
        self.checkpoint_age_ms = oldest.filter(|at| *at != 0).map(|at| (now_ns - at).max(0) / 1_000_000);
        self.checkpoint_error = shared.instances.iter().find_map(|p| p.checkpoint_error.lock().clone());
        let progress: Vec<_> = shared.instances.iter().filter_map(|p| p.progress.lock().clone()).collect();
        self.waits_for_partition = progress.iter().find_map(|p| p.waits_for());
        self.lag_records = progress.iter().map(|p| p.lag_records()).sum();
        self.staleness_ms = progress.iter().filter_map(|p| p.staleness(now_ns)).min().map(|ns| ns / 1_000_000);
        let falls_off_in = progress.iter().filter_map(|p| p.falls_off_in(now_ns)).min();
        self.falls_off_in_ms = falls_off_in.map(|d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX));
        let failure = shared.failure.lock().clone().or_else(|| {
            let stopped = progress.iter().find(|p| p.is_stopped() && p.error().is_some())?;
            stopped.error()
        });
        if failure.is_some() {
            (self.state, self.last_error) = ("failed", failure);
        } else if self.state == "running" && self.lag_records > CATCHING_UP_RECORDS {
            self.state = "catching-up";
        }
    }
}
