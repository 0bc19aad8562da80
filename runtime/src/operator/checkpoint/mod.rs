//! Checkpoints: state and cursors of one instance of an operator, in an append-only file of frames.
//!
//! ```text
//!   base | delta | delta | …          each frame: state and cursors at one moment, or what has changed since the one before
//! ```
//!
//! Invariants: a frame that is durable is never changed; the base is put in place by a rename, so it is always whole; what
//! stands behind the last whole frame was being written when the process ended, and is passed over. A thread of its own
//! writes (`keeper`), never the operator's. `docs/formats/checkpoint.md` has every byte.

mod file;
mod frame;
mod keeper;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use crate::operator::spec::Spec;

pub(crate) use file::replace;
pub(crate) use frame::{Frame, Saved};
pub(crate) use keeper::{Keeper, Outcome};

/// A checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {reason}; remove it to recompute from the start: rm {file}")]
pub(crate) struct CheckpointError {
    pub(crate) file: String,
    pub(crate) reason: String,
}

/// Where the checkpoints of one instance of an operator go.
#[derive(Clone, Debug)]
pub(crate) struct CheckpointFile {
    path: PathBuf,
    partition: u32,
}

impl CheckpointFile {
    /// The file in an operator's directory.
    pub(crate) fn new(operator_dir: &Path, partition: u32) -> Self {
        Self { path: operator_dir.join(format!("p{partition}.ckpt")), partition }
    }

    /// What the file holds; `None` if there is none yet. It may be read while another thread appends to it.
    ///
    /// # Errors
    /// When it is damaged or of another operator.
    pub(crate) fn read(&self, spec: &Spec) -> Result<Option<Saved>, CheckpointError> {
        let loaded = self.load(&frame::Identity::new(spec, self.partition))?;
        Ok(loaded.map(|loaded| loaded.saved))
    }

    /// Whether there is one yet.
    pub(crate) fn is_there(&self) -> bool {
        self.path.exists()
    }

    /// An error about this file.
    pub(crate) fn error(&self, reason: impl ToString) -> CheckpointError {
        CheckpointError { file: self.path.display().to_string(), reason: reason.to_string() }
    }
}
