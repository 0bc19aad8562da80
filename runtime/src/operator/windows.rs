//! The open windows of one group.
//!
//! Rows of all open windows lie in one buffer in the order of their arrival, so that adding one is a comparison and a
//! push. Only a close sorts it, removes repetitions (the later arrival wins) and cuts it into windows.
//!
//! Invariants: no row lies before `closed_until`; `start` and `close_at` belong to the window of the oldest row, or are
//! `i64::MAX` when there is none; a window closes at most once.

use crate::operator::bytes::{Bytes, Damaged};

/// One sample in a window.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Row {
    pub(crate) time: i64,
    pub(crate) value: f64,
    pub(crate) quality: u32,
    /// Index of the series among the group's members.
    pub(crate) member: u32,
}

/// Length and lateness of windows, ns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WindowShape {
    pub(crate) length: i64,
    pub(crate) lateness: i64,
}

impl WindowShape {
    /// Start of the window that `time` lies in. Windows are aligned to the Unix epoch.
    pub(crate) fn start_of(self, time: i64) -> i64 {
        time.saturating_sub(time.rem_euclid(self.length))
    }

    fn close_at(self, start: i64) -> i64 {
        start.saturating_add(self.length).saturating_add(self.lateness)
    }
}

/// What became of a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pushed {
    /// It is in an open window.
    Open,
    /// It is in an open window, and an older one has to be closed.
    Due,
    /// Its window has closed.
    Late,
}

/// The open windows of one group.
#[derive(Debug, PartialEq)]
pub(crate) struct OpenWindows {
    rows: Vec<Row>,
    start: i64,
    close_at: i64,
    closed_until: i64,
    /// Windows that end (with lateness) at or before this have to be closed; `i64::MIN`: none.
    pub(crate) due_by: i64,
    /// Number of heartbeats before the newest row.
    pub(crate) heartbeat: u32,
}

impl OpenWindows {
    pub(crate) fn new() -> Self {
        let (rows, heartbeat) = (Vec::new(), 0);
        Self { rows, start: i64::MAX, close_at: i64::MAX, closed_until: i64::MIN, due_by: i64::MIN, heartbeat }
    }

    /// Number of rows in open windows.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether a window is open that ends, with lateness, at or before `time`.
    pub(crate) fn has_due(&self, time: i64) -> bool {
        !self.rows.is_empty() && time >= self.close_at
    }

    /// Adds a row that has arrived.
    #[inline]
    pub(crate) fn push(&mut self, row: Row, shape: WindowShape) -> Pushed {
        if row.time < self.start {
            if row.time < self.closed_until {
                return Pushed::Late;
            }
            self.start = shape.start_of(row.time);
            self.close_at = shape.close_at(self.start);
        }
        self.rows.push(row);
        if row.time < self.close_at {
            return Pushed::Open;
        }
        self.due_by = self.due_by.max(row.time);
        Pushed::Due
    }

    /// Closes the windows that are due, at most `budget` of them, oldest first. Returns whether some are left.
    ///
    /// `order` gives the series' ids by member, for rows of the same time.
    pub(crate) fn close(
        &mut self,
        shape: WindowShape,
        budget: &mut usize,
        order: impl Fn(u32) -> u64,
        mut closed: impl FnMut(i64, &[Row]),
    ) -> bool {
        tidy(&mut self.rows, order);
        let mut done = 0;
        let mut is_left = false;
        while let Some(first) = self.rows.get(done) {
            let start = shape.start_of(first.time);
            if shape.close_at(start) > self.due_by {
                break;
            }
            if *budget == 0 {
                is_left = true;
                break;
            }
            let end = start.saturating_add(shape.length);
            let count = self.rows[done..].partition_point(|row| row.time < end);
            closed(start, &self.rows[done..done + count]);
            done += count;
            self.closed_until = end;
            *budget -= 1;
        }
        self.rows.drain(..done);
        self.aim(shape);
        if !is_left {
            self.due_by = i64::MIN;
        }
        is_left
    }

    /// Sets `start` and `close_at` by the oldest row.
    fn aim(&mut self, shape: WindowShape) {
        let oldest = self.rows.iter().map(|row| row.time).min();
        self.start = oldest.map_or(i64::MAX, |time| shape.start_of(time));
        self.close_at = oldest.map_or(i64::MAX, |_| shape.close_at(self.start));
    }

    /// Appends `closed_until i64 | due_by i64 | busy u8 | rows u32`, and 24 bytes per row.
    pub(crate) fn encode(&self, heartbeat: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.closed_until.to_le_bytes());
        out.extend_from_slice(&self.due_by.to_le_bytes());
        out.push(u8::from(self.heartbeat == heartbeat));
        out.extend_from_slice(&(self.rows.len() as u32).to_le_bytes());
        for row in &self.rows {
            out.extend_from_slice(&row.time.to_le_bytes());
            out.extend_from_slice(&row.value.to_bits().to_le_bytes());
            out.extend_from_slice(&row.quality.to_le_bytes());
            out.extend_from_slice(&row.member.to_le_bytes());
        }
    }

    /// Reads what [`OpenWindows::encode`] wrote, for a group with so many `members`.
    pub(crate) fn decode(
        bytes: &mut Bytes<'_>,
        heartbeat: u32,
        shape: WindowShape,
        members: usize,
    ) -> Result<Self, Damaged> {
        let mut windows = Self::new();
        windows.closed_until = bytes.i64()?;
        windows.due_by = bytes.i64()?;
        windows.heartbeat = if bytes.u8()? == 0 { heartbeat.wrapping_sub(1) } else { heartbeat };
        for _ in 0..bytes.u32()? {
            let (time, value) = (bytes.i64()?, f64::from_bits(bytes.u64()?));
            let row = Row { time, value, quality: bytes.u32()?, member: bytes.u32()? };
            if row.time < windows.closed_until || row.member as usize >= members {
                return Err(Damaged("a row that cannot be in its group's windows"));
            }
            windows.rows.push(row);
        }
        windows.aim(shape);
        Ok(windows)
    }
}

/// Sorts rows by time and series and keeps the last arrival of each.
pub(crate) fn tidy(rows: &mut Vec<Row>, order: impl Fn(u32) -> u64) {
    if rows.is_sorted_by(|a, b| a.time < b.time) {
        return;
    }
    rows.sort_by(|a, b| a.time.cmp(&b.time).then_with(|| order(a.member).cmp(&order(b.member))));
    rows.dedup_by(|later, kept| {
        let same = later.time == kept.time && later.member == kept.member;
        if same {
            *kept = *later;
        }
        same
    });
}
