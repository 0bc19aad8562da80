//! The durable mark: how far a partition's records have been synced, as far as the file `durable` knows.
//!
//! Two slots of 48 bytes, at 0 and 4096, written in turn; the valid one with the higher sequence counts:
//!
//! ```text
//!  0  magic     u32  "TMD1"
//!  4  version   u16  1
//!  6  zero      u16
//!  8  sequence  u64
//! 16  durable   u64  readers may read up to here
//! 24  synced    u64  up to here an fdatasync has returned; less than durable only where fsync is turned off
//! 32  records   u64  ordinal of the record at durable
//! 40  zero      u32
//! 44  crc       u32  CRC32C of bytes 0..44
//! ```
//!
//! A slot is written after the sync that it tells of and is itself not synced, except at rotation and close: it is a
//! lower bound. Damage below `synced` is therefore never a torn write.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tidemill_journal::JournalError;

use crate::files::{corrupt, io_error, put, read_whole, seal, u64_at, unseal};
use crate::storage::{Open, Storage, StorageFile};

const SLOT_BYTES: usize = 48;
const SLOT_STRIDE: u64 = 4096;
const FILE_BYTES: u64 = SLOT_STRIDE + SLOT_BYTES as u64;
const MAGIC: [u8; 4] = *b"TMD1";

/// What a slot says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Mark {
    pub(crate) sequence: u64,
    pub(crate) durable: u64,
    pub(crate) synced: u64,
    pub(crate) records: u64,
}

impl Mark {
    fn encode(&self) -> [u8; SLOT_BYTES] {
        let mut out = [0; SLOT_BYTES];
        put(&mut out, 8, self.sequence.to_le_bytes());
        put(&mut out, 16, self.durable.to_le_bytes());
        put(&mut out, 24, self.synced.to_le_bytes());
        put(&mut out, 32, self.records.to_le_bytes());
        seal(&mut out, MAGIC);
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, (u64, String)> {
        let s = unseal::<SLOT_BYTES>(bytes, MAGIC, "durable mark")?;
        Ok(Self { sequence: u64_at(s, 8), durable: u64_at(s, 16), synced: u64_at(s, 24), records: u64_at(s, 32) })
    }

    /// The mark of the partition in `dir`.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] when neither slot is intact.
    pub(crate) fn load(storage: &dyn Storage, dir: &Path) -> Result<Self, JournalError> {
        let path = mark_path(dir);
        let bytes = read_whole(storage, &path, FILE_BYTES)?;
        let first = Self::decode(&bytes);
        let second = Self::decode(bytes.get(SLOT_STRIDE as usize..).unwrap_or_default());
        match (first, second) {
            (Ok(a), Ok(b)) => Ok(if a.sequence > b.sequence { a } else { b }),
            (Ok(mark), Err(_)) | (Err(_), Ok(mark)) => Ok(mark),
            (Err((at, reason)), Err(_)) => Err(corrupt(&path, at, reason)),
        }
    }
}

/// The file of the mark of the partition in `dir`.
pub(crate) fn mark_path(dir: &Path) -> PathBuf {
    dir.join("durable")
}

/// The mark's file, open for writing.
#[derive(Debug)]
pub(crate) struct MarkFile {
    file: Arc<dyn StorageFile>,
    path: PathBuf,
    sequence: u64,
}

impl MarkFile {
    /// Creates the file for an empty partition.
    pub(crate) fn create(storage: &dyn Storage, dir: &Path) -> Result<(), JournalError> {
        let path = mark_path(dir);
        let file = storage.open(&path, Open::Create).map_err(|e| io_error("create", &path, &e))?;
        let mut created = Self { file, path, sequence: 0 };
        created.write(Mark::default())?;
        created.write(Mark::default())?;
        created.sync()
    }

    /// Opens the file whose newest slot is `mark`.
    pub(crate) fn open(storage: &dyn Storage, dir: &Path, mark: Mark) -> Result<Self, JournalError> {
        let path = mark_path(dir);
        let file = storage.open(&path, Open::Write).map_err(|e| io_error("open", &path, &e))?;
        Ok(Self { file, path, sequence: mark.sequence })
    }

    /// Writes the next slot; the sequence in `mark` is ignored.
    pub(crate) fn write(&mut self, mark: Mark) -> Result<(), JournalError> {
        self.sequence += 1;
        let slot = Mark { sequence: self.sequence, ..mark }.encode();
        let at = self.sequence % 2 * SLOT_STRIDE;
        self.file.write_at(&[Bytes::copy_from_slice(&slot)], at).map_err(|e| io_error("write", &self.path, &e))
    }

    /// Makes it durable.
    pub(crate) fn sync(&self) -> Result<(), JournalError> {
        self.file.sync_data().map_err(|e| io_error("sync", &self.path, &e))
    }
}
