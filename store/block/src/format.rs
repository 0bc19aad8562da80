//! The fixed ends of a block: header and footer. All integers are little-endian.
//!
//! ```text
//! header, 24 bytes                     footer, 44 bytes
//!  0  magic       u32  "TMB1"           0  index_offset  u64
//!  4  version     u8   1                8  index_bytes   u64
//!  5  zero        3 bytes              16  pages         u32
//!  8  journal id  u64                  20  chunks        u32
//! 16  generation  u32                  24  rows          u64
//! 20  crc         u32  CRC32C of 0..20 32  index_crc     u32  CRC32C of the index
//!                                      36  magic         u32  "TMBE"
//!                                      40  crc           u32  CRC32C of 0..40
//! ```

use tidemill_model::JournalIdentity;

pub(crate) const HEADER_BYTES: usize = 24;
pub(crate) const FOOTER_BYTES: usize = 44;
/// The version this code writes and the highest it reads.
pub(crate) const VERSION: u8 = 1;
const HEADER_MAGIC: [u8; 4] = *b"TMB1";
const FOOTER_MAGIC: [u8; 4] = *b"TMBE";

/// Why bytes are not a header or a footer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FormatError {
    Damaged(&'static str),
    Version(u8),
}

/// Takes little-endian integers off the front of bytes.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        let (front, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*front))
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        let (front, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*front))
    }
}

pub(crate) fn encode_header(journal: JournalIdentity) -> [u8; HEADER_BYTES] {
    let mut out = [0; HEADER_BYTES];
    out[0..4].copy_from_slice(&HEADER_MAGIC);
    out[4] = VERSION;
    out[8..16].copy_from_slice(&journal.id.to_le_bytes());
    out[16..20].copy_from_slice(&journal.generation.to_le_bytes());
    let crc = crc32c::crc32c(&out[..20]);
    out[20..24].copy_from_slice(&crc.to_le_bytes());
    out
}

pub(crate) fn decode_header(bytes: &[u8; HEADER_BYTES]) -> Result<JournalIdentity, FormatError> {
    const CHECKED: &str = "the length is fixed";
    if bytes[..4] != HEADER_MAGIC {
        return Err(FormatError::Damaged("no block starts here"));
    }
    let mut fields = Fields(&bytes[8..]);
    let id = fields.u64().expect(CHECKED);
    let generation = fields.u32().expect(CHECKED);
    if fields.u32().expect(CHECKED) != crc32c::crc32c(&bytes[..20]) {
        return Err(FormatError::Damaged("the header's checksum does not match"));
    }
    if bytes[4] == 0 || bytes[4] > VERSION {
        return Err(FormatError::Version(bytes[4]));
    }
    Ok(JournalIdentity { id, generation })
}

/// Finds and covers the index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Footer {
    pub(crate) index_offset: u64,
    pub(crate) index_bytes: u64,
    pub(crate) pages: u32,
    pub(crate) chunks: u32,
    pub(crate) rows: u64,
    pub(crate) index_crc: u32,
}

impl Footer {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FOOTER_BYTES);
        out.extend_from_slice(&self.index_offset.to_le_bytes());
        out.extend_from_slice(&self.index_bytes.to_le_bytes());
        out.extend_from_slice(&self.pages.to_le_bytes());
        out.extend_from_slice(&self.chunks.to_le_bytes());
        out.extend_from_slice(&self.rows.to_le_bytes());
        out.extend_from_slice(&self.index_crc.to_le_bytes());
        out.extend_from_slice(&FOOTER_MAGIC);
        out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        debug_assert_eq!(out.len(), FOOTER_BYTES);
        out
    }

    pub(crate) fn decode(bytes: &[u8; FOOTER_BYTES]) -> Result<Self, FormatError> {
        const CHECKED: &str = "the length is fixed";
        if bytes[36..40] != FOOTER_MAGIC {
            return Err(FormatError::Damaged("the file does not end in a footer; it is cut short"));
        }
        let mut fields = Fields(bytes);
        let footer = Self {
            index_offset: fields.u64().expect(CHECKED),
            index_bytes: fields.u64().expect(CHECKED),
            pages: fields.u32().expect(CHECKED),
            chunks: fields.u32().expect(CHECKED),
            rows: fields.u64().expect(CHECKED),
            index_crc: fields.u32().expect(CHECKED),
        };
        if Fields(&bytes[40..]).u32().expect(CHECKED) != crc32c::crc32c(&bytes[..40]) {
            return Err(FormatError::Damaged("the footer's checksum does not match"));
        }
        Ok(footer)
    }
}
