//! The segments of one partition and how they are read.
//!
//! An offset is a place: segment `offset / segment_bytes`, byte `offset % segment_bytes`, so any record is found without
//! an index. A read takes one buffer from the file and hands out slices of it, each checked.
//!
//! Invariants: segments are contiguous; all but the last are sealed; only whole segments go, oldest first. Knows
//! nothing of what is durable: callers pass it in.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use tidemill_journal::{Batch, JournalError, Retention, TopicPartition};
use tidemill_model::{JournalIdentity, Offset, Record};

use crate::ahead::Ahead;
use crate::files::{corrupt, io_error, read_whole, sync_dir};
use crate::footer::{Hash, TimeIndex};
use crate::frame::{ALIGNMENT, Control, FRAME_BYTES, Frame, FrameError, HEAD_BYTES, decode};
use crate::segment::{SEGMENT_HEADER_BYTES, segment_path};
use crate::storage::{Open, Storage, StorageFile};

/// Open files kept per partition; more only saves opening files again.
const OPEN_FILES_MAX: usize = 8;
/// Bytes per read while a record is looked for by its time.
const FIND_BYTES: usize = 128 << 10;
/// Smallest read from a file: smaller ones would be repeated for the next record.
const READ_BYTES_MIN: usize = 4 << 10;

/// Where a partition's files are and what they must say.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) dir: PathBuf,
    pub(crate) at: TopicPartition,
    pub(crate) journal: JournalIdentity,
    pub(crate) segment_bytes: u64,
}

/// What is known of a segment without reading it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Segment {
    pub(crate) index: u64,
    pub(crate) previous_end: u64,
    pub(crate) first_ordinal: u64,
    /// `None` for the last one.
    pub(crate) sealed: Option<Sealed>,
}

/// The end of a sealed segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sealed {
    /// Offset after its last record.
    pub(crate) end: u64,
    pub(crate) newest_ingest: i64,
    /// Length of the file.
    pub(crate) file_bytes: u64,
    /// Running hash of the partition up to here; zeros: unknown.
    pub(crate) hash: Hash,
    pub(crate) is_compacted: bool,
    pub(crate) times: Arc<TimeIndex>,
}

/// The segments of a partition.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) place: Place,
    pub(crate) ahead: Arc<Ahead>,
    /// Of the last segment.
    times: Mutex<TimeIndex>,
    segments: RwLock<VecDeque<Segment>>,
    files: Mutex<VecDeque<(u64, Arc<dyn StorageFile>)>>,
    /// A segment that is no longer shown and may still have its file; held while segments are dropped, one by one.
    dropping: Mutex<Option<(PathBuf, bool)>>,
    kept_since: Mutex<Option<i64>>,
}

impl Log {
    /// The log of these segments, of which there is at least one.
    pub(crate) fn new(place: Place, segments: VecDeque<Segment>, tail: u64, times: TimeIndex) -> Self {
        assert!(!segments.is_empty(), "a partition has a segment");
        let segment_bytes = place.segment_bytes;
        Self {
            ahead: Ahead::new(segment_bytes, tail / segment_bytes, tail % segment_bytes),
            times: Mutex::new(times),
            place,
            segments: RwLock::new(segments),
            files: Mutex::default(),
            dropping: Mutex::default(),
            kept_since: Mutex::default(),
        }
    }

    /// First readable offset: where the oldest segment goes on from.
    pub(crate) fn start(&self) -> u64 {
        self.segments.read().front().expect("a partition has a segment").previous_end
    }

    /// Ingest time of the newest record that is gone from the front, as far as that can be told: records are kept from
    /// there on.
    pub(crate) fn kept_since(&self) -> Option<i64> {
        *self.kept_since.lock()
    }

    /// The offset of the first record before `durable` that was not appended before `ingest_time`; else `durable`.
    pub(crate) fn find(&self, ingest_time: i64, durable: u64) -> Result<u64, JournalError> {
        let later = |segment: &&Segment| segment.sealed.as_ref().is_none_or(|s| s.newest_ingest >= ingest_time);
        let Some(segment) = self.segments.read().iter().find(later).cloned() else { return Ok(durable) };
        let near = match &segment.sealed {
            Some(sealed) => sealed.times.before(ingest_time),
            None => self.times.lock().before(ingest_time),
        };
        let mut from = near.unwrap_or(segment.previous_end).max(segment.previous_end);
        while from < durable {
            let batch = self.read(from, durable, FIND_BYTES)?;
            if let Some(record) = batch.records.iter().find(|record| record.ingest_time >= ingest_time) {
                return Ok(record.offset.0);
            }
            from = batch.next.0;
        }
        Ok(durable)
    }

    /// Takes note of a record that is written to the last segment.
    pub(crate) fn note_time(&self, offset: u64, ingest_time: i64) {
        self.times.lock().note(offset, ingest_time);
    }

    /// Forgets records of the last segment from `offset` on.
    pub(crate) fn cut_times(&self, offset: u64) {
        self.times.lock().cut(offset);
    }

    /// The times of the last segment, which ends here.
    pub(crate) fn take_times(&self) -> TimeIndex {
        std::mem::take(&mut self.times.lock())
    }

    /// Takes note that the last segment was sealed and `next` follows.
    pub(crate) fn rotate(&self, sealed: Sealed, next: Segment, file: Arc<dyn StorageFile>) {
        let mut segments = self.segments.write();
        segments.back_mut().expect("a partition has a segment").sealed = Some(sealed);
        let index = next.index;
        segments.push_back(next);
        drop(segments);
        remember(&mut self.files.lock(), index, file);
    }

    /// Takes over what was known of dropped segments before a restart.
    pub(crate) fn set_kept_since(&self, ingest_time: Option<i64>) {
        *self.kept_since.lock() = ingest_time;
    }

    /// The segments, by index, that are sealed and durable.
    pub(crate) fn sealed(&self, durable: u64) -> Vec<u64> {
        let segments = self.segments.read();
        let is_done = |segment: &&Segment| segment.sealed.as_ref().is_some_and(|sealed| sealed.end <= durable);
        segments.iter().filter(is_done).map(|segment| segment.index).collect()
    }

    /// Puts a compacted segment in the place of the one that was there; `false` if it has been dropped meanwhile. Who has
    /// the old file open goes on with that.
    pub(crate) fn replace(&self, index: u64, aside: &Path) -> Result<bool, JournalError> {
        let _in_order = self.dropping.lock();
        let mut segments = self.segments.write();
        let sealed = segments.iter_mut().find(|segment| segment.index == index).and_then(|s| s.sealed.as_mut());
        let Some(sealed) = sealed else { return Ok(false) };
        // Even if it then stays as it is: no file with holes is ever recycled.
        sealed.is_compacted = true;
        drop(segments);
        let path = segment_path(&self.place.dir, index);
        let renamed = self.place.storage.rename(aside, &path).map_err(|e| io_error("replace", &path, &e));
        self.files.lock().retain(|(open, _)| *open != index);
        renamed.and_then(|()| sync_dir(&*self.place.storage, &self.place.dir)).map(|()| true)
    }

    /// Drops segments from the front as long as `done` says so of the segment and the one after it.
    pub(crate) fn drop_while(&self, done: impl Fn(&Sealed, &Segment) -> bool) -> Result<u64, JournalError> {
        let mut dropping = self.dropping.lock();
        let mut dropped = 0;
        loop {
            // Names may survive a crash in any order, and removals may fail: the next one goes when this one is gone for
            // good, or there would be a hole.
            if let Some((path, is_compacted)) = dropping.as_ref() {
                self.discard(path, *is_compacted).map_err(|e| io_error("remove", path, &e))?;
                sync_dir(&*self.place.storage, &self.place.dir)?;
                tracing::info!(path = %path.display(), "segment dropped");
                *dropping = None;
            }
            let mut segments = self.segments.write();
            let (Some(first), Some(second)) = (segments.front().cloned(), segments.get(1)) else { break };
            let Some(sealed) = first.sealed.filter(|sealed| done(sealed, second)) else { break };
            segments.pop_front();
            drop(segments);
            *self.kept_since.lock() = Some(sealed.newest_ingest);
            self.files.lock().retain(|(index, _)| *index != first.index);
            *dropping = Some((segment_path(&self.place.dir, first.index), sealed.is_compacted));
            dropped += 1;
        }
        Ok(dropped)
    }

    /// Removes a segment's file, or keeps it for the next segment.
    fn discard(&self, path: &Path, is_compacted: bool) -> std::io::Result<()> {
        if !is_compacted && self.ahead.recycle(&self.place, path)? {
            return Ok(());
        }
        match self.place.storage.remove(path) {
            // An attempt before may have got so far.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Drops what `retention` does not keep of the records before `tail`, as far as nobody needs it: nothing that lies
    /// at or after `held`.
    pub(crate) fn retain(&self, retention: Retention, held: u64, tail: u64, now: i64) -> Result<u64, JournalError> {
        let oldest = retention.age.map(|age| now.saturating_sub(i64::try_from(age.as_nanos()).unwrap_or(i64::MAX)));
        self.drop_while(|sealed, next| {
            let too_old = oldest.is_some_and(|oldest| sealed.newest_ingest < oldest);
            let newer_bytes = tail.saturating_sub(next.index * self.place.segment_bytes);
            let too_many = retention.bytes.is_some_and(|bytes| newer_bytes >= bytes);
            (too_old || too_many) && sealed.end <= held.min(tail)
        })
    }

    /// Records from `from` (at least `start`, less than `durable`) on: about `limit` bytes, at least one record unless all
    /// that are left were removed.
    pub(crate) fn read(&self, from: u64, durable: u64, limit: usize) -> Result<Batch, JournalError> {
        self.read_on(from, durable, limit).map_err(|error| {
            let start = self.start();
            if from < start {
                return JournalError::Trimmed { from: Offset(from), start: Offset(start) };
            }
            error
        })
    }

    fn read_on(&self, from: u64, durable: u64, limit: usize) -> Result<Batch, JournalError> {
        let mut at = self.locate(from, durable)?;
        let mut want = limit.max(READ_BYTES_MIN);
        loop {
            if at >= durable {
                // Compaction has removed the rest.
                return Ok(Batch { records: Vec::new(), next: Offset(durable) });
            }
            let (index, within) = (at / self.place.segment_bytes, at % self.place.segment_bytes);
            let end = self.readable_end(index, durable)?;
            let left = usize::try_from(end.saturating_sub(within)).unwrap_or(usize::MAX);
            let buffer = self.load(index, within, want.min(left))?;
            let parsed = parse(&buffer, at, limit);
            match parsed.stop {
                _ if !parsed.records.is_empty() => {
                    return Ok(Batch { records: parsed.records, next: Offset(parsed.next) });
                }
                Some(Stop::End) => at = (index + 1) * self.place.segment_bytes + SEGMENT_HEADER_BYTES,
                _ if parsed.next > at => at = parsed.next,
                Some(Stop::Short { need }) if need <= left && buffer.len() < need => want = need,
                Some(Stop::Damaged(reason)) => at = self.explain(at, durable, reason)?,
                _ => at = self.explain(at, durable, "the record is cut short".to_owned())?,
            }
        }
    }

    /// The offset of the first frame at or after `from`.
    fn locate(&self, from: u64, tail: u64) -> Result<u64, JournalError> {
        let segments = self.segments.read();
        let first = segments.front().expect("a partition has a segment");
        let (index, within) = (from / self.place.segment_bytes, from % self.place.segment_bytes);
        if within == 0 && index >= first.index {
            return Ok(from + SEGMENT_HEADER_BYTES);
        }
        if from == first.previous_end && index < first.index {
            return Ok(first.index * self.place.segment_bytes + SEGMENT_HEADER_BYTES);
        }
        if index < first.index || within < SEGMENT_HEADER_BYTES || !from.is_multiple_of(ALIGNMENT) {
            return Err(JournalError::NoSuchOffset { from: Offset(from), tail: Offset(tail) });
        }
        Ok(from)
    }

    /// How many bytes of segment `index` may be read.
    fn readable_end(&self, index: u64, durable: u64) -> Result<u64, JournalError> {
        if index == durable / self.place.segment_bytes {
            return Ok(durable % self.place.segment_bytes);
        }
        let segments = self.segments.read();
        let sealed = segments.iter().find(|s| s.index == index).and_then(|s| s.sealed.as_ref());
        let missing = || corrupt(&segment_path(&self.place.dir, index), 0, "the segment is missing");
        sealed.map(|s| s.file_bytes).ok_or_else(missing)
    }

    fn load(&self, index: u64, within: u64, bytes: usize) -> Result<Bytes, JournalError> {
        let error = |e| io_error("read", &segment_path(&self.place.dir, index), &e);
        let file = self.file(index).map_err(error)?;
        Ok(Bytes::from(file.read_at(within, bytes).map_err(error)?))
    }

    fn file(&self, index: u64) -> std::io::Result<Arc<dyn StorageFile>> {
        // Locked meanwhile: a file that is replaced is not remembered after that.
        let mut files = self.files.lock();
        if let Some((_, file)) = files.iter().find(|(open, _)| *open == index) {
            return Ok(file.clone());
        }
        let file = self.place.storage.open(&segment_path(&self.place.dir, index), Open::Read)?;
        remember(&mut files, index, file.clone());
        Ok(file)
    }

    /// Tells damage from an offset at which no record starts, by walking the segment. Where compaction has removed the
    /// record at the offset, it returns where the next one is to be looked for.
    fn explain(&self, at: u64, durable: u64, reason: String) -> Result<u64, JournalError> {
        let (index, within) = (at / self.place.segment_bytes, at % self.place.segment_bytes);
        let path = segment_path(&self.place.dir, index);
        let bytes = read_whole(&*self.place.storage, &path, self.place.segment_bytes)?;
        let mut hole_end = 0;
        let reached = walk(&bytes, at - within, |next, frame| {
            if let Frame::Control { kind: Control::Hole, bytes, .. } = frame
                && next < at
            {
                hole_end = next + bytes;
            }
            next < at && hole_end <= at
        });
        if hole_end > at {
            return Ok(hole_end);
        }
        if reached.0 > at {
            return Err(JournalError::NoSuchOffset { from: Offset(at), tail: Offset(durable) });
        }
        Err(corrupt(&path, reached.0 % self.place.segment_bytes, reason))
    }
}

/// Visits the frames of a segment's bytes until one is missing or `visit`, given the offset and the frame, returns
/// `false`. Returns the offset that was reached and, if that is damage, the reason.
pub(crate) fn walk(bytes: &[u8], base: u64, mut visit: impl FnMut(u64, &Frame) -> bool) -> (u64, Option<String>) {
    let mut within = SEGMENT_HEADER_BYTES;
    loop {
        let rest = bytes.get(within as usize..).unwrap_or_default();
        let frame = match decode(rest, base + within) {
            Ok(frame) => frame,
            Err(FrameError::Short { need }) => {
                return (base + within, Some(format!("cut short: {} of {need} bytes", rest.len())));
            }
            Err(FrameError::Damaged(reason)) => return (base + within, Some(reason)),
        };
        if !visit(base + within, &frame) {
            return (base + within, None);
        }
        match frame {
            Frame::Record { bytes, .. } | Frame::Control { bytes, .. } => within += bytes,
            Frame::End { .. } => return (base + within, None),
        }
    }
}

fn remember(files: &mut VecDeque<(u64, Arc<dyn StorageFile>)>, index: u64, file: Arc<dyn StorageFile>) {
    files.push_front((index, file));
    files.truncate(OPEN_FILES_MAX);
}

/// The directory of a partition.
pub(crate) fn partition_dir(dir: &Path, at: &TopicPartition) -> PathBuf {
    dir.join(&at.topic).join(at.partition.to_string())
}

enum Stop {
    End,
    Short { need: usize },
    Damaged(String),
}

struct Parsed {
    records: Vec<Record>,
    next: u64,
    stop: Option<Stop>,
}

/// The records at the beginning of `buffer`, which is `at` in the partition.
fn parse(buffer: &Bytes, at: u64, limit: usize) -> Parsed {
    let mut records = Vec::with_capacity((buffer.len() / 1024).min(1024));
    let (mut used, mut records_end) = (0, 0);
    let mut stop = None;
    while stop.is_none() && used < buffer.len() {
        match decode(&buffer[used..], at + used as u64) {
            Ok(Frame::Record { ordinal, header, bytes }) => {
                if !records.is_empty() && used + bytes as usize > limit {
                    break;
                }
                let payload = used + HEAD_BYTES..used + HEAD_BYTES + header.body_bytes as usize;
                records.push(header.into_record(Offset(at + used as u64), ordinal, buffer.slice(payload)));
                used += bytes as usize;
                records_end = used;
            }
            Ok(Frame::Control { bytes, .. }) => used += bytes as usize,
            Ok(Frame::End { .. }) => stop = Some(Stop::End),
            Err(FrameError::Short { need }) => stop = Some(Stop::Short { need }),
            Err(FrameError::Damaged(reason)) => stop = Some(Stop::Damaged(reason)),
        }
    }
    if buffer.is_empty() {
        stop = Some(Stop::Short { need: FRAME_BYTES });
    }
    // Who has read all of a segment stands where the next one says that its records end, not behind what fills it up.
    let next = at + if records.is_empty() { used } else { records_end } as u64;
    Parsed { records, next, stop }
}
