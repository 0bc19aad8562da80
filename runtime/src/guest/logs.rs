//! The lines that an operator's guests have logged: a ring with the newest ones.

use std::collections::VecDeque;

use parking_lot::Mutex;
use serde::Serialize;

/// Lines kept per operator; older ones are forgotten.
const LINES_MAX: usize = 1000;

/// One logged line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LogLine {
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
    lines: Mutex<VecDeque<LogLine>>,
}

impl Logs {
    /// Adds a line and forgets the oldest one if there are too many.
    pub fn push(&self, line: LogLine) {
        let mut lines = self.lines.lock();
        if lines.len() == LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// The newest `limit` lines, oldest first.
    pub fn newest(&self, limit: usize) -> Vec<LogLine> {
        let lines = self.lines.lock();
        lines.iter().skip(lines.len().saturating_sub(limit)).cloned().collect()
    }
}
