//! What the host keeps beside a guest: its limits, its log, its state by key.

use std::sync::Arc;

use tidemill_journal::Env;
use wasmtime::{Memory, StoreLimits, TypedFunc};

use crate::guest::Logs;
use crate::guest::state::State;

/// Longest line of a standard stream, bytes; the rest begins a new one.
const LINE_BYTES_MAX: usize = 4096;
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
        let mut parts = text.split('\n');
        self.unfinished.push_str(parts.next().unwrap_or_default());
        for part in parts {
            self.finish_line();
            self.unfinished.push_str(part);
        }
        if self.unfinished.len() > LINE_BYTES_MAX {
            self.finish_line();
        }
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
