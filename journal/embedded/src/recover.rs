//! Opening a partition: which segments there are, where the records end, and whether the end is torn or damaged.
//!
//! 1. Segments must be contiguous and their headers must belong here. All but the last must end with an end frame that
//!    the next one agrees with; what they hold is checked when it is read (a segment is synced before the next exists).
//! 2. The last segment is walked from its beginning. Where that stops, the records end, unless
//!    - the durable mark lies further on, or
//!    - an intact frame follows that says that what stood here had been synced:
//!      both are damage to acknowledged records, and an error. The rest is a torn write, never acknowledged: it goes.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidemill_journal::JournalError;

use crate::chain::Chain;
use crate::files::{corrupt, io_error, read_whole};
use crate::footer::{Footer, Hash, TimeIndex};
use crate::frame::{Control, END_BYTES, FRAME_BYTES, Frame, decode, later_proof};
use crate::log::{Place, Sealed, Segment, walk};
use crate::mark::Mark;
use crate::segment::{SEGMENT_HEADER_BYTES, SegmentHeader, segment_index, segment_path};
use crate::storage::{Open, Storage, StorageFile};

/// What a partition's files say.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) segments: VecDeque<Segment>,
    pub(crate) mark: Mark,
    /// Offset after the last record.
    pub(crate) end: u64,
    /// Where the next frame goes, in the last segment.
    pub(crate) tail: u64,
    /// Ordinal of the next record.
    pub(crate) ordinal: u64,
    pub(crate) newest_ingest: i64,
    /// Of the last segment.
    pub(crate) times: TimeIndex,
    /// The running hash up to `tail`.
    pub(crate) chain: Chain,
}

/// Reads the partition at `place`, changing nothing.
pub(crate) fn recover(place: &Place) -> Result<Recovered, JournalError> {
    let mark = Mark::load(&*place.storage, &place.dir)?;
    let segments = load_segments(place)?;
    let last = segments.back().expect("load_segments returns at least one").clone();
    if mark.synced / place.segment_bytes > last.index {
        let missing = segment_path(&place.dir, last.index + 1);
        return Err(corrupt(&missing, 0, format!("the segment is missing; records up to {} were synced", mark.synced)));
    }
    let newest_ingest =
        segments.iter().filter_map(|s| s.sealed.as_ref()).map(|s| s.newest_ingest).max().unwrap_or(i64::MIN);
    let (ordinal, times, chain) = (last.first_ordinal, TimeIndex::default(), Chain::new(Hash::default()));
    let mut recovered = Recovered { end: 0, tail: 0, ordinal, newest_ingest, times, chain, segments, mark };
    find_end(place, &last, &mut recovered)?;
    Ok(recovered)
}

/// The headers and ends of all segments.
pub(crate) fn load_segments(place: &Place) -> Result<VecDeque<Segment>, JournalError> {
    let paths = segment_paths(&*place.storage, &place.dir)?;
    let mut segments: VecDeque<Segment> = VecDeque::with_capacity(paths.len());
    for (n, (index, path)) in paths.iter().enumerate() {
        let is_last = n + 1 == paths.len();
        let segment = load_segment(place, *index, path, is_last)?;
        if let Some(before) = segments.back() {
            if before.index + 1 != *index {
                let missing = segment_path(&place.dir, before.index + 1);
                return Err(corrupt(&missing, 0, "the segment is missing, later ones are there"));
            }
            if before.sealed.as_ref().is_some_and(|sealed| sealed.end != segment.previous_end) {
                return Err(corrupt(path, 40, "it does not go on where the segment before it ends"));
            }
        }
        segments.push_back(segment);
    }
    if segments.is_empty() {
        return Err(corrupt(&place.dir, 0, "the partition has no segment"));
    }
    Ok(segments)
}

fn load_segment(place: &Place, index: u64, path: &Path, is_last: bool) -> Result<Segment, JournalError> {
    let base =
        index.checked_mul(place.segment_bytes).ok_or_else(|| corrupt(path, 0, "the segment's number is impossible"))?;
    let file = place.storage.open(path, Open::Read).map_err(|e| io_error("open", path, &e))?;
    let head = file.read_at(0, SEGMENT_HEADER_BYTES as usize).map_err(|e| io_error("read", path, &e))?;
    let header = SegmentHeader::decode(&head, path, place.journal, &place.at, base)?;
    let sealed = if is_last { None } else { Some(load_end(place, base, path, &*file)?) };
    Ok(Segment { index, previous_end: header.previous_end, first_ordinal: header.first_ordinal, sealed })
}

/// What stands at the end of a sealed segment.
fn load_end(place: &Place, base: u64, path: &Path, file: &dyn StorageFile) -> Result<Sealed, JournalError> {
    let read = |at, bytes: u64| file.read_at(at, bytes as usize).map_err(|e| io_error("read", path, &e));
    let file_bytes = file.size().map_err(|e| io_error("look at", path, &e))?.min(place.segment_bytes);
    let at = file_bytes.checked_sub(END_BYTES).filter(|at| *at >= SEGMENT_HEADER_BYTES).unwrap_or(file_bytes);
    let unsealed = |at| corrupt(path, at, "the segment does not end where it was sealed");
    let Ok(Frame::End { newest_ingest, footer_bytes, .. }) = decode(&read(at, END_BYTES)?, base + at) else {
        return Err(unsealed(at));
    };
    let mut sealed = Sealed {
        end: base + at,
        newest_ingest,
        file_bytes,
        hash: Hash::default(),
        is_compacted: false,
        times: Arc::default(),
    };
    if footer_bytes > 0 {
        let at = at.checked_sub(footer_bytes).filter(|at| *at >= SEGMENT_HEADER_BYTES).ok_or_else(|| unsealed(at))?;
        let frame = read(at, footer_bytes)?;
        let is_footer = matches!(decode(&frame, base + at), Ok(Frame::Control { kind: Control::Footer, .. }));
        let footer = frame.get(FRAME_BYTES..).filter(|_| is_footer).and_then(Footer::decode);
        let footer = footer.ok_or_else(|| corrupt(path, at, "the footer of the segment is damaged"))?;
        (sealed.end, sealed.hash, sealed.is_compacted) = (footer.records_end, footer.hash, footer.is_compacted);
        sealed.times = Arc::new(footer.times);
    }
    Ok(sealed)
}

/// The segment files of a partition, by index.
pub(crate) fn segment_paths(storage: &dyn Storage, dir: &Path) -> Result<Vec<(u64, PathBuf)>, JournalError> {
    let mut paths = Vec::new();
    for entry in storage.list(dir).map_err(|e| io_error("list", dir, &e))? {
        let path = dir.join(entry.name);
        match segment_index(&path) {
            Some(index) => paths.push((index, path)),
            None if path.extension().is_some_and(|e| e == "seg") => {
                return Err(corrupt(&path, 0, "this is not the name of a segment"));
            }
            None => {}
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

/// Walks the last segment.
fn find_end(place: &Place, last: &Segment, found: &mut Recovered) -> Result<(), JournalError> {
    let path = segment_path(&place.dir, last.index);
    let base = last.index * place.segment_bytes;
    let mut bytes = read_whole(&*place.storage, &path, place.segment_bytes)?;
    let (mut ordinal, mut newest, mut end) = (last.first_ordinal, found.newest_ingest, last.previous_end);
    let (times, mut hash, mut hash_from) = (&mut found.times, Hash::default(), SEGMENT_HEADER_BYTES as usize);
    let mut is_sealed = false;
    let (tail, damage) = walk(&bytes, base, |at, frame| match frame {
        Frame::Record { ordinal: o, header, bytes } if *o == ordinal => {
            times.note(at, header.ingest_time);
            (ordinal, newest, end) = (ordinal + 1, newest.max(header.ingest_time), at + bytes);
            true
        }
        Frame::Control { kind: Control::Start, bytes: length, .. } => {
            let within = (at - base) as usize + FRAME_BYTES;
            hash = bytes[within..].first_chunk().copied().unwrap_or_default();
            hash_from = (at - base + length) as usize;
            true
        }
        Frame::Control { kind: Control::Pad, .. } => true,
        Frame::Control { kind: Control::Footer, .. } | Frame::End { .. } => {
            is_sealed = true;
            false
        }
        _ => false,
    });
    // A head that says how far zeros go stands for them; the file may end before they do.
    if (bytes.len() as u64) < tail - base {
        bytes.resize((tail - base) as usize, 0);
    }
    (found.tail, found.ordinal, found.newest_ingest, found.end) = (tail, ordinal, newest, end);
    found.chain = Chain::new(hash);
    found.chain.update(bytes.get(hash_from..(tail - base) as usize).unwrap_or_default());
    let rest = bytes.get((tail - base) as usize..).unwrap_or_default();
    let reason = damage.unwrap_or_else(|| "records do not follow on each other".to_owned());
    if found.end < found.mark.synced {
        let synced = found.mark.synced;
        return Err(corrupt(&path, tail - base, format!("{reason}; records up to offset {synced} were synced")));
    }
    // Where fsync is turned off, groups reach the disk in any order and later ones prove nothing.
    let always_synced = found.mark.synced == found.mark.durable;
    if let Some(later) = later_proof(rest, tail).filter(|_| always_synced && !is_sealed) {
        let reason = format!("{reason}, although records after it, at byte {}, are intact", later - base);
        return Err(corrupt(&path, tail - base, reason));
    }
    // What a recycled file held before names other offsets.
    if rest.first_chunk().is_some_and(|offset| u64::from_le_bytes(*offset) == tail) {
        tracing::warn!(path = %path.display(), at = tail - base, reason, "a torn write was never acknowledged; it goes");
    }
    Ok(())
}
