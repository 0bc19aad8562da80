//! What can go wrong in a replica's own files.

use std::io;
use std::path::{Path, PathBuf};

use tidemill_model::JournalIdentity;
use tidemill_store_block::BlockError;

/// An error of a replica's files. The replica is derived from the journal: rebuilding it always helps.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Stored bytes are damaged, or a file is missing.
    #[error("{file}: damaged at byte {at}: {reason}; {remedy}", file = file.display())]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// Byte offset of the damage.
        at: u64,
        /// What is wrong.
        reason: String,
        /// What to do.
        remedy: String,
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
        /// Whether space has run out.
        is_full: bool,
    },
    /// The replica was made from another journal, or from another life of it.
    #[error("{file}: replica belongs to journal {found}, the journal is {expected}; {remedy}", file = file.display())]
    WrongJournal {
        /// The manifest.
        file: PathBuf,
        /// The journal the replica was made from.
        found: JournalIdentity,
        /// The journal it was opened with.
        expected: JournalIdentity,
        /// What to do.
        remedy: String,
    },
    /// The topic has another number of partitions than when the replica was made.
    #[error("{file}: replica has {found} partitions, the journal has {expected}; {remedy}", file = file.display())]
    Partitions {
        /// The manifest.
        file: PathBuf,
        /// Partitions of the replica.
        found: usize,
        /// Partitions of the journal.
        expected: usize,
        /// What to do.
        remedy: String,
    },
    /// Written by a newer version.
    #[error("{file}: has format version {found}, this program reads up to {known}: upgrade it", file = file.display())]
    Version {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: u32,
        /// The newest this program knows.
        known: u32,
    },
    /// The replica's directory vanished while it ran.
    #[error("replica directory {dir} is gone; {remedy}", dir = dir.display())]
    Gone {
        /// The directory.
        dir: PathBuf,
        /// What to do.
        remedy: String,
    },
    /// The replica was closed while it still had something to write.
    #[error("replica in {dir} is closed", dir = dir.display())]
    Closed {
        /// The directory.
        dir: PathBuf,
    },
}

impl StoreError {
    /// An error of one of the blocks of replica `name`.
    pub(crate) fn of_block(error: BlockError, name: &str) -> Self {
        match error {
            BlockError::Corrupt { file, at, reason } => Self::Corrupt { file, at, reason, remedy: remedy(name) },
            BlockError::Version { file, found, known } => {
                Self::Version { file, found: u32::from(found), known: u32::from(known) }
            }
            BlockError::Io { file, action, reason, kind } => Self::Io { file, action, reason, is_full: is_full(kind) },
        }
    }

    /// A refusal of the operating system.
    pub(crate) fn io(file: &Path, action: &'static str, error: &io::Error) -> Self {
        Self::Io { file: file.to_owned(), action, reason: error.to_string(), is_full: is_full(error.kind()) }
    }
}

fn is_full(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// What a person does about a damaged replica.
pub(crate) fn remedy(name: &str) -> String {
    format!("stop using it and run `tidemill replica rebuild {name}`")
}
