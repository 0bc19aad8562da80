//! Looking at a journal from outside, for tools: nothing is changed, and a process may be writing it meanwhile.
//!
//! Records are shown up to the durable mark, which trails the writer by one sync at most.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidemill_journal::{Batch, Bounds, JournalError, TopicConfig, TopicPartition};
use tidemill_model::{JournalIdentity, Offset};

use crate::embedded::no_such_partition;
use crate::footer::TimeIndex;
use crate::holds::{Hold, Memory};
use crate::layout::{load_topics, place};
use crate::log::Log;
use crate::mark::Mark;
use crate::meta::Meta;
use crate::recover::load_segments;
use crate::storage::{Disk, Storage};

/// How often files that vanish while they are listed (retention at work) are listed again.
const ATTEMPTS: usize = 3;

/// A journal that is only looked at.
#[derive(Clone, Debug)]
pub struct ReadOnlyJournal {
    dir: PathBuf,
    meta: Meta,
}

/// Looks at the journal in `dir`.
///
/// # Errors
/// When there is none, or it is damaged.
pub fn open_read_only(dir: &Path) -> Result<ReadOnlyJournal, JournalError> {
    Ok(ReadOnlyJournal { dir: dir.to_owned(), meta: Meta::load(&Disk, &dir.join("meta"))? })
}

impl ReadOnlyJournal {
    /// Which journal it is.
    pub fn identity(&self) -> JournalIdentity {
        self.meta.identity
    }

    /// Size of a segment.
    pub fn segment_bytes(&self) -> u64 {
        self.meta.segment_bytes
    }

    /// When the journal was made, ns since the Unix epoch.
    pub fn created(&self) -> i64 {
        self.meta.created
    }

    /// The topics, by name.
    ///
    /// # Errors
    /// When a topic's file is damaged.
    pub fn topics(&self) -> Result<Vec<TopicConfig>, JournalError> {
        let topics = load_topics(&Disk, &self.dir)?.into_iter();
        Ok(topics.map(|(name, t)| TopicConfig { name, partitions: t.partitions, retention: t.retention }).collect())
    }

    /// Where a partition starts and ends; `tail` is `durable`, since only the writer knows more.
    ///
    /// # Errors
    /// When the partition does not exist or its files do not belong together.
    pub fn bounds(&self, at: &TopicPartition) -> Result<Bounds, JournalError> {
        let (log, mark) = self.partition(at)?;
        let start = log.start();
        let durable = Offset(mark.durable.max(start));
        let known = Memory::load(&Disk, &self.dir)?.partitions.into_iter().find(|known| known.at == *at);
        let kept_since = known.filter(|known| known.start == start).and_then(|known| known.kept_since);
        Ok(Bounds { start: Offset(start), durable, tail: durable, records: mark.records, kept_since })
    }

    /// What followers hold, as it was last written down: some seconds ago, if a process is writing the journal.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn holds(&self) -> Result<Vec<Hold>, JournalError> {
        let memory = Memory::load(&Disk, &self.dir)?;
        Ok(memory.partitions.into_iter().flat_map(|partition| partition.holds).collect())
    }

    /// Records from `from` on: about `bytes` bytes, at least one record, none at the end.
    ///
    /// # Errors
    /// As [`tidemill_journal::Journal::read`].
    pub fn read(&self, at: &TopicPartition, from: Offset, bytes: usize) -> Result<Batch, JournalError> {
        let (log, mark) = self.partition(at)?;
        let start = log.start();
        if from.0 < start {
            return Err(JournalError::Trimmed { from, start: Offset(start) });
        }
        if from.0 > mark.durable.max(start) {
            return Err(JournalError::NoSuchOffset { from, tail: Offset(mark.durable) });
        }
        if from.0 >= mark.durable {
            return Ok(Batch { records: Vec::new(), next: from });
        }
        log.read(from.0, mark.durable, bytes)
    }

    /// Where the first record stands whose ingest time is not before `ingest_time`; the end if there is none.
    ///
    /// # Errors
    /// As [`tidemill_journal::Journal::find`].
    pub fn find(&self, at: &TopicPartition, ingest_time: i64) -> Result<Offset, JournalError> {
        let (log, mark) = self.partition(at)?;
        log.find(ingest_time, mark.durable).map(Offset)
    }

    fn partition(&self, at: &TopicPartition) -> Result<(Log, Mark), JournalError> {
        let storage: Arc<dyn Storage> = Arc::new(Disk);
        let place = place(&storage, &self.dir, &self.meta, at);
        if !load_topics(&Disk, &self.dir)?
            .iter()
            .any(|(name, topic)| *name == at.topic && at.partition < topic.partitions)
        {
            return Err(no_such_partition(at));
        }
        // The mark first: the segments that it speaks of are there by then.
        let load = || Ok((Mark::load(&*place.storage, &place.dir)?, load_segments(&place)?));
        let mut loaded = load();
        for _ in 1..ATTEMPTS {
            if loaded.is_ok() {
                break;
            }
            loaded = load();
        }
        let (mark, segments) = loaded?;
        Ok((Log::new(place, segments, mark.durable, TimeIndex::default()), mark))
    }
}
