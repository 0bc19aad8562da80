//! Reading and writing checkpoint files. Blocks: only on threads that may.
//!
//! A base is written beside its place, made durable and renamed; a delta is appended and made durable. A file whose deltas
//! have grown larger than its base (and than [`DELTAS_BYTES_MIN`]) is read and written again as one base.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::frame::{CRC_BYTES, HEAD_BYTES, Head, Identity, damaged};
use super::{CheckpointError, CheckpointFile, Frame, Saved};
use crate::error::RuntimeError;
use crate::operator::bytes::Damaged;

/// Deltas below this are never worth a new base: reading them takes no time to speak of.
const DELTAS_BYTES_MIN: u64 = 4 << 20;

/// Takes pieces of a content.
type Sink<'a> = dyn FnMut(&[u8]) -> io::Result<()> + 'a;

/// What a file holds, and how far.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) saved: Saved,
    /// Where the next frame goes.
    pub(super) end: End,
}

/// The end of a file's last whole frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct End {
    pub(super) bytes: u64,
    pub(super) base_bytes: u64,
    pub(super) next_sequence: u64,
}

impl CheckpointFile {
    /// Adds up the frames of the file; `None` if there is none yet.
    pub(super) fn load(&self, identity: &Identity) -> Result<Option<Loaded>, CheckpointError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.error(error)),
        };
        let mut frames = Frames { rest_bytes: file.metadata().map_err(|e| self.error(e))?.len(), file };
        let (mut saved, mut end) = (Saved::default(), End { bytes: 0, base_bytes: 0, next_sequence: 0 });
        loop {
            match frames.next(identity, end.next_sequence) {
                Ok(None) => break,
                Ok(Some((frame, bytes))) => {
                    saved.apply(&frame);
                    end.bytes += bytes;
                    end.base_bytes = if frame.is_base { bytes } else { end.base_bytes };
                    end.next_sequence += 1;
                }
                Err(reason) if end.bytes == 0 => return Err(self.error(reason)),
                Err(reason) => {
                    let later = self.has_frame_behind(end).map_err(|error| self.error(error))?;
                    if later {
                        return Err(self.error(format!("frame {}: {reason}", end.next_sequence)));
                    }
                    break;
                }
            }
        }
        Ok(Some(Loaded { saved, end }))
    }

    /// Whether a whole frame stands somewhere behind the first one that is not.
    fn has_frame_behind(&self, end: End) -> io::Result<bool> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(end.bytes))?;
        let mut rest = Vec::new();
        file.read_to_end(&mut rest)?;
        let is_frame = |at: usize| {
            let head = Head::decode(rest[at..].first_chunk::<HEAD_BYTES>()?).ok()?;
            let content = rest.get(at + HEAD_BYTES..)?.get(..usize::try_from(head.content_bytes).ok()?)?;
            let crc = rest.get(at + HEAD_BYTES + content.len()..)?.first_chunk::<CRC_BYTES>()?;
            (head.sequence > end.next_sequence && crc32c::crc32c(content) == u32::from_le_bytes(*crc)).then_some(())
        };
        Ok((0..rest.len()).any(|at| rest[at] == b'T' && is_frame(at).is_some()))
    }

    /// Makes a frame durable behind the others. Returns the new end.
    pub(super) fn append(&self, end: End, frame: &Frame) -> Result<End, RuntimeError> {
        let io = |action| move |error: io::Error| RuntimeError::io(action, &self.path, &error);
        let mut file = OpenOptions::new().write(true).open(&self.path).map_err(io("open"))?;
        // Cuts off what was being written when the process ended.
        file.set_len(end.bytes).and_then(|()| file.seek(SeekFrom::Start(end.bytes))).map_err(io("cut"))?;
        let content = |write: &mut Sink<'_>| frame.content(&[], write);
        let bytes = write_frame(&mut file, (false, end.next_sequence), content).map_err(io("write"))?;
        file.sync_data().map_err(io("sync"))?;
        Ok(End { bytes: end.bytes + bytes, next_sequence: end.next_sequence + 1, ..end })
    }

    /// Replaces the file by a base. Returns its end.
    pub(super) fn write_base(&self, identity: &Identity, frame: &Frame) -> Result<End, RuntimeError> {
        let identity = identity.encode();
        self.write_first(&|write| frame.content(&identity, write))
    }

    fn write_first(&self, content: &dyn Fn(&mut Sink<'_>) -> io::Result<()>) -> Result<End, RuntimeError> {
        let mut bytes = 0;
        replace_with(&self.path, |file| {
            bytes = write_frame(file, (true, 0), content)?;
            Ok(())
        })?;
        Ok(End { bytes, base_bytes: bytes, next_sequence: 1 })
    }

    /// Makes one base of everything if that is due. Returns the new end.
    pub(super) fn merge_if_due(&self, identity: &Identity, end: End) -> Result<End, String> {
        if end.bytes - end.base_bytes <= end.base_bytes.max(DELTAS_BYTES_MIN) {
            return Ok(end);
        }
        let loaded = self.load(identity).map_err(|error| error.to_string())?;
        let loaded = loaded.filter(|loaded| loaded.end == end).ok_or("the checkpoint file is not what was written")?;
        let identity = identity.encode();
        let written = self.write_first(&|write| loaded.saved.content(&identity, write));
        written.map_err(|error| error.to_string())
    }
}

/// Reads frames one after the other.
struct Frames {
    file: File,
    rest_bytes: u64,
}

impl Frames {
    /// The next frame and its bytes; `None` at the end.
    fn next(&mut self, identity: &Identity, sequence: u64) -> Result<Option<(Frame, u64)>, String> {
        if self.rest_bytes == 0 && sequence > 0 {
            return Ok(None);
        }
        let short = |_: io::Error| damaged(Damaged("cut short"));
        let mut head = [0; HEAD_BYTES];
        self.file.read_exact(&mut head).map_err(short)?;
        let head = Head::decode(&head)?;
        if head.sequence != sequence || head.is_base != (sequence == 0) {
            return Err(damaged(Damaged("frames out of order")));
        }
        let around = (HEAD_BYTES + CRC_BYTES) as u64;
        let bytes = head.content_bytes.checked_add(around).filter(|bytes| *bytes <= self.rest_bytes);
        let bytes = bytes.ok_or_else(|| damaged(Damaged("cut short")))?;
        // No more than the file has.
        let mut content = vec![0; head.content_bytes as usize];
        self.file.read_exact(&mut content).map_err(short)?;
        let mut crc = [0; CRC_BYTES];
        self.file.read_exact(&mut crc).map_err(short)?;
        if crc32c::crc32c(&content) != u32::from_le_bytes(crc) {
            return Err(damaged(Damaged("checksum does not match")));
        }
        self.rest_bytes -= bytes;
        Ok(Some((Frame::decode(head.is_base, identity, &content)?, bytes)))
    }
}

/// Writes a frame whose content comes in pieces. Returns its bytes.
fn write_frame(
    file: &mut File,
    (is_base, sequence): (bool, u64),
    content: impl Fn(&mut Sink<'_>) -> io::Result<()>,
) -> io::Result<u64> {
    let mut content_bytes = 0;
    content(&mut |piece| {
        content_bytes += piece.len() as u64;
        Ok(())
    })?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    out.write_all(&Head { is_base, sequence, content_bytes }.encode())?;
    let mut crc = 0;
    content(&mut |piece| {
        crc = crc32c::crc32c_append(crc, piece);
        out.write_all(piece)
    })?;
    out.write_all(&crc.to_le_bytes())?;
    out.flush()?;
    Ok(content_bytes + (HEAD_BYTES + CRC_BYTES) as u64)
}

/// Writes a file beside its place, makes it durable, and puts it there.
pub(crate) fn replace(path: &Path, parts: &[&[u8]]) -> Result<(), RuntimeError> {
    replace_with(path, |file| parts.iter().try_for_each(|part| file.write_all(part)))
}

fn replace_with(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), RuntimeError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let io = |action, path: &Path| {
        let path = path.to_owned();
        move |error: io::Error| RuntimeError::io(action, &path, &error)
    };
    fs::create_dir_all(dir).map_err(io("create", dir))?;
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary).map_err(io("create", &temporary))?;
    write(&mut file).map_err(io("write", &temporary))?;
    file.sync_data().map_err(io("sync", &temporary))?;
    fs::rename(&temporary, path).map_err(io("rename", path))?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io("sync", dir))
}
