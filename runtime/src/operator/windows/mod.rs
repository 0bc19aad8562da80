//! Windows of one group: which there are (`request`, `shape`,
//! `calendar`), and the open ones with their rows (`open`).

mod calendar;
mod open;
mod request;
mod shape;

pub(crate) use open::{Closed, OpenWindows, Pushed, ROWS_MAX};
pub use request::{WindowParts, WindowRequest};
pub(crate) use shape::{Kind, Shape, Span};

/// One sample in a window.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Row {
    pub(crate) time: i64,
    /// The number, or the place of a text.
    pub(crate) value: f64,
    pub(crate) quality: u32,
    /// Index of the series among the group's members.
    pub(crate) member: u32,
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
