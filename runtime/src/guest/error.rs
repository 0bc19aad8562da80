//! Why a call into a guest failed.

use wasmtime::{FrameInfo, Trap, WasmBacktrace};

/// Functions named of a trap, innermost first.
const FRAMES_MAX: usize = 4;

/// A call that failed. The instance it was made on is in an unknown state and must be dropped.
///
/// Every one of these is deterministic: the same call on the same state fails the same way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The guest executed a trap.
    #[error("plugin trapped in {call}: {reason}")]
    Trap {
        /// The exported function.
        call: &'static str,
        /// The trap.
        reason: String,
    },
    /// The call used up its fuel.
    #[error("plugin used more than {limit} units of fuel in {call}: it loops, or its fuel_per_call is too low")]
    OutOfFuel {
        /// The exported function.
        call: &'static str,
        /// Fuel per call.
        limit: u64,
    },
    /// The guest returned more than it may.
    #[error(
        "plugin returned {found} {what} for a record in {call}, at most {limit} are allowed: raise {name}, or emit less"
    )]
    TooMuchOutput {
        /// The exported function.
        call: &'static str,
        /// Of what.
        what: &'static str,
        /// How many.
        found: u64,
        /// The limit's name.
        name: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The guest returned pointers, lengths or numbers that make no sense.
    #[error("plugin broke the calling convention in {call}: {reason}")]
    Malformed {
        /// The exported function.
        call: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The plugin itself answered with an error.
    #[error("plugin refused {call}: {text} (code {code})")]
    Problem {
        /// The exported function.
        call: &'static str,
        /// The plugin's number for it.
        code: u32,
        /// The plugin's words.
        text: String,
    },
    /// The module could not be instantiated within the limits.
    #[error("plugin cannot be started: {reason}")]
    Start {
        /// Why.
        reason: String,
    },
}

impl CallError {
    /// The exported function that failed.
    pub(crate) fn call(&self) -> &'static str {
        match self {
            Self::Trap { call, .. }
            | Self::OutOfFuel { call, .. }
            | Self::TooMuchOutput { call, .. }
            | Self::Malformed { call, .. }
            | Self::Problem { call, .. } => call,
            Self::Start { .. } => "start",
        }
    }

    pub(crate) fn malformed(call: &'static str, reason: impl Into<String>) -> Self {
        Self::Malformed { call, reason: reason.into() }
    }

    pub(crate) fn too_much(
        call: &'static str,
        what: &'static str,
        found: u64,
        (name, limit): (&'static str, u64),
    ) -> Self {
        Self::TooMuchOutput { call, what, found, name, limit }
    }

    /// What wasmtime said about `call`.
    pub(crate) fn of(call: &'static str, error: &wasmtime::Error, fuel_per_call: u64) -> Self {
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => Self::OutOfFuel { call, limit: fuel_per_call },
            Some(trap) => Self::trap(call, trap.to_string().trim_start_matches("wasm trap: "), error),
            None => Self::trap(call, &error.root_cause().to_string(), error),
        }
    }

    /// A trap, with the functions that it happened in, as far as the module names them.
    fn trap(call: &'static str, reason: &str, error: &wasmtime::Error) -> Self {
        let frames = error.downcast_ref::<WasmBacktrace>().map(WasmBacktrace::frames).unwrap_or_default();
        let names: Vec<_> = frames.iter().filter_map(FrameInfo::func_name).take(FRAMES_MAX).collect();
        let place = if names.is_empty() { String::new() } else { format!(", in {}", names.join(" < ")) };
        Self::Trap { call, reason: format!("{reason}{place}") }
    }
}
