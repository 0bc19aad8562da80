//! The command's own clock, pauses and threads: with [`crate::commands::serve`] the only place that asks the system.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Nanoseconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "the command is a composition root")]
pub fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX - 1)
}

/// Blocks this thread.
#[expect(clippy::disallowed_methods, reason = "the command is a composition root")]
pub fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

/// Runs `work` on a thread of its own.
#[expect(clippy::disallowed_methods, reason = "the command is a composition root")]
pub fn start_thread(work: impl FnOnce() + Send + 'static) -> std::thread::JoinHandle<()> {
    std::thread::spawn(work)
}

/// Measures how long something takes.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts now.
    #[expect(clippy::disallowed_methods, reason = "the command is a composition root")]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
