//! Walking a segment's frames with little memory, for those who read all of it: the scrubber and compaction.
//!
//! Memory is a chunk, or the largest record. Holes are stepped over without being read.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::frame::{ALIGNMENT, Control, FRAME_BYTES, Frame, FrameError, decode};
use crate::log::Place;
use crate::segment::{SEGMENT_HEADER_BYTES, segment_path};
use crate::storage::{Open, StorageFile};

/// Bytes read at once.
const CHUNK_BYTES: usize = 1 << 20;

/// What stands next in a segment.
#[derive(Debug)]
pub(crate) enum Step {
    /// An intact frame at this byte, and its bytes as far as they matter: of pads and holes only the head.
    Frame { at: u64, frame: Frame, stored: Bytes },
    /// There should be a frame at this byte. [`Scan::resume`] looks for one behind it.
    Damage { at: u64, reason: String },
    /// The segment has ended.
    Done,
}

/// A walk through one segment.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) path: PathBuf,
    file: Arc<dyn StorageFile>,
    base: u64,
    /// Where the frames end, if that is not where an end frame stands.
    until: Option<u64>,
    within: u64,
    is_ended: bool,
    buffer: Bytes,
    buffer_at: u64,
    read: u64,
}

impl Scan {
    /// A walk through segment `index` up to its end frame, or to the byte `until`.
    pub(crate) fn open(place: &Place, index: u64, until: Option<u64>) -> io::Result<Self> {
        let path = segment_path(&place.dir, index);
        let file = place.storage.open(&path, Open::Read)?;
        let base = index.saturating_mul(place.segment_bytes);
        Ok(Self::of(file, path, base, until))
    }

    /// A walk through a file that is open.
    pub(crate) fn of(file: Arc<dyn StorageFile>, path: PathBuf, base: u64, until: Option<u64>) -> Self {
        let (buffer, within) = (Bytes::new(), SEGMENT_HEADER_BYTES);
        Self { path, file, base, until, within, is_ended: false, buffer, buffer_at: 0, read: 0 }
    }

    /// The segment's header as it is stored.
    pub(crate) fn header(&mut self) -> io::Result<Bytes> {
        let header = self.file.read_at(0, SEGMENT_HEADER_BYTES as usize)?;
        self.read += header.len() as u64;
        Ok(header.into())
    }

    /// Length of the file.
    pub(crate) fn file_bytes(&self) -> io::Result<u64> {
        self.file.size()
    }

    /// Bytes read since the last call.
    pub(crate) fn take_read(&mut self) -> u64 {
        std::mem::take(&mut self.read)
    }

    /// The next frame.
    pub(crate) fn step(&mut self) -> io::Result<Step> {
        loop {
            let at = self.within;
            if self.is_ended || self.until.is_some_and(|until| at >= until) {
                return Ok(Step::Done);
            }
            let rest = self.rest();
            let need = match decode(&rest, self.base + at) {
                Ok(frame) => return Ok(self.take(at, frame, &rest)),
                Err(FrameError::Damaged(reason)) => return Ok(Step::Damage { at, reason }),
                Err(FrameError::Short { need }) => need,
            };
            if !self.load(need, rest.len())? {
                let reason = format!("cut short: {} of {need} bytes", rest.len());
                return Ok(Step::Damage { at, reason });
            }
        }
    }

    /// Goes on with the next intact frame behind damage; `false` if there is none.
    pub(crate) fn resume(&mut self) -> io::Result<bool> {
        loop {
            self.within += ALIGNMENT;
            if self.until.is_some_and(|until| self.within >= until) {
                return Ok(false);
            }
            let rest = self.rest();
            match decode(&rest, self.base + self.within) {
                Ok(_) => return Ok(true),
                Err(FrameError::Damaged(_)) => {}
                Err(FrameError::Short { need }) if self.load(need, rest.len())? => self.within -= ALIGNMENT,
                Err(FrameError::Short { .. }) if rest.len() < FRAME_BYTES => return Ok(false),
                Err(FrameError::Short { .. }) => {}
            }
        }
    }

    fn take(&mut self, at: u64, frame: Frame, rest: &Bytes) -> Step {
        let (length, stored) = match &frame {
            Frame::Record { bytes, .. } => (*bytes, *bytes as usize),
            Frame::Control { kind: Control::Pad | Control::Hole, bytes, .. } => (*bytes, FRAME_BYTES),
            Frame::Control { bytes, .. } => (*bytes, *bytes as usize),
            Frame::End { .. } => (0, FRAME_BYTES),
        };
        self.is_ended = matches!(frame, Frame::End { .. });
        self.within += length;
        Step::Frame { at, stored: rest.slice(..stored), frame }
    }

    /// What is in memory from where the walk stands.
    fn rest(&self) -> Bytes {
        let used = self.within.checked_sub(self.buffer_at).and_then(|used| usize::try_from(used).ok());
        used.filter(|used| *used <= self.buffer.len()).map(|used| self.buffer.slice(used..)).unwrap_or_default()
    }

    /// Reads at least `need` bytes from where the walk stands; `false` if there are no more than the `have` at hand.
    fn load(&mut self, need: usize, have: usize) -> io::Result<bool> {
        let bytes = self.file.read_at(self.within, need.max(CHUNK_BYTES))?;
        self.read += bytes.len() as u64;
        if bytes.len() <= have {
            return Ok(false);
        }
        (self.buffer, self.buffer_at) = (bytes.into(), self.within);
        Ok(true)
    }
}
