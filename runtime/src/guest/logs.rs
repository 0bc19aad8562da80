//! The lines that an operator's guests have logged: a ring with the newest ones.

use std::collections::VecDeque;

use parking_lot::Mutex;
use serde::Serialize;

/// Longest line, bytes.
pub(super) const LINE_BYTES_MAX: usize = 4096;
/// Lines kept per operator; older ones are forgotten.
const LINES_MAX: usize = 1000;

/// One logged line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LogLine {
    /// Counts the operator's lines since the node started, from 1; what is missing was forgotten or dropped.
    pub sequence: u64,
    /// When it was logged, ns since the Unix epoch.
    pub time_ns: i64,
    /// `error`, `warn`, `info` or `debug`.
    pub level: &'static str,
    /// What the plugin said, cut to 4 KiB.
    pub text: String,
}

/// The newest lines of one operator.
#[derive(Default, Debug)]
pub struct Logs {
    ring: Mutex<Ring>,
}

#[derive(Default, Debug)]
struct Ring {
    lines: VecDeque<LogLine>,
    sequence: u64,
    /// The second that `in_second` counts lines of.
    second: i64,
    in_second: u64,
}

impl Logs {
    /// Adds a line and forgets the oldest one if there are too many. Beyond `per_second` lines in a second it is only
    /// counted.
    pub fn push(&self, time_ns: i64, level: &'static str, mut text: String, per_second: u64) {
        text.truncate(text.floor_char_boundary(LINE_BYTES_MAX));
        let mut ring = self.ring.lock();
        ring.sequence += 1;
        let second = time_ns.div_euclid(1_000_000_000);
        if ring.second != second {
            (ring.second, ring.in_second) = (second, 0);
        }
        ring.in_second += 1;
        if ring.in_second > per_second {
            return;
        }
        if ring.lines.len() == LINES_MAX {
            ring.lines.pop_front();
        }
        let sequence = ring.sequence;
        ring.lines.push_back(LogLine { sequence, time_ns, level, text });
    }

    /// The newest `limit` lines behind the one with sequence `after`, oldest first.
    pub fn newest(&self, after: u64, limit: usize) -> Vec<LogLine> {
        let ring = self.ring.lock();
        let behind = ring.lines.partition_point(|line| line.sequence <= after);
        let first = behind.max(ring.lines.len().saturating_sub(limit));
        ring.lines.range(first..).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_between_characters() {
        let logs = Logs::default();
        logs.push(0, "info", "é".repeat(LINE_BYTES_MAX), 10);
        assert_eq!(logs.newest(0, 1)[0].text, "é".repeat(LINE_BYTES_MAX / 2));
    }

    #[test]
    fn lines_that_come_too_fast_are_counted_and_not_kept() {
        let logs = Logs::default();
        (0..5).for_each(|n| logs.push(n, "info", n.to_string(), 2));
        logs.push(1_000_000_000, "info", "next second".into(), 2);
        let texts: Vec<_> = logs.newest(0, 10).into_iter().map(|line| (line.sequence, line.text)).collect();
        assert_eq!(texts, [(1, "0".to_owned()), (2, "1".to_owned()), (6, "next second".to_owned())]);
        assert_eq!(logs.newest(2, 10).len(), 1);
        assert_eq!(logs.newest(0, 1)[0].sequence, 6);
    }
}
