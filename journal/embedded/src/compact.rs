//! Key compaction: of the records with one key, sealed segments keep only the last.
//!
//! 1. The newest offset of every key is learned from the durable part of the partition, newest segment first.
//! 2. Oldest segment first, each is surveyed: a record goes if its key has a newer one, and the last of a key goes if it
//!    is a tombstone (no payload), a day old, not held by a follower, and nothing older with its key was left standing.
//! 3. If enough of a segment goes, it is written aside without those records, read again, and put in its place at once.
//!
//! ```text
//! before  │ a1 │ b1 │ a2 │ pad │ c1 │ a3 │ end
//! after   │ hole ········ ·····│ c1 │ a3 │ end     (b2 is in a later segment)
//! ```
//!
//! A run of removed records becomes one hole, whose bytes behind the head are never written, so offsets and ordinals stay
//! as they are and the file system keeps no blocks for it.
//!
//! Memory: [`KEYS_MAX`] keys. Where a partition has more, those whose last record is oldest keep all their records. Keys
//! are compared by 128 bits of BLAKE3, of which nobody can make two alike. A damaged segment stays as it is, and so do the
//! tombstones after it.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tidemill_journal::JournalError;
use tidemill_model::record::RecordHeader;

use crate::files::io_error;
use crate::footer::Footer;
use crate::frame::{Control, FRAME_BYTES, Frame, HEAD_BYTES, encode_control};
use crate::log::{Log, Place};
use crate::scan::{Scan, Step};
use crate::scrub::Pace;
use crate::segment::segment_path;
use crate::storage::{Open, StorageFile};
use crate::verify::Damage;

/// Keys whose newest offset is in memory at once: some 64 MiB.
const KEYS_MAX: usize = 1 << 20;
/// How long a tombstone is there for followers to see, from its ingest time.
const TOMBSTONE_AGE: Duration = Duration::from_secs(86_400);
/// Share of a segment's bytes that must go to make it worth writing it again.
pub(crate) const WORTH_PERCENT: u64 = 25;
/// Bytes gathered before they are written.
const WRITE_BYTES: usize = 1 << 20;
/// The extension of a segment that is being written aside. Opening a partition removes such files.
const ASIDE: &str = "new";

/// What a compaction did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Compacted {
    /// Segments written again.
    pub segments: u64,
    /// Records removed from them.
    pub records: u64,
    /// Bytes of those records.
    pub bytes: u64,
}

/// What a compaction may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) durable: u64,
    /// ns since the Unix epoch.
    pub(crate) now: i64,
    /// Tombstones from here on are still needed.
    pub(crate) held: u64,
    /// Segments of which less goes are not written again.
    pub(crate) worth_percent: u64,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) done: Compacted,
    pub(crate) damage: Vec<Damage>,
    /// Segments before this index need not be looked at again until there are new ones; `None` if it was cut short.
    pub(crate) until: Option<u64>,
}

/// 128 bits of a key's hash.
type KeyHash = u128;

fn hash(key: &[u8]) -> KeyHash {
    let hash = blake3::hash(key);
    let (half, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
    KeyHash::from_le_bytes(*half)
}

/// The key of a record's frame and what it hashes to; `None` if it has none.
fn key_of(header: &RecordHeader, stored: &[u8]) -> Option<KeyHash> {
    let key = stored.get(HEAD_BYTES..HEAD_BYTES + usize::from(header.key_bytes)).filter(|key| !key.is_empty());
    key.map(hash)
}

/// What is known about keys.
#[derive(Debug, Default)]
struct Keys {
    newest: HashMap<KeyHash, u64>,
    /// Keys of which older records were left standing.
    left: HashSet<KeyHash>,
    /// Tombstones stay from here on.
    is_blind: bool,
}

impl Keys {
    fn learn(&mut self, key: KeyHash, offset: u64) {
        let is_full = self.newest.len() >= KEYS_MAX;
        match self.newest.get_mut(&key) {
            Some(newest) => *newest = offset.max(*newest),
            None if is_full => {}
            None => drop(self.newest.insert(key, offset)),
        }
    }

    /// Takes note that a record stays although there is a newer one.
    fn leave(&mut self, key: KeyHash) {
        if self.left.len() < KEYS_MAX {
            self.left.insert(key);
        } else {
            self.is_blind = true;
        }
    }

    fn is_superseded(&self, key: KeyHash, offset: u64) -> bool {
        self.newest.get(&key).is_some_and(|newest| *newest > offset)
    }

    fn goes(&self, plan: &Plan, header: &RecordHeader, key: KeyHash, offset: u64) -> bool {
        if self.is_superseded(key, offset) {
            return true;
        }
        let is_tombstone = u32::from(header.key_bytes) == header.body_bytes;
        let oldest = plan.now.saturating_sub(TOMBSTONE_AGE.as_nanos() as i64);
        let is_last = self.newest.get(&key) == Some(&offset);
        is_tombstone
            && is_last
            && header.ingest_time < oldest
            && offset < plan.held
            && !self.is_blind
            && !self.left.contains(&key)
    }
}

/// Compacts a partition.
///
/// # Errors
/// When a segment cannot be written or put in its place; what was done before stands.
pub(crate) async fn compact(log: &Log, plan: Plan, pace: &mut dyn Pace) -> Result<Outcome, JournalError> {
    let mut job = Job { log, plan, keys: Keys::default(), outcome: Outcome::default(), pace };
    let sealed = log.sealed(plan.durable);
    let last = plan.durable / log.place.segment_bytes;
    let within = plan.durable % log.place.segment_bytes;
    if sealed.last().is_none_or(|sealed| *sealed != last) && !job.learn(last, Some(within)).await? {
        return Ok(job.outcome);
    }
    for index in sealed.iter().rev() {
        if !job.learn(*index, None).await? {
            return Ok(job.outcome);
        }
    }
    for index in &sealed {
        if !job.visit(*index).await? {
            return Ok(job.outcome);
        }
    }
    job.outcome.until = Some(sealed.last().map_or(0, |last| last + 1));
    Ok(job.outcome)
}

/// What a survey of a segment found.
#[derive(Debug, Default)]
struct Survey {
    records: u64,
    bytes: u64,
    /// Of those that stay and those that go.
    all_bytes: u64,
    is_damaged: bool,
    superseded: HashSet<KeyHash>,
}

struct Job<'a> {
    log: &'a Log,
    plan: Plan,
    keys: Keys,
    outcome: Outcome,
    pace: &'a mut dyn Pace,
}

impl Job<'_> {
    /// Opens a segment; `None` if retention has dropped it.
    fn open(&self, index: u64, until: Option<u64>) -> Result<Option<Scan>, JournalError> {
        match Scan::open(&self.log.place, index, until) {
            Ok(scan) => Ok(Some(scan)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("open", &segment_path(&self.log.place.dir, index), &error)),
        }
    }

    /// Waits as long as what was read demands; `false` if there is to be an end.
    async fn pause(&mut self, scan: &mut Scan) -> bool {
        let read = scan.take_read();
        read == 0 || self.pace.spend(read).await
    }

    /// Learns the keys of a segment; `false` if there is to be an end. Damage is left to the survey, or to recovery.
    async fn learn(&mut self, index: u64, until: Option<u64>) -> Result<bool, JournalError> {
        let Some(mut scan) = self.open(index, until)? else { return Ok(true) };
        let base = index * self.log.place.segment_bytes;
        loop {
            let step = scan.step().map_err(|e| io_error("read", &scan.path, &e))?;
            match step {
                Step::Frame { at, frame: Frame::Record { header, .. }, stored } => {
                    key_of(&header, &stored).into_iter().for_each(|key| self.keys.learn(key, base + at));
                }
                Step::Frame { .. } => {}
                Step::Done | Step::Damage { .. } => return Ok(true),
            }
            if !self.pause(&mut scan).await {
                return Ok(false);
            }
        }
    }

    /// Writes a segment again if that is worth it; `false` if there is to be an end.
    async fn visit(&mut self, index: u64) -> Result<bool, JournalError> {
        let Some(survey) = self.survey(index).await? else { return Ok(false) };
        self.keys.is_blind |= survey.is_damaged;
        let is_worth = survey.records > 0 && survey.bytes * 100 >= survey.all_bytes * self.plan.worth_percent;
        if survey.is_damaged || !is_worth {
            survey.superseded.into_iter().for_each(|key| self.keys.leave(key));
            return Ok(true);
        }
        let aside = segment_path(&self.log.place.dir, index).with_extension(ASIDE);
        let written = self.write_aside(index, &aside, &survey).await;
        let placed = match written {
            Ok(true) => self.log.replace(index, &aside),
            other => other,
        };
        if !matches!(placed, Ok(true)) {
            discard(&self.log.place, &aside);
            // It was dropped meanwhile, or there is to be an end: whoever looks next finds the rest.
            return placed;
        }
        let done = &mut self.outcome.done;
        done.segments += 1;
        done.records += survey.records;
        done.bytes += survey.bytes;
        tracing::info!(segment = %aside.display(), records = survey.records, bytes = survey.bytes, "segment compacted");
        Ok(true)
    }

    /// Counts what would go; `None` if there is to be an end.
    async fn survey(&mut self, index: u64) -> Result<Option<Survey>, JournalError> {
        let mut survey = Survey::default();
        let Some(mut scan) = self.open(index, None)? else { return Ok(Some(survey)) };
        let base = index * self.log.place.segment_bytes;
        loop {
            let step = scan.step().map_err(|e| io_error("read", &scan.path, &e))?;
            match step {
                Step::Frame { at, frame: Frame::Record { header, bytes, .. }, stored } => {
                    survey.all_bytes += bytes;
                    let Some(key) = key_of(&header, &stored) else { continue };
                    if self.keys.goes(&self.plan, &header, key, base + at) {
                        (survey.records, survey.bytes) = (survey.records + 1, survey.bytes + bytes);
                    }
                    if self.keys.is_superseded(key, base + at) {
                        survey.superseded.insert(key);
                    }
                }
                Step::Frame { .. } => {}
                Step::Done => return Ok(Some(survey)),
                Step::Damage { at, reason } => {
                    let file = scan.path.display().to_string();
                    self.outcome.damage.push(Damage { file, at, reason });
                    survey.is_damaged = true;
                    return Ok(Some(survey));
                }
            }
            if !self.pause(&mut scan).await {
                return Ok(None);
            }
        }
    }

    /// Writes a segment without what goes, and checks it; `false` if there is to be an end.
    async fn write_aside(&mut self, index: u64, aside: &Path, survey: &Survey) -> Result<bool, JournalError> {
        let place = &self.log.place;
        let Some(mut scan) = self.open(index, None)? else { return Ok(false) };
        let failed = |action: &'static str| move |e: io::Error| io_error(action, aside, &e);
        let base = index * place.segment_bytes;
        let mut rewrite = Rewrite::create(place, aside, &mut scan).map_err(failed("write"))?;
        loop {
            let step = scan.step().map_err(|e| io_error("read", &scan.path, &e))?;
            let Step::Frame { at, frame, stored } = step else { break };
            let goes = match &frame {
                Frame::Record { header, .. } => {
                    key_of(header, &stored).is_some_and(|key| self.keys.goes(&self.plan, header, key, base + at))
                }
                _ => false,
            };
            rewrite.take(base, at, &frame, stored, goes).map_err(failed("write"))?;
            if !self.pause(&mut scan).await {
                return Ok(false);
            }
        }
        let (kept, removed) = (rewrite.kept, rewrite.removed);
        let file = rewrite.finish().map_err(failed("write"))?;
        if removed != survey.records {
            return Err(internal(aside, "the segment has changed while it was compacted"));
        }
        self.check(Scan::of(file, aside.to_owned(), base, None), kept).await
    }

    /// Reads what was written; `false` if there is to be an end.
    async fn check(&mut self, mut scan: Scan, kept: u64) -> Result<bool, JournalError> {
        let (mut records, mut is_ended) = (0, false);
        loop {
            match scan.step().map_err(|e| io_error("read", &scan.path, &e))? {
                Step::Frame { frame: Frame::Record { .. }, .. } => records += 1,
                Step::Frame { frame, .. } => is_ended = matches!(frame, Frame::End { .. }),
                Step::Damage { reason, .. } => return Err(internal(&scan.path, &reason)),
                Step::Done => break,
            }
            if !self.pause(&mut scan).await {
                return Ok(false);
            }
        }
        if records == kept && is_ended { Ok(true) } else { Err(internal(&scan.path, "it lacks records")) }
    }
}

/// What was written aside is not what it should be. The segment itself is as it was.
fn internal(aside: &Path, reason: &str) -> JournalError {
    let reason = format!("it was written wrongly ({reason}) and is not used");
    JournalError::Io { action: "check", path: aside.display().to_string(), reason }
}

/// Removes a file that is not to be used.
fn discard(place: &Place, aside: &Path) {
    match place.storage.remove(aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %aside.display(), %error, "a file that is not needed could not be removed");
        }
        _ => {}
    }
}

/// The footer frame in `stored`, which now says that the running hash cannot be computed again.
fn mark_compacted(offset: u64, bytes: u64, ordinal: u64, stored: &[u8]) -> Bytes {
    let Some(footer) = Footer::decode(&stored[FRAME_BYTES..]) else { return Bytes::copy_from_slice(stored) };
    let mut out = BytesMut::with_capacity(bytes as usize);
    let body = Footer { is_compacted: true, ..footer }.encode();
    encode_control(&mut out, Control::Footer, offset, ordinal, &body, bytes);
    out.freeze()
}

/// A segment that is written aside.
struct Rewrite {
    file: Arc<dyn StorageFile>,
    out: BytesMut,
    out_at: u64,
    /// Where the hole begins that the frames at hand belong to.
    hole: Option<u64>,
    kept: u64,
    removed: u64,
}

impl Rewrite {
    fn create(place: &Place, aside: &Path, source: &mut Scan) -> io::Result<Self> {
        let file = place.storage.open(aside, Open::Create)?;
        file.set_size(source.file_bytes()?)?;
        let out = BytesMut::from(&source.header()?[..]);
        Ok(Self { file, out, out_at: 0, hole: None, kept: 0, removed: 0 })
    }

    /// Takes the next frame over, or makes it part of a hole.
    fn take(&mut self, base: u64, at: u64, frame: &Frame, stored: Bytes, goes: bool) -> io::Result<()> {
        self.removed += u64::from(goes);
        let is_nothing = matches!(frame, Frame::Control { kind: Control::Pad, .. }) && self.hole.is_some();
        if goes || is_nothing || matches!(frame, Frame::Control { kind: Control::Hole, .. }) {
            self.hole.get_or_insert(at);
            return Ok(());
        }
        let ordinal = match frame {
            Frame::Record { ordinal, .. } | Frame::Control { ordinal, .. } | Frame::End { ordinal, .. } => *ordinal,
        };
        if let Some(start) = self.hole.take() {
            let mut head = BytesMut::with_capacity(FRAME_BYTES);
            encode_control(&mut head, Control::Hole, base + start, ordinal, &[], at - start);
            self.put(start, &head)?;
        }
        self.kept += u64::from(matches!(frame, Frame::Record { .. }));
        match frame {
            Frame::Control { kind: Control::Footer, bytes, .. } => {
                self.put(at, &mark_compacted(base + at, *bytes, ordinal, &stored))
            }
            _ => self.put(at, &stored),
        }
    }

    fn put(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        if self.out_at + self.out.len() as u64 != at || self.out.len() >= WRITE_BYTES {
            self.flush()?;
            self.out_at = at;
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let chunk = self.out.split().freeze();
        if chunk.is_empty() { Ok(()) } else { self.file.write_at(&[chunk], self.out_at) }
    }

    fn finish(mut self) -> io::Result<Arc<dyn StorageFile>> {
        self.flush()?;
        self.file.sync_all()?;
        Ok(self.file)
    }
}
