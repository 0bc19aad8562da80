//! The open windows of one group.
//!
//! There are two ways to hold them:
//! - *rows*: the rows of all open windows lie in one buffer in the order of their arrival, so that adding one is a comparison
//!   and a push. Only a close sorts it, removes repetitions (the later arrival wins) and cuts it into windows. A row of
//!   overlapping windows lies there once.
//! - *notes*: only where rows were is known; the windows are read from history when they close. For long windows, for
//!   sessions, and for groups with many rows: what a checkpoint has to hold stays small.
//!
//! Invariants: windows with a stamp before `closed_until` are closed, and a window closes at most once; no row lies before
//! what an open window may need; `low` is the oldest time that all windows of the oldest open row share, or `i64::MAX`.

use std::collections::BTreeMap;

use super::shape::{Kind, Shape, Span};
use super::{Row, tidy};
use crate::operator::bytes::{Bytes, Damaged};

/// Rows that one group holds at most; a checkpoint takes 24 bytes for each.
pub(crate) const ROWS_MAX: usize = 50_000;
/// The present reaches so many windows back, and so long besides: that of the lateness and of heartbeats.
const RECENT_SLOTS: i64 = 3;
const RECENT_NS: i64 = 60 * 1_000_000_000;

/// What became of a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pushed {
    /// It is in open windows only.
    Open,
    /// It is in open windows, and an older one has to be closed.
    Due,
    /// It is in a closed window, and maybe in open ones too.
    Late,
}

/// A window that has been closed.
pub(crate) enum Closed<'a> {
    /// With its rows.
    Rows(Span, &'a [Row]),
    /// To be read from history: stamps (of sessions: rows) from..to.
    Unread(i64, i64),
}

/// The open windows of one group.
#[derive(Debug, PartialEq)]
pub(crate) struct OpenWindows {
    rows: Vec<Row>,
    /// Present if rows are only noted: first and last time of spans with rows. Of a grid: its slots.
    notes: Option<BTreeMap<i64, i64>>,
    low: i64,
    /// Rows from here on change neither `low` nor closed windows; `i64::MAX` where rows are noted.
    calm_from: i64,
    close_at: i64,
    pub(crate) closed_until: i64,
    /// The oldest time that rows were at.
    pub(crate) oldest: i64,
    /// Windows that end (with lateness) at or before this have to be closed; `i64::MIN`: none.
    pub(crate) due_by: i64,
    /// Rows came since the last heartbeat.
    pub(crate) is_busy: bool,
    /// The first heartbeat since the newest row, while `is_busy` is not set.
    quiet_since: i64,
}

impl OpenWindows {
    /// No windows; rows will only be noted if `is_noting`.
    pub(crate) fn new(is_noting: bool) -> Self {
        Self {
            rows: Vec::new(),
            notes: is_noting.then(BTreeMap::new),
            low: i64::MAX,
            calm_from: i64::MAX,
            close_at: i64::MAX,
            closed_until: i64::MIN,
            oldest: i64::MAX,
            due_by: i64::MIN,
            is_busy: false,
            quiet_since: i64::MIN,
        }
    }

    /// Number of rows that are held.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether rows are only noted.
    pub(crate) fn is_noting(&self) -> bool {
        self.notes.is_some()
    }

    /// The rows that are held.
    pub(crate) fn rows_mut(&mut self) -> &mut [Row] {
        &mut self.rows
    }

    /// A heartbeat says that it is `time`. Returns whether the group is silent and has a window to be closed.
    pub(crate) fn heartbeat(&mut self, time: i64, shape: &Shape) -> bool {
        if self.is_busy {
            (self.is_busy, self.quiet_since) = (false, time);
            return false;
        }
        time >= self.close_at && time.saturating_sub(self.quiet_since) >= shape.idle_close
    }

    /// Adds a row that has arrived.
    #[inline]
    pub(crate) fn push(&mut self, row: Row, shape: &Shape) -> Pushed {
        if row.time < self.calm_from {
            return self.push_slowly(row, shape);
        }
        self.rows.push(row);
        self.due(row.time, shape)
    }

    /// Adds rows that have arrived together, the oldest and newest of them at these times, if each is one that nothing but itself
    /// depends on. Returns `None` otherwise, having added nothing.
    pub(crate) fn push_calm(
        &mut self,
        rows: impl ExactSizeIterator<Item = Row>,
        (oldest, newest): (i64, i64),
        shape: &Shape,
    ) -> Option<Pushed> {
        if oldest < self.calm_from {
            return None;
        }
        self.rows.extend(rows);
        Some(self.due(newest, shape))
    }

    /// Whether rows up to `newest` that are appended at `now` are of windows that closed before, while the group's windows are
    /// those of the present: a device that hands in yesterday, not a history that is being read.
    pub(crate) fn is_afterthought(&self, newest: i64, now: i64, shape: &Shape) -> bool {
        if newest >= self.closed_until {
            return false;
        }
        let slot = shape.slot(self.closed_until);
        let recent = slot.end.saturating_sub(slot.start).saturating_mul(RECENT_SLOTS).saturating_add(RECENT_NS);
        self.closed_until >= now.saturating_sub(recent)
    }

    /// The group is as far as `time`. Returns whether it has a window to be closed.
    pub(crate) fn tell(&mut self, time: i64) -> bool {
        let is_due = time >= self.close_at;
        if is_due {
            self.due_by = self.due_by.max(time);
        }
        is_due
    }

    #[inline]
    fn due(&mut self, time: i64, shape: &Shape) -> Pushed {
        if time < self.close_at || shape.is_told {
            return Pushed::Open;
        }
        self.due_by = self.due_by.max(time);
        Pushed::Due
    }

    #[inline(never)]
    fn push_slowly(&mut self, row: Row, shape: &Shape) -> Pushed {
        let time = row.time;
        let since = shape.since(time);
        self.oldest = self.oldest.min(since);
        let is_late = time < shape.untouched_from(self.closed_until);
        if time >= shape.useless_before(self.closed_until) {
            match &mut self.notes {
                Some(notes) => {
                    note(notes, time, self.closed_until, shape);
                    self.aim(shape);
                }
                None => {
                    self.rows.push(row);
                    if time >= self.closed_until && since < self.low {
                        self.low = since.max(self.closed_until);
                        self.aim_at_low(shape);
                    }
                }
            }
        }
        if is_late { Pushed::Late } else { self.due(time, shape) }
    }

    /// Forgets the rows of a series in `range`. Notes stay: history tells.
    pub(crate) fn delete(&mut self, member: u32, start: i64, end: i64, shape: &Shape) {
        let before = self.rows.len();
        self.rows.retain(|row| row.member != member || row.time < start || row.time >= end);
        if self.rows.len() < before {
            self.aim(shape);
        }
    }

    /// Keeps notes instead of rows from now on.
    pub(crate) fn spill(&mut self, shape: &Shape) {
        let mut notes = BTreeMap::new();
        for row in std::mem::take(&mut self.rows) {
            note(&mut notes, row.time, self.closed_until, shape);
        }
        self.notes = Some(notes);
        self.aim(shape);
    }

    /// Closes the windows that are due, at most `budget` of them, oldest first. Returns whether some are left.
    ///
    /// `order` gives the series' ids by member, for rows of the same time.
    pub(crate) fn close(
        &mut self,
        shape: &Shape,
        budget: &mut usize,
        order: impl Fn(u32) -> u64,
        mut closed: impl FnMut(Closed<'_>),
    ) -> bool {
        let is_left = match self.notes.take() {
            Some(mut notes) => {
                let is_left = self.close_notes(&mut notes, shape, budget, closed);
                self.notes = Some(notes);
                is_left
            }
            None => {
                tidy(&mut self.rows, order);
                self.close_rows(shape, budget, &mut closed)
            }
        };
        self.aim(shape);
        if !is_left {
            self.due_by = i64::MIN;
        }
        is_left
    }

    fn close_rows(&mut self, shape: &Shape, budget: &mut usize, closed: &mut impl FnMut(Closed<'_>)) -> bool {
        // Of sliding windows, older rows are still needed.
        let mut next = self.rows.partition_point(|row| row.time < self.closed_until);
        let mut is_left = false;
        while let Some(row) = self.rows.get(next) {
            let window = match shape.kind {
                Kind::Sliding { .. } => shape.window_at(row.time),
                _ => shape.first_open(row.time, self.closed_until),
            };
            if window.end.saturating_add(shape.lateness) > self.due_by {
                break;
            }
            if *budget == 0 {
                is_left = true;
                break;
            }
            let first = match shape.kind {
                Kind::Sliding { .. } => self.rows.partition_point(|row| row.time < window.start),
                _ => next,
            };
            let count = self.rows[first..].partition_point(|row| row.time < window.end);
            closed(Closed::Rows(window, &self.rows[first..first + count]));
            self.closed_until = if shape.is_grid() { shape.next_start(window) } else { window.end };
            next += self.rows[next..].partition_point(|row| row.time < self.closed_until);
            *budget -= 1;
        }
        let useless = shape.useless_before(self.closed_until);
        let done = self.rows.partition_point(|row| row.time < useless);
        self.rows.drain(..done);
        is_left
    }

    fn close_notes(
        &mut self,
        notes: &mut BTreeMap<i64, i64>,
        shape: &Shape,
        budget: &mut usize,
        mut closed: impl FnMut(Closed<'_>),
    ) -> bool {
        while let Some((&first, &last)) = notes.first_key_value() {
            let (from, to, until) = match shape.kind {
                Kind::Session { .. } => (first, last.saturating_add(1), shape.session_over(last)),
                Kind::Sliding { .. } => {
                    let until = self.due_by.saturating_sub(shape.lateness).max(first);
                    let to = until.min(last.saturating_add(1));
                    (first, to, to)
                }
                _ if first < self.closed_until => {
                    notes.pop_first();
                    continue;
                }
                _ => {
                    let window = shape.first_open(first, self.closed_until);
                    let is_due = window.end.saturating_add(shape.lateness) <= self.due_by;
                    let until = if is_due { shape.next_start(window) } else { i64::MAX };
                    (window.start, window.start.saturating_add(1), until)
                }
            };
            let is_due = match shape.kind {
                Kind::Session { .. } => until.saturating_add(shape.lateness) <= self.due_by,
                Kind::Sliding { .. } => until > first,
                _ => until != i64::MAX,
            };
            if !is_due {
                return false;
            }
            if *budget == 0 {
                return true;
            }
            *budget -= 1;
            closed(Closed::Unread(from, to));
            self.closed_until = until;
            match shape.kind {
                Kind::Session { .. } => drop(notes.pop_first()),
                Kind::Sliding { .. } => {
                    notes.pop_first();
                    if last >= until {
                        notes.insert(until, last);
                    }
                }
                _ => {}
            }
        }
        false
    }

    /// Sets `low` by the oldest row of an open window.
    fn aim(&mut self, shape: &Shape) {
        let oldest = match &self.notes {
            Some(notes) => notes.first_key_value().map(|(first, _)| *first),
            None => self.rows.iter().map(|row| row.time).filter(|time| *time >= self.closed_until).min(),
        };
        self.low = oldest.map_or(i64::MAX, |time| shape.since(time).max(self.closed_until));
        self.aim_at_low(shape);
    }

    fn aim_at_low(&mut self, shape: &Shape) {
        if self.low == i64::MAX {
            (self.calm_from, self.close_at) = (i64::MAX, i64::MAX);
            return;
        }
        self.calm_from = match self.notes {
            Some(_) => i64::MAX,
            None => self.low.max(shape.untouched_from(self.closed_until)),
        };
        self.close_at = match (&self.notes, shape.kind) {
            (Some(notes), Kind::Session { .. }) => notes
                .first_key_value()
                .map_or(i64::MAX, |(_, last)| shape.session_over(*last).saturating_add(shape.lateness)),
            _ => shape.close_at(self.low, self.closed_until),
        };
    }

    /// Appends `closed_until i64 | oldest i64 | due_by i64 | quiet_since i64 | is_busy u8 | is_noting u8 | count u32`, and 24
    /// bytes per row or 16 per note.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for time in [self.closed_until, self.oldest, self.due_by, self.quiet_since] {
            out.extend_from_slice(&time.to_le_bytes());
        }
        out.extend_from_slice(&[u8::from(self.is_busy), u8::from(self.is_noting())]);
        if let Some(notes) = &self.notes {
            out.extend_from_slice(&(notes.len() as u32).to_le_bytes());
            for (first, last) in notes {
                out.extend_from_slice(&first.to_le_bytes());
                out.extend_from_slice(&last.to_le_bytes());
            }
            return;
        }
        out.extend_from_slice(&(self.rows.len() as u32).to_le_bytes());
        for row in &self.rows {
            out.extend_from_slice(&row.time.to_le_bytes());
            out.extend_from_slice(&row.value.to_bits().to_le_bytes());
            out.extend_from_slice(&row.quality.to_le_bytes());
            out.extend_from_slice(&row.member.to_le_bytes());
        }
    }

    /// Reads what [`OpenWindows::encode`] wrote, for a group with so many `members`.
    pub(crate) fn decode(bytes: &mut Bytes<'_>, shape: &Shape, members: usize) -> Result<Self, Damaged> {
        let mut windows = Self::new(false);
        windows.closed_until = bytes.i64()?;
        windows.oldest = bytes.i64()?;
        windows.due_by = bytes.i64()?;
        windows.quiet_since = bytes.i64()?;
        windows.is_busy = bytes.u8()? != 0;
        windows.notes = (bytes.u8()? != 0).then(BTreeMap::new);
        let useless = shape.useless_before(windows.closed_until);
        for _ in 0..bytes.u32()? {
            if let Some(notes) = &mut windows.notes {
                notes.insert(bytes.i64()?, bytes.i64()?);
                continue;
            }
            let (time, value) = (bytes.i64()?, f64::from_bits(bytes.u64()?));
            let row = Row { time, value, quality: bytes.u32()?, member: bytes.u32()? };
            if row.time < useless || row.member as usize >= members {
                return Err(Damaged("a row that cannot be in its group's windows"));
            }
            windows.rows.push(row);
        }
        windows.aim(shape);
        Ok(windows)
    }
}

/// Notes that a row is at `time`, unless all its windows are closed.
fn note(notes: &mut BTreeMap<i64, i64>, time: i64, closed_until: i64, shape: &Shape) {
    if time < closed_until {
        return;
    }
    match shape.kind {
        Kind::Session { .. } | Kind::Sliding { .. } => {
            let (mut first, mut last) = (time, time);
            if let Some((&begin, &end)) = notes.range(..=time).next_back()
                && (time <= end || shape.is_joined(end, time))
            {
                (first, last) = (begin, end.max(time));
            }
            if let Some((&begin, &end)) = notes.range(time.saturating_add(1)..).next()
                && shape.is_joined(last, begin)
            {
                notes.remove(&begin);
                last = end;
            }
            notes.insert(first, last);
        }
        _ => {
            let slot = shape.slot(time);
            notes.insert(slot.start, slot.end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn what_comes_for_old_windows_is_an_afterthought_only_in_the_present() {
        let kind = Kind::Fixed { length: 60 * SECOND, every: 60 * SECOND, offset: 0 };
        let shape = Shape { kind, lateness: 0, idle_close: 0, is_told: true };
        let day = 86_400 * SECOND;
        let mut windows = OpenWindows::new(false);
        assert!(!windows.is_afterthought(day, day, &shape), "nothing has closed");
        windows.closed_until = day;
        for (newest, now, expected) in [
            (day, day + 60 * SECOND, false),
            (day - 60 * SECOND, day + 60 * SECOND, true),
            (0, day + 240 * SECOND, true),
            (0, day + 241 * SECOND, false),
            (0, 30 * day, false),
        ] {
            assert_eq!(windows.is_afterthought(newest, now, &shape), expected, "{newest} at {now}");
        }
    }
}
