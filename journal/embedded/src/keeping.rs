//! What the keeper is told, what it knows, and what it tells: settings, state shared with everybody, metrics.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tidemill_journal::{Metric, TopicPartition};

use crate::appender::Queue;
use crate::compact::Compacted;
use crate::holds::Holds;
use crate::space::Pressure;
use crate::verify::Damage;

/// Damaged places that are remembered; there may be more.
const DAMAGE_MAX: usize = 1000;

/// How a journal is looked after.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Keeping {
    /// Below so many available bytes on the file system, acknowledgements are delayed, by up to 100 ms; 0: never. `None`: 10 %
    /// of it, from 1 GiB (at most a quarter) to 16 GiB.
    pub low_bytes: Option<u64>,
    /// Below so many, appends are refused and holds give way; 0: never. `None`: 5 % of it, from 256 MiB (at most an
    /// eighth) to 8 GiB.
    pub critical_bytes: Option<u64>,
    /// Size of a file that is removed when the disk is full, so that the rest goes on; at most 1 % of it. 0: none.
    pub ballast_bytes: u64,
    /// A follower that is not heard of for so long loses its hold.
    pub hold_silence: Duration,
    /// How often every sealed segment is read again; zero: never.
    pub scrub_every: Duration,
    /// Bytes per second that this may read.
    pub scrub_rate: u64,
    /// Bytes per second that compaction may read.
    pub compact_rate: u64,
}

impl Default for Keeping {
    fn default() -> Self {
        let day = Duration::from_secs(86_400);
        Self {
            low_bytes: None,
            critical_bytes: None,
            ballast_bytes: 64 << 20,
            hold_silence: day * 7,
            scrub_every: day * 7,
            scrub_rate: 10 << 20,
            compact_rate: 64 << 20,
        }
    }
}

/// What the keeper knows of a partition beside its log.
#[derive(Debug, Default)]
pub(crate) struct Care {
    pub(crate) holds: Mutex<Holds>,
    /// Segments before this index were read again in this pass.
    pub(crate) scrubbed: AtomicU64,
    /// Segments before this index have been compacted.
    pub(crate) compacted: AtomicU64,
    /// When compaction last looked at it, on the journal's clock.
    pub(crate) looked: Mutex<Option<Duration>>,
    /// One compaction at a time.
    pub(crate) compacting: tokio::sync::Mutex<()>,
    /// Whether too many followers were complained of.
    is_crowded: AtomicBool,
}

impl Care {
    /// A follower speaks; see [`tidemill_journal::Journal::hold`].
    pub(crate) fn hold(&self, at: &TopicPartition, follower: &str, from: Option<u64>, clock: Duration) {
        if !self.holds.lock().set(follower, from, clock) && !self.is_crowded.swap(true, Relaxed) {
            let (topic, partition) = (&at.topic, at.partition);
            tracing::warn!(follower, topic, partition, "its name is too long or too many hold; nothing is kept for it");
        }
    }
}

/// Numbers since the journal was opened.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) dropped_segments: AtomicU64,
    pub(crate) overridden_holds: AtomicU64,
    pub(crate) expired_holds: AtomicU64,
    pub(crate) ballast_bytes: AtomicU64,
    pub(crate) compacted_segments: AtomicU64,
    pub(crate) compacted_records: AtomicU64,
    pub(crate) compacted_bytes: AtomicU64,
    pub(crate) scrubbed_segments: AtomicU64,
    pub(crate) scrubbed_bytes: AtomicU64,
}

/// What the keeper shares with everybody else.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) pressure: Pressure,
    pub(crate) kept: Kept,
    pub(crate) damage: Mutex<Vec<Damage>>,
    /// When the pass that is under way began and the last whole one ended, ns since the Unix epoch; 0: never.
    pub(crate) scrub_began: AtomicI64,
    pub(crate) scrub_ended: AtomicI64,
    /// Something that is remembered has changed, beside holds.
    pub(crate) is_changed: AtomicBool,
    /// Until then retention drops nothing, ns on the journal's clock: followers must be heard first.
    pub(crate) grace_until: AtomicU64,
}

impl Shared {
    /// Takes note of what a compaction did.
    pub(crate) fn count(&self, done: Compacted) {
        self.kept.compacted_segments.fetch_add(done.segments, Relaxed);
        self.kept.compacted_records.fetch_add(done.records, Relaxed);
        self.kept.compacted_bytes.fetch_add(done.bytes, Relaxed);
    }

    /// Replaces what is known of damage in `file`; logs what is new.
    pub(crate) fn report(&self, file: &str, found: Vec<Damage>) {
        let mut known = self.damage.lock();
        for damage in found.iter().filter(|damage| !known.contains(damage)) {
            let Damage { file, at, reason } = damage;
            tracing::error!(file, at, reason, "the journal is damaged; restore the file from a copy");
        }
        known.retain(|damage| damage.file != file);
        let room = DAMAGE_MAX.saturating_sub(known.len());
        known.extend(found.into_iter().take(room));
    }
}

/// The keeper's part of [`tidemill_journal::Journal::metrics`].
pub(crate) fn metrics(queue: &Queue) -> Vec<Metric> {
    let Shared { pressure, kept, damage, scrub_ended, .. } = &queue.keeping;
    let holds: usize = queue.partitions.read().iter().map(|p| p.care.holds.lock().len()).sum();
    let counter = |name, help, value: &AtomicU64| Metric::counter(name, help, value.load(Relaxed));
    let gauge = |name, help, value: f64| Metric::gauge(name, help, value);
    let (available, ballast) = (pressure.available.load(Relaxed) as f64, kept.ballast_bytes.load(Relaxed) as f64);
    let scrubbed_at = (scrub_ended.load(Relaxed) / 1_000_000_000) as f64;
    let damaged = damage.lock().len() as f64;
    vec![
        gauge(
            "journal_disk_available_bytes",
            "Room on the journal's file system when it was last looked at.",
            available,
        ),
        gauge(
            "journal_disk_level",
            "0: room enough, 1: appends are slowed down, 2: refused.",
            f64::from(pressure.level() as u8),
        ),
        counter("journal_slowed_appends", "Appends that waited because room was low.", &pressure.slowed),
        counter("journal_refused_appends", "Appends refused because there was no room.", &pressure.refused),
        gauge("journal_ballast_bytes", "Room that is kept for when there is none.", ballast),
        counter("journal_dropped_segments", "Segments that retention dropped.", &kept.dropped_segments),
        gauge("journal_holds", "Followers for whom retention keeps records, per partition.", holds as f64),
        counter("journal_expired_holds", "Holds of followers that were not heard of any more.", &kept.expired_holds),
        counter("journal_overridden_holds", "Holds that gave way because the disk was full.", &kept.overridden_holds),
        counter(
            "journal_compacted_segments",
            "Segments written again without replaced records.",
            &kept.compacted_segments,
        ),
        counter("journal_compacted_records", "Records removed by compaction.", &kept.compacted_records),
        counter("journal_compacted_bytes", "Bytes of records removed by compaction.", &kept.compacted_bytes),
        counter("journal_scrubbed_segments", "Sealed segments that were read again.", &kept.scrubbed_segments),
        counter("journal_scrubbed_bytes", "Bytes read for that.", &kept.scrubbed_bytes),
        gauge("journal_damaged_places", "Damaged places known in sealed segments.", damaged),
        gauge(
            "journal_scrubbed_at_seconds",
            "When every sealed segment had last been read, since the epoch; 0: never.",
            scrubbed_at,
        ),
    ]
}
