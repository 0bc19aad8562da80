//! What is done ahead of need, beside the appender: zeros in front of small groups, and the file of the next segment.
//!
//! An fdatasync that need not change the file's size or its extents takes half the time. Where groups are small, zeros are
//! therefore written a window ahead; once a segment is half full, the file of the next one is made; and a
//! segment that retention drops becomes the next one's file, all of which has been
//! written before. Filling whole files with zeros would cost a busy device half of what it can write.
//! What a recycled file holds is no danger: every frame says at which offset it belongs.
//!
//! Invariant: zeros are written only beyond what the appender has claimed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::log::Place;
use crate::storage::{Open, StorageFile};

/// How far ahead zeros are written.
const WINDOW_BYTES: u64 = 2 << 20;
/// Zeros written at a time, while the appender may have to wait.
const STEP_BYTES: u64 = 64 << 10;
/// Groups from here on gain nothing from zeros.
const SMALL_GROUP_BYTES: u64 = 256 << 10;

/// What is ready for one partition.
#[derive(Debug)]
pub(crate) struct Ahead {
    segment_bytes: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    index: u64,
    /// Up to here in segment `index` the appender has written or is about to.
    claimed: u64,
    /// Up to here it has been written before.
    zeroed: u64,
    zeros_asked: bool,
    spare: Option<Spare>,
    spare_asked: bool,
    names: u64,
}

/// A file that waits to become a segment.
#[derive(Debug)]
struct Spare {
    file: Arc<dyn StorageFile>,
    path: PathBuf,
    zeroed: u64,
}

impl Ahead {
    /// Nothing is ready yet; the appender stands at byte `within` of segment `index`.
    pub(crate) fn new(segment_bytes: u64, index: u64, within: u64) -> Arc<Self> {
        let state = State { index, claimed: within, zeroed: within, ..State::default() };
        Arc::new(Self { segment_bytes, state: Mutex::new(state) })
    }

    /// The appender is about to write segment `index` up to byte `until`.
    pub(crate) fn claim(&self, index: u64, until: u64) {
        let mut state = self.state.lock();
        state.move_to(index);
        state.claimed = state.claimed.max(until);
    }

    /// The file now ends at `within`.
    pub(crate) fn restart(&self, index: u64, within: u64) {
        let mut state = self.state.lock();
        (state.index, state.claimed, state.zeroed) = (index, within, within);
    }

    /// Whether zeros are due after a group of `group_bytes` that ends at `within`. Who is told so must have them written.
    pub(crate) fn wants_zeros(&self, index: u64, within: u64, group_bytes: u64) -> bool {
        let mut state = self.state.lock();
        let is_near = state.zeroed < (within + WINDOW_BYTES / 2).min(self.segment_bytes);
        let due = state.index == index && is_near && group_bytes < SMALL_GROUP_BYTES && !state.zeros_asked;
        state.zeros_asked |= due;
        due
    }

    /// Whether a spare file is due. Who is told so must have it made.
    pub(crate) fn wants_spare(&self, within: u64) -> bool {
        let mut state = self.state.lock();
        let due = within > self.segment_bytes / 2
            && self.segment_bytes > WINDOW_BYTES
            && state.spare.is_none()
            && !state.spare_asked;
        state.spare_asked |= due;
        due
    }

    /// Writes zeros a window ahead of the appender. Never fails: they only save time.
    pub(crate) fn write_zeros(&self, file: &dyn StorageFile, index: u64) {
        let zeros = Bytes::from_static(&[0; STEP_BYTES as usize]);
        let mut wrote = false;
        loop {
            let mut state = self.state.lock();
            let from = state.zeroed.max(state.claimed);
            let step = STEP_BYTES.min(self.segment_bytes.saturating_sub(from));
            if state.index != index || step == 0 || from >= state.claimed + WINDOW_BYTES {
                break;
            }
            if let Err(error) = file.write_at(&[zeros.slice(..step as usize)], from) {
                tracing::debug!(%error, "no zeros ahead");
                break;
            }
            state.zeroed = from + step;
            wrote = true;
        }
        if wrote && let Err(error) = file.sync_data() {
            tracing::debug!(%error, "zeros ahead are not synced");
        }
        self.state.lock().zeros_asked = false;
    }

    /// Makes a spare file. Never fails: without one, the next segment takes longer to begin.
    pub(crate) fn make_spare(&self, place: &Place) {
        let path = self.spare_path(&place.dir);
        let made = place.storage.open(&path, Open::Create).and_then(|file| {
            file.write_at(&[Bytes::from(vec![0; WINDOW_BYTES as usize])], 0)?;
            file.sync_all()?;
            Ok(file)
        });
        let mut state = self.state.lock();
        state.spare_asked = false;
        match made {
            Ok(file) => state.spare = Some(Spare { file, path, zeroed: WINDOW_BYTES }),
            Err(error) => {
                tracing::debug!(%error, "no spare file");
                // It may be there in part.
                let _ = place.storage.remove(&path);
            }
        }
    }

    /// Takes the file of a dropped segment as a spare; returns whether it did (else it must be removed).
    pub(crate) fn recycle(&self, place: &Place, segment: &Path) -> io::Result<bool> {
        if self.segment_bytes <= WINDOW_BYTES || self.state.lock().spare.is_some() {
            return Ok(false);
        }
        let path = self.spare_path(&place.dir);
        let file = place.storage.open(segment, Open::Write)?;
        let zeroed = file.size()?;
        place.storage.rename(segment, &path)?;
        self.state.lock().spare = Some(Spare { file, path, zeroed });
        Ok(true)
    }

    /// The file for segment `index`, and its name until it is in place.
    pub(crate) fn next_file(&self, place: &Place, index: u64) -> io::Result<(Arc<dyn StorageFile>, PathBuf)> {
        let mut state = self.state.lock();
        state.move_to(index);
        if let Some(spare) = state.spare.take() {
            state.zeroed = spare.zeroed;
            return Ok((spare.file, spare.path));
        }
        drop(state);
        let path = self.spare_path(&place.dir);
        Ok((place.storage.open(&path, Open::Create)?, path))
    }

    fn spare_path(&self, dir: &Path) -> PathBuf {
        let mut state = self.state.lock();
        state.names += 1;
        dir.join(format!("spare-{}.new", state.names))
    }
}

impl State {
    fn move_to(&mut self, index: u64) {
        if self.index != index {
            (self.index, self.claimed, self.zeroed) = (index, 0, 0);
        }
    }
}
