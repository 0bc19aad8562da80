//! Why a call into a guest failed.

use wasmtime::Trap;

use super::source::Sources;

/// Longest reason of a trap, bytes.
const REASON_BYTES_MAX: usize = 4096;

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

    /// What wasmtime said about `call`, with the functions and lines that it happened in, as far as the module names them.
    pub(super) fn of(call: &'static str, error: &wasmtime::Error, fuel_per_call: u64, sources: &Sources) -> Self {
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => Self::OutOfFuel { call, limit: fuel_per_call },
            _ => Self::Trap { call, reason: reason(error, sources) },
        }
    }

    /// What wasmtime said about a start function.
    pub(super) fn of_start(error: &wasmtime::Error, sources: &Sources) -> Self {
        Self::Start { reason: reason(error, sources) }
    }
}

/// The cause of a failure, in one line, with its place.
fn reason(error: &wasmtime::Error, sources: &Sources) -> String {
    let cause = match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string().trim_start_matches("wasm trap: ").to_owned(),
        None => error.root_cause().to_string(),
    };
    let mut reason = match sources.describe(error) {
        place if place.is_empty() => cause,
        place => format!("{cause}, in {place}"),
    };
    reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
    reason
}
