//! The files of a journal: which there are, how they are made, opened and cleared away.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::{Mutex, RwLock};
use tidemill_journal::{Env, JournalError, Retention, TopicConfig, TopicPartition};
use tidemill_model::JournalIdentity;
use tokio::sync::watch;

use crate::appender::{Partition, Published};
use crate::config::{EmbeddedConfig, Sync};
use crate::embedded::LANES;
use crate::files::{corrupt, io_error, sync_dir};
use crate::footer::Hash;
use crate::keeping::Care;
use crate::log::{Log, Place, partition_dir};
use crate::mark::{Mark, MarkFile};
use crate::meta::{Meta, TopicMeta};
use crate::recent::Recent;
use crate::recover::recover;
use crate::segment::{SegmentHeader, segment_path};
use crate::storage::{Lock, Open, Storage};
use crate::writer::Writer;

pub(crate) fn check_topic(topic: &TopicConfig) -> Result<(), JournalError> {
    topic.check()?;
    if matches!(topic.name.as_str(), "meta" | "lock" | "keeper" | "ballast") {
        let reason = format!("topic name {:?} is taken by the journal itself", topic.name);
        return Err(JournalError::Invalid { reason });
    }
    Ok(())
}

fn is_missing_file(storage: &dyn Storage, path: &Path) -> bool {
    matches!(storage.open(path, Open::Read), Err(e) if e.kind() == ErrorKind::NotFound)
}

/// Makes the directory of a journal, and the names on the way to it durable: it must not be lost with all that is in it.
pub(crate) fn create_dir(storage: &dyn Storage, dir: &Path) -> Result<(), JournalError> {
    let is_missing = |path: &&Path| matches!(storage.list(path), Err(e) if e.kind() == ErrorKind::NotFound);
    let missing = dir.ancestors().take_while(is_missing).count();
    storage.create_dir_all(dir).map_err(|e| io_error("create", dir, &e))?;
    // An attempt before may have got as far as making it.
    let is_new = is_missing_file(storage, &dir.join("meta"));
    for parent in dir.ancestors().take(missing.max(usize::from(is_new))).filter_map(Path::parent) {
        sync_dir(storage, if parent.as_os_str().is_empty() { Path::new(".") } else { parent })?;
    }
    // Nor need the names in it be durable: of topics, when the sync that followed them failed.
    sync_dir(storage, dir)
}

/// Keeps other writers out of `dir` for as long as the file is open.
pub(crate) fn lock(storage: &dyn Storage, dir: &Path) -> Result<Lock, JournalError> {
    let path = dir.join("lock");
    storage.lock(&path).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => JournalError::InUse { path: dir.display().to_string() },
        _ => io_error("lock", &path, &error),
    })
}

pub(crate) fn open_meta(storage: &dyn Storage, config: &EmbeddedConfig, env: &dyn Env) -> Result<Meta, JournalError> {
    let path = config.dir.join("meta");
    match storage.open(&path, Open::Read) {
        Ok(_) => return Meta::load(storage, &path),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(io_error("open", &path, &error)),
    }
    if !topic_names(storage, &config.dir)?.is_empty() {
        return Err(corrupt(&path, 0, "the file is missing, but topics are there"));
    }
    let identity = JournalIdentity { id: env.random(), generation: 1 };
    let meta = Meta { identity, segment_bytes: config.segment_bytes, created: env.now() };
    meta.store(storage, &path)?;
    Ok(meta)
}

/// The directories in `dir`, which are the topics.
fn topic_names(storage: &dyn Storage, dir: &Path) -> Result<Vec<String>, JournalError> {
    let entries = storage.list(dir).map_err(|e| io_error("list", dir, &e))?;
    let topics = entries.into_iter().filter(|entry| entry.is_dir && !entry.name.contains('.'));
    let mut names: Vec<_> = topics.map(|entry| entry.name).collect();
    names.sort_unstable();
    Ok(names)
}

/// What every topic was made with.
pub(crate) fn load_topics(storage: &dyn Storage, dir: &Path) -> Result<Vec<(String, TopicMeta)>, JournalError> {
    let load = |name: String| Ok((name.clone(), TopicMeta::load(storage, &dir.join(name).join("topic"))?));
    topic_names(storage, dir)?.into_iter().map(load).collect()
}

pub(crate) fn place(storage: &Arc<dyn Storage>, dir: &Path, meta: &Meta, at: &TopicPartition) -> Place {
    let segment_bytes = meta.segment_bytes;
    Place {
        storage: storage.clone(),
        dir: partition_dir(dir, at),
        at: at.clone(),
        journal: meta.identity,
        segment_bytes,
    }
}

/// Makes the files of a topic aside and puts them in place at once.
pub(crate) fn create_files(
    storage: &Arc<dyn Storage>,
    dir: &Path,
    meta: &Meta,
    topic: &TopicConfig,
) -> Result<(), JournalError> {
    let aside = dir.join(format!("{}.new", topic.name));
    let error = |action| move |e: std::io::Error| io_error(action, dir, &e);
    match storage.remove_dir_all(&aside) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(error("clear")(e)),
        _ => {}
    }
    for partition in 0..topic.partitions {
        let mut place = place(storage, dir, meta, &TopicPartition::new(&topic.name, partition));
        place.dir = aside.join(partition.to_string());
        storage.create_dir_all(&place.dir).map_err(error("create a topic in"))?;
        MarkFile::create(&**storage, &place.dir)?;
        create_first_segment(&place).map_err(error("create a segment in"))?;
    }
    TopicMeta { partitions: topic.partitions, retention: topic.retention }.store(&**storage, &aside.join("topic"))?;
    storage.rename(&aside, &dir.join(&topic.name)).map_err(error("create a topic in"))?;
    sync_dir(&**storage, dir)
}

fn create_first_segment(place: &Place) -> std::io::Result<()> {
    let header = SegmentHeader::new(place.journal, &place.at, 0).encode_with_start(Hash::default());
    let file = place.storage.open(&segment_path(&place.dir, 0), Open::Create)?;
    file.write_at(&[header], 0)?;
    file.sync_all()?;
    place.storage.sync_dir(&place.dir)
}

pub(crate) fn open_partition(
    place: Place,
    retention: Retention,
    sync: Sync,
    block_bytes: u64,
) -> Result<Arc<Partition>, JournalError> {
    for entry in place.storage.list(&place.dir).map_err(|e| io_error("list", &place.dir, &e))? {
        if !entry.is_dir && entry.name.ends_with(".new") {
            place.storage.remove(&place.dir.join(entry.name)).map_err(|e| io_error("clean up", &place.dir, &e))?;
        }
    }
    // A segment may have its name although the sync that should have made it durable failed.
    sync_dir(&*place.storage, &place.dir)?;
    let found = recover(&place)?;
    let lane = crc32c::crc32c(place.at.topic.as_bytes()).wrapping_add(place.at.partition) as usize % LANES;
    let log = Arc::new(Log::new(place, found.segments.clone(), found.tail, found.times.clone()));
    let (writer, bytes) = Writer::open(log.clone(), &found, sync, block_bytes)?;
    let mut mark = MarkFile::open(&*log.place.storage, &log.place.dir, found.mark)?;
    mark.write(Mark { sequence: 0, durable: found.end, synced: found.end, records: found.ordinal })?;
    mark.sync()?;
    let mut chain = found.chain;
    chain.extend(&bytes);
    Ok(Arc::new(Partition {
        log,
        retention: RwLock::new(retention),
        care: Care::default(),
        published: watch::Sender::new(Published { durable: found.end, records: found.ordinal }),
        tail: AtomicU64::new(found.end),
        recent: Recent::default(),
        read_to: AtomicU64::new(0),
        synced: AtomicU64::new(found.end),
        writer: Mutex::new(writer),
        mark: Mutex::new(mark),
        chain: Mutex::new(chain),
        lane,
    }))
}

/// Removes what a crash left half made.
pub(crate) fn remove_leftovers(storage: &dyn Storage, dir: &Path) -> Result<(), JournalError> {
    let error = |e| io_error("clean up", dir, &e);
    for entry in storage.list(dir).map_err(error)? {
        if entry.is_dir && entry.name.ends_with(".new") {
            storage.remove_dir_all(&dir.join(entry.name)).map_err(error)?;
        }
    }
    Ok(())
}
