//! Fixed-size little-endian objects: a magic and a version in front, a CRC32C at the end.
//!
//! ```text
//!  0  magic    [u8; 4]
//!  4  version  u16
//!  6  ...      fields
//! -4  crc      u32  CRC32C of everything before it
//! ```

use tidemill_journal::JournalError;

/// The version of every object this code writes, and the highest it reads.
pub(crate) const VERSION: u16 = 1;

/// A BLAKE3 hash.
pub(crate) type Hash = [u8; 32];

/// Which partition of which journal an object belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stream {
    /// The journal's id.
    pub(crate) journal: u64,
    /// The journal's generation.
    pub(crate) generation: u32,
    /// The partition.
    pub(crate) partition: u32,
    /// The first 8 bytes of the BLAKE3 of the topic's name.
    pub(crate) topic: u64,
}

/// The first 8 bytes of the BLAKE3 of `name`.
pub(crate) fn short_hash(name: &str) -> u64 {
    u64_at(blake3::hash(name.as_bytes()).as_bytes(), 0)
}

impl Stream {
    pub(crate) fn put(&self, out: &mut [u8], at: usize) {
        put(out, at, self.journal.to_le_bytes());
        put(out, at + 8, self.generation.to_le_bytes());
        put(out, at + 12, self.partition.to_le_bytes());
        put(out, at + 16, self.topic.to_le_bytes());
    }

    pub(crate) fn at(bytes: &[u8], at: usize) -> Self {
        Self {
            journal: u64_at(bytes, at),
            generation: u32_at(bytes, at + 8),
            partition: u32_at(bytes, at + 12),
            topic: u64_at(bytes, at + 16),
        }
    }

    /// Refuses an object that was made for another partition or another journal.
    pub(crate) fn expect(&self, found: Stream, key: &str, at: u64) -> Result<(), JournalError> {
        if *self == found {
            return Ok(());
        }
        let reason = "it belongs to another partition or another journal";
        Err(corrupt(key, at, reason))
    }
}

pub(crate) fn put<const N: usize>(out: &mut [u8], at: usize, bytes: [u8; N]) {
    out[at..at + N].copy_from_slice(&bytes);
}

/// `N` bytes at `at`.
///
/// # Panics
/// Beyond the end: callers have checked the size of the whole object.
pub(crate) fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    *bytes[at..].first_chunk().expect("the caller has checked the size")
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes_at(bytes, at))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes_at(bytes, at))
}

pub(crate) fn i64_at(bytes: &[u8], at: usize) -> i64 {
    i64::from_le_bytes(bytes_at(bytes, at))
}

/// Fills in magic, version and checksum.
pub(crate) fn seal(out: &mut [u8], magic: [u8; 4]) {
    put(out, 0, magic);
    put(out, 4, VERSION.to_le_bytes());
    let end = out.len() - 4;
    let crc = crc32c::crc32c(&out[..end]);
    put(out, end, crc.to_le_bytes());
}

/// Checks size, magic, version and checksum of the object `key`, which is a `what` of exactly `N` bytes.
///
/// # Errors
/// [`JournalError::Corrupt`], or [`JournalError::Invalid`] for a newer version.
pub(crate) fn unseal<'a, const N: usize>(
    bytes: &'a [u8],
    magic: [u8; 4],
    what: &str,
    key: &str,
) -> Result<&'a [u8; N], JournalError> {
    let bytes: &[u8; N] = match bytes.try_into() {
        Ok(bytes) => bytes,
        Err(_) => return Err(corrupt(key, bytes.len() as u64, format!("a {what} has {N} bytes, not {}", bytes.len()))),
    };
    if bytes[..4] != magic {
        return Err(corrupt(key, 0, format!("it is not a {what}")));
    }
    if crc32c::crc32c(&bytes[..N - 4]) != u32_at(bytes, N - 4) {
        return Err(corrupt(key, N as u64 - 4, format!("the checksum of the {what} does not match")));
    }
    let version = u16::from_le_bytes(bytes_at(bytes, 4));
    if version == 0 || version > VERSION {
        let reason = format!("{key} has version {version}, this program reads up to {VERSION}: upgrade it");
        return Err(JournalError::Invalid { reason });
    }
    Ok(bytes)
}

pub(crate) fn corrupt(key: &str, at: u64, reason: impl Into<String>) -> JournalError {
    let remedy = "restore the object from a copy, or start a new journal at another prefix".to_owned();
    JournalError::Corrupt { file: key.to_owned(), at, reason: reason.into(), remedy }
}
