//! Reading sealed segments again, slowly, so that damage is known while there is still a copy to restore from.
//!
//! Invariants: nothing is changed; damage in one segment keeps nobody from reading the others; one that retention drops
//! meanwhile is none.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use tidemill_journal::{Env, JournalError, TopicPartition};

use crate::frame::Frame;
use crate::layout::{load_topics, place};
use crate::log::Place;
use crate::meta::Meta;
use crate::recover::segment_paths;
use crate::scan::{Scan, Step};
use crate::segment::{SegmentHeader, segment_path};
use crate::storage::{Disk, Open, Storage};
use crate::verify::{Damage, Report};

/// Somebody who is told of every read and says how fast it may go on.
pub(crate) trait Pace: Send {
    /// So many bytes were read or written. Resolves when there may be more: `false` if there should be none.
    fn spend(&mut self, bytes: u64) -> BoxFuture<'_, bool>;
}

/// As fast as it goes.
#[derive(Debug)]
pub(crate) struct Unpaced;

impl Pace for Unpaced {
    fn spend(&mut self, _bytes: u64) -> BoxFuture<'_, bool> {
        async { true }.boxed()
    }
}

/// How often something that is slowed down goes on.
pub(crate) const SLICE: Duration = Duration::from_millis(100);

/// Bytes that were used and must still be waited for.
#[derive(Debug, Default)]
pub(crate) struct Debt(u64);

impl Debt {
    /// How long to sleep, at `rate` bytes per second, before more may be used.
    pub(crate) fn add(&mut self, bytes: u64, rate: u64) -> Option<Duration> {
        self.0 += bytes;
        let slice = (rate / (Duration::from_secs(1).as_millis() / SLICE.as_millis()) as u64).max(1);
        if self.0 < slice {
            return None;
        }
        let slept = SLICE.saturating_mul(u32::try_from(self.0 / slice).unwrap_or(u32::MAX));
        self.0 %= slice;
        Some(slept)
    }
}

struct Throttle<'a> {
    env: &'a dyn Env,
    rate: u64,
    debt: Debt,
}

impl Pace for Throttle<'_> {
    fn spend(&mut self, bytes: u64) -> BoxFuture<'_, bool> {
        async move {
            if let Some(pause) = self.debt.add(bytes, self.rate) {
                self.env.sleep(pause).await;
            }
            true
        }
        .boxed()
    }
}

/// What a segment was like.
#[derive(Debug, Default)]
pub(crate) struct Scrubbed {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    pub(crate) damage: Vec<Damage>,
    /// Retention dropped it, or the reader was told to stop.
    pub(crate) is_cut_short: bool,
}

/// Reads a sealed segment. What the system refuses to read is damage as well.
pub(crate) async fn scrub_segment(place: &Place, index: u64, pace: &mut dyn Pace) -> Scrubbed {
    let mut found = Scrubbed::default();
    let mut scan = match Scan::open(place, index, None) {
        Ok(scan) => scan,
        Err(error) => {
            found.is_cut_short = error.kind() == io::ErrorKind::NotFound;
            if !found.is_cut_short {
                found.refused(&segment_path(&place.dir, index), 0, &error);
            }
            return found;
        }
    };
    let mut ordinal = found.header(place, index, &mut scan);
    let mut at = 0;
    loop {
        match found.step(&mut scan, &mut ordinal, &mut at) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                found.refused(&scan.path, at, &error);
                break;
            }
        }
        let read = scan.take_read();
        found.bytes += read;
        if read > 0 && !pace.spend(read).await {
            found.is_cut_short = true;
            break;
        }
    }
    let is_gone = |error: io::Error| error.kind() == io::ErrorKind::NotFound;
    if !found.damage.is_empty() && place.storage.open(&scan.path, Open::Read).is_err_and(is_gone) {
        // It was dropped, and its file perhaps written again.
        found.damage.clear();
        found.is_cut_short = true;
    }
    found
}

impl Scrubbed {
    fn add(&mut self, file: &Path, at: u64, reason: impl Into<String>) {
        self.damage.push(Damage { file: file.display().to_string(), at, reason: reason.into() });
    }

    fn refused(&mut self, file: &Path, at: u64, error: &io::Error) {
        self.add(file, at, format!("it cannot be read: {error}"));
    }

    /// Checks the header; returns the ordinal of the first record, if that is known.
    fn header(&mut self, place: &Place, index: u64, scan: &mut Scan) -> Option<u64> {
        let base = index.saturating_mul(place.segment_bytes);
        let header = match scan.header() {
            Ok(header) => SegmentHeader::decode(&header, &scan.path, place.journal, &place.at, base),
            Err(error) => {
                self.refused(&scan.path, 0, &error);
                return None;
            }
        };
        match header {
            Ok(header) => Some(header.first_ordinal),
            Err(JournalError::Corrupt { file, at, reason, .. }) => {
                self.damage.push(Damage { file, at, reason });
                None
            }
            Err(error) => {
                self.add(&scan.path, 0, error.to_string());
                None
            }
        }
    }

    /// Checks one frame; `false` at the end.
    fn step(&mut self, scan: &mut Scan, expected: &mut Option<u64>, place: &mut u64) -> io::Result<bool> {
        let (at, frame) = match scan.step()? {
            Step::Done => return Ok(false),
            Step::Damage { at, reason } => {
                self.add(&scan.path, at, reason);
                // The records that the damage covers are missing, which is not damage of its own.
                (*expected, *place) = (None, at);
                return scan.resume();
            }
            Step::Frame { at, frame, .. } => (at, frame),
        };
        *place = at;
        let (ordinal, next) = match frame {
            Frame::Record { ordinal, .. } => {
                self.records += 1;
                (Some(ordinal), ordinal + 1)
            }
            // Of frames that are no records, the ordinal is that of the record after them.
            Frame::Control { kind, ordinal, .. } => ((kind != crate::frame::Control::Hole).then_some(ordinal), ordinal),
            Frame::End { ordinal, .. } => (Some(ordinal), ordinal),
        };
        if expected.is_some_and(|expected| ordinal.is_some_and(|found| found != expected)) {
            self.add(&scan.path, at, "records do not follow on each other");
        }
        *expected = Some(next);
        Ok(true)
    }
}

/// Reads every sealed segment of the journal in `dir`, at most `rate` bytes per second, and reports all damage. Calls
/// `progress` after every segment. A process may be writing the journal meanwhile, and its retention may drop segments.
///
/// # Errors
/// When there is no journal, its own files are damaged, or the operating system refuses; damage in segments is in the
/// report.
pub async fn scrub(
    dir: &Path,
    rate: u64,
    env: &dyn Env,
    mut progress: impl FnMut(&Report) + Send,
) -> Result<Report, JournalError> {
    let meta = Meta::load(&Disk, &dir.join("meta"))?;
    let storage: Arc<dyn Storage> = Arc::new(Disk);
    let mut report = Report { identity: Some(meta.identity), ..Report::default() };
    let mut pace = Throttle { env, rate, debt: Debt::default() };
    for (name, topic) in load_topics(&Disk, dir)? {
        for partition in 0..topic.partitions {
            let place = place(&storage, dir, &meta, &TopicPartition::new(&name, partition));
            let mut paths = segment_paths(&*storage, &place.dir)?;
            // The last one is being written.
            paths.pop();
            for (index, _) in paths {
                let found = scrub_segment(&place, index, &mut pace).await;
                report.segments += u64::from(!found.is_cut_short);
                report.records += found.records;
                report.bytes += found.bytes;
                report.damage.extend(found.damage);
                progress(&report);
            }
            report.partitions += 1;
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_is_waited_for_at_the_rate() {
        let mut debt = Debt::default();
        let pauses = (0..100).filter_map(|_| debt.add(1 << 20, 10 << 20));
        assert_eq!(pauses.sum::<Duration>(), Duration::from_secs(10), "100 MiB at 10 MiB/s");
        assert_eq!(debt.add(5 << 20, 1 << 20).map(|pause| pause.as_millis()), Some(5000), "more than a slice at once");
    }
}
