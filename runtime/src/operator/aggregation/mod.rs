//! Aggregations: pure functions over closed windows. The host owns the windows.
//!
//! A record does this, in order:
//! 1. its rows go into the open windows of their groups, deletions take rows out of them; times in closed windows are noted as
//!    *touched*;
//! 2. at a heartbeat, or when touched times have waited for [`TOUCHED_RECORDS_MAX`] records, their windows are queued to be
//!    computed again: once each, however many records have touched them;
//! 3. queued windows are read from history, and windows that are due are closed;
//! 4. all of these go to the guest, as few calls as fit, and the answers are stamped.
//!
//! At most as many windows are handled per record as the output may have rows; the rest waits for the next records, in an
//! order that checkpoints keep.

mod calls;
mod horizon;
mod intake;
mod reading;
mod sources;
#[cfg(test)]
mod tests;
mod texts;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tidemill_journal::ApplyError;
use tidemill_model::{Offset, Record, RecordKind};

use self::calls::{Calls, Ready};
pub(crate) use self::horizon::Horizon;
use self::reading::{Reading, Touched};
use self::sources::Sources;
use self::texts::Texts;
use crate::guest::{CallError, Kind as PortKind, OutputRows};
use crate::operator::bytes::{Bytes, Damaged};
use crate::operator::calculation::GuestFactory;
use crate::operator::inputs::{Event, Inputs, Member};
use crate::operator::status::{InstanceStatus, Shared};
use crate::operator::windows::{Closed, Kind, OpenWindows, ROWS_MAX, Row, Shape};

/// Records that touched times wait for when there are no heartbeats. More make revisions later, fewer let a backfill compute
/// a window more often.
const TOUCHED_RECORDS_MAX: u32 = 256;
/// Longest window whose rows are held, ns: a checkpoint holds them too. Longer ones are read from history when they close.
const HELD_NS_MAX: i64 = 600_000_000_000;
/// Stands where the first version of the state had its number of groups.
const STATE_MARK: u32 = u32::MAX;
const STATE_VERSION: u8 = 2;

/// What is held in memory at most; beyond it history is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holding {
    /// Longest window whose rows are held, ns.
    pub(crate) length_ns_max: i64,
    /// Rows of one group.
    pub(crate) rows_max: usize,
}

impl Default for Holding {
    fn default() -> Self {
        Self { length_ns_max: HELD_NS_MAX, rows_max: ROWS_MAX }
    }
}

impl Holding {
    /// Whether rows of these windows are only noted.
    fn is_noting(&self, shape: &Shape) -> bool {
        match shape.kind {
            Kind::Fixed { length, .. } | Kind::Sliding { length } => length > self.length_ns_max,
            // A late row can join sessions of the past with the open one, so history is asked anyway.
            Kind::Session { .. } => true,
            // An hour at least.
            Kind::Calendar(_) => self.length_ns_max < 3_600_000_000_000,
        }
    }
}

/// A record that has been begun. Where history cannot be read, the same record comes again and goes on here.
struct InHand {
    partition: u32,
    offset: Offset,
    rows_in: u64,
    newest: Option<i64>,
    /// Windows that it may still handle.
    budget: usize,
    /// How many of them are kept for windows that are due. Not a share of what is left: a re-run may be taken up elsewhere.
    reserve: usize,
    /// What it has put out so far.
    rows: OutputRows,
}

/// One instance of an aggregation.
pub(crate) struct Aggregation {
    calls: Calls,
    shape: Shape,
    holding: Holding,
    instance: u32,
    horizon: Horizon,
    shared: Arc<Shared>,
    output_rows: usize,
    /// By group.
    windows: Vec<OpenWindows>,
    /// Groups with windows to be closed.
    due: VecDeque<u32>,
    touched: Touched,
    readings: VecDeque<Reading>,
    /// Of a text port.
    texts: Option<Texts>,
    /// Of a second stage.
    sources: Option<Sources>,
    in_hand: Option<InHand>,
    /// Windows that this record has computed again.
    revised: u64,
}

impl Aggregation {
    /// An aggregation that has seen nothing.
    pub(crate) fn new(
        factory: GuestFactory,
        instance: u32,
        horizon: Horizon,
        shared: Arc<Shared>,
        holding: Holding,
    ) -> Result<Self, CallError> {
        let shape = factory.spec.windows.expect("an aggregation is not deployed without windows");
        let output_rows = factory.spec.limits.output_rows as usize;
        let takes_text = factory.spec.inputs.iter().any(|(_, kind)| *kind == PortKind::Text);
        Ok(Self {
            calls: Calls::new(factory, instance, shared.clone())?,
            shape,
            holding,
            instance,
            horizon,
            shared,
            output_rows,
            windows: Vec::new(),
            due: VecDeque::new(),
            touched: Touched::default(),
            readings: VecDeque::new(),
            texts: takes_text.then(Texts::default),
            sources: shape.is_told.then(Sources::default),
            in_hand: None,
            revised: 0,
        })
    }

    /// It is about to read on at these places.
    pub(crate) fn begin_at(&mut self, places: impl Iterator<Item = (u32, Offset)>) {
        places.for_each(|(partition, next)| self.horizon.move_to(partition, next));
    }

    /// Applies a record; appends its outputs to `rows`. Returns the number of input rows and the newest source time.
    ///
    /// # Errors
    /// [`ApplyError::Retry`] while history is not available: the same record has to come again.
    pub(crate) fn apply(
        &mut self,
        partition: u32,
        record: &Record,
        inputs: &Inputs,
        event: &Event<'_>,
        rows: &mut OutputRows,
    ) -> Result<(u64, Option<i64>), ApplyError> {
        self.horizon.move_to(partition, Offset(record.offset.0 + 1));
        let mut hand = match self.in_hand.take() {
            Some(hand) if (hand.partition, hand.offset) == (partition, record.offset) => hand,
            _ => self.begin(partition, record, inputs, event)?,
        };
        std::mem::swap(rows, &mut hand.rows);
        let done = self.emit(inputs.groups(), (&mut hand.budget, hand.reserve), rows);
        let revised = std::mem::take(&mut self.revised);
        self.status().counters.revised_windows.fetch_add(revised, Relaxed);
        let answer = (hand.rows_in, hand.newest);
        if done.is_err() {
            std::mem::swap(rows, &mut hand.rows);
            self.in_hand = Some(hand);
        }
        done.map(|()| answer)
    }

    /// Takes in what the record brings.
    fn begin(
        &mut self,
        partition: u32,
        record: &Record,
        inputs: &Inputs,
        event: &Event<'_>,
    ) -> Result<InHand, ApplyError> {
        let mut rows = OutputRows::default();
        let edit = match event {
            Event::Nothing if record.kind() == Some(RecordKind::DeleteRange) => inputs.deleted(record)?,
            _ => None,
        };
        self.grow(inputs.groups().len());
        let (rows_in, newest) = match event {
            Event::Samples(view, targets) => self.take_in_rows(view, targets, inputs.groups(), record.ingest_time),
            _ => (0, None),
        };
        if let Some((targets, range)) = edit {
            self.take_out(&targets, range);
        }
        if let Event::Heartbeat(time) = event {
            self.close_idle(*time);
        }
        if !self.touched.is_empty() {
            self.touched.records += 1;
            if matches!(event, Event::Heartbeat(_)) || self.touched.records >= TOUCHED_RECORDS_MAX {
                self.queue_touched(&mut rows);
            }
        }
        self.calls.begin_record(inputs.groups());
        let budget = (self.output_rows / self.calls.ports().max(1)).max(1);
        Ok(InHand { partition, offset: record.offset, rows_in, newest, budget, reserve: budget / 2, rows })
    }

    fn grow(&mut self, groups: usize) {
        let is_noting = self.holding.is_noting(&self.shape);
        self.windows.resize_with(groups, || OpenWindows::new(is_noting));
    }

    fn status(&self) -> &InstanceStatus {
        &self.shared.instances[self.instance as usize]
    }

    /// Hands windows to the guest, as many as this record may have outputs.
    fn emit(
        &mut self,
        groups: &[Vec<Member>],
        (budget, kept): (&mut usize, usize),
        rows: &mut OutputRows,
    ) -> Result<(), ApplyError> {
        loop {
            // A long revision leaves room for windows that are due.
            let reserve = if self.due.is_empty() { 0 } else { kept };
            while *budget > reserve && !self.readings.is_empty() {
                self.read_chunk(groups, budget, rows)?;
            }
            match self.due.pop_front() {
                Some(group) if *budget > 0 => self.close(group, &groups[group as usize], budget, rows),
                Some(group) => break self.due.push_front(group),
                None if *budget == 0 || self.readings.is_empty() => break,
                None => {}
            }
        }
        self.calls.call(rows);
        self.calls.take_halt().map_or(Ok(()), |reason| Err(ApplyError::Halt(reason)))
    }

    /// Closes the windows of a group that are due.
    fn close(&mut self, group: u32, members: &[Member], budget: &mut usize, rows: &mut OutputRows) {
        let mut windows = std::mem::replace(&mut self.windows[group as usize], OpenWindows::new(false));
        let order = |member: u32| members[member as usize].series.id.0;
        let shape = self.shape;
        let is_left = windows.close(&shape, budget, order, |closed| match closed {
            Closed::Unread(from, to) => self.queue_closed(group, from, to),
            Closed::Rows(span, content) => {
                let window =
                    Ready { group, span, stamp: shape.stamp(span), is_revision: false, rows: content, members };
                self.calls.add(&window, self.texts.as_ref().map(Texts::all), rows);
            }
        });
        self.windows[group as usize] = windows;
        if is_left {
            self.due.push_front(group);
        }
    }

    /// Whether windows wait for the next records.
    pub(crate) fn has_windows_waiting(&self) -> bool {
        !self.due.is_empty() || !self.readings.is_empty()
    }

    /// Fuel that its guest has used since it was started.
    pub(crate) fn fuel(&self) -> u64 {
        self.calls.fuel()
    }

    /// Bytes of state.
    pub(crate) fn state_bytes(&self) -> u64 {
        let rows: usize = self.windows.iter().map(OpenWindows::len).sum();
        (rows * size_of::<Row>() + self.texts.as_ref().map_or(0, Texts::size_bytes)) as u64
    }

    /// Appends the state as it is now.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&STATE_MARK.to_le_bytes());
        out.push(STATE_VERSION);
        out.extend_from_slice(&self.status().failed_windows.load(Relaxed).to_le_bytes());
        out.extend_from_slice(&(self.windows.len() as u32).to_le_bytes());
        self.windows.iter().for_each(|windows| windows.encode(out));
        out.extend_from_slice(&(self.due.len() as u32).to_le_bytes());
        self.due.iter().for_each(|group| out.extend_from_slice(&group.to_le_bytes()));
        self.touched.encode(out);
        out.extend_from_slice(&(self.readings.len() as u32).to_le_bytes());
        self.readings.iter().for_each(|reading| reading.encode(out));
        if let Some(texts) = &self.texts {
            texts.encode(out);
        }
        if let Some(sources) = &self.sources {
            sources.encode(out);
        }
    }

    /// Takes over the state that [`Aggregation::encode`] wrote.
    pub(crate) fn decode(&mut self, bytes: &mut Bytes<'_>, groups: &[Vec<Member>]) -> Result<(), Damaged> {
        let exists = |group: u32| groups.get(group as usize).ok_or(Damaged("a group that is not there"));
        if bytes.u32()? != STATE_MARK || bytes.u8()? != STATE_VERSION {
            return Err(Damaged("the windows were written by another version of this program"));
        }
        self.status().failed_windows.store(bytes.u64()?, Relaxed);
        for group in 0..bytes.u32()? {
            let members = exists(group)?.len();
            self.windows.push(OpenWindows::decode(bytes, &self.shape, members)?);
        }
        for _ in 0..bytes.u32()? {
            let group = bytes.u32()?;
            self.windows.get(group as usize).ok_or(Damaged("a group that is not there"))?;
            self.due.push_back(group);
        }
        self.touched = Touched::decode(bytes, self.windows.len())?;
        for _ in 0..bytes.u32()? {
            let reading = Reading::decode(bytes)?;
            self.windows.get(reading.group as usize).ok_or(Damaged("a group that is not there"))?;
            self.readings.push_back(reading);
        }
        if self.texts.is_some() {
            self.texts = Some(Texts::decode(bytes, &mut self.windows)?);
        }
        if self.sources.is_some() {
            self.sources = Some(Sources::decode(bytes, groups.len())?);
        }
        self.grow(groups.len());
        Ok(())
    }
}
