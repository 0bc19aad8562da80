//! Aggregations: pure functions over closed windows. The host owns the windows.
//!
//! A record does this, in order:
//! 1. its rows go into the open windows of their groups; rows whose windows have closed are noted;
//! 2. windows with noted rows are read from history;
//! 3. windows that are due are closed;
//! 4. all of these go to the guest, as few calls as fit, and the answers are stamped with their windows' starts.
//!
//! At most as many windows are handled per record as the output may have rows; the rest waits for the next records, in an
//! order that checkpoints keep. A window that the guest fails on is given up and counted, so that it costs neither the
//! other windows nor the groups' later ones.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tidemill_journal::ApplyError;
use tidemill_model::payload::SamplesView;
use tidemill_model::{Offset, Record, TimeRange, ValueType};

use crate::guest::{CallError, Instance, OutputRows, WindowColumns};
use crate::history::History;
use crate::operator::bytes::{Bytes, Damaged};
use crate::operator::calculation::{GuestFactory, as_f64};
use crate::operator::inputs::{Event, Inputs, Member, Target};
use crate::operator::status::Shared;
use crate::operator::windows::{OpenWindows, Pushed, Row, WindowShape, tidy};

/// Rows per call, unless a single window has more: 20 bytes each have to fit into the guest's memory.
const ROWS_PER_CALL: usize = 131_072;
/// Windows per call.
const WINDOWS_PER_CALL: usize = 16_384;
/// Failed calls per record before the rest of its windows is given up: an endless loop costs a second each time.
const FAILED_CALLS_MAX: u32 = 12;

/// An aggregation in one partition.
pub(crate) struct Aggregation {
    factory: GuestFactory,
    instance: Instance,
    shape: WindowShape,
    partition: u32,
    history: Arc<dyn History>,
    shared: Arc<Shared>,
    /// By group.
    windows: Vec<OpenWindows>,
    /// Groups with windows to be closed.
    due: VecDeque<u32>,
    /// Group and start of windows to be read from history.
    late: BTreeSet<(u32, i64)>,
    heartbeat: u32,
    /// The record whose rows are in the windows although it has not been applied to the end.
    taken_in: Option<(Offset, u64, Option<i64>)>,
    input: WindowColumns,
    answers: Vec<f64>,
    failed_calls: u32,
}

impl Aggregation {
    /// An aggregation that has seen nothing.
    pub(crate) fn new(
        factory: GuestFactory,
        partition: u32,
        history: Arc<dyn History>,
        shared: Arc<Shared>,
    ) -> Result<Self, CallError> {
        let shape = WindowShape { length: factory.spec.window_ns, lateness: factory.spec.lateness_ns };
        Ok(Self {
            instance: factory.start()?,
            factory,
            shape,
            partition,
            history,
            shared,
            windows: Vec::new(),
            due: VecDeque::new(),
            late: BTreeSet::new(),
            heartbeat: 0,
            taken_in: None,
            input: WindowColumns::default(),
            answers: Vec::new(),
            failed_calls: 0,
        })
    }

    /// Applies a record; appends its outputs to `rows`. Returns the number of input rows and the newest source time.
    ///
    /// # Errors
    /// [`ApplyError::Retry`] while history is not available: the same record has to come again.
    pub(crate) fn apply(
        &mut self,
        record: &Record,
        inputs: &Inputs,
        event: &Event<'_>,
        rows: &mut OutputRows,
    ) -> Result<(u64, Option<i64>), ApplyError> {
        let (rows_in, newest) = match self.taken_in {
            Some((offset, rows_in, newest)) if offset == record.offset => (rows_in, newest),
            _ => self.take_in(inputs, event),
        };
        self.taken_in = Some((record.offset, rows_in, newest));
        if !self.late.is_empty() || !self.due.is_empty() {
            self.emit(record.offset, inputs.groups(), rows)?;
        }
        self.taken_in = None;
        Ok((rows_in, newest))
    }

    fn take_in(&mut self, inputs: &Inputs, event: &Event<'_>) -> (u64, Option<i64>) {
        match event {
            Event::Nothing => (0, None),
            Event::Samples(view, targets) => {
                self.windows.resize_with(inputs.groups().len(), OpenWindows::new);
                self.take_in_rows(view, targets)
            }
            Event::Heartbeat(time) => {
                self.close_idle(*time);
                (0, None)
            }
        }
    }

    fn take_in_rows(&mut self, view: &SamplesView<'_>, targets: &[Target]) -> (u64, Option<i64>) {
        let (mut rows_in, mut late_rows, mut newest) = (0, 0, i64::MIN);
        let mut targets = targets.iter();
        for column in view.columns() {
            let is_float = column.value_type() == ValueType::Float;
            for (run, target) in column.runs().zip(&mut targets) {
                if !target.is_input() {
                    continue;
                }
                let windows = &mut self.windows[target.group as usize];
                windows.heartbeat = self.heartbeat;
                let was_due = windows.due_by != i64::MIN;
                let mut is_due = false;
                for row in run.first..run.first + run.rows {
                    let time = column.time(row);
                    let value = as_f64(column.value_type(), is_float, column.bits(row));
                    let quality = column.quality(row).0;
                    newest = newest.max(time);
                    match windows.push(Row { time, value, quality, member: target.member }, self.shape) {
                        Pushed::Open => {}
                        Pushed::Due => is_due = true,
                        Pushed::Late => {
                            late_rows += 1;
                            self.late.insert((target.group, self.shape.start_of(time)));
                        }
                    }
                }
                rows_in += run.rows as u64;
                if is_due && !was_due {
                    self.due.push_back(target.group);
                }
            }
        }
        self.counters().late_rows.fetch_add(late_rows, Relaxed);
        (rows_in, Some(newest))
    }

    /// Closes what is over in groups that have been silent since the last heartbeat.
    fn close_idle(&mut self, time: i64) {
        for (group, windows) in (0..).zip(&mut self.windows) {
            if windows.heartbeat != self.heartbeat && windows.has_due(time) {
                if windows.due_by == i64::MIN {
                    self.due.push_back(group);
                }
                windows.due_by = windows.due_by.max(time);
            }
        }
        self.heartbeat = self.heartbeat.wrapping_add(1);
    }

    fn counters(&self) -> &crate::operator::status::Counters {
        &self.shared.partitions[self.partition as usize].counters
    }

    /// Hands windows to the guest, as many as this record may have outputs.
    fn emit(&mut self, offset: Offset, groups: &[Vec<Member>], rows: &mut OutputRows) -> Result<(), ApplyError> {
        let ports = self.factory.spec.outputs.len().max(1);
        let mut budget = (self.factory.spec.limits.output_rows as usize / ports).max(1);
        self.failed_calls = 0;
        let revised = self.read_late(offset, groups, &mut budget)?;
        for (group, start, window) in &revised {
            self.late.remove(&(*group, *start));
            self.add(*group, *start, window);
            self.call_if_full(rows);
        }
        self.counters().revised_windows.fetch_add(revised.len() as u64, Relaxed);
        while budget > 0 {
            let Some(group) = self.due.pop_front() else {
                break;
            };
            let mut windows = std::mem::replace(&mut self.windows[group as usize], OpenWindows::new());
            let members = &groups[group as usize];
            let order = |member: u32| members[member as usize].series.id.0;
            let is_left = windows.close(self.shape, &mut budget, order, |start, closed| {
                self.add(group, start, closed);
                self.call_if_full(rows);
            });
            self.windows[group as usize] = windows;
            if is_left {
                self.due.push_front(group);
            }
        }
        self.call(rows);
        Ok(())
    }

    /// The rows of the windows that are noted as late. Changes nothing, so that it can be repeated.
    fn read_late(
        &self,
        offset: Offset,
        groups: &[Vec<Member>],
        budget: &mut usize,
    ) -> Result<Vec<(u32, i64, Vec<Row>)>, ApplyError> {
        let mut revised = Vec::new();
        for (group, start) in self.late.iter().take(*budget) {
            let range = TimeRange::new(*start, start.saturating_add(self.shape.length));
            let members = &groups[*group as usize];
            let mut rows = Vec::new();
            for (index, member) in (0..).zip(members) {
                let at_least = Offset(offset.0 + 1);
                let column = self.history.read(member.series.id, range, self.partition, at_least);
                let column = column.map_err(|error| ApplyError::Retry(error.to_string()))?;
                rows.extend((0..column.len()).filter_map(|row| {
                    let value = column.values.get(row)?.as_f64()?;
                    Some(Row { time: column.times[row], value, quality: column.quality(row).0, member: index })
                }));
            }
            tidy(&mut rows, |member| members[member as usize].series.id.0);
            revised.push((*group, *start, rows));
        }
        *budget -= revised.len();
        Ok(revised)
    }

    /// Adds a window to the next call.
    fn add(&mut self, group: u32, start: i64, rows: &[Row]) {
        if rows.is_empty() {
            return;
        }
        let end = start.saturating_add(self.shape.length);
        self.input.windows.push((group, rows.len() as u32, start, end));
        self.input.dt.extend(rows.iter().map(|row| row.time.wrapping_sub(start)));
        self.input.values.extend(rows.iter().map(|row| row.value));
        self.input.qualities.extend(rows.iter().map(|row| row.quality));
    }

    fn call_if_full(&mut self, rows: &mut OutputRows) {
        if self.input.dt.len() >= ROWS_PER_CALL || self.input.windows.len() >= WINDOWS_PER_CALL {
            self.call(rows);
        }
    }

    /// Hands the collected windows to the guest.
    fn call(&mut self, rows: &mut OutputRows) {
        let mut input = std::mem::take(&mut self.input);
        if !input.windows.is_empty() {
            self.call_or_split(&mut input, rows);
        }
        input.windows.clear();
        input.dt.clear();
        input.values.clear();
        input.qualities.clear();
        self.input = input;
    }

    /// Calls the guest; when it fails, calls it with each half, down to single windows.
    fn call_or_split(&mut self, input: &mut WindowColumns, rows: &mut OutputRows) {
        if input.qualities.iter().all(|quality| *quality == 0) {
            input.qualities.clear();
        }
        let failure = if self.failed_calls >= FAILED_CALLS_MAX {
            "given up after too many failures in one record".to_owned()
        } else {
            match self.try_call(input, rows) {
                Ok(()) => return,
                Err(error) => error.to_string(),
            }
        };
        if input.windows.len() > 1 && self.failed_calls < FAILED_CALLS_MAX {
            let mut second = split_off(input);
            self.call_or_split(input, rows);
            self.call_or_split(&mut second, rows);
            return;
        }
        for (_, _, start, _) in &input.windows {
            self.shared.error(self.partition, format!("window at {start} ns has no output: {failure}"));
        }
    }

    fn try_call(&mut self, input: &WindowColumns, rows: &mut OutputRows) -> Result<(), CallError> {
        let ports = self.factory.spec.outputs.len() as u32;
        self.answers.clear();
        if let Err(error) = self.instance.aggregate(input, ports, &mut self.answers) {
            self.failed_calls += 1;
            self.instance = self.factory.start()?;
            return Err(error);
        }
        let answers = self.answers.chunks_exact(ports.max(1) as usize);
        for ((group, _, start, _), values) in input.windows.iter().zip(answers) {
            for (port, value) in (0..).zip(values).filter(|(_, value)| !value.is_nan()) {
                rows.push((*group, port), *start, *value);
            }
        }
        Ok(())
    }

    /// Bytes of state.
    pub(crate) fn state_bytes(&self) -> u64 {
        let rows: usize = self.windows.iter().map(OpenWindows::len).sum();
        (rows * size_of::<Row>()) as u64
    }

    /// Appends the whole state as it is now.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.windows.len() as u32).to_le_bytes());
        self.windows.iter().for_each(|windows| windows.encode(self.heartbeat, out));
        out.extend_from_slice(&(self.due.len() as u32).to_le_bytes());
        self.due.iter().for_each(|group| out.extend_from_slice(&group.to_le_bytes()));
        out.extend_from_slice(&(self.late.len() as u32).to_le_bytes());
        for (group, start) in &self.late {
            out.extend_from_slice(&group.to_le_bytes());
            out.extend_from_slice(&start.to_le_bytes());
        }
    }

    /// Takes over the state that [`Aggregation::encode`] wrote.
    pub(crate) fn decode(&mut self, bytes: &mut Bytes<'_>, groups: &[Vec<Member>]) -> Result<(), Damaged> {
        let exists = |group: u32| groups.get(group as usize).ok_or(Damaged("a group that is not there"));
        self.heartbeat = 1;
        for group in 0..bytes.u32()? {
            let members = exists(group)?.len();
            self.windows.push(OpenWindows::decode(bytes, self.heartbeat, self.shape, members)?);
        }
        for _ in 0..bytes.u32()? {
            let group = bytes.u32()?;
            exists(group)?;
            self.due.push_back(group);
        }
        for _ in 0..bytes.u32()? {
            let group = bytes.u32()?;
            exists(group)?;
            self.late.insert((group, bytes.i64()?));
        }
        self.windows.resize_with(groups.len(), OpenWindows::new);
        Ok(())
    }
}

/// Moves the second half of the windows out.
fn split_off(input: &mut WindowColumns) -> WindowColumns {
    let half = input.windows.len() / 2;
    let rows: usize = input.windows[..half].iter().map(|(_, rows, ..)| *rows as usize).sum();
    WindowColumns {
        windows: input.windows.split_off(half),
        dt: input.dt.split_off(rows),
        values: input.values.split_off(rows),
        qualities: if input.qualities.is_empty() { Vec::new() } else { input.qualities.split_off(rows) },
        texts: input.texts.clone(),
    }
}
