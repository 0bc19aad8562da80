//! The blocks of a replica, read as one: the later generation wins, deletions hide what is older than they are.

use std::sync::Arc;

use tidemill_model::{Sample, SampleColumn, Series, SeriesId, TimeRange};
use tidemill_store_block::{Block, IdMap, PageCache, column};

use crate::StoreError;
use crate::manifest::{BlockEntry, DeletionEntry};

/// An open block and its place in the order.
#[derive(Clone)]
pub(crate) struct StoredBlock {
    pub(crate) entry: BlockEntry,
    pub(crate) block: Arc<Block>,
}

/// All blocks of a view.
pub(crate) struct BlockSet {
    /// For messages.
    replica: String,
    /// Generations ascend.
    blocks: Vec<StoredBlock>,
    /// Generations ascend within a series.
    deletions: IdMap<Vec<DeletionEntry>>,
    cache: Arc<PageCache>,
}

impl BlockSet {
    pub(crate) fn new(
        replica: &str,
        blocks: Vec<StoredBlock>,
        deletions: &[DeletionEntry],
        cache: Arc<PageCache>,
    ) -> Self {
        let mut by_series: IdMap<Vec<DeletionEntry>> = IdMap::default();
        deletions.iter().for_each(|deletion| by_series.entry(deletion.series).or_default().push(*deletion));
        Self { replica: replica.to_owned(), blocks, deletions: by_series, cache }
    }

    pub(crate) fn blocks(&self) -> &[StoredBlock] {
        &self.blocks
    }

    fn deletions(&self, series: SeriesId) -> &[DeletionEntry] {
        self.deletions.get(&series).map_or(&[], Vec::as_slice)
    }

    /// The live samples of a series in `range`.
    pub(crate) fn scan(&self, series: &Series, range: TimeRange) -> Result<SampleColumn, StoreError> {
        let mut samples = SampleColumn::empty(series.value_type);
        let mut deletions = self.deletions(series.id).iter().peekable();
        for StoredBlock { entry, block } in &self.blocks {
            while let Some(deletion) = deletions.next_if(|deletion| deletion.generation <= entry.generation) {
                column::remove(&mut samples, deletion.range);
            }
            let newer = block.scan(&self.cache, series.id, series.value_type, range);
            samples = column::merge(samples, newer.map_err(|error| self.error(error))?);
        }
        deletions.for_each(|deletion| column::remove(&mut samples, deletion.range));
        Ok(samples)
    }

    /// The live sample of a series at exactly `time`.
    pub(crate) fn find(&self, series: &Series, time: i64) -> Result<Option<Sample>, StoreError> {
        let deleted = self.deletions(series.id).iter().filter(|deletion| deletion.range.contains(time));
        let deleted = deleted.map(|deletion| deletion.generation).max().unwrap_or(0);
        for stored in self.blocks.iter().rev().filter(|stored| stored.entry.generation >= deleted) {
            let found = stored.block.find(&self.cache, series.id, series.value_type, time);
            if let Some(sample) = found.map_err(|error| self.error(error))? {
                return Ok(Some(sample));
            }
        }
        Ok(None)
    }

    /// Largest source time that a series has in any block, deleted or not.
    pub(crate) fn newest_time(&self, series: SeriesId) -> Option<i64> {
        self.blocks.iter().filter_map(|stored| stored.block.last_time(series)).max()
    }

    /// The live sample of a series with the largest time.
    pub(crate) fn last(&self, series: &Series) -> Result<Option<Sample>, StoreError> {
        let Some(newest) = self.newest_time(series.id) else {
            return Ok(None);
        };
        if let Some(sample) = self.find(series, newest)? {
            return Ok(Some(sample));
        }
        let samples = self.scan(series, TimeRange::ALL)?;
        Ok(samples.len().checked_sub(1).and_then(|row| samples.get(row)))
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.blocks.iter().map(|stored| stored.entry.bytes).sum()
    }

    fn error(&self, error: tidemill_store_block::BlockError) -> StoreError {
        StoreError::of_block(error, &self.replica)
    }
}
