//! What can go wrong when plugins are installed and operators deployed.

use tidemill_journal::JournalError;

use crate::guest::CallError;

/// The runtime cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// This machine cannot run compiled Wasm.
    #[error("cannot start the wasm engine: {reason}")]
    Engine {
        /// What the engine says.
        reason: String,
    },
    /// The operating system refused.
    #[error("{action} {path}: {reason}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: String,
        /// The system's message.
        reason: String,
    },
    /// The journal could not be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl RuntimeError {
    pub(crate) fn io(action: &'static str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::Io { action, path: path.display().to_string(), reason: error.to_string() }
    }
}

/// A file is not accepted as a plugin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// Not WebAssembly, or WebAssembly of a newer kind.
    #[error("not a valid wasm module: {reason}")]
    NotWasm {
        /// What is wrong.
        reason: String,
    },
    /// Too many bytes.
    #[error("plugin of {bytes} bytes is over the limit of {limit}: strip it, or build it for size")]
    TooLarge {
        /// How many it has.
        bytes: usize,
        /// How many it may have.
        limit: usize,
    },
    /// It wants more from the host than there is.
    #[error(
        "plugin imports {imports}, which this node does not give: it gives log, get, set and remove of contract 0.2 and what \
         language runtimes need of wasi_snapshot_preview1; build without files, network and threads"
    )]
    ForeignImports {
        /// Every import that is not given.
        imports: String,
    },
    /// The module is valid, but not a plugin.
    #[error("module cannot be a plugin: {reason}")]
    Refused {
        /// Why, and what to do.
        reason: String,
    },
    /// The process that was to compile it has refused it, or has come to its limits.
    #[error("{reason}")]
    Child {
        /// Why, and what to do.
        reason: String,
    },
    /// It does not run.
    #[error("plugin does not work: {0}")]
    Call(#[from] CallError),
    /// It could not be stored.
    #[error(transparent)]
    Storage(#[from] RuntimeError),
}

/// An operator cannot be deployed or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeployError {
    /// The request is wrong and will stay wrong.
    #[error("{reason}")]
    Invalid {
        /// What is wrong, and what to do.
        reason: String,
    },
    /// No such plugin or operator.
    #[error("{reason}")]
    NotFound {
        /// What there is instead.
        reason: String,
    },
    /// The plugin does not accept its parameters, or does not run.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The journal could not take the definition.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl DeployError {
    pub(crate) fn invalid(reason: impl Into<String>) -> Self {
        Self::Invalid { reason: reason.into() }
    }
}

/// History cannot be read now.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// Try again later: no replica has got so far, or the node is stopping.
    #[error("history is not available: {0}")]
    Unavailable(String),
}
