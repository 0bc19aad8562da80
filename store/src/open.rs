//! Opening a replica's directory: what is there, what belongs, and what the memtable starts with.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use futures::executor::block_on;
use tidemill_journal::Catalog;
use tidemill_model::JournalIdentity;
use tidemill_store_block::Block;

use crate::blocks::{BlockSet, StoredBlock};
use crate::error::remedy;
use crate::manifest::{BlockEntry, Manifest, ManifestError, VERSION};
use crate::memtable::{Base, Memtable, SeriesRows};
use crate::registry::Registry;
use crate::storage::{MANIFEST, TEMPORARY, block_name, block_number};
use crate::{ReplicaConfig, StoreError};

fn corrupt(file: &Path, at: u64, reason: impl Into<String>, name: &str) -> StoreError {
    StoreError::Corrupt { file: file.to_owned(), at, reason: reason.into(), remedy: remedy(name) }
}

/// Reads the manifest and checks that it fits to the journal; `None` in a new directory.
pub(crate) fn read_manifest(
    config: &ReplicaConfig,
    identity: JournalIdentity,
    partitions: usize,
) -> Result<Option<Manifest>, StoreError> {
    let file = config.dir.join(MANIFEST);
    let bytes = match fs::read(&file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io(&file, "read the manifest", &error)),
    };
    let manifest = Manifest::decode(&bytes).map_err(|error| match error {
        ManifestError::Damaged { at, reason } => corrupt(&file, at as u64, reason, &config.name),
        ManifestError::Version(found) => StoreError::Version { file: file.clone(), found, known: VERSION },
    })?;
    let remedy = remedy(&config.name);
    if manifest.journal != identity {
        return Err(StoreError::WrongJournal { file, found: manifest.journal, expected: identity, remedy });
    }
    if manifest.cursors.len() != partitions {
        return Err(StoreError::Partitions { file, found: manifest.cursors.len(), expected: partitions, remedy });
    }
    Ok(Some(manifest))
}

/// Deletes what earlier runs left behind and warns of what is not ours.
pub(crate) fn tidy(config: &ReplicaConfig, manifest: Option<&Manifest>) -> Result<(), StoreError> {
    let listed = fs::read_dir(&config.dir).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let listed = listed.map_err(|error| StoreError::io(&config.dir, "list the directory", &error))?;
    let known: HashSet<u64> = manifest.iter().flat_map(|m| &m.blocks).map(|block| block.file).collect();
    for entry in listed {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let block = block_number(&name);
        let is_temporary = name.ends_with(TEMPORARY) && (name.starts_with(MANIFEST) || name.starts_with("block-"));
        if let (None, Some(_)) = (manifest, block) {
            let reason = "there are blocks, but no manifest that says what they hold";
            return Err(corrupt(&config.dir.join(MANIFEST), 0, reason, &config.name));
        }
        if is_temporary || block.is_some_and(|number| !known.contains(&number)) {
            tracing::info!(file = %path.display(), "file of an unfinished change deleted");
            match fs::remove_file(&path) {
                // Threads of an earlier opening clean up after themselves.
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::io(&path, "delete the file", &error));
                }
                _ => {}
            }
        } else if block.is_none() && name != MANIFEST {
            tracing::warn!(file = %path.display(), "file does not belong to the replica; ignored");
        }
    }
    Ok(())
}

/// Opens every block of the manifest.
pub(crate) fn open_blocks(config: &ReplicaConfig, manifest: &Manifest) -> Result<Vec<StoredBlock>, StoreError> {
    manifest.blocks.iter().map(|entry| open_block(config, manifest, *entry)).collect()
}

fn open_block(config: &ReplicaConfig, manifest: &Manifest, entry: BlockEntry) -> Result<StoredBlock, StoreError> {
    let path = config.dir.join(block_name(entry.file));
    if !path.exists() {
        return Err(corrupt(&path, 0, "the file is missing", &config.name));
    }
    let block = Block::open(&path, entry.file).map_err(|error| StoreError::of_block(error, &config.name))?;
    if (block.bytes(), block.rows(), block.journal()) != (entry.bytes, entry.rows, manifest.journal) {
        return Err(corrupt(&path, 0, "the block is not the one that the manifest means", &config.name));
    }
    Ok(StoredBlock { entry, block: Arc::new(block) })
}

/// The registry of the manifest's series, as the catalog knows them.
pub(crate) fn registry(config: &ReplicaConfig, manifest: &Manifest, catalog: &Catalog) -> Result<Registry, StoreError> {
    let mut registry = Registry::default();
    for id in &manifest.series {
        let series = match catalog.series(*id) {
            Some(series) => Some(series),
            None => block_on(catalog.series_or_refresh(*id)).map_err(|error| StoreError::Io {
                file: config.dir.clone(),
                action: "read the catalog",
                reason: error.to_string(),
                is_full: false,
            })?,
        };
        let unknown = || {
            let reason = format!("series {id} is not in the catalog");
            corrupt(&config.dir.join(MANIFEST), 0, reason, &config.name)
        };
        registry.add(series.ok_or_else(unknown)?);
    }
    registry.sort();
    Ok(registry)
}

/// An empty memtable that knows each series' last sample, which is looked up in the blocks.
pub(crate) fn first_memtable(registry: &Registry, blocks: &BlockSet) -> Result<Memtable, StoreError> {
    let memtable = Memtable::default();
    let mut rows = memtable.rows.write();
    rows.series.resize_with(registry.len(), SeriesRows::default);
    // By key, as blocks are: every page is decoded once.
    for slot in registry.sorted(u32::MAX) {
        let series = registry.series(slot);
        let newest = blocks.newest_time(series.id).unwrap_or(i64::MIN);
        let base = match blocks.last(series)? {
            None => Base::NONE,
            Some(sample) => rows.base_of(sample),
        };
        rows.series[slot as usize] = SeriesRows::new(newest, base, 0);
    }
    drop(rows);
    Ok(memtable)
}
