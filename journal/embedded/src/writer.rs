//! The writing end of one partition. Belongs to the appender thread.
//!
//! A group goes: [`Writer::begin`], [`Writer::stage`] for each record, [`Writer::finish`], which writes it and says what must
//! be synced before anything of it is acknowledged (sync.rs). Groups end at a block boundary, so that no block with
//! acknowledged bytes is ever written again: a torn write can only hurt what nobody was promised.
//!
//! Knows nothing of what has been synced but what it is told.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tidemill_journal::JournalError;
use tidemill_model::record::RecordHeader;
use tidemill_model::{NewRecord, Offset, Record};

use crate::Sync;
use crate::files::io_error;
use crate::footer::{TimeIndex, reserve_bytes};
use crate::frame::{ALIGNMENT, Control, FRAME_BYTES, HEAD_BYTES, encode_control, encode_heads, frame_bytes};
use crate::log::{Log, Place};
use crate::recover::Recovered;
use crate::segment::{RECORDS_AT, segment_path};
use crate::storage::{Open, StorageFile};

/// Bodies from here on are written from where they are; smaller ones are gathered in one buffer.
const COPY_BYTES_MAX: usize = 16 << 10;

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
        if RECORDS_AT + frame_bytes(body.len()) + reserve_bytes(segment_bytes) > segment_bytes {
            let bytes = body.len();
            return Err(invalid(format!("a record of {bytes} bytes does not fit into a segment of {segment_bytes}")));
        }
        Ok(Self { header, body })
    }

    pub(crate) fn frame_bytes(&self) -> u64 {
        frame_bytes(self.body.len())
    }
}

/// A segment that is full, and the file that the next one will be.
#[derive(Debug)]
pub(crate) struct Rotation {
    pub(crate) full: Arc<dyn StorageFile>,
    pub(crate) full_index: u64,
    /// Where the footer goes.
    pub(crate) at: u64,
    /// Offset after the last record.
    pub(crate) records_end: u64,
    pub(crate) ordinal: u64,
    pub(crate) newest_ingest: i64,
    pub(crate) times: TimeIndex,
    /// What was written since the group began or the segment before was sealed, for the running hash.
    pub(crate) bytes: Vec<Bytes>,
    pub(crate) next: Arc<dyn StorageFile>,
    /// The name that the next file has until it is in place.
    pub(crate) next_path: PathBuf,
}

/// A group that has been written: what makes it durable.
#[derive(Debug)]
pub(crate) struct Unsynced {
    pub(crate) rotations: Vec<Rotation>,
    /// The file with the end of the group.
    pub(crate) file: Arc<dyn StorageFile>,
    /// What was written to it, for the running hash.
    pub(crate) bytes: Vec<Bytes>,
    /// Offset after the last record, and the ordinal of the next one.
    pub(crate) end: u64,
    pub(crate) ordinal: u64,
    /// Where the group before ended, and the records of this one if they are to be kept in memory.
    pub(crate) from: u64,
    pub(crate) records: Vec<Record>,
    /// Whether zeros should be written ahead of the next groups, and whether a spare file is due.
    pub(crate) wants_zeros: bool,
    pub(crate) wants_spare: bool,
}

impl Unsynced {
    /// Bytes of the group that are in its last file.
    pub(crate) fn bytes_written(&self) -> usize {
        self.bytes.iter().map(Bytes::len).sum()
    }
}

/// Where a writer stands; what it goes back to when a group cannot be written.
#[derive(Clone, Debug)]
struct State {
    file: Arc<dyn StorageFile>,
    index: u64,
    /// Where the next frame goes; ahead of `written` by what is staged.
    tail: u64,
    /// Up to here the file has been written.
    written: u64,
    /// Offset after the last record.
    end: u64,
    ordinal: u64,
    newest_ingest: i64,
}

/// The writing end of a partition.
#[derive(Debug)]
pub(crate) struct Writer {
    log: Arc<Log>,
    /// Groups end at multiples of this.
    block_bytes: u64,
    at: State,
    /// Where the group began.
    before: State,
    is_synced: bool,
    /// What the frames of the group say is synced.
    synced: u64,
    rotations: Vec<Rotation>,
    /// The records of the group, if they are to be kept in memory.
    records: Option<Vec<Record>>,
    /// Staged, not written.
    chunks: Vec<Bytes>,
    open: BytesMut,
    /// Written to the present file since the group began.
    bytes: Vec<Bytes>,
}

impl Writer {
    /// Takes up where `found` ends, cutting off what lies behind. Returns also what was written to fill the last block.
    pub(crate) fn open(
        log: Arc<Log>,
        found: &Recovered,
        sync: Sync,
        block_bytes: u64,
    ) -> Result<(Self, Vec<Bytes>), JournalError> {
        let Place { storage, dir, segment_bytes, .. } = &log.place;
        let index = found.tail / segment_bytes;
        let path = segment_path(dir, index);
        let error = |e| io_error("open", &path, &e);
        let file = storage.open(&path, Open::Write).map_err(error)?;
        let within = found.tail % segment_bytes;
        file.set_size(within).map_err(error)?;
        // Where a sync failed in this boot, the system takes pages for clean that never reached the disk. Only what is
        // written again does: everything of which no mark says that it was synced.
        let from = found.mark.synced.clamp(found.tail - within, found.tail) % segment_bytes;
        let doubtful = file.read_at(from, (within - from) as usize).map_err(error)?;
        file.write_at(&[doubtful.into()], from).map_err(error)?;
        let (tail, end, ordinal) = (found.tail, found.end, found.ordinal);
        let at = State { file, index, tail, written: tail, end, ordinal, newest_ingest: found.newest_ingest };
        let mut writer = Self {
            before: at.clone(),
            at,
            block_bytes: if sync == Sync::Always { block_bytes } else { ALIGNMENT },
            synced: tail,
            rotations: Vec::new(),
            records: None,
            chunks: Vec::new(),
            open: BytesMut::new(),
            bytes: Vec::new(),
            is_synced: sync == Sync::Always,
            log: log.clone(),
        };
        if writer.pad_bytes().is_some_and(|pad| writer.fits(pad)) {
            writer.pad();
            writer.write().map_err(error)?;
        }
        writer.at.file.sync_all().map_err(error)?;
        let bytes = std::mem::take(&mut writer.bytes);
        Ok((writer, bytes))
    }

    /// Offset after the last record, and its ordinal plus one.
    pub(crate) fn end(&self) -> (u64, u64) {
        (self.at.end, self.at.ordinal)
    }

    /// Stamp of the last record, ns; `i64::MIN` if there is none.
    pub(crate) fn newest_ingest(&self) -> i64 {
        self.at.newest_ingest
    }

    /// Begins a group; everything before `synced` has been synced. Its records are handed out if they are to be kept.
    pub(crate) fn begin(&mut self, synced: u64, keep: bool) {
        self.records = keep.then(Vec::new);
        self.before = self.at.clone();
        self.synced = synced;
    }

    /// Adds a record to the group; returns its offset. Writes when that fills a segment.
    pub(crate) fn stage(&mut self, mut record: Prepared, now: i64) -> io::Result<u64> {
        if !self.fits(record.frame_bytes()) {
            self.rotate()?;
        }
        self.at.newest_ingest = self.at.newest_ingest.max(now);
        record.header.ingest_time = self.at.newest_ingest;
        let offset = self.at.tail;
        self.log.note_time(offset, record.header.ingest_time);
        encode_heads(&mut self.open, offset, self.synced, self.at.ordinal, &record.header);
        if let Some(records) = &mut self.records {
            records.push(record.header.into_record(Offset(offset), self.at.ordinal, record.body.clone()));
        }
        let padding = record.frame_bytes() as usize - HEAD_BYTES - record.body.len();
        self.at.tail += record.frame_bytes();
        if record.body.len() <= COPY_BYTES_MAX {
            self.open.extend_from_slice(&record.body);
        } else {
            self.chunks.push(self.open.split().freeze());
            self.chunks.push(record.body);
        }
        self.open.extend_from_slice(&[0; ALIGNMENT as usize][..padding]);
        self.at.end = self.at.tail;
        self.at.ordinal += 1;
        Ok(offset)
    }

    /// Ends the group at a block boundary and writes it.
    pub(crate) fn finish(&mut self) -> io::Result<Unsynced> {
        match self.pad_bytes() {
            Some(pad) if self.fits(pad) => self.pad(),
            // A footer must not go where acknowledged bytes are, either.
            Some(_) => self.rotate()?,
            None => {}
        }
        let group_bytes = self.at.tail.saturating_sub(self.at.written);
        self.write()?;
        let within = self.at.tail % self.log.place.segment_bytes;
        let may_zero = self.is_synced && self.rotations.is_empty();
        Ok(Unsynced {
            rotations: std::mem::take(&mut self.rotations),
            file: self.at.file.clone(),
            bytes: std::mem::take(&mut self.bytes),
            end: self.at.end,
            ordinal: self.at.ordinal,
            from: self.before.end,
            records: self.records.take().unwrap_or_default(),
            wants_zeros: may_zero && self.log.ahead.wants_zeros(self.at.index, within, group_bytes),
            wants_spare: self.log.ahead.wants_spare(within),
        })
    }

    /// Forgets the group; afterwards it is as if it had never been.
    pub(crate) fn abandon(&mut self) -> io::Result<()> {
        self.records = None;
        self.chunks.clear();
        self.open.clear();
        self.bytes.clear();
        for rotation in self.rotations.drain(..) {
            self.log.place.storage.remove(&rotation.next_path)?;
        }
        self.at = self.before.clone();
        self.log.cut_times(self.at.tail);
        let within = self.at.tail % self.log.place.segment_bytes;
        self.at.file.set_size(within)?;
        self.at.file.sync_all()?;
        self.log.ahead.restart(self.at.index, within);
        Ok(())
    }

    /// Cuts off what was written ahead and syncs everything, for good.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        self.at.file.set_size(self.at.tail % self.log.place.segment_bytes)?;
        self.at.file.sync_all()
    }

    fn base(&self) -> u64 {
        self.at.index * self.log.place.segment_bytes
    }

    /// Whether so many bytes go into the segment beside its footer.
    fn fits(&self, bytes: u64) -> bool {
        let segment_bytes = self.log.place.segment_bytes;
        self.at.tail - self.base() + bytes + reserve_bytes(segment_bytes) <= segment_bytes
    }

    /// Length of the frame that fills the last block; `None` if it is full.
    fn pad_bytes(&self) -> Option<u64> {
        let gap = self.at.tail.next_multiple_of(self.block_bytes) - self.at.tail;
        let room = FRAME_BYTES as u64;
        (gap > 0).then(|| if gap < room { gap + self.block_bytes.max(room) } else { gap })
    }

    fn pad(&mut self) {
        if let Some(pad) = self.pad_bytes() {
            encode_control(&mut self.open, Control::Pad, self.at.tail, self.at.ordinal, &[], pad);
            self.at.tail += pad;
        }
    }

    /// Writes what is staged.
    fn write(&mut self) -> io::Result<()> {
        if !self.open.is_empty() {
            self.chunks.push(self.open.split().freeze());
        }
        if self.chunks.is_empty() {
            return Ok(());
        }
        let chunks = std::mem::take(&mut self.chunks);
        let base = self.base();
        self.log.ahead.claim(self.at.index, self.at.tail - base);
        self.at.file.write_at(&chunks, self.at.written - base)?;
        self.at.written = self.at.tail;
        self.bytes.extend(chunks);
        Ok(())
    }

    /// Ends the segment and goes on in a new file.
    fn rotate(&mut self) -> io::Result<()> {
        let segment_bytes = self.log.place.segment_bytes;
        self.write()?;
        // Takes the room for the footer now, while a full disk can still be survived.
        let room = Bytes::from(vec![0; reserve_bytes(segment_bytes) as usize]);
        self.at.file.write_at(&[room], self.at.tail - self.base())?;
        let index = self.at.index + 1;
        let (next, next_path) = self.log.ahead.next_file(&self.log.place, index)?;
        self.rotations.push(Rotation {
            full: std::mem::replace(&mut self.at.file, next.clone()),
            full_index: self.at.index,
            at: self.at.tail,
            records_end: self.at.end,
            ordinal: self.at.ordinal,
            newest_ingest: self.at.newest_ingest,
            times: self.log.take_times(),
            bytes: std::mem::take(&mut self.bytes),
            next,
            next_path,
        });
        self.at.index = index;
        self.at.tail = index * segment_bytes + RECORDS_AT;
        self.at.written = self.at.tail;
        Ok(())
    }
}
