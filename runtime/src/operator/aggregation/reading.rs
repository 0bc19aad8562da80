//! Windows that are read from history: closed ones whose rows are only noted, and those that are computed again.
//!
//! A range of windows is worked off in chunks. How many chunks a record may take depends on times only, never on what
//! history holds: a re-run may find newer samples there, and still must end every record at the same place.
//!
//! What is read may be newer than the record at hand. That does no harm: the newer record will have the windows computed again.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidemill_journal::ApplyError;
use tidemill_model::{TimeRange, Value};

use super::Aggregation;
use super::calls::Ready;
use crate::guest::{OutputRows, Withdrawal};
use crate::operator::bytes::{Bytes, Damaged};
use crate::operator::inputs::Member;
use crate::operator::windows::{Kind, Row, Shape, Span, tidy};

/// Windows of a grid per chunk.
const CHUNK_WINDOWS: usize = 256;
/// Time that a chunk covers, unless a window is longer, ns.
const CHUNK_NS: i64 = 86_400_000_000_000;
/// What a chunk of sliding windows or sessions counts as; how many there are in it is not known before.
const CHUNK_COST: usize = 4096;
/// What a session that has just closed counts as: itself, and what it may have grown together with.
const SESSION_COST: usize = 4;
/// Most sessions of a chunk that are computed again.
const CHUNK_SESSIONS: i64 = 4096;
/// Rows of a sliding window: every row costs a window of so many rows.
const SLIDING_ROWS_MAX: usize = 10_000;

/// Ranges of touched times that one record takes up; the others wait for the next.
const TAKEN_RANGES_MAX: usize = 32_768;
/// Ranges of touched times; where there are more, a group's become one. Each may take back the outputs of all ports, and a
/// record's withdrawals are numbered with 20 bits.
const TOUCHED_RANGES_MAX: usize = 8192;

/// Why windows are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Why {
    /// They have just closed.
    Closed = 0,
    /// Rows came late.
    Late = 1,
    /// Samples were deleted, or somebody asked for it.
    Edited = 2,
}

/// Windows of a group that have to be read: those stamped in `from..to`; of sessions: those with rows in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reading {
    pub(super) group: u32,
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) why: Why,
}

impl Reading {
    /// Appends `group u32 | from i64 | to i64 | why u8`.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.group.to_le_bytes());
        out.extend_from_slice(&self.from.to_le_bytes());
        out.extend_from_slice(&self.to.to_le_bytes());
        out.push(self.why as u8);
    }

    /// Reads what [`Reading::encode`] wrote.
    pub(super) fn decode(bytes: &mut Bytes<'_>) -> Result<Self, Damaged> {
        let (group, from, to) = (bytes.u32()?, bytes.i64()?, bytes.i64()?);
        let why = match bytes.u8()? {
            0 => Why::Closed,
            1 => Why::Late,
            2 => Why::Edited,
            _ => return Err(Damaged("a reason that there is not")),
        };
        Ok(Self { group, from, to, why })
    }
}

/// Times whose closed windows have to be computed again, by group. Neighbours become one, so that a window that many records
/// touch is computed once.
#[derive(Default, Debug, PartialEq)]
pub(super) struct Touched {
    /// Group and start; end, and whether samples may be gone.
    ranges: BTreeMap<(u32, i64), (i64, bool)>,
    /// Records since the first of them.
    pub(super) records: u32,
}

impl Touched {
    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    pub(super) fn add(&mut self, group: u32, from: i64, to: i64, is_edit: bool) {
        let (end, was_edit) = self.ranges.entry((group, from)).or_insert((to, is_edit));
        (*end, *was_edit) = ((*end).max(to), *was_edit || is_edit);
    }

    /// Takes ranges out, as many as a record may take; those of a group that meet have become one, and all of a group if there are
    /// too many.
    pub(super) fn take(&mut self) -> Vec<(u32, i64, i64, bool)> {
        self.records = 0;
        let are_many = self.ranges.len() > TOUCHED_RANGES_MAX;
        let mut merged: Vec<(u32, i64, i64, bool)> = Vec::new();
        while let Some(((group, from), (to, is_edit))) = self.ranges.pop_first() {
            let is_full = merged.len() == TAKEN_RANGES_MAX;
            match merged.last_mut() {
                Some(last) if last.0 == group && (are_many || from <= last.2) => {
                    (last.2, last.3) = (last.2.max(to), last.3 || is_edit);
                }
                _ if is_full => {
                    self.ranges.insert((group, from), (to, is_edit));
                    break;
                }
                _ => merged.push((group, from, to, is_edit)),
            }
        }
        merged
    }

    /// Appends `records u32 | count u32`, and per range `group u32 | from i64 | to i64 | is_edit u8`.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.records.to_le_bytes());
        out.extend_from_slice(&(self.ranges.len() as u32).to_le_bytes());
        for ((group, from), (to, is_edit)) in &self.ranges {
            out.extend_from_slice(&group.to_le_bytes());
            out.extend_from_slice(&from.to_le_bytes());
            out.extend_from_slice(&to.to_le_bytes());
            out.push(u8::from(*is_edit));
        }
    }

    /// Reads what [`Touched::encode`] wrote, of an operator with so many `groups`.
    pub(super) fn decode(bytes: &mut Bytes<'_>, groups: usize) -> Result<Self, Damaged> {
        let mut touched = Self { records: bytes.u32()?, ..Self::default() };
        for _ in 0..bytes.u32()? {
            let (group, from, to, is_edit) = (bytes.u32()?, bytes.i64()?, bytes.i64()?, bytes.u8()? != 0);
            if group as usize >= groups {
                return Err(Damaged("a group that is not there"));
            }
            touched.add(group, from, to, is_edit);
        }
        Ok(touched)
    }
}

/// Rows as history has them, and the texts that they refer to.
struct Past {
    rows: Vec<Row>,
    texts: Option<Vec<Arc<str>>>,
}

impl Aggregation {
    /// Makes readings of what has been touched.
    pub(super) fn queue_touched(&mut self, rows: &mut OutputRows) {
        for (group, from, to, is_edit) in self.touched.take() {
            let open = &self.windows[group as usize];
            let (from, until) = (from.max(open.oldest), to.min(open.closed_until));
            if from >= to || open.oldest == i64::MAX {
                continue;
            }
            let (first, last) = match self.shape.kind {
                Kind::Sliding { length } => (from, to.saturating_add(length - 1).min(open.closed_until)),
                Kind::Session { .. } => (from, until),
                _ => (self.shape.first_with(from).start, until),
            };
            if first >= last {
                continue;
            }
            if is_edit && !self.shape.is_grid() && from < until {
                rows.withdrawn.push(Withdrawal { group, port: None, start: from, end: until });
            }
            let why = if is_edit { Why::Edited } else { Why::Late };
            self.readings.push_back(Reading { group, from: first, to: last, why });
        }
    }

    /// Queues windows that have closed; neighbours are read together.
    pub(super) fn queue_closed(&mut self, group: u32, from: i64, to: i64) {
        let shape = self.shape;
        if let Some(last) = self.readings.back_mut()
            && (last.group, last.why) == (group, Why::Closed)
        {
            let is_next = match shape.kind {
                Kind::Sliding { .. } => last.to == from,
                Kind::Session { .. } => false,
                _ => shape.next_start(shape.window_at(last.to - 1)) == from,
            };
            if is_next {
                last.to = to;
                return;
            }
        }
        self.readings.push_back(Reading { group, from, to, why: Why::Closed });
    }

    /// Works off one chunk of the oldest reading. Changes nothing if history cannot be read.
    pub(super) fn read_chunk(
        &mut self,
        groups: &[Vec<Member>],
        budget: &mut usize,
        rows: &mut OutputRows,
    ) -> Result<(), ApplyError> {
        let Some(reading) = self.readings.front().copied() else {
            return Ok(());
        };
        let (next, cost) = match self.shape.kind {
            Kind::Sliding { length } => (self.read_sliding(&reading, length, groups, rows)?, CHUNK_COST),
            Kind::Session { gap, .. } => {
                let cost = if reading.why == Why::Closed { SESSION_COST } else { CHUNK_COST };
                (self.read_sessions(&reading, gap, groups, rows)?, cost)
            }
            _ => self.read_grid(&reading, (*budget).min(CHUNK_WINDOWS), groups, rows)?,
        };
        *budget = budget.saturating_sub(cost);
        if next >= reading.to {
            self.readings.pop_front();
        } else if let Some(reading) = self.readings.front_mut() {
            reading.from = next;
        }
        Ok(())
    }

    /// Windows of a grid. Returns the start of the first that was not read, and how many were.
    fn read_grid(
        &mut self,
        reading: &Reading,
        count: usize,
        groups: &[Vec<Member>],
        rows: &mut OutputRows,
    ) -> Result<(i64, usize), ApplyError> {
        let first = self.shape.window_at(reading.from);
        let (mut windows, mut next) = (vec![first], self.shape.next_start(first));
        while next < reading.to && windows.len() < count {
            let window = self.shape.window_at(next);
            if window.end.saturating_sub(first.start) > CHUNK_NS {
                break;
            }
            windows.push(window);
            next = self.shape.next_start(window);
        }
        let end = windows.last().map_or(first.end, |window| window.end);
        let past = self.read(reading.group, Span::new(first.start, end), groups)?;
        let mut hole = None;
        for window in &windows {
            let content = slice(&past.rows, window.start, window.end);
            if !content.is_empty() {
                self.withdraw(reading, hole.take(), rows);
                self.compute(reading, *window, content, (&past, groups), rows);
            } else if reading.why != Why::Closed {
                let start = hole.map_or(window.start, |hole: Span| hole.start);
                hole = Some(Span::new(start, window.start.saturating_add(1)));
            }
        }
        self.withdraw(reading, hole, rows);
        Ok((next, windows.len()))
    }

    /// Sliding windows of one length of time.
    fn read_sliding(
        &mut self,
        reading: &Reading,
        length: i64,
        groups: &[Vec<Member>],
        rows: &mut OutputRows,
    ) -> Result<i64, ApplyError> {
        let to = reading.from.saturating_add(length).min(reading.to);
        let span = Span::new(reading.from.saturating_sub(length - 1), to);
        let past = self.read(reading.group, span, groups)?;
        let mut last = None;
        for row in slice(&past.rows, reading.from, to) {
            if last == Some(row.time) {
                continue;
            }
            last = Some(row.time);
            let window = self.shape.window_at(row.time);
            self.compute(reading, window, slice(&past.rows, window.start, window.end), (&past, groups), rows);
        }
        Ok(to)
    }

    /// The sessions between two multiples of the longest session, or the first of them. Returns from where on none was computed.
    fn read_sessions(
        &mut self,
        reading: &Reading,
        gap: i64,
        groups: &[Vec<Member>],
        rows: &mut OutputRows,
    ) -> Result<i64, ApplyError> {
        let block = self.shape.window_at(reading.from);
        let past = self.read(reading.group, block, groups)?;
        // Each session of a chunk begins more than a gap behind the one before.
        let reach = if reading.why == Why::Closed { i64::MAX } else { gap.saturating_mul(CHUNK_SESSIONS) };
        let next = block.end.min(reading.from.saturating_add(reach));
        let (near, far) = (reading.from.saturating_sub(gap), reading.to.min(next).saturating_add(gap));
        let closed_until = self.windows[reading.group as usize].closed_until;
        let mut rest = &past.rows[..];
        while let Some(first) = rest.first() {
            let (content, behind) = rest.split_at(session_rows(rest, &self.shape));
            rest = behind;
            let end = content.last().map_or(first.time, |row| row.time).saturating_add(1);
            if first.time >= closed_until || end <= near || first.time >= far {
                continue;
            }
            // Where sessions have grown together, results of the later ones stand inside.
            if reading.why != Why::Closed || first.time < reading.from {
                let (start, group) = (first.time.saturating_add(1), reading.group);
                if start < end {
                    rows.withdrawn.push(Withdrawal { group, port: None, start, end });
                }
            }
            self.compute(reading, Span::new(first.time, end), content, (&past, groups), rows);
        }
        Ok(next)
    }

    /// Hands a window to the guest.
    fn compute(
        &mut self,
        reading: &Reading,
        span: Span,
        content: &[Row],
        (past, groups): (&Past, &[Vec<Member>]),
        rows: &mut OutputRows,
    ) {
        if matches!(self.shape.kind, Kind::Sliding { .. }) && content.len() > SLIDING_ROWS_MAX {
            let failure = format!("it has {} rows, a sliding window may have {SLIDING_ROWS_MAX}", content.len());
            self.calls.give_up(reading.group, span, &failure);
            return;
        }
        let is_continued = matches!(self.shape.kind, Kind::Session { .. }) && span.start < reading.from;
        let is_revision = reading.why != Why::Closed || is_continued;
        if reading.why != Why::Closed {
            self.revised += 1;
            self.calls.note(reading.group, span, if reading.why == Why::Late { "late" } else { "edited" }, None);
        }
        let (group, stamp) = (reading.group, self.shape.stamp(span));
        let members = &groups[group as usize];
        let window = Ready { group, span, stamp, is_revision, rows: content, members };
        self.calls.add(&window, past.texts.as_deref(), rows);
    }

    /// Takes back the outputs of windows that hold no rows any more.
    fn withdraw(&mut self, reading: &Reading, hole: Option<Span>, rows: &mut OutputRows) {
        if let Some(Span { start, end }) = hole {
            rows.withdrawn.push(Withdrawal { group: reading.group, port: None, start, end });
            self.calls.note(reading.group, Span::new(start, end), "withdrawn", None);
        }
    }

    fn read(&self, group: u32, span: Span, groups: &[Vec<Member>]) -> Result<Past, ApplyError> {
        let members = &groups[group as usize];
        let (mut rows, mut texts) = (Vec::new(), self.texts.as_ref().map(|_| Vec::new()));
        for (index, member) in (0..).zip(members) {
            let range = TimeRange::new(span.start, span.end);
            let column = self.horizon.read(&member.series, range);
            let column = column.map_err(|error| ApplyError::Retry(error.to_string()))?;
            for at in 0..column.len() {
                let value = match (column.values.get(at), &mut texts) {
                    (Some(Value::Text(text)), Some(texts)) => {
                        texts.push(Arc::from(text));
                        (texts.len() - 1) as f64
                    }
                    (Some(value), None) => match value.as_f64() {
                        Some(value) => value,
                        None => continue,
                    },
                    _ => continue,
                };
                rows.push(Row { time: column.times[at], value, quality: column.quality(at).0, member: index });
            }
        }
        tidy(&mut rows, |member| members[member as usize].series.id.0);
        Ok(Past { rows, texts })
    }
}

/// The rows in `start..end` of rows in the order of time.
fn slice(rows: &[Row], start: i64, end: i64) -> &[Row] {
    let first = rows.partition_point(|row| row.time < start);
    let count = rows[first..].partition_point(|row| row.time < end);
    &rows[first..first + count]
}

/// How many of the rows belong to the session of the first.
fn session_rows(rows: &[Row], shape: &Shape) -> usize {
    let breaks = rows.windows(2).position(|pair| !shape.is_joined(pair[0].time, pair[1].time));
    breaks.map_or(rows.len(), |last| last + 1)
}
