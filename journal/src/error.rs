//! What can go wrong at the journal's seam, and what the caller does about it.

use tidemill_model::{JournalIdentity, Offset};

/// What a caller does about an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Try again later: the journal is overloaded, out of space, or away.
    Retry,
    /// Stop: somebody else has taken over, or the journal is not the one that was meant.
    Fenced,
    /// The request is wrong and will stay wrong.
    Invalid,
    /// No such journal, topic or partition.
    NotFound,
    /// Stored bytes are damaged; a person must look.
    Corrupt,
    /// The journal is shutting down or has stopped after an I/O error.
    Closed,
    /// Whether it was done is not known. Do it again if a repetition is harmless: records with the same producer and
    /// sequence are applied once.
    Unknown,
}

/// An error of the journal.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The topic or the partition does not exist.
    #[error("journal has no partition {partition} in topic {topic:?}")]
    NoSuchPartition {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
    },
    /// Records before `start` have been trimmed: the caller has a gap from its offset to `start`.
    #[error("offset {from} was trimmed: the journal starts at {start}")]
    Trimmed {
        /// The offset asked for.
        from: Offset,
        /// The first one that is still there.
        start: Offset,
    },
    /// No record starts at this offset, or it lies beyond the tail.
    #[error("no record starts at offset {from}; the tail is {tail}")]
    NoSuchOffset {
        /// The offset asked for.
        from: Offset,
        /// The first unwritten offset.
        tail: Offset,
    },
    /// A request that can never succeed.
    #[error("{reason}")]
    Invalid {
        /// What is wrong with it.
        reason: String,
    },
    /// Stored bytes are damaged.
    #[error("{file}: damaged at byte {at}: {reason}; {remedy}")]
    Corrupt {
        /// The damaged file.
        file: String,
        /// Byte offset in the file.
        at: u64,
        /// What is wrong there.
        reason: String,
        /// What to do.
        remedy: String,
    },
    /// The writer has stopped after an I/O error; nothing more is acknowledged until a restart.
    #[error("journal stopped writing: {reason}")]
    Poisoned {
        /// The I/O error.
        reason: String,
    },
    /// Whether some records were written is not known and will not become known.
    #[error("it is not known whether records were written: {reason}")]
    Unknown {
        /// Which ones, and why.
        reason: String,
    },
    /// No room to write; try again when there is.
    #[error("journal is out of space: {reason}")]
    Full {
        /// What is full.
        reason: String,
    },
    /// Another process has the journal open for writing.
    #[error("{path} is in use by another process: stop it, or choose another data directory")]
    InUse {
        /// The journal's directory.
        path: String,
    },
    /// There is no journal, and none was to be made.
    #[error("there is no journal in {place}")]
    NoJournal {
        /// Where one should be.
        place: String,
    },
    /// The journal there is not the one that was meant.
    #[error("{place} holds journal {found}, not {expected}; {remedy}")]
    WrongJournal {
        /// Where it is.
        place: String,
        /// The journal there.
        found: JournalIdentity,
        /// The one that was meant.
        expected: JournalIdentity,
        /// What to do.
        remedy: String,
    },
    /// Another writer has taken over.
    #[error("{reason}")]
    Fenced {
        /// Who, and what this one was doing.
        reason: String,
    },
    /// The journal, or the service that keeps it, does not answer.
    #[error("{place} is not available: {reason}")]
    Unavailable {
        /// Where it should be.
        place: String,
        /// What it, or the attempt to reach it, said.
        reason: String,
    },
    /// The journal is shutting down.
    #[error("journal is closed")]
    Closed,
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
}

impl JournalError {
    /// What the caller does about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            JournalError::NoSuchPartition { .. } | JournalError::NoJournal { .. } => ErrorKind::NotFound,
            JournalError::Trimmed { .. } | JournalError::NoSuchOffset { .. } | JournalError::Invalid { .. } => {
                ErrorKind::Invalid
            }
            JournalError::Corrupt { .. } => ErrorKind::Corrupt,
            JournalError::Full { .. } | JournalError::Io { .. } | JournalError::Unavailable { .. } => ErrorKind::Retry,
            JournalError::InUse { .. } | JournalError::WrongJournal { .. } | JournalError::Fenced { .. } => {
                ErrorKind::Fenced
            }
            JournalError::Poisoned { .. } | JournalError::Closed => ErrorKind::Closed,
            JournalError::Unknown { .. } => ErrorKind::Unknown,
        }
    }
}
