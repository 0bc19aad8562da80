//! Reading every byte of a journal and reporting all damage, instead of stopping at the first.

use std::path::Path;
use std::sync::Arc;

use tidemill_journal::{JournalError, TopicPartition};
use tidemill_model::JournalIdentity;

use crate::embedded::{load_topics, place};
use crate::files::read_whole;
use crate::frame::{ALIGNMENT, Frame, FrameError, decode};
use crate::log::Place;
use crate::mark::Mark;
use crate::meta::Meta;
use crate::recover::segment_paths;
use crate::segment::{SEGMENT_HEADER_BYTES, SegmentHeader, segment_path};
use crate::storage::{Disk, Storage};

/// A damaged place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// The file.
    pub file: String,
    /// Byte offset in the file where it begins.
    pub at: u64,
    /// What is wrong there.
    pub reason: String,
}

/// What [`verify`] found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// The journal; `None` as long as that is not known.
    pub identity: Option<JournalIdentity>,
    /// Partitions read.
    pub partitions: u64,
    /// Segments read.
    pub segments: u64,
    /// Intact records.
    pub records: u64,
    /// Bytes read.
    pub bytes: u64,
    /// What is damaged, in the order it was found.
    pub damage: Vec<Damage>,
}

impl Report {
    fn add(&mut self, file: &Path, at: u64, reason: impl Into<String>) {
        self.damage.push(Damage { file: file.display().to_string(), at, reason: reason.into() });
    }

    /// Takes damage as a finding; anything else ends the verification.
    fn take(&mut self, error: JournalError) -> Result<(), JournalError> {
        let JournalError::Corrupt { file, at, reason, .. } = error else { return Err(error) };
        self.damage.push(Damage { file, at, reason });
        Ok(())
    }
}

/// Checks every record up to the durable marks. Calls `progress` after every segment. A process may be writing the
/// journal meanwhile, but retention must not drop segments of it.
///
/// # Errors
/// When there is no journal, its own file is damaged, or the operating system refuses; damage elsewhere is in the report.
pub fn verify(dir: &Path, mut progress: impl FnMut(&Report)) -> Result<Report, JournalError> {
    let meta = Meta::load(&Disk, &dir.join("meta"))?;
    let storage: Arc<dyn Storage> = Arc::new(Disk);
    let mut report = Report { identity: Some(meta.identity), ..Report::default() };
    for (name, topic) in load_topics(&Disk, dir)? {
        for partition in 0..topic.partitions {
            let place = place(&storage, dir, &meta, &TopicPartition::new(&name, partition));
            verify_partition(&place, &mut report, &mut progress)?;
            report.partitions += 1;
        }
    }
    Ok(report)
}

fn verify_partition(
    place: &Place,
    report: &mut Report,
    progress: &mut impl FnMut(&Report),
) -> Result<(), JournalError> {
    let mark = match Mark::load(&*place.storage, &place.dir) {
        Ok(mark) => mark,
        Err(error) => return report.take(error),
    };
    let paths = match segment_paths(&*place.storage, &place.dir) {
        Ok(paths) => paths,
        Err(error) => return report.take(error),
    };
    let last_marked = mark.durable / place.segment_bytes;
    let mut next = None;
    for (index, path) in paths {
        if let Some(expected) = next.filter(|expected| *expected < index) {
            report.add(&segment_path(&place.dir, expected), 0, "the segment is missing");
        }
        next = Some(index + 1);
        let until = if index < last_marked { u64::MAX } else { mark.durable };
        verify_segment(place, index, &path, until, report)?;
        progress(report);
    }
    match next {
        None => report.add(&place.dir, 0, "the partition has no segment"),
        Some(next) if next <= last_marked => report.add(&segment_path(&place.dir, next), 0, "the segment is missing"),
        Some(_) => {}
    }
    Ok(())
}

/// Checks the frames of a segment before offset `until`.
fn verify_segment(place: &Place, index: u64, path: &Path, until: u64, report: &mut Report) -> Result<(), JournalError> {
    let bytes = read_whole(&*place.storage, path, place.segment_bytes)?;
    (report.segments, report.bytes) = (report.segments + 1, report.bytes + bytes.len() as u64);
    let base = index.saturating_mul(place.segment_bytes);
    let header = SegmentHeader::decode(&bytes, path, place.journal, &place.at, base);
    let mut ordinal = match header {
        Ok(header) => Some(header.first_ordinal),
        Err(error) => {
            report.take(error)?;
            None
        }
    };
    let mut within = SEGMENT_HEADER_BYTES;
    while base + within < until {
        match decode(bytes.get(within as usize..).unwrap_or_default(), base + within) {
            Ok(Frame::Record { ordinal: found, bytes, .. }) => {
                if ordinal.is_some_and(|expected| expected != found) {
                    report.add(path, within, "records do not follow on each other");
                }
                ordinal = Some(found + 1);
                (report.records, within) = (report.records + 1, within + bytes);
            }
            Ok(Frame::Control { bytes, .. }) => within += bytes,
            Ok(Frame::End { .. }) => return Ok(()),
            Err(error) => {
                report.add(path, within, reason(error));
                // The records that the damage covers are missing, which is not damage of its own.
                ordinal = None;
                let Some(intact) = next_intact(&bytes, base, within + ALIGNMENT) else { return Ok(()) };
                within = intact;
            }
        }
    }
    Ok(())
}

fn reason(error: FrameError) -> String {
    match error {
        FrameError::Short { .. } => "the record is cut short".to_owned(),
        FrameError::Damaged(reason) => reason,
    }
}

/// The next intact frame from `within` on.
fn next_intact(bytes: &[u8], base: u64, within: u64) -> Option<u64> {
    (within..bytes.len() as u64)
        .step_by(ALIGNMENT as usize)
        .find(|at| decode(bytes.get(*at as usize..).unwrap_or_default(), base + at).is_ok())
}
