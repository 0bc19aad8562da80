//! Reading every byte of a journal and reporting all damage, instead of stopping at the first.
//!
//! The running hash of each partition is computed again and compared with what segments say of it, so that records that
//! were exchanged for others with valid checksums are found, too. Who keeps a [`Head`] outside the journal can prove later that
//! nothing before it was changed.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use tidemill_journal::{JournalError, TopicPartition};
use tidemill_model::JournalIdentity;

use crate::chain::Chain;
use crate::files::read_whole;
use crate::footer::Footer;
use crate::frame::{ALIGNMENT, Control, FRAME_BYTES, Frame, FrameError, decode};
use crate::layout::{load_topics, place};
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

/// The running hash of a partition at an offset: it covers every record before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// The partition.
    pub at: TopicPartition,
    /// The offset.
    pub offset: u64,
    /// The hash; text form `topic/partition@offset:hex`.
    pub hash: [u8; 32],
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}:", self.at.topic, self.at.partition, self.offset)?;
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (partition, rest) = text.split_once('@')?;
            let (topic, partition) = partition.split_once('/')?;
            let (offset, hex) = rest.split_once(':')?;
            let mut hash = [0; 32];
            let digits = hex.as_bytes().as_chunks::<2>().0;
            if hex.len() != 64 || !hex.is_ascii() {
                return None;
            }
            for (byte, pair) in hash.iter_mut().zip(digits) {
                *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
            }
            let at = TopicPartition::new(topic, partition.parse().ok()?);
            Some(Self { at, offset: offset.parse().ok()?, hash })
        };
        parse().ok_or_else(|| format!("{text:?} is not of the form topic/partition@offset:64 hexadecimal digits"))
    }
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
    /// The running hash of every partition at its end; none where records at its beginning were changed by compaction or
    /// are of the first version of the format.
    pub heads: Vec<Head>,
    /// How many of the expected heads were met.
    pub proven: u64,
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

/// Checks every record up to the durable marks. Calls `progress` after every segment. A process may be writing the journal
/// meanwhile, but retention must not drop segments of it.
///
/// # Errors
/// When there is no journal, its own file is damaged, or the operating system refuses; damage elsewhere is in the report.
pub fn verify(dir: &Path, progress: impl FnMut(&Report)) -> Result<Report, JournalError> {
    verify_against(dir, &[], progress)
}

/// The same, and whether the running hash was what `expected` says.
///
/// # Errors
/// As for [`verify`].
pub fn verify_against(
    dir: &Path,
    expected: &[Head],
    mut progress: impl FnMut(&Report),
) -> Result<Report, JournalError> {
    let meta = Meta::load(&Disk, &dir.join("meta"))?;
    let storage: Arc<dyn Storage> = Arc::new(Disk);
    let mut report = Report { identity: Some(meta.identity), ..Report::default() };
    for (name, topic) in load_topics(&Disk, dir)? {
        for partition in 0..topic.partitions {
            let place = place(&storage, dir, &meta, &TopicPartition::new(&name, partition));
            let expected = expected.iter().filter(|head| head.at == place.at).collect();
            verify_partition(&place, expected, &mut report, &mut progress)?;
            report.partitions += 1;
        }
    }
    Ok(report)
}

fn verify_partition(
    place: &Place,
    mut expected: Vec<&Head>,
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
    let (mut next, mut chain) = (None, None);
    for (index, path) in paths {
        if let Some(missing) = next.filter(|next| *next < index) {
            report.add(&segment_path(&place.dir, missing), 0, "the segment is missing");
            chain = None;
        }
        next = Some(index + 1);
        let until = if index < last_marked { u64::MAX } else { mark.durable };
        let bytes = read_whole(&*place.storage, &path, place.segment_bytes)?;
        (report.segments, report.bytes) = (report.segments + 1, report.bytes + bytes.len() as u64);
        let segment = Segment { place, index, path: &path, bytes: &bytes, until };
        chain = segment.verify(chain, &mut expected, report)?;
        progress(report);
    }
    match next {
        None => report.add(&place.dir, 0, "the partition has no segment"),
        Some(next) if next <= last_marked => report.add(&segment_path(&place.dir, next), 0, "the segment is missing"),
        Some(_) => {}
    }
    if let Some(chain) = chain {
        report.heads.push(Head { at: place.at.clone(), offset: mark.durable, hash: chain.hash() });
    }
    for head in expected {
        let reason = format!("the running hash at offset {} cannot be computed: no record ends there now", head.offset);
        report.add(&place.dir, head.offset % place.segment_bytes, reason);
    }
    Ok(())
}

/// A segment that is checked before offset `until`.
struct Segment<'a> {
    place: &'a Place,
    index: u64,
    path: &'a Path,
    bytes: &'a [u8],
    until: u64,
}

impl Segment<'_> {
    /// Checks the frames, given the hash of everything before if that is known; returns the hash of everything up to the
    /// end. Takes from `expected` what it could compare.
    fn verify(
        &self,
        before: Option<Chain>,
        expected: &mut Vec<&Head>,
        report: &mut Report,
    ) -> Result<Option<Chain>, JournalError> {
        let base = self.index.saturating_mul(self.place.segment_bytes);
        let mut ordinal = match SegmentHeader::decode(self.bytes, self.path, self.place.journal, &self.place.at, base) {
            Ok(header) => Some(header.first_ordinal),
            Err(error) => {
                report.take(error)?;
                None
            }
        };
        let (mut chain, mut within, mut hashed) = (None, SEGMENT_HEADER_BYTES, 0);
        while base + within < self.until {
            let at = base + within;
            match decode(self.bytes.get(within as usize..).unwrap_or_default(), at) {
                Ok(Frame::Record { ordinal: found, bytes, .. }) => {
                    if ordinal.is_some_and(|expected| expected != found) {
                        report.add(self.path, within, "records do not follow on each other");
                    }
                    ordinal = Some(found + 1);
                    (report.records, within) = (report.records + 1, within + bytes);
                }
                Ok(Frame::Control { kind: Control::Start, bytes, .. }) => {
                    let start = self.bytes[within as usize + FRAME_BYTES..].first_chunk().copied().unwrap_or_default();
                    if before.as_ref().is_some_and(|before| before.hash() != start) {
                        report.add(self.path, within, "the running hash is not that of the segments before");
                    }
                    within += bytes;
                    (chain, hashed) = (Some(Chain::new(start)), within);
                }
                Ok(Frame::Control { kind: Control::Footer, bytes, .. }) => {
                    self.hash(&mut chain, &mut hashed, within);
                    chain = self.check_footer(within, chain, report);
                    within += bytes;
                    hashed = within;
                }
                Ok(Frame::Control { kind: Control::Hole, bytes, .. }) => {
                    (ordinal, chain) = (None, None);
                    within += bytes;
                }
                Ok(Frame::Control { kind: Control::Pad, bytes, .. }) => within += bytes,
                Ok(Frame::End { .. }) => return Ok(chain),
                Err(error) => {
                    report.add(self.path, within, reason(error));
                    // The records that the damage covers are missing, which is not damage of its own.
                    (ordinal, chain) = (None, None);
                    let Some(intact) = next_intact(self.bytes, base, within + ALIGNMENT) else { return Ok(None) };
                    within = intact;
                }
            }
            self.compare(base + within, &mut chain, &mut hashed, expected, report);
        }
        self.hash(&mut chain, &mut hashed, within.min(self.until.saturating_sub(base)));
        Ok(chain)
    }

    /// Checks the footer at byte `within` against the hash so far; returns that, unless it says nothing now.
    fn check_footer(&self, within: u64, chain: Option<Chain>, report: &mut Report) -> Option<Chain> {
        let footer = self.bytes.get(within as usize + FRAME_BYTES..).and_then(Footer::decode);
        let Some(footer) = footer else {
            report.add(self.path, within, "the footer of the segment is damaged");
            return None;
        };
        if chain.as_ref().is_some_and(|chain| !footer.is_compacted && chain.hash() != footer.hash) {
            report.add(self.path, within, "records were changed: the running hash is not that of the footer");
        }
        chain.filter(|_| !footer.is_compacted)
    }

    /// Brings the hash up to byte `within`.
    fn hash(&self, chain: &mut Option<Chain>, hashed: &mut u64, within: u64) {
        if let Some(chain) = chain {
            chain.update(self.bytes.get(*hashed as usize..within as usize).unwrap_or_default());
        }
        *hashed = within;
    }

    /// Compares the hash with what was expected at this offset.
    fn compare(
        &self,
        at: u64,
        chain: &mut Option<Chain>,
        hashed: &mut u64,
        expected: &mut Vec<&Head>,
        report: &mut Report,
    ) {
        while let Some(n) = expected.iter().position(|head| head.offset == at).filter(|_| chain.is_some()) {
            let head = expected.swap_remove(n);
            let within = at % self.place.segment_bytes;
            self.hash(chain, hashed, within);
            if chain.as_ref().is_some_and(|chain| chain.hash() == head.hash) {
                report.proven += 1;
            } else {
                report.add(self.path, within, format!("history was changed: the running hash here is not {head}"));
            }
        }
    }
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
