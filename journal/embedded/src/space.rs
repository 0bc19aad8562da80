//! Room on the disk: how much must stay free, what producers feel when it does not, and the ballast.
//!
//! ```text
//! available, less what the ballast lacks
//!   0 ────────────── critical ─────────────── low ──────────────▶
//!     appends refused,        appends wait,         as ever
//!     ballast given up,       the longer the
//!     holds give way          less there is
//! ```
//!
//! Invariant: giving up the ballast and making it again do not change what the limits are compared with, so the level
//! does not swing with it; it rises when somebody else makes room. Knows nothing of what is kept in the rest of the disk.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tidemill_journal::JournalError;

use crate::storage::{Open, Space, Storage, StorageFile};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// The longest that an append waits for its acknowledgement because room is low.
const DELAY_MAX: Duration = Duration::from_millis(100);
/// Bytes of ballast written at once, so that nobody waits long for the disk.
const BALLAST_STEP_BYTES: u64 = MIB;

/// How much room producers leave: bytes available on the file system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Limits {
    /// Below this, appends are slowed down; 0: never.
    pub(crate) low: u64,
    /// Below this, they are refused; 0: never.
    pub(crate) critical: u64,
}

impl Limits {
    /// What was asked for, or what suits a file system of `total` bytes: 10 and 5 %, at least 1 GiB and 256 MiB (but no
    /// more than a quarter and an eighth of a small one), at most 16 and 8 GiB: of a large one, a percentage would lie
    /// idle that no catching up needs.
    pub(crate) fn of(low: Option<u64>, critical: Option<u64>, total: u64) -> Self {
        let share = |percent: u64, least: u64, most: u64, small: u64| {
            (total / 100 * percent).clamp(least, most).min(total / small)
        };
        let critical = critical.unwrap_or_else(|| share(5, 256 * MIB, 8 * GIB, 8));
        let low = low.unwrap_or_else(|| share(10, GIB, 16 * GIB, 4)).max(critical);
        Self { low, critical }
    }
}

/// How short room is. The numbers are those of the metric.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub(crate) enum Level {
    Enough = 0,
    Low = 1,
    Critical = 2,
}

/// What producers feel of it, shared with them.
#[derive(Debug, Default)]
pub(crate) struct Pressure {
    level: AtomicU8,
    delay_us: AtomicU64,
    /// Available bytes when they were last looked at.
    pub(crate) available: AtomicU64,
    /// A write has met a full disk since then.
    was_full: AtomicBool,
    refusal: Mutex<String>,
    /// Appends that were made to wait.
    pub(crate) slowed: AtomicU64,
    /// Appends that were refused.
    pub(crate) refused: AtomicU64,
}

impl Pressure {
    pub(crate) fn level(&self) -> Level {
        match self.level.load(Relaxed) {
            0 => Level::Enough,
            1 => Level::Low,
            _ => Level::Critical,
        }
    }

    /// Refuses an append if there is no room for it.
    ///
    /// # Errors
    /// [`JournalError::Full`].
    pub(crate) fn admit(&self) -> Result<(), JournalError> {
        if self.level() < Level::Critical {
            return Ok(());
        }
        self.refused.fetch_add(1, Relaxed);
        Err(JournalError::Full { reason: self.refusal.lock().clone() })
    }

    /// How long an append's acknowledgement is to be put off.
    pub(crate) fn delay(&self) -> Duration {
        let delay = Duration::from_micros(self.delay_us.load(Relaxed));
        if !delay.is_zero() {
            self.slowed.fetch_add(1, Relaxed);
        }
        delay
    }

    /// A write has met a full disk, whatever the file system says is available: there may be a quota.
    pub(crate) fn note_full(&self) {
        self.was_full.store(true, Relaxed);
    }

    /// Whether that has happened since room was last looked at.
    pub(crate) fn is_full_news(&self) -> bool {
        self.was_full.load(Relaxed)
    }

    /// Takes note of the room there is in `dir`, of which `reserved` is for the ballast. Returns the level before and now.
    pub(crate) fn update(&self, dir: &Path, space: Space, reserved: u64, limits: Limits) -> (Level, Level) {
        let before = self.level();
        let room = space.available.saturating_sub(reserved);
        // Once critical, an eighth more is wanted, so that the level does not swing with every append.
        let critical = if before == Level::Critical { limits.critical / 8 * 9 } else { limits.critical };
        let now = if self.was_full.swap(false, Relaxed) || room < critical {
            Level::Critical
        } else if room < limits.low {
            Level::Low
        } else {
            Level::Enough
        };
        let span = limits.low.saturating_sub(limits.critical).max(1);
        let missing = limits.low.saturating_sub(room).min(span);
        let delay = if now == Level::Enough { 0 } else { DELAY_MAX.as_micros() as u64 * missing.min(span) / span };
        if now == Level::Critical {
            *self.refusal.lock() = format!(
                "{} has {} bytes available and {} must stay free; remove something there, enlarge the file system or \
                 let topics keep less",
                dir.display(),
                room,
                limits.critical
            );
        }
        self.available.store(space.available, Relaxed);
        self.delay_us.store(delay, Relaxed);
        self.level.store(now as u8, Relaxed);
        (before, now)
    }
}

/// A file that takes room away while there is some, so that it can be given back when there is none.
#[derive(Debug)]
pub(crate) struct Ballast {
    storage: Arc<dyn Storage>,
    path: PathBuf,
    target: u64,
    have: u64,
    file: Option<Arc<dyn StorageFile>>,
}

impl Ballast {
    /// The ballast in `dir`, with what there is of it.
    pub(crate) fn find(storage: Arc<dyn Storage>, dir: &Path) -> Self {
        let path = dir.join("ballast");
        let have = storage.open(&path, Open::Read).and_then(|file| file.size()).unwrap_or(0);
        Self { storage, path, target: 0, have, file: None }
    }

    /// Sets how large it is to be: `wanted` bytes, at most 1 % of `total`. One that is larger goes.
    pub(crate) fn aim(&mut self, wanted: u64, total: u64) {
        self.target = wanted.min(total / 100);
        if self.have > self.target {
            self.give_up();
        }
    }

    /// Bytes of it on the disk.
    pub(crate) fn have(&self) -> u64 {
        self.have
    }

    /// Bytes it lacks.
    pub(crate) fn lacks(&self) -> u64 {
        self.target.saturating_sub(self.have)
    }

    /// Removes it.
    pub(crate) fn give_up(&mut self) {
        self.file = None;
        match self.storage.remove(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %self.path.display(), %error, "the ballast could not be removed");
            }
            _ => self.have = 0,
        }
    }

    /// Writes some more of it.
    ///
    /// # Errors
    /// What the system says; what there was of it is gone then.
    pub(crate) fn grow(&mut self) -> io::Result<()> {
        let outcome = self.write_step();
        if outcome.is_err() {
            self.give_up();
        }
        outcome
    }

    fn write_step(&mut self) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file.clone(),
            None if self.have > 0 => self.storage.open(&self.path, Open::Write)?,
            None => self.storage.open(&self.path, Open::Create)?,
        };
        let bytes = self.lacks().min(BALLAST_STEP_BYTES);
        file.write_at(&[filling(bytes)], self.have)?;
        self.have += bytes;
        if self.lacks() == 0 {
            // Where room is given out late, a sync shows whether it was there.
            file.sync_all()?;
            self.file = None;
        } else {
            self.file = Some(file);
        }
        Ok(())
    }
}

/// Bytes that no file system makes a hole of or compresses: a multiplicative sequence.
fn filling(bytes: u64) -> Bytes {
    let words = (1..=bytes.div_ceil(8)).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) ^ i);
    let mut out: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    out.truncate(bytes as usize);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_suit_the_size_of_the_file_system() {
        let of = |total| Limits::of(None, None, total);
        assert_eq!(of(8 * MIB), Limits { low: 2 * MIB, critical: MIB }, "a tiny one still has room");
        assert_eq!(of(4 * GIB), Limits { low: GIB, critical: 256 * MIB });
        assert_eq!(of(100 * GIB).critical, 100 * GIB / 100 * 5);
        assert_eq!(of(10_000 * GIB), Limits { low: 16 * GIB, critical: 8 * GIB });
        assert_eq!(Limits::of(Some(0), Some(0), GIB), Limits { low: 0, critical: 0 }, "off");
        assert_eq!(Limits::of(Some(1), Some(9), GIB).low, 9, "nothing is refused before it is slowed down");
    }

    #[test]
    fn appends_wait_the_longer_the_less_room_there_is_and_then_are_refused() {
        let pressure = Pressure::default();
        let limits = Limits { low: 1000, critical: 200 };
        let at = |available, reserved| {
            pressure.update(Path::new("/data"), Space { available, total: 10_000 }, reserved, limits);
            (pressure.level(), pressure.delay())
        };
        assert_eq!(at(1000, 0), (Level::Enough, Duration::ZERO));
        assert_eq!(at(600, 0), (Level::Low, Duration::from_millis(50)));
        assert_eq!(at(200, 0), (Level::Low, DELAY_MAX));
        assert!(pressure.admit().is_ok());
        assert_eq!(at(199, 0).0, Level::Critical);
        let refusal = pressure.admit().unwrap_err().to_string();
        assert!(refusal.contains("/data has 199 bytes available and 200 must stay free"), "{refusal}");
        assert_eq!(at(224, 0).0, Level::Critical, "it does not swing");
        assert_eq!(at(225, 0).0, Level::Low);
        assert_eq!(at(1100, 200), at(900, 0), "room that the ballast will take again does not count");
        pressure.note_full();
        assert_eq!(at(5000, 0).0, Level::Critical, "a quota is met before the file system is full");
        assert_eq!(at(5000, 0).0, Level::Enough);
    }

    #[test]
    fn the_filling_of_the_ballast_does_not_repeat_itself() {
        let filling = filling(BALLAST_STEP_BYTES);
        let words: std::collections::HashSet<_> = filling.chunks(8).collect();
        assert_eq!(words.len() as u64, BALLAST_STEP_BYTES / 8);
    }
}
