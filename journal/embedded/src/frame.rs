//! Frames: what a segment is made of. Each begins with a head of 32 bytes:
//!
//! ```text
//!  0  offset       u64  the frame's own offset in the partition
//!  8  synced       u64  everything before this offset had been synced when the frame was written
//! 16  ordinal      u64  of the record, or of the next one
//! 24  length       u32  of a record: 48 + body; of anything else: see below
//! 28  crc          u32  CRC32C of bytes 0..28 and of what the kind names
//! ```
//!
//! A record's frame goes on with the record header (48 bytes, in the crc), the body, and zeros up to a multiple of 8. Frames
//! that are no records have bit 31 of `length` set, their kind in bits 28 to 30, and an eighth of their length below:
//!
//! ```text
//! 0  pad     zeros up to the next block: what follows is written to blocks that hold nothing acknowledged
//! 1  footer  of a sealed segment: where records end, running hash, times (footer.rs; in the crc)
//! 2  hole    records that compaction has removed; what lies behind the head is not there
//! 3  start   the running hash of everything before the segment, 32 bytes (in the crc)
//! 4  end     the last 32 bytes of a sealed segment; the length is the footer's; in place of `synced` it holds the newest
//!            ingest time of the segment
//! ```
//!
//! A length of 0 is the end of a segment that was sealed without a footer, by the first version of the format.
//!
//! Invariant: a frame never spans segments.

use bytes::BytesMut;
use tidemill_model::record::{HEADER_BYTES, PAYLOAD_BYTES_MAX, RecordHeader};

use crate::files::{put, u32_at, u64_at};

/// Bytes before the record header.
pub(crate) const FRAME_BYTES: usize = 32;
/// Bytes of the frame that ends a sealed segment.
pub(crate) const END_BYTES: u64 = FRAME_BYTES as u64;
const END_KIND: u32 = 4;
/// Bytes before the payload.
pub(crate) const HEAD_BYTES: usize = FRAME_BYTES + HEADER_BYTES;
/// Frames begin at multiples of this.
pub(crate) const ALIGNMENT: u64 = 8;

/// Bytes that a record with so many payload bytes takes.
pub(crate) fn frame_bytes(payload: usize) -> u64 {
    ((HEAD_BYTES + payload) as u64).next_multiple_of(ALIGNMENT)
}

/// Marks a length as that of a frame that is no record.
const CONTROL: u32 = 1 << 31;
/// Where the kind is in such a length.
const KIND_SHIFT: u32 = 28;
const LENGTH_MASK: u32 = (1 << KIND_SHIFT) - 1;

/// Kinds of frames that are no records. The numbers are persisted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Control {
    /// Zeros up to the next block.
    Pad = 0,
    /// What is known of a sealed segment.
    Footer = 1,
    /// Removed records.
    Hole = 2,
    /// The running hash so far.
    Start = 3,
}

/// What stands at an offset.
#[derive(Debug, PartialEq)]
pub(crate) enum Frame {
    /// A record; its payload follows its 80 bytes of heads and has been verified.
    Record { ordinal: u64, header: RecordHeader, bytes: u64 },
    /// Something between the records. The bodies of footers and starts have been verified.
    Control { kind: Control, ordinal: u64, bytes: u64 },
    /// The end of a sealed segment, and the length of the footer before it.
    End { ordinal: u64, newest_ingest: i64, footer_bytes: u64 },
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
pub(crate) fn encode_heads(out: &mut BytesMut, offset: u64, synced: u64, ordinal: u64, h: &RecordHeader) {
    let mut heads = [0; HEAD_BYTES];
    put(&mut heads, 0, offset.to_le_bytes());
    put(&mut heads, 8, synced.to_le_bytes());
    put(&mut heads, 16, ordinal.to_le_bytes());
    put(&mut heads, 24, (HEADER_BYTES as u32 + h.body_bytes).to_le_bytes());
    put(&mut heads, FRAME_BYTES, h.encode());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&heads[..28]), &heads[FRAME_BYTES..]);
    put(&mut heads, 28, crc.to_le_bytes());
    out.extend_from_slice(&heads);
}

/// Appends a frame that is no record: its head, and `body` behind it, all `bytes` long with zeros (holes: without).
///
/// # Panics
/// When `bytes` is no multiple of 8 or too small or too large for such a frame.
pub(crate) fn encode_control(out: &mut BytesMut, kind: Control, offset: u64, ordinal: u64, body: &[u8], bytes: u64) {
    assert!(bytes.is_multiple_of(ALIGNMENT) && bytes >= (FRAME_BYTES + body.len()) as u64, "the frame holds its body");
    let eighth = u32::try_from(bytes / ALIGNMENT).ok().filter(|eighth| *eighth <= LENGTH_MASK);
    let eighth = eighth.expect("a segment is smaller than the longest frame");
    let length = CONTROL | (kind as u32) << KIND_SHIFT | eighth;
    out.extend_from_slice(&head(offset, 0, ordinal, length, body));
    out.extend_from_slice(body);
    if kind != Control::Hole {
        out.resize(out.len() + bytes as usize - FRAME_BYTES - body.len(), 0);
    }
}

/// The frame that ends a segment at `offset`, behind a footer of `footer_bytes`.
pub(crate) fn encode_end(offset: u64, ordinal: u64, newest_ingest: i64, footer_bytes: u64) -> [u8; FRAME_BYTES] {
    let length = CONTROL | END_KIND << KIND_SHIFT | (footer_bytes / ALIGNMENT) as u32;
    head(offset, newest_ingest as u64, ordinal, length, &[])
}

fn head(offset: u64, second: u64, ordinal: u64, length: u32, covered: &[u8]) -> [u8; FRAME_BYTES] {
    let mut head = [0; FRAME_BYTES];
    put(&mut head, 0, offset.to_le_bytes());
    put(&mut head, 8, second.to_le_bytes());
    put(&mut head, 16, ordinal.to_le_bytes());
    put(&mut head, 24, length.to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&head[..28]), covered);
    put(&mut head, 28, crc.to_le_bytes());
    head
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
    let (ordinal, length) = (u64_at(bytes, 16), u32_at(bytes, 24));
    if length == 0 || length & CONTROL != 0 {
        return decode_control(bytes, ordinal, length);
    }
    let record_bytes = length as usize;
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

fn decode_control(bytes: &[u8], ordinal: u64, length: u32) -> Result<Frame, FrameError> {
    let damaged = |reason: &str| Err(FrameError::Damaged(reason.to_owned()));
    let kind = match (length & !CONTROL) >> KIND_SHIFT {
        0 if length != 0 => Control::Pad,
        1 => Control::Footer,
        2 => Control::Hole,
        3 => Control::Start,
        kind if length == 0 || kind == END_KIND => {
            if crc32c::crc32c(&bytes[..28]) != u32_at(bytes, 28) {
                return damaged("the checksum of the end of the segment does not match");
            }
            let footer_bytes = u64::from(length & LENGTH_MASK) * ALIGNMENT;
            return Ok(Frame::End { ordinal, newest_ingest: u64_at(bytes, 8) as i64, footer_bytes });
        }
        _ => return damaged("the kind of the frame is unknown"),
    };
    let whole = u64::from(length & LENGTH_MASK) * ALIGNMENT;
    let covered = match kind {
        Control::Pad | Control::Hole => FRAME_BYTES,
        Control::Footer | Control::Start => whole as usize,
    };
    if whole < FRAME_BYTES as u64 {
        return damaged("the length of the frame is impossible");
    }
    let Some(body) = bytes.get(FRAME_BYTES..covered) else {
        return Err(FrameError::Short { need: covered });
    };
    if crc32c::crc32c_append(crc32c::crc32c(&bytes[..28]), body) != u32_at(bytes, 28) {
        return damaged("the checksum of the frame does not match");
    }
    Ok(Frame::Control { kind, ordinal, bytes: whole })
}

fn heads_match(bytes: &[u8]) -> bool {
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..28]), &bytes[FRAME_BYTES..HEAD_BYTES]);
    crc == u32_at(bytes, 28)
}

/// Whether intact heads stand somewhere in `bytes` (which begins at `offset`) that prove that everything before
/// `offset` had been synced: a record that says so, or the end of the segment.
pub(crate) fn later_proof(bytes: &[u8], offset: u64) -> Option<u64> {
    let frames = (0..bytes.len().saturating_sub(FRAME_BYTES - 1)).step_by(ALIGNMENT as usize);
    frames.map(|i| (offset + i as u64, &bytes[i..])).find_map(|(at, rest)| {
        if u64_at(rest, 0) != at {
            return None;
        }
        let length = u32_at(rest, 24);
        let proof = if length == 0 || length & CONTROL != 0 {
            // The footer was written with the end: only what lies before it had been synced.
            let end = decode_control(rest, 0, length);
            matches!(end, Ok(Frame::End { footer_bytes, .. }) if at.saturating_sub(footer_bytes) > offset)
        } else {
            u64_at(rest, 8) > offset && rest.len() >= HEAD_BYTES && heads_match(rest)
        };
        proof.then_some(at)
    })
}
