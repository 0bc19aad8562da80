//! The writing end of one partition. Belongs to the appender thread.
//!
//! A group goes: [`Writer::begin`], [`Writer::stage`] for each record, [`Writer::write`], [`Writer::sync`]. Only then is
//! anything of it acknowledged. A segment that is full is written, sealed and synced before the next one exists.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tidemill_journal::JournalError;
use tidemill_model::NewRecord;
use tidemill_model::record::RecordHeader;

use crate::Sync;
use crate::files::{io_error, sync_dir};
use crate::frame::{ALIGNMENT, END_BYTES, HEAD_BYTES, encode_end, encode_heads, frame_bytes};
use crate::log::{Log, Place, Sealed, Segment};
use crate::mark::{Mark, MarkFile};
use crate::recover::Recovered;
use crate::segment::{SEGMENT_HEADER_BYTES, SegmentHeader, segment_path};
use crate::storage::{Open, StorageFile};

/// Bodies from here on are written from where they are; smaller ones are gathered in one buffer.
const COPY_BYTES_MAX: usize = 16 << 10;
/// Zeros written ahead of small groups: their sync then need not change the file's size, which halves its time.
const ZERO_AHEAD_BYTES: u64 = 1 << 20;
/// Groups from here on gain nothing from zeros ahead.
const SMALL_GROUP_BYTES: u64 = 64 << 10;

/// A record whose body has been checksummed; the ingest time is still open.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) header: RecordHeader,
    pub(crate) body: Bytes,
}

impl Prepared {
    /// Checks a record against the limits of model and segment.
    pub(crate) fn new(record: NewRecord, segment_bytes: u64) -> Result<Self, JournalError> {
        let invalid = |reason| JournalError::Invalid { reason };
        let header = RecordHeader::of(&record, 0).map_err(|e| invalid(e.to_string()))?;
        let body = record.body();
        if SEGMENT_HEADER_BYTES + frame_bytes(body.len()) + END_BYTES > segment_bytes {
            let bytes = body.len();
            return Err(invalid(format!("a record of {bytes} bytes does not fit into a segment of {segment_bytes}")));
        }
        Ok(Self { header, body })
    }

    pub(crate) fn frame_bytes(&self) -> u64 {
        frame_bytes(self.body.len())
    }
}

/// The writing end of a partition.
#[derive(Debug)]
pub(crate) struct Writer {
    log: Arc<Log>,
    file: Arc<dyn StorageFile>,
    mark: MarkFile,
    sync: Sync,
    index: u64,
    /// Where the next frame goes; ahead of `written` by what is staged.
    tail: u64,
    /// Up to here the file has been written.
    written: u64,
    /// Up to here the file is known to be zero-filled.
    zeroed: u64,
    /// Offset after the last staged record.
    end: u64,
    /// Offset after the last record for which an fdatasync has returned.
    synced: u64,
    ordinal: u64,
    newest_ingest: i64,
    group_start: u64,
    chunks: Vec<Bytes>,
    open: BytesMut,
}

impl Writer {
    /// Takes up where `found` ends, cutting off what lies behind.
    pub(crate) fn open(log: Arc<Log>, found: &Recovered, sync: Sync) -> Result<Self, JournalError> {
        let Place { storage, dir, segment_bytes, .. } = &log.place;
        let index = found.tail / segment_bytes;
        let path = segment_path(dir, index);
        let cut = |file: &dyn StorageFile| file.set_size(found.tail % segment_bytes).and_then(|()| file.sync_data());
        let file = storage.open(&path, Open::Write);
        let file = file.and_then(|file| cut(&*file).map(|()| file)).map_err(|e| io_error("open", &path, &e))?;
        let mut mark = MarkFile::open(&**storage, dir, found.mark)?;
        mark.write(Mark { sequence: 0, durable: found.end, synced: found.end, records: found.ordinal })?;
        mark.sync()?;
        Ok(Self {
            file,
            mark,
            sync,
            index,
            tail: found.tail,
            written: found.tail,
            zeroed: found.tail,
            end: found.end,
            synced: found.end,
            ordinal: found.ordinal,
            newest_ingest: found.newest_ingest,
            group_start: found.tail,
            chunks: Vec::new(),
            open: BytesMut::new(),
            log,
        })
    }

    /// Offset after the last staged record, and its ordinal plus one.
    pub(crate) fn end(&self) -> (u64, u64) {
        (self.end, self.ordinal)
    }

    /// Begins a group.
    pub(crate) fn begin(&mut self) {
        self.group_start = self.tail;
    }

    /// Adds a record to the group; returns its offset. Writes and syncs when that fills a segment.
    pub(crate) fn stage(&mut self, mut record: Prepared, now: i64) -> io::Result<u64> {
        let segment_bytes = self.log.place.segment_bytes;
        if self.tail % segment_bytes + record.frame_bytes() + END_BYTES > segment_bytes {
            self.rotate()?;
        }
        self.newest_ingest = self.newest_ingest.max(now);
        record.header.ingest_time = self.newest_ingest;
        let offset = self.tail;
        self.open.reserve(HEAD_BYTES);
        encode_heads(&mut self.open, offset, self.group_start, self.ordinal, &record.header);
        let padding = record.frame_bytes() as usize - HEAD_BYTES - record.body.len();
        self.tail += record.frame_bytes();
        if record.body.len() <= COPY_BYTES_MAX {
            self.open.extend_from_slice(&record.body);
        } else {
            self.chunks.push(self.open.split().freeze());
            self.chunks.push(record.body);
        }
        self.open.extend_from_slice(&[0; ALIGNMENT as usize][..padding]);
        self.end = self.tail;
        self.ordinal += 1;
        Ok(offset)
    }

    /// Writes what is staged.
    pub(crate) fn write(&mut self) -> io::Result<()> {
        if !self.open.is_empty() {
            self.chunks.push(self.open.split().freeze());
        }
        let chunks = std::mem::take(&mut self.chunks);
        let base = self.index * self.log.place.segment_bytes;
        self.file.write_at(&chunks, self.written - base)?;
        let bytes = self.tail - self.written;
        self.written = self.tail;
        if self.tail > self.zeroed && bytes < SMALL_GROUP_BYTES && self.sync == Sync::Always {
            self.zero_ahead(base);
        }
        Ok(())
    }

    /// Never fails: zeros ahead only save time.
    fn zero_ahead(&mut self, base: u64) {
        let until = (self.tail + ZERO_AHEAD_BYTES).min(base + self.log.place.segment_bytes);
        let zeros = Bytes::from(vec![0; (until - self.tail) as usize]);
        if self.file.write_at(&[zeros], self.tail - base).is_ok() {
            self.zeroed = until;
        }
    }

    /// Makes what is written durable and says so in the mark.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if self.sync == Sync::Always {
            self.file.sync_data()?;
            self.synced = self.end;
        }
        self.write_mark();
        Ok(())
    }

    /// Forgets a group of which nothing has been synced; afterwards it is as if it had never been.
    pub(crate) fn abandon(&mut self, before: Checkpoint) -> io::Result<()> {
        assert_eq!(self.index, before.index, "a group that rotated has been synced");
        self.chunks.clear();
        self.open.clear();
        self.file.set_size(before.tail % self.log.place.segment_bytes)?;
        self.file.sync_all()?;
        (self.tail, self.written, self.zeroed) = (before.tail, before.tail, before.tail);
        (self.end, self.ordinal) = (before.end, before.ordinal);
        Ok(())
    }

    /// What [`Writer::abandon`] goes back to.
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint { index: self.index, tail: self.tail, end: self.end, ordinal: self.ordinal }
    }

    /// Cuts off the zeros ahead and syncs everything, for good.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        self.file.set_size(self.tail % self.log.place.segment_bytes)?;
        self.file.sync_all()?;
        self.synced = self.end;
        self.write_mark();
        self.mark.sync().map_err(io::Error::other)
    }

    /// Never fails: the mark is a lower bound, and an older one is as true.
    fn write_mark(&mut self) {
        let mark = Mark { sequence: 0, durable: self.end, synced: self.synced, records: self.ordinal };
        if let Err(error) = self.mark.write(mark) {
            tracing::warn!(%error, "durable mark not written");
        }
    }

    /// Seals the segment and starts the next one.
    fn rotate(&mut self) -> io::Result<()> {
        self.write()?;
        let base = self.index * self.log.place.segment_bytes;
        let within = self.tail - base;
        let end = encode_end(self.tail, self.ordinal, self.newest_ingest);
        self.file.write_at(&[Bytes::copy_from_slice(&end)], within)?;
        self.file.set_size(within + END_BYTES)?;
        self.file.sync_all()?;
        self.synced = self.end;
        self.write_mark();
        self.mark.sync().map_err(io::Error::other)?;
        let next =
            Segment { index: self.index + 1, previous_end: self.tail, first_ordinal: self.ordinal, sealed: None };
        let file = create_segment(&self.log.place, &next)?;
        let sealed = Sealed { end: self.tail, newest_ingest: self.newest_ingest };
        self.log.rotate(sealed, next, file.clone());
        (self.file, self.index) = (file, next.index);
        self.tail = next.index * self.log.place.segment_bytes + SEGMENT_HEADER_BYTES;
        (self.written, self.zeroed, self.group_start) = (self.tail, self.tail, self.tail);
        Ok(())
    }
}

/// Where a writer stood before a group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checkpoint {
    index: u64,
    tail: u64,
    end: u64,
    ordinal: u64,
}

impl Checkpoint {
    /// Whether `writer` is still in the segment it was in.
    pub(crate) fn is_same_segment(&self, writer: &Writer) -> bool {
        self.index == writer.index
    }
}

/// Creates a segment file: it either is there with its header or not at all.
pub(crate) fn create_segment(place: &Place, segment: &Segment) -> io::Result<Arc<dyn StorageFile>> {
    let mut header = SegmentHeader::new(place.journal, &place.at, segment.index * place.segment_bytes);
    (header.previous_end, header.first_ordinal) = (segment.previous_end, segment.first_ordinal);
    let path = segment_path(&place.dir, segment.index);
    let temporary = path.with_extension("new");
    let file = place.storage.open(&temporary, Open::Create)?;
    file.write_at(&[Bytes::copy_from_slice(&header.encode())], 0)?;
    file.sync_all()?;
    place.storage.rename(&temporary, &path)?;
    sync_dir(&*place.storage, &place.dir).map_err(io::Error::other)?;
    Ok(file)
}
