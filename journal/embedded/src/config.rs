//! What a journal is opened with.

use std::path::PathBuf;

use tidemill_journal::JournalError;

use crate::keeping::Keeping;

/// When an append is acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sync {
    /// After fdatasync: acknowledged records survive the loss of power.
    #[default]
    Always,
    /// After the write: acknowledged records survive the end of the process, not the loss of power.
    Never,
}

/// What a journal is opened with.
#[derive(Clone, Debug)]
pub struct EmbeddedConfig {
    /// The journal's directory; made if it is not there.
    pub dir: PathBuf,
    /// Size of a segment, for a new journal; an existing one keeps its own. Retention drops whole segments.
    pub segment_bytes: u64,
    /// When an append is acknowledged.
    pub sync: Sync,
    /// Groups of appends end at multiples of this, a power of two from 8 to 64 KiB: no block that holds acknowledged
    /// bytes is ever written again. At least what the device writes at once.
    pub block_bytes: u64,
    /// How it is looked after.
    pub keeping: Keeping,
}

impl EmbeddedConfig {
    /// The usual: 64 MiB segments, synced before the acknowledgement, blocks of 4 KiB.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            segment_bytes: 64 << 20,
            sync: Sync::Always,
            block_bytes: 4096,
            keeping: Keeping::default(),
        }
    }
}

/// Numbers since the journal was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Appends acknowledged.
    pub appends: u64,
    /// Records acknowledged.
    pub records: u64,
    /// Bytes of their frames.
    pub bytes: u64,
    /// Groups written and made durable, per partition.
    pub syncs: u64,
}

/// Whether groups may end at multiples of this.
pub(crate) fn check_block_bytes(bytes: u64) -> Result<(), JournalError> {
    if bytes.is_power_of_two() && (8..=64 << 10).contains(&bytes) {
        return Ok(());
    }
    let reason = format!("a block of {bytes} bytes is not a power of two from 8 to 65536");
    Err(JournalError::Invalid { reason })
}
