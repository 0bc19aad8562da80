//! Stopping in good order: SIGINT or SIGTERM asks, a second one insists.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::clock::start_thread;
use crate::output::say;

/// Exit code of a process that was told twice to stop: 128 + SIGINT, as shells report it.
const ABORTED: i32 = 130;

/// Whether it is time to stop.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Not yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Set by the first signal to this process.
    ///
    /// # Errors
    /// When signals cannot be listened to.
    pub fn on_signal() -> std::io::Result<Self> {
        let stop = Self::new();
        let told = stop.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Before the thread starts: a signal that comes at once would kill the process.
        let mut signals = {
            let _inside = runtime.enter();
            Signals::listen()?
        };
        start_thread(move || {
            runtime.block_on(async {
                signals.next().await;
                told.set();
                signals.next().await;
                std::process::exit(ABORTED);
            });
        });
        Ok(stop)
    }

    /// It is.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it is.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// SIGINT and SIGTERM, from the moment they are listened to.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the system does not let this process listen.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Resolves at the next one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Resolves at the next SIGINT or SIGTERM.
pub async fn wait_for_signal() {
    let Ok(mut signals) = Signals::listen() else {
        say("signals cannot be listened to: only kill -9 will stop this process");
        return std::future::pending().await;
    };
    signals.next().await;
}

/// Ends the process at the next signal, for somebody who does not want to wait for the end of a shutdown.
pub async fn abort_at_next_signal() {
    wait_for_signal().await;
    say("aborted");
    std::process::exit(ABORTED);
}
