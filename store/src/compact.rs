//! Compaction: many small blocks become one, so that a read touches few files.
//!
//! Only blocks that are neighbours in generation are merged; the result takes their place and the generation of the
//! newest, so what wins over what does not change. Blocks are sorted into tiers by rows, each eight times the last; when
//! a tier has eight blocks they are merged, with smaller ones between them. So a row is rewritten once per tier.
//!
//! Limit: a merge does not read at a bounded rate; it takes part of one core while it runs.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tidemill_model::TimeRange;
use tidemill_store_block::PageCache;

use crate::StoreError;
use crate::blocks::{BlockSet, StoredBlock};
use crate::manifest::{BlockEntry, Manifest};
use crate::replica::Replica;

/// Blocks of a tier that are merged into one of the next. More makes reads slower, fewer rewrites rows more often.
const FAN_IN: usize = 8;
/// A merge of more rows than this is not worth it: the blocks are large enough, and a series is held in memory whole.
const ROWS_MAX: u64 = 64 << 20;
/// Decoded pages a merge keeps, apart from the readers' cache, which it would sweep out.
const CACHE_BYTES: usize = 32 << 20;

/// The neighbours to be merged next.
pub(crate) fn choose(blocks: &[BlockEntry]) -> Option<Range<usize>> {
    let tier = |block: &BlockEntry| block.rows.max(1).ilog2() / FAN_IN.ilog2();
    (0..=u64::BITS).find_map(|limit| {
        let mut start = 0;
        while start < blocks.len() {
            let run = blocks[start..].iter().take_while(|block| tier(block) <= limit).count();
            let run_blocks = &blocks[start..start + run];
            let full = run_blocks.iter().filter(|block| tier(block) == limit).count() >= FAN_IN;
            if full && run_blocks.iter().map(|block| block.rows).sum::<u64>() <= ROWS_MAX {
                return Some(start..start + run);
            }
            start += run + 1;
        }
        None
    })
}

impl Replica {
    /// Merges until there is nothing to merge. An error is logged: the blocks stay as they are.
    pub(crate) fn compact(&self) {
        loop {
            match self.compact_once() {
                Ok(true) => {}
                Ok(false) | Err(StoreError::Closed { .. } | StoreError::Gone { .. }) => return,
                Err(error) => {
                    tracing::error!(replica = self.name(), %error, "blocks cannot be merged");
                    return;
                }
            }
        }
    }

    /// Merges once; `false` if there was nothing to do.
    pub(crate) fn compact_once(&self) -> Result<bool, StoreError> {
        let view = self.view();
        let entries: Vec<_> = view.blocks.blocks().iter().map(|stored| stored.entry).collect();
        let Some(range) = choose(&entries) else {
            return Ok(false);
        };
        let run = &entries[range.clone()];
        let newest = run.last().map_or(0, |entry| entry.generation);
        // A deletion that is newer than the whole run stays in the manifest and is not this merge's business.
        let deletions: Vec<_> = self.storage.deletions().into_iter().filter(|d| d.generation <= newest).collect();
        let merged = BlockSet::new(
            self.name(),
            view.blocks.blocks()[range].to_vec(),
            &deletions,
            Arc::new(PageCache::new(CACHE_BYTES)),
        );
        let series = self.series_by_key(u32::MAX);
        let draft = self.storage.draft(|block| {
            series.iter().try_for_each(|(_, series)| {
                let samples = merged.scan(series, TimeRange::ALL)?;
                block.push(series.id, &samples).map_err(|error| StoreError::of_block(error, self.name()))
            })
        })?;
        let change = |manifest: &mut Manifest, entry: Option<BlockEntry>| {
            let at = manifest.blocks.iter().position(|block| block.file == run[0].file);
            let at = at.expect("only this thread takes blocks out");
            let entry = entry.map(|entry| BlockEntry { generation: newest, ..entry });
            manifest.blocks.splice(at..at + run.len(), entry);
            manifest.drop_spent_deletions();
        };
        let publish = |manifest: &Manifest, stored: Option<StoredBlock>| {
            let mut view = self.view_mut();
            let known: Vec<_> = view.blocks.blocks().iter().cloned().chain(stored).collect();
            let open = |entry: &BlockEntry| {
                let stored = known.iter().find(|stored| stored.entry.file == entry.file);
                let stored = stored.expect("every block of the manifest is open");
                StoredBlock { entry: *entry, block: stored.block.clone() }
            };
            let blocks = manifest.blocks.iter().map(open).collect();
            view.blocks = Arc::new(self.block_set(blocks, &manifest.deletions));
            drop(view);
            // Still inside the change: once the replica is closed, nothing is deleted any more.
            self.storage.discard(run.iter().map(|entry| entry.file));
        };
        self.storage.commit(draft, change, publish)?;
        self.storage.compactions.fetch_add(1, Relaxed);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rows: &[u64], expected: Option<Range<usize>>) {
        let entry = |(file, rows): (u64, &u64)| BlockEntry { file, generation: file, bytes: 0, rows: *rows };
        let entries: Vec<_> = (0..).zip(rows).map(entry).collect();
        assert_eq!(choose(&entries), expected, "{rows:?}");
    }

    #[test]
    fn eight_neighbours_of_a_tier_are_merged_and_a_large_one_is_left_alone() {
        check(&[10; 7], None);
        check(&[10; 8], Some(0..8));
        check(&[5000, 10, 10, 10, 10, 10, 10, 10], None);
        check(&[5000, 10, 10, 10, 10, 10, 10, 10, 10], Some(1..9));
        check(&[600, 600, 600, 600, 10, 600, 600, 600, 600], Some(0..9));
        check(&[1 << 27; 8], None);
    }
}
