//! What can go wrong with a block.

use std::io;
use std::path::{Path, PathBuf};

/// An error of one block file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The bytes are not what was written.
    #[error("{file}: damaged at byte {at}: {reason}", file = file.display())]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// Byte offset of the damage.
        at: u64,
        /// What is wrong.
        reason: String,
    },
    /// Written by a newer version.
    #[error("{file}: block has version {found}, this program reads up to {known}: upgrade it", file = file.display())]
    Version {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: u8,
        /// The newest this program knows.
        known: u8,
    },
    /// The operating system refused.
    #[error("{file}: cannot {action}: {reason}", file = file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the operating system said.
        reason: String,
        /// What kind of refusal it was.
        kind: io::ErrorKind,
    },
}

impl BlockError {
    pub(crate) fn io(file: &Path, action: &'static str, error: &io::Error) -> Self {
        Self::Io { file: file.to_owned(), action, reason: error.to_string(), kind: error.kind() }
    }

    pub(crate) fn corrupt(file: &Path, at: u64, reason: impl Into<String>) -> Self {
        Self::Corrupt { file: file.to_owned(), at, reason: reason.into() }
    }
}
