//! What goes wrong with a disk, and what a loss of power leaves.

use crate::Rng;

/// What a disk does besides its duty. Chances are out of 1000 calls.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// The power goes at this I/O (counted from 1 by [`SimDisk::io_count`](crate::SimDisk::io_count)): it may be half
    /// done, and all later calls fail.
    pub crash_at: Option<u64>,
    /// Reads that fail.
    pub read_errors: u64,
    /// Writes that fail, a part of them done.
    pub write_errors: u64,
    /// Syncs that fail. What they should have written counts as clean from then on, as on ext4: a second sync succeeds
    /// and does nothing for it.
    pub sync_errors: u64,
    /// Syncs of contents that succeed and do nothing. A journal notices it after a loss of power if anything that was
    /// written later survives, such as a mark or a record that tells of the sync; if nothing does, nobody can tell the
    /// loss from records that were never appended.
    pub lying_syncs: u64,
    /// Syncs last: the calling thread waits for others to do I/O meanwhile, and what is written after a sync has begun is
    /// not covered by it. For real threads; the other faults of syncs do not happen then.
    pub syncs_last: bool,
    /// Creations, renames, removals and syncs of directories that fail and do nothing.
    pub name_errors: u64,
    /// Bytes that fit on the disk; a write beyond them fails after a part of it.
    pub room: Option<u64>,
}

/// What the loss of power leaves of what was not synced. Contents go by sectors of 512 bytes, each as it was before the
/// write or after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Survives {
    /// None of it.
    Nothing,
    /// All of it.
    Everything,
    /// The oldest writes and names, up to one that is half done.
    Prefix,
    /// Any sectors of any writes; names up to one of them, as a file system with a log of its names does it.
    Sectors,
    /// Any sectors of any writes, and any names.
    Anything,
}

impl Survives {
    /// One of them.
    pub fn draw(rng: &mut Rng) -> Self {
        match rng.below(8) {
            0 => Self::Nothing,
            1 => Self::Everything,
            2 => Self::Prefix,
            3 | 4 => Self::Anything,
            _ => Self::Sectors,
        }
    }
}
