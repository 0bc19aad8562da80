//! Closed windows.

use crate::batch::Texts;
use crate::{Problem, Quality, Time};

/// Head of a window. 24 bytes, as in the contract.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct WindowHead {
    /// The group.
    pub group: u32,
    /// How many rows of the columns belong to this window.
    pub rows: u32,
    /// First source time in the window.
    pub start: i64,
    /// First source time after the window.
    pub end: i64,
}

/// One closed window of one group: source times in [start, end), sorted by time, no time twice.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    /// The group.
    pub group: u32,
    /// First source time in the window.
    pub start: Time,
    /// First source time after the window.
    pub end: Time,
    dt: &'a [i64],
    values: &'a [f64],
    qualities: &'a [u32],
    texts: &'a Texts,
}

/// One row of a window.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct WindowRow {
    /// Source time.
    pub time: Time,
    /// The value; of a text port, the place of the text: see [`Window::text`].
    pub value: f64,
    /// The quality.
    pub quality: Quality,
}

impl<'a> Window<'a> {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// There are no rows.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The values, whatever their quality.
    pub fn values(&self) -> &'a [f64] {
        self.values
    }

    /// The text that a row of a text port stands for.
    pub fn text(&self, row: &WindowRow) -> Option<&'a str> {
        self.texts.get(row.value)
    }

    /// Every row is good without details (the common case, worth a fast path).
    pub fn is_all_good(&self) -> bool {
        self.qualities.is_empty()
    }

    /// The rows, by time.
    pub fn rows(&self) -> impl Iterator<Item = WindowRow> + 'a {
        let (start, qualities) = (self.start.0, self.qualities);
        self.dt.iter().zip(self.values).enumerate().map(move |(index, (dt, value))| WindowRow {
            time: Time(start.wrapping_add(*dt)),
            value: *value,
            quality: qualities.get(index).map_or(Quality::GOOD, |code| Quality(*code)),
        })
    }
}

/// Many windows as columns, as they cross the border.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    pub(crate) heads: Vec<WindowHead>,
    pub(crate) dt: Vec<i64>,
    pub(crate) values: Vec<f64>,
    pub(crate) qualities: Vec<u32>,
    pub(crate) texts: Texts,
}

impl Windows {
    /// Refuses columns whose lengths do not fit each other.
    pub(crate) fn checked(self) -> Result<Windows, Problem> {
        let rows = self.dt.len();
        let in_heads: u64 = self.heads.iter().map(|head| u64::from(head.rows)).sum();
        if in_heads != rows as u64 || self.values.len() != rows {
            return Err(Problem::contract("windows, dt and values differ in length"));
        }
        if !self.qualities.is_empty() && self.qualities.len() != rows {
            return Err(Problem::contract("qualities and values differ in length"));
        }
        Ok(self)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Window<'_>> {
        let mut first = 0;
        self.heads.iter().map(move |head| {
            let range = first..first + head.rows as usize;
            first = range.end;
            Window {
                group: head.group,
                start: Time(head.start),
                end: Time(head.end),
                dt: &self.dt[range.clone()],
                values: &self.values[range.clone()],
                qualities: self.qualities.get(range).unwrap_or(&[]),
                texts: &self.texts,
            }
        })
    }
}
