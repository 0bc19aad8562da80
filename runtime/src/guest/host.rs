//! What the host keeps beside a guest: its limits, its log, its state by key.

use std::sync::Arc;

use tidemill_journal::Env;
use wasmtime::{Memory, StoreLimits, TypedFunc};

use crate::guest::Logs;
use crate::guest::logs::LINE_BYTES_MAX;
use crate::guest::state::State;

/// Lines that one call may log; further ones are dropped.
const LOG_LINES_PER_CALL: u32 = 64;

/// `cabi_realloc`: old pointer, old size, alignment, new size.
pub(super) type Realloc = TypedFunc<(u32, u32, u32, u32), u32>;

/// What the host keeps beside a guest.
pub(crate) struct Host {
    pub(super) limits: StoreLimits,
    /// Known once the guest has started.
    pub(super) memory: Option<Memory>,
    pub(super) realloc: Option<Realloc>,
    pub(super) state: State,
    pub(super) state_bytes_max: u64,
    pub(super) log_lines_per_s: u64,
    pub(super) logs: Arc<Logs>,
    pub(super) env: Arc<dyn Env>,
    lines_left: u32,
    /// What the guest has written to the standard streams since the last end of a line.
    unfinished: String,
}

impl Host {
    pub(super) fn new(limits: StoreLimits, asked: &crate::Limits, logs: Arc<Logs>, env: Arc<dyn Env>) -> Self {
        Self {
            limits,
            memory: None,
            realloc: None,
            state: State::default(),
            state_bytes_max: asked.state_bytes,
            log_lines_per_s: asked.log_lines_per_s,
            logs,
            env,
            lines_left: LOG_LINES_PER_CALL,
            unfinished: String::new(),
        }
    }

    /// A new call begins.
    pub(super) fn begin_call(&mut self) {
        self.finish_line();
        self.lines_left = LOG_LINES_PER_CALL;
    }

    /// Takes over what the guest writes to a standard stream; every line of it becomes one of the log.
    pub(super) fn write(&mut self, text: &str) {
        for (number, part) in text.split('\n').enumerate() {
            if number > 0 {
                self.finish_line();
            }
            self.lengthen(part);
        }
    }

    /// Adds to the line; what is too long for one begins another.
    fn lengthen(&mut self, mut part: &str) {
        while self.unfinished.len() + part.len() > LINE_BYTES_MAX {
            let (head, rest) = part.split_at(part.floor_char_boundary(LINE_BYTES_MAX - self.unfinished.len()));
            self.unfinished.push_str(head);
            self.finish_line();
            part = rest;
        }
        self.unfinished.push_str(part);
    }

    fn finish_line(&mut self) {
        let line = std::mem::take(&mut self.unfinished);
        if !line.trim().is_empty() {
            self.log("warn", line);
        }
    }

    /// One line into the operator's ring.
    pub(super) fn log(&mut self, level: &'static str, text: String) {
        if self.lines_left > 0 {
            self.lines_left -= 1;
            self.logs.push(self.env.now(), level, text, self.log_lines_per_s);
        }
    }
}

impl Drop for Host {
    /// The last words of a guest that has trapped.
    fn drop(&mut self) {
        self.finish_line();
    }
}

#[cfg(test)]
mod tests {
    use tidemill_journal::SystemEnv;
    use wasmtime::StoreLimitsBuilder;

    use super::*;

    #[tokio::test]
    async fn what_is_too_long_for_a_line_begins_another() {
        let logs = Arc::new(Logs::default());
        let limits = crate::Limits::default();
        let mut host = Host::new(StoreLimitsBuilder::new().build(), &limits, logs.clone(), SystemEnv::new());
        host.write("one\ntw");
        host.write("o\n");
        host.write(&"é".repeat(LINE_BYTES_MAX));
        host.write("end");
        drop(host);
        let lines: Vec<_> = logs.newest(0, 10).into_iter().map(|line| line.text).collect();
        assert_eq!(lines[..2], ["one", "two"]);
        let half = "é".repeat(LINE_BYTES_MAX / 2);
        assert_eq!(lines[2..], [half.clone(), half, "end".to_owned()]);
    }
}
