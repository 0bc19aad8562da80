//! Hands windows to a plugin, as many per call as fit, and puts its answers back to the groups.
//!
//! Invariants: a group with rows is one window of one call, a group without rows is never handed out and has no answer;
//! before every call the query is asked whether it is to stop, so that it stops within the time that one call may take.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use datafusion::error::{DataFusionError, Result};

use super::bins::Bins;
use super::function::{Bound, Function};
use super::rows::{Row, Rows};
use super::{AggregateGuest, AggregateWindows, Interrupt};
use crate::error::SqlError;

/// Plugins that a query has started at the same time: each may take 64 MiB that nobody charges.
const STARTED_MAX: usize = 16;
/// Rows per call, unless a single group has more.
const ROWS_PER_CALL: usize = 131_072;
/// Windows per call.
const WINDOWS_PER_CALL: usize = 16_384;
/// Most rows of a group. Its columns have 20 bytes per row, and a plugin has 64 MiB for them and for what it makes of them.
const GROUP_ROWS_MAX: usize = 2_000_000;

/// A started plugin behind one call of a query.
pub(crate) struct Caller {
    pub(crate) function: Arc<Function>,
    bound: Bound,
    interrupt: Interrupt,
    guest: Box<dyn AggregateGuest>,
    /// Groups that were handed out before.
    passed: usize,
    _turn: Turn,
}

/// The plugins that one query has started and not given back.
#[derive(Clone, Default, Debug)]
pub(crate) struct Turns(Arc<AtomicUsize>);

/// The right to run one.
struct Turn(Turns);

impl Turns {
    fn take(&self) -> Option<Turn> {
        let turn = Turn(self.clone());
        (self.0.fetch_add(1, Relaxed) < STARTED_MAX).then_some(turn)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}

/// A value per group and output port, row by row; NaN: no value.
pub(crate) struct Answers {
    pub(crate) values: Vec<f64>,
    /// By group: whether it had rows.
    pub(crate) has_rows: Vec<bool>,
}

/// The windows of the next call, and whose they are.
#[derive(Default)]
struct Pending {
    windows: AggregateWindows,
    groups: Vec<usize>,
}

impl Caller {
    pub(crate) fn start(function: Arc<Function>, bound: Bound, interrupt: Interrupt, turns: &Turns) -> Result<Self> {
        if interrupt() {
            return Err(DataFusionError::External(Box::new(SqlError::Stopped)));
        }
        let turn = turns.take().ok_or_else(|| {
            failure(
                &function,
                format!("a query may have {STARTED_MAX} calls of plugins at the same time: ask for fewer"),
            )
        })?;
        let guest = function.provider.start(&function.plugin.id, &bound.params);
        let guest = guest.map_err(|reason| failure(&function, reason))?;
        Ok(Self { function, bound, interrupt, guest, passed: 0, _turn: turn })
    }

    /// The answers for the groups below `groups`.
    pub(crate) fn answers(&mut self, rows: &Rows, groups: usize) -> Result<Answers> {
        let ports = self.function.plugin.outputs.len();
        let mut answers = Answers { values: vec![f64::NAN; groups * ports], has_rows: vec![false; groups] };
        let mut pending = Pending::default();
        rows.for_each_group(groups, |group, rows| {
            if rows.is_empty() {
                return Ok(());
            }
            if rows.len() > GROUP_ROWS_MAX {
                let reason = format!(
                    "a group has {} rows, at most {GROUP_ROWS_MAX} are allowed: group by a shorter time or by series",
                    rows.len()
                );
                return Err(failure(&self.function, reason));
            }
            if pending.is_full_with(rows.len()) {
                self.call(&mut pending, &mut answers.values)?;
            }
            answers.has_rows[group] = true;
            let number = (self.passed + group) as u32;
            pending.add(group, number, window_of(self.bound.bins, rows), rows);
            Ok::<_, DataFusionError>(())
        })?;
        self.call(&mut pending, &mut answers.values)?;
        self.passed += groups;
        Ok(answers)
    }

    fn call(&mut self, pending: &mut Pending, values: &mut [f64]) -> Result<()> {
        if pending.groups.is_empty() {
            return Ok(());
        }
        if (self.interrupt)() {
            return Err(DataFusionError::External(Box::new(SqlError::Stopped)));
        }
        let ports = self.function.plugin.outputs.len();
        if pending.windows.qualities.iter().all(|quality| *quality == 0) {
            pending.windows.qualities.clear();
        }
        let mut answers = Vec::with_capacity(pending.groups.len() * ports);
        let called = self.guest.call(&mut pending.windows, &mut answers);
        called.map_err(|reason| failure(&self.function, reason))?;
        if answers.len() != pending.groups.len() * ports {
            let reason = format!("{} values came back for {} groups", answers.len(), pending.groups.len());
            return Err(failure(&self.function, reason));
        }
        for (group, answer) in pending.groups.drain(..).zip(answers.chunks_exact(ports)) {
            values[group * ports..(group + 1) * ports].copy_from_slice(answer);
        }
        pending.windows.clear();
        Ok(())
    }
}

impl Pending {
    fn is_full_with(&self, rows: usize) -> bool {
        !self.groups.is_empty()
            && (self.windows.dt.len() + rows > ROWS_PER_CALL || self.groups.len() >= WINDOWS_PER_CALL)
    }

    fn add(&mut self, group: usize, number: u32, (start, end): (i64, i64), rows: &[Row]) {
        self.groups.push(group);
        self.windows.windows.push((number, rows.len() as u32, start, end));
        self.windows.dt.extend(rows.iter().map(|row| row.time.wrapping_sub(start)));
        self.windows.values.extend(rows.iter().map(|row| row.value));
        self.windows.qualities.extend(rows.iter().map(|row| row.quality));
    }
}

/// Start and end of the window that a group's rows, which are sorted, lie in.
fn window_of(bins: Option<Bins>, rows: &[Row]) -> (i64, i64) {
    let (first, last) = (rows[0].time, rows[rows.len() - 1].time);
    match bins {
        Some(bins) => bins.bin_of(first),
        None => (first, last.saturating_add(1)),
    }
}

fn failure(function: &Function, reason: String) -> DataFusionError {
    let error = SqlError::Function { function: function.name.clone(), reason };
    DataFusionError::External(Box::new(error))
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("function", &self.function.name).finish_non_exhaustive()
    }
}
