//! Frames: how records lie in a segment.
//!
//! ```text
//!  0  offset       u64  the frame's own offset in the partition
//!  8  group_start  u64  offset of the first frame of the sync group it was written in
//! 16  ordinal      u64
//! 24  record_bytes u32  48 + payload
//! 28  crc          u32  CRC32C of bytes 0..28 and of the record header
//! 32  record header (48 bytes) and payload, then zeros up to a multiple of 8
//! ```
//!
//! The last frame of a sealed segment has `record_bytes` = 0 and nothing after its crc; in place of `group_start` it
//! holds the newest ingest time of the segment.
//!
//! Invariants: a frame never spans segments; group k+1 is written only after group k has been synced.

use tidemill_model::record::{HEADER_BYTES, PAYLOAD_BYTES_MAX, RecordHeader};

use crate::files::{put, u32_at, u64_at};

/// Bytes before the record header.
pub(crate) const FRAME_BYTES: usize = 32;
/// Bytes of the frame that ends a sealed segment.
pub(crate) const END_BYTES: u64 = 32;
/// Bytes before the payload.
pub(crate) const HEAD_BYTES: usize = FRAME_BYTES + HEADER_BYTES;
/// Frames begin at multiples of this.
pub(crate) const ALIGNMENT: u64 = 8;

/// Bytes that a record with so many payload bytes takes.
pub(crate) fn frame_bytes(payload: usize) -> u64 {
    ((HEAD_BYTES + payload) as u64).next_multiple_of(ALIGNMENT)
}

/// What stands at an offset.
#[derive(Debug, PartialEq)]
pub(crate) enum Frame {
    /// A record; its payload follows its 80 bytes of heads and has been verified.
    Record { ordinal: u64, header: RecordHeader, bytes: u64 },
    /// The end of a sealed segment.
    End { ordinal: u64, newest_ingest: i64 },
}

/// Why there is no frame.
#[derive(Debug, PartialEq)]
pub(crate) enum FrameError {
    /// It takes at least this many bytes to tell.
    Short { need: usize },
    /// There is none, for this reason.
    Damaged(String),
}

/// Appends the heads of a record's frame to `out`.
pub(crate) fn encode_heads(out: &mut impl Extend<u8>, offset: u64, group_start: u64, ordinal: u64, h: &RecordHeader) {
    let mut heads = [0; HEAD_BYTES];
    put(&mut heads, 0, offset.to_le_bytes());
    put(&mut heads, 8, group_start.to_le_bytes());
    put(&mut heads, 16, ordinal.to_le_bytes());
    put(&mut heads, 24, (HEADER_BYTES as u32 + h.body_bytes).to_le_bytes());
    put(&mut heads, FRAME_BYTES, h.encode());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&heads[..28]), &heads[FRAME_BYTES..]);
    put(&mut heads, 28, crc.to_le_bytes());
    out.extend(heads);
}

/// The frame that ends a segment at `offset`.
pub(crate) fn encode_end(offset: u64, ordinal: u64, newest_ingest: i64) -> [u8; END_BYTES as usize] {
    let mut end = [0; END_BYTES as usize];
    put(&mut end, 0, offset.to_le_bytes());
    put(&mut end, 8, newest_ingest.to_le_bytes());
    put(&mut end, 16, ordinal.to_le_bytes());
    let crc = crc32c::crc32c(&end[..28]);
    put(&mut end, 28, crc.to_le_bytes());
    end
}

/// Reads the frame at the beginning of `bytes`, which is `offset` in the partition, and verifies all of it.
pub(crate) fn decode(bytes: &[u8], offset: u64) -> Result<Frame, FrameError> {
    let damaged = |reason: &str| Err(FrameError::Damaged(reason.to_owned()));
    if bytes.len() < FRAME_BYTES {
        return Err(FrameError::Short { need: FRAME_BYTES });
    }
    if u64_at(bytes, 0) != offset {
        return damaged("no record starts here");
    }
    let (ordinal, record_bytes) = (u64_at(bytes, 16), u32_at(bytes, 24) as usize);
    if record_bytes == 0 {
        if crc32c::crc32c(&bytes[..28]) != u32_at(bytes, 28) {
            return damaged("the checksum of the end of the segment does not match");
        }
        return Ok(Frame::End { ordinal, newest_ingest: u64_at(bytes, 8) as i64 });
    }
    if !(HEADER_BYTES..=HEADER_BYTES + PAYLOAD_BYTES_MAX).contains(&record_bytes) {
        return damaged("the length of the record is impossible");
    }
    if bytes.len() < HEAD_BYTES {
        return Err(FrameError::Short { need: HEAD_BYTES });
    }
    if !heads_match(bytes) {
        return damaged("the checksum of the frame does not match");
    }
    let header = RecordHeader::decode(&bytes[FRAME_BYTES..]).map_err(|e| FrameError::Damaged(e.to_string()))?;
    if header.body_bytes as usize + HEADER_BYTES != record_bytes {
        return damaged("the lengths of frame and record differ");
    }
    let whole = frame_bytes(header.body_bytes as usize);
    let Some(rest) = bytes.get(HEAD_BYTES..whole as usize) else {
        return Err(FrameError::Short { need: whole as usize });
    };
    let (payload, padding) = rest.split_at(header.body_bytes as usize);
    header.verify(payload).map_err(|e| FrameError::Damaged(e.to_string()))?;
    if padding.iter().any(|b| *b != 0) {
        return damaged("the padding after the record is not zero");
    }
    Ok(Frame::Record { ordinal, header, bytes: whole })
}

fn heads_match(bytes: &[u8]) -> bool {
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..28]), &bytes[FRAME_BYTES..HEAD_BYTES]);
    crc == u32_at(bytes, 28)
}

/// Whether intact heads stand somewhere in `bytes` (which begins at `offset`) that prove that everything before
/// `offset` had been synced: a frame of a later group, or the end of the segment.
pub(crate) fn later_group(bytes: &[u8], offset: u64) -> Option<u64> {
    let frames = (0..bytes.len().saturating_sub(FRAME_BYTES - 1)).step_by(ALIGNMENT as usize);
    frames.map(|i| (offset + i as u64, &bytes[i..])).find_map(|(at, rest)| {
        if u64_at(rest, 0) != at {
            return None;
        }
        let proof = if u32_at(rest, 24) == 0 {
            at > offset && crc32c::crc32c(&rest[..28]) == u32_at(rest, 28)
        } else {
            u64_at(rest, 8) > offset && rest.len() >= HEAD_BYTES && heads_match(rest)
        };
        proof.then_some(at)
    })
}
