//! A replica's directory: block files and the manifest that makes them count.
//!
//! A change is made in four steps, so that a crash between any two of them loses nothing:
//!
//! 1. write the new block under a temporary name and sync it;
//! 2. rename it to its own name and sync the directory;
//! 3. write the new manifest under a temporary name and sync it;
//! 4. rename it over the old one and sync the directory.
//!
//! Invariants: the manifest never names a block that is not durable; a file that the manifest does not name does not
//! count and may be deleted.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;
use tidemill_model::{JournalIdentity, Offset};
use tidemill_store_block::{Block, BlockWriter, PageCache};

use crate::StoreError;
use crate::blocks::StoredBlock;
use crate::error::remedy;
use crate::manifest::{BlockEntry, DeletionEntry, Manifest};

/// Name of the manifest's file.
pub(crate) const MANIFEST: &str = "manifest";
/// Suffix of files that do not count yet.
pub(crate) const TEMPORARY: &str = ".tmp";
const BLOCK_PREFIX: &str = "block-";
const BLOCK_SUFFIX: &str = ".tmb";
/// Decoded pages that readers share, in bytes: about four million samples.
const CACHE_BYTES: usize = 64 << 20;

/// The directory of a replica that is open.
pub(crate) struct Storage {
    pub(crate) name: String,
    pub(crate) dir: PathBuf,
    /// Keeps this opening's temporary files apart from those of an earlier one that is not quite gone.
    token: u64,
    state: Mutex<State>,
    pub(crate) cache: Arc<PageCache>,
    pub(crate) flushes: AtomicU64,
    pub(crate) compactions: AtomicU64,
}

struct State {
    /// As it is on disk.
    manifest: Manifest,
    /// Numbers may be lost when a write fails, so this runs ahead of the manifest's.
    next_file: u64,
    is_closed: bool,
}

/// A block that was written and does not count yet.
pub(crate) struct Draft {
    file: u64,
    path: PathBuf,
    bytes: u64,
    rows: u64,
}

/// The file name of a block.
pub(crate) fn block_name(file: u64) -> String {
    format!("{BLOCK_PREFIX}{file:016x}{BLOCK_SUFFIX}")
}

/// The number of the block with this file name.
pub(crate) fn block_number(name: &str) -> Option<u64> {
    let number = name.strip_prefix(BLOCK_PREFIX)?.strip_suffix(BLOCK_SUFFIX)?;
    let file = u64::from_str_radix(number, 16).ok()?;
    (block_name(file) == name).then_some(file)
}

impl Storage {
    pub(crate) fn new(name: String, dir: PathBuf, token: u64, manifest: Manifest) -> Self {
        let state = State { next_file: manifest.next_file, manifest, is_closed: false };
        Self {
            name,
            dir,
            token,
            state: Mutex::new(state),
            cache: Arc::new(PageCache::new(CACHE_BYTES)),
            flushes: AtomicU64::new(0),
            compactions: AtomicU64::new(0),
        }
    }

    /// The deletions of the manifest.
    pub(crate) fn deletions(&self) -> Vec<DeletionEntry> {
        self.state.lock().manifest.deletions.clone()
    }

    /// Where the cursors of the manifest read on; `None` while it is being replaced.
    pub(crate) fn durable_offsets(&self) -> Option<Vec<Offset>> {
        let state = self.state.try_lock()?;
        Some(state.manifest.cursors.iter().map(|cursor| cursor.next).collect())
    }

    /// Whether the directory is still the one that was opened.
    pub(crate) fn check_present(&self) -> Result<(), StoreError> {
        match fs::metadata(self.dir.join(MANIFEST)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(StoreError::Gone { dir: self.dir.clone(), remedy: remedy(&self.name) })
            }
            _ => Ok(()),
        }
    }

    /// No change is made any more once this returns. Somebody else may use the directory then.
    pub(crate) fn close(&self) {
        self.state.lock().is_closed = true;
    }

    /// Writes a block that `fill` fills; `None` if nothing was put in.
    pub(crate) fn draft(
        &self,
        fill: impl FnOnce(&mut BlockWriter) -> Result<(), StoreError>,
    ) -> Result<Option<Draft>, StoreError> {
        let (file, journal) = {
            let mut state = self.state.lock();
            state.next_file += 1;
            (state.next_file - 1, state.manifest.journal)
        };
        let path = self.temporary(&block_name(file));
        let written = self.write_block(&path, journal, fill);
        match written {
            Ok(summary) if summary.rows > 0 => Ok(Some(Draft { file, path, bytes: summary.bytes, rows: summary.rows })),
            other => {
                // Best effort: what stays is deleted when the replica is opened next.
                let _ = fs::remove_file(&path);
                other.map(|_| None).map_err(|error| self.check_present().err().unwrap_or(error))
            }
        }
    }

    fn write_block(
        &self,
        path: &Path,
        journal: JournalIdentity,
        fill: impl FnOnce(&mut BlockWriter) -> Result<(), StoreError>,
    ) -> Result<tidemill_store_block::BlockSummary, StoreError> {
        let of_block = |error| StoreError::of_block(error, &self.name);
        let mut writer = BlockWriter::create(path, journal).map_err(of_block)?;
        fill(&mut writer)?;
        writer.finish().map_err(of_block)
    }

    /// Makes a change count: gives the draft its name, lets `change` edit the manifest, replaces the manifest, and
    /// lets `publish` tell the readers, all while nobody else makes a change.
    pub(crate) fn commit(
        &self,
        draft: Option<Draft>,
        change: impl FnOnce(&mut Manifest, Option<BlockEntry>),
        publish: impl FnOnce(&Manifest, Option<StoredBlock>),
    ) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(StoreError::Closed { dir: self.dir.clone() });
        }
        self.check_present()?;
        let generation = state.manifest.next_generation;
        let stored = draft.map(|draft| self.install(draft, generation)).transpose()?;
        let mut manifest = state.manifest.clone();
        manifest.next_file = state.next_file;
        change(&mut manifest, stored.as_ref().map(|stored| stored.entry));
        self.replace_manifest(&manifest)?;
        publish(&manifest, stored);
        state.manifest = manifest;
        Ok(())
    }

    fn install(&self, draft: Draft, generation: u64) -> Result<StoredBlock, StoreError> {
        let path = self.dir.join(block_name(draft.file));
        fs::rename(&draft.path, &path).map_err(|error| StoreError::io(&path, "name the block", &error))?;
        sync_dir(&self.dir)?;
        let block = Block::open(&path, draft.file).map_err(|error| StoreError::of_block(error, &self.name))?;
        let entry = BlockEntry { file: draft.file, generation, bytes: draft.bytes, rows: draft.rows };
        Ok(StoredBlock { entry, block: Arc::new(block) })
    }

    /// Writes the manifest for the first time.
    pub(crate) fn found(&self) -> Result<(), StoreError> {
        self.replace_manifest(&self.state.lock().manifest)
    }

    fn replace_manifest(&self, manifest: &Manifest) -> Result<(), StoreError> {
        let (path, temporary) = (self.dir.join(MANIFEST), self.temporary(MANIFEST));
        let written = File::create(&temporary).and_then(|mut file| {
            file.write_all(&manifest.encode())?;
            file.sync_all()
        });
        let replaced = written.and_then(|()| fs::rename(&temporary, &path));
        replaced.map_err(|error| StoreError::io(&path, "replace the manifest", &error))?;
        sync_dir(&self.dir)
    }

    /// Deletes files that no longer count. Readers that have them open go on reading.
    pub(crate) fn discard(&self, files: impl IntoIterator<Item = u64>) {
        for file in files {
            let path = self.dir.join(block_name(file));
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!(file = %path.display(), %error, "merged block cannot be deleted");
            }
        }
    }

    fn temporary(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.{:016x}{TEMPORARY}", self.token))
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(|error| StoreError::io(dir, "sync the directory", &error))
}
