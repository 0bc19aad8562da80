//! Store and forward: lines of units behind a network that is down, delivered late, each exactly once and in order.

use std::collections::VecDeque;

/// What one tick wrote or delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) lines: u32,
    pub(crate) samples: u32,
}

#[derive(Debug)]
struct Entry {
    bytes: Vec<u8>,
    delivered: Delivered,
}

/// The backlog of one switch.
///
/// Invariant: while it is not empty, new lines of its units join its end, so they never overtake older ones.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    entries: VecDeque<Entry>,
}

impl Backlog {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes everything behind `from` out of `out` to deliver it later.
    pub(crate) fn hold(&mut self, out: &mut Vec<u8>, from: usize, delivered: Delivered) {
        self.entries.push_back(Entry { bytes: out.split_off(from), delivered });
    }

    /// Appends up to `entries_max` of the oldest entries to `out`.
    pub(crate) fn deliver(&mut self, out: &mut Vec<u8>, entries_max: usize) -> Delivered {
        let mut total = Delivered::default();
        for entry in self.entries.drain(..entries_max.min(self.entries.len())) {
            out.extend_from_slice(&entry.bytes);
            total.lines += entry.delivered.lines;
            total.samples += entry.delivered.samples;
        }
        total
    }
}
