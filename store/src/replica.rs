//! The replica as its readers see it.

use std::fs;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tidemill_journal::{Catalog, Cursor, Env};
use tidemill_model::{JournalIdentity, Offset, Position, TimeRange};

use crate::blocks::BlockSet;
use crate::digest::hash_column;
use crate::manifest::Manifest;
use crate::memtable::Memtable;
use crate::open;
use crate::registry::Registry;
use crate::storage::Storage;
use crate::view::View;
use crate::{Digest, ReplicaConfig, ReplicaFold, Snapshot, StoreError};

/// Sizes and counts of a replica.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReplicaStats {
    /// Live samples.
    pub samples: u64,
    /// Series with samples.
    pub series: u64,
    /// Block files.
    pub blocks: u64,
    /// Bytes of all block files.
    pub bytes_on_disk: u64,
    /// Rows that are only in memory.
    pub memtable_rows: u64,
    /// Flushes since it was opened.
    pub flushes: u64,
    /// Compactions since it was opened.
    pub compactions: u64,
}

/// A time-series database that is derived from the journal.
pub struct Replica {
    pub(crate) config: ReplicaConfig,
    pub(crate) storage: Storage,
    pub(crate) registry: RwLock<Registry>,
    view: RwLock<View>,
    me: Weak<Replica>,
}

impl Replica {
    /// Opens or makes the replica in `config.dir`; returns it, what applies the journal to it, and the cursors at which
    /// its follower reads on, one per partition. Blocks the thread.
    ///
    /// # Errors
    /// When its files are damaged, belong to another journal, or cannot be read.
    pub fn open(
        config: ReplicaConfig,
        identity: JournalIdentity,
        partitions: u32,
        catalog: Arc<Catalog>,
        env: Arc<dyn Env>,
    ) -> Result<(Arc<Self>, ReplicaFold, Vec<Cursor>), StoreError> {
        let made = fs::create_dir_all(&config.dir);
        made.map_err(|error| StoreError::io(&config.dir, "make the directory", &error))?;
        let found = open::read_manifest(&config, identity, partitions as usize)?;
        open::tidy(&config, found.as_ref())?;
        let is_new = found.is_none();
        let manifest = found.unwrap_or_else(|| Manifest::new(identity, partitions as usize));
        let blocks = open::open_blocks(&config, &manifest)?;
        let registry = open::registry(&config, &manifest, &catalog)?;
        let storage = Storage::new(config.name.clone(), config.dir.clone(), env.random(), manifest.clone());
        if is_new {
            storage.found()?;
        }
        let blocks = BlockSet::new(&config.name, blocks, &manifest.deletions, storage.cache.clone());
        let active = open::first_memtable(&registry, &blocks)?;
        let offsets = manifest.cursors.iter().map(|cursor| cursor.next).collect();
        let view = View {
            position: Arc::new(Position { journal: identity, offsets }),
            digest: manifest.digest,
            samples: manifest.samples,
            series_count: registry.len() as u32,
            cut: 0,
            active: Arc::new(active),
            frozen: Vec::new(),
            blocks: Arc::new(blocks),
        };
        let replica = Arc::new_cyclic(|me| Self {
            config,
            storage,
            registry: RwLock::new(registry),
            view: RwLock::new(view),
            me: me.clone(),
        });
        let fold = ReplicaFold::new(replica.clone(), catalog, env);
        Ok((replica, fold, manifest.cursors))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// A view at the newest published position.
    pub fn snapshot(&self) -> Snapshot {
        let replica = self.me.upgrade().expect("whoever calls holds the replica");
        Snapshot::new(replica, self.view())
    }

    /// The newest published position.
    pub fn position(&self) -> Position {
        Position::clone(&self.view.read().position)
    }

    /// The digest at the newest published position.
    pub fn digest(&self) -> Digest {
        let view = self.view.read();
        Digest { position: Position::clone(&view.position), value: view.digest, samples: view.samples }
    }

    /// Sizes and counts.
    pub fn stats(&self) -> ReplicaStats {
        let view = self.view();
        let in_memory = |memtable: &Arc<Memtable>| memtable.rows.read().len as u64;
        ReplicaStats {
            samples: view.samples,
            series: u64::from(view.series_count),
            blocks: view.blocks.blocks().len() as u64,
            bytes_on_disk: view.blocks.bytes(),
            memtable_rows: in_memory(&view.active) + view.frozen.iter().map(in_memory).sum::<u64>(),
            flushes: self.storage.flushes.load(Relaxed),
            compactions: self.storage.compactions.load(Relaxed),
        }
    }

    /// Recomputes the digest by scanning every sample.
    ///
    /// # Errors
    /// When a block is damaged or cannot be read.
    pub fn verify(&self) -> Result<Digest, StoreError> {
        let snapshot = self.snapshot();
        let mut digest = Digest { position: snapshot.position().clone(), value: 0, samples: 0 };
        for series in snapshot.series() {
            let samples = snapshot.scan(series.id, TimeRange::ALL)?;
            digest.value = digest.value.wrapping_add(hash_column(series.id, &samples));
            digest.samples += samples.len() as u64;
        }
        Ok(digest)
    }

    pub(crate) fn view(&self) -> View {
        self.view.read().clone()
    }

    pub(crate) fn view_mut(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write()
    }

    /// Freezes the active memtable and puts an empty one in its place.
    pub(crate) fn replace_active(&self, next: Arc<Memtable>) {
        let mut view = self.view.write();
        let full = std::mem::replace(&mut view.active, next);
        view.frozen.push(full);
        view.cut = 0;
    }

    pub(crate) fn publish(&self, offsets: Vec<Offset>, digest: u64, samples: u64, series_count: u32, cut: u32) {
        let mut view = self.view.write();
        view.position = Arc::new(Position { journal: view.position.journal, offsets });
        (view.digest, view.samples, view.series_count, view.cut) = (digest, samples, series_count, cut);
    }

    /// The registry with its order by key text up to date.
    pub(crate) fn sorted_registry(&self) -> RwLockReadGuard<'_, Registry> {
        let registry = self.registry.read();
        if registry.is_sorted() {
            return registry;
        }
        drop(registry);
        let mut registry = self.registry.write();
        registry.sort();
        RwLockWriteGuard::downgrade(registry)
    }
}
