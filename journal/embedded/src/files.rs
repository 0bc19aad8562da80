//! The few things done to files: atomic replacement, directory sync, and errors that name the file.
//!
//! Every fixed structure of the format begins with a magic (u32) and a version (u16) and ends with a CRC32C (u32) over
//! everything before it, in all versions, so that damage, foreign files and newer versions can be told apart.

use std::io;
use std::path::Path;

use bytes::Bytes;
use tidemill_journal::JournalError;

use crate::storage::{Open, Storage};

/// The version this code writes and the highest it reads, of every file.
pub(crate) const VERSION: u16 = 2;

/// An operating system error with what was attempted on what.
pub(crate) fn io_error(action: &'static str, path: &Path, error: &io::Error) -> JournalError {
    JournalError::Io { action, path: path.display().to_string(), reason: error.to_string() }
}

/// Damage in a file.
pub(crate) fn corrupt(path: &Path, at: u64, reason: impl Into<String>) -> JournalError {
    let remedy = "restore the file from a copy, or move the journal aside and start a new one".to_owned();
    JournalError::Corrupt { file: path.display().to_string(), at, reason: reason.into(), remedy }
}

/// Reads a little-endian u16. Callers pass offsets inside `bytes`.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// Reads a little-endian u32. Callers pass offsets inside `bytes`.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

/// Reads a little-endian u64. Callers pass offsets inside `bytes`.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

/// Writes `value` at `at`.
pub(crate) fn put<const N: usize>(out: &mut [u8], at: usize, value: [u8; N]) {
    out[at..at + N].copy_from_slice(&value);
}

/// Writes magic and version at the front and the checksum at the end.
pub(crate) fn seal<const N: usize>(out: &mut [u8; N], magic: [u8; 4]) {
    put(out, 0, magic);
    put(out, 4, VERSION.to_le_bytes());
    let crc = crc32c::crc32c(&out[..N - 4]);
    put(out, N - 4, crc.to_le_bytes());
}

/// Checks what [`seal`] wrote and returns exactly the structure.
///
/// # Errors
/// Place and reason.
pub(crate) fn unseal<'a, const N: usize>(
    bytes: &'a [u8],
    magic: [u8; 4],
    what: &str,
) -> Result<&'a [u8; N], (u64, String)> {
    let Some(found) = bytes.first_chunk::<N>() else {
        return Err((bytes.len() as u64, format!("{what} is cut short: {} of {N} bytes", bytes.len())));
    };
    if found[..4] != magic {
        return Err((0, format!("this is not a {what}: it begins with {:02x?}", &found[..4])));
    }
    if crc32c::crc32c(&found[..N - 4]) != u32_at(found, N - 4) {
        return Err((0, format!("the checksum of the {what} does not match")));
    }
    match u16_at(found, 4) {
        1..=VERSION => Ok(found),
        version => Err((4, format!("{what} has version {version}, this program reads up to {VERSION}: upgrade it"))),
    }
}

/// Makes renames, creations and removals in `dir` durable.
pub(crate) fn sync_dir(storage: &dyn Storage, dir: &Path) -> Result<(), JournalError> {
    storage.sync_dir(dir).map_err(|e| io_error("sync directory", dir, &e))
}

/// Creates or replaces a file so that a crash leaves the old or the new one.
pub(crate) fn replace(storage: &dyn Storage, path: &Path, content: &[u8]) -> Result<(), JournalError> {
    let temporary = path.with_extension("new");
    let written = storage.open(&temporary, Open::Create).and_then(|file| {
        file.write_at(&[Bytes::copy_from_slice(content)], 0)?;
        file.sync_all()
    });
    written.map_err(|e| io_error("write", &temporary, &e))?;
    storage.rename(&temporary, path).map_err(|e| io_error("rename", &temporary, &e))?;
    path.parent().map_or(Ok(()), |dir| sync_dir(storage, dir))
}

/// Reads a whole file of at most `max` bytes.
pub(crate) fn read_whole(storage: &dyn Storage, path: &Path, max: u64) -> Result<Vec<u8>, JournalError> {
    let file = storage.open(path, Open::Read).map_err(|e| io_error("open", path, &e))?;
    let bytes = file.size().map_err(|e| io_error("look at", path, &e))?.min(max) as usize;
    file.read_at(0, bytes).map_err(|e| io_error("read", path, &e))
}
