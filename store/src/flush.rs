//! Flushing: frozen memtables become blocks, on a thread of their own, while the fold applies on.
//!
//! One flush runs at a time, in the order of freezing, because generations must ascend. A flush that fails stays at the
//! head of the queue with all its rows, and the fold does not apply on until it has succeeded.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use futures::StreamExt;
use futures::channel::{mpsc, oneshot};
use futures::executor::block_on;
use tidemill_journal::{Cursor, Env};
use tidemill_model::{Series, TimeRange};

use crate::StoreError;
use crate::blocks::{BlockSet, StoredBlock};
use crate::manifest::{BlockEntry, DeletionEntry, Manifest};
use crate::memtable::Memtable;
use crate::replica::Replica;

/// What one flush makes durable: rows, and the state of the fold after them.
pub(crate) struct Checkpoint {
    /// `None` when only the cursors moved.
    pub(crate) memtable: Option<Arc<Memtable>>,
    pub(crate) cursors: Vec<Cursor>,
    pub(crate) digest: u64,
    pub(crate) samples: u64,
    pub(crate) series_count: u32,
}

struct Job {
    checkpoint: Arc<Checkpoint>,
    done: oneshot::Sender<Result<(), StoreError>>,
}

/// The checkpoints that are not durable yet, oldest first.
pub(crate) struct FlushQueue {
    replica: Arc<Replica>,
    jobs: mpsc::UnboundedSender<Job>,
    waiting: VecDeque<Arc<Checkpoint>>,
    /// The flush of the first one, if it runs.
    running: Option<oneshot::Receiver<Result<(), StoreError>>>,
    has_failed: bool,
}

impl FlushQueue {
    /// Starts the threads that flush and compact. They end when the queue is dropped.
    pub(crate) fn start(replica: Arc<Replica>, env: &dyn Env) -> Self {
        let (jobs, mut arrivals) = mpsc::unbounded::<Job>();
        let (wake, mut wakes) = mpsc::unbounded();
        let flushing = replica.clone();
        let flusher = async move {
            while let Some(job) = arrivals.next().await {
                let result = flushing.flush(&job.checkpoint);
                // The fold may be gone; what was flushed counts all the same.
                let _ = job.done.send(result);
                let _ = wake.unbounded_send(());
            }
        };
        let compacting = replica.clone();
        let compactor = async move {
            while wakes.next().await.is_some() {
                compacting.compact();
            }
        };
        env.spawn_thread("replica-flush", Box::pin(flusher));
        env.spawn_thread("replica-compact", Box::pin(compactor));
        Self { replica, jobs, waiting: VecDeque::new(), running: None, has_failed: false }
    }

    /// Adds a checkpoint and starts its flush if none is running.
    pub(crate) fn push(&mut self, checkpoint: Checkpoint) {
        self.waiting.push_back(Arc::new(checkpoint));
        self.start_next();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes notice of what has finished. After a failure it tries again and waits for the outcome.
    pub(crate) fn poll(&mut self) -> Result<(), StoreError> {
        if self.has_failed {
            return self.wait();
        }
        let finished = match &mut self.running {
            None => return Ok(()),
            Some(running) => running.try_recv(),
        };
        match finished {
            Ok(None) => Ok(()),
            Ok(Some(result)) => self.finish(result),
            Err(oneshot::Canceled) => self.finish(Err(self.stopped())),
        }
    }

    /// Waits until at most `count` checkpoints are left.
    pub(crate) fn wait_for(&mut self, count: usize) -> Result<(), StoreError> {
        while self.waiting.len() > count {
            self.wait()?;
        }
        Ok(())
    }

    fn wait(&mut self) -> Result<(), StoreError> {
        self.start_next();
        match self.running.take() {
            None => Ok(()),
            Some(running) => {
                let result = block_on(running).unwrap_or_else(|_| Err(self.stopped()));
                self.finish(result)
            }
        }
    }

    fn start_next(&mut self) {
        if let (None, Some(checkpoint)) = (&self.running, self.waiting.front()) {
            let (done, running) = oneshot::channel();
            // Without a receiver the job is dropped, and with it `done`: that is noticed where `running` is read.
            let _ = self.jobs.unbounded_send(Job { checkpoint: checkpoint.clone(), done });
            self.running = Some(running);
        }
    }

    fn finish(&mut self, result: Result<(), StoreError>) -> Result<(), StoreError> {
        self.running = None;
        self.has_failed = result.is_err();
        if result.is_ok() {
            self.waiting.pop_front();
            self.start_next();
        }
        result
    }

    fn stopped(&self) -> StoreError {
        StoreError::Closed { dir: self.replica.storage.dir.clone() }
    }
}

impl Replica {
    /// Writes a checkpoint to disk and lets readers see the block in place of the memtable.
    fn flush(&self, checkpoint: &Checkpoint) -> Result<(), StoreError> {
        let series = self.series_by_key(checkpoint.series_count);
        let rows = checkpoint.memtable.as_ref().map(|memtable| memtable.rows.read());
        let mut deletions = Vec::new();
        let draft = match &rows {
            None => None,
            Some(rows) => self.storage.draft(|block| {
                for (slot, series) in &series {
                    let Some(in_memory) = rows.series.get(*slot as usize) else { continue };
                    deletions.extend(in_memory.deletions().iter().map(|deletion| (series.id, deletion.range)));
                    if in_memory.is_empty() {
                        continue;
                    }
                    let column = rows.column(*slot as usize, series.value_type, TimeRange::ALL, u32::MAX);
                    block.push(series.id, &column).map_err(|error| StoreError::of_block(error, &self.storage.name))?;
                }
                Ok(())
            })?,
        };
        drop(rows);
        let change = |manifest: &mut Manifest, entry: Option<BlockEntry>| {
            let generation = manifest.next_generation;
            manifest.next_generation += 1;
            manifest.blocks.extend(entry);
            let entry = |(series, range)| DeletionEntry { series, range, generation };
            manifest.deletions.extend(deletions.into_iter().map(entry));
            manifest.drop_spent_deletions();
            manifest.cursors.clone_from(&checkpoint.cursors);
            (manifest.digest, manifest.samples) = (checkpoint.digest, checkpoint.samples);
            let known = manifest.series.len();
            let ids = self.registry.read().ids(checkpoint.series_count);
            manifest.series.extend_from_slice(&ids[known..]);
        };
        let publish = |manifest: &Manifest, stored: Option<StoredBlock>| {
            let mut view = self.view_mut();
            let blocks = view.blocks.blocks().iter().cloned().chain(stored).collect();
            view.blocks = Arc::new(self.block_set(blocks, &manifest.deletions));
            if let Some(flushed) = &checkpoint.memtable {
                view.frozen.retain(|frozen| !Arc::ptr_eq(frozen, flushed));
            }
        };
        self.storage.commit(draft, change, publish)?;
        self.storage.flushes.fetch_add(1, Relaxed);
        tracing::debug!(replica = self.storage.name, samples = checkpoint.samples, "flushed");
        Ok(())
    }

    /// The blocks of a view.
    pub(crate) fn block_set(&self, blocks: Vec<StoredBlock>, deletions: &[DeletionEntry]) -> BlockSet {
        BlockSet::new(&self.storage.name, blocks, deletions, self.storage.cache.clone())
    }

    /// Slots and series below `count`, by key text.
    pub(crate) fn series_by_key(&self, count: u32) -> Vec<(u32, Arc<Series>)> {
        let registry = self.sorted_registry();
        registry.sorted(count).map(|slot| (slot, registry.series(slot).clone())).collect()
    }
}
