//! Making groups durable, beside the thread that writes them.
//!
//! While one group is synced the next is written: the appender hands over what it has written, in order, and goes on. Only
//! when the sync has returned are readers shown the group and its appends answered. (A small group with none before or
//! behind it is synced by the appender itself, which saves waking a thread.) A segment that is full is sealed here, and the
//! file of the next one put in place, in an order in which every crash leaves something whole:
//!
//! 1. what the full segment holds is synced, then its footer and end are written and synced;
//! 2. the durable mark is synced, so that a segment that goes missing later is missed;
//! 3. the next file gets its header, is synced, and takes its name; the directory is synced.
//!
//! Invariant: nothing is acknowledged after a failed write or sync, ever (a second fsync would lie: "Can Applications
//! Recover from fsync Failures?", ATC 2020).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicUsize,
    Ordering::{Relaxed, Release},
};

use bytes::{Bytes, BytesMut};
use tidemill_journal::{JournalError, Receipt};
use tokio::sync::{mpsc, oneshot};

use crate::Sync;
use crate::appender::{Partition, Published, Queue};
use crate::files::io_error;
use crate::footer::{Footer, Hash};
use crate::frame::{ALIGNMENT, Control, END_BYTES, FRAME_BYTES, encode_control, encode_end};
use crate::log::{Sealed, Segment};
use crate::mark::Mark;
use crate::segment::{SegmentHeader, segment_path};
use crate::side::Job;
use crate::writer::{Rotation, Unsynced};

/// A group of one partition that has been written.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) partition: Arc<Partition>,
    pub(crate) group: Unsynced,
    pub(crate) answers: Vec<Answer>,
}

/// An append that waits to be durable.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) done: oneshot::Sender<Result<Receipt, JournalError>>,
    pub(crate) receipt: Receipt,
    pub(crate) bytes: u64,
    pub(crate) records: u64,
}

impl Answer {
    /// The caller may have gone; the append stands all the same.
    pub(crate) fn send(self, result: Result<(), JournalError>) {
        let _ = self.done.send(result.map(|()| self.receipt));
    }
}

/// What it takes to make groups durable.
#[derive(Clone)]
pub(crate) struct Syncer {
    pub(crate) queue: Arc<Queue>,
    pub(crate) sync: Sync,
    pub(crate) side: mpsc::Sender<Job>,
}

impl Syncer {
    /// The thread: runs until the appender has ended and everything is synced. Counts down `in_flight` after each group.
    pub(crate) async fn run(self, mut written: mpsc::Receiver<Written>, in_flight: Arc<AtomicUsize>) {
        while let Some(written) = written.recv().await {
            self.finish(written).await;
            in_flight.fetch_sub(1, Release);
        }
    }

    /// Makes a group durable and answers it, or refuses it.
    pub(crate) async fn finish(&self, written: Written) {
        let outcome = match self.queue.poison_reason() {
            Some(reason) => Err(JournalError::Poisoned { reason }),
            None => self.make_durable(&written.partition, written.group).await.map_err(|error| {
                let reason = error.to_string();
                self.queue.poison(&reason);
                JournalError::Poisoned { reason }
            }),
        };
        self.answer(&written.partition, written.answers, outcome);
    }

    async fn make_durable(&self, partition: &Arc<Partition>, group: Unsynced) -> Result<(), JournalError> {
        for rotation in group.rotations {
            self.rotate(partition, rotation).await?;
        }
        let (durable, records) = (group.end, group.ordinal);
        if self.sync == Sync::Always {
            let path = segment_path(&partition.log.place.dir, durable / partition.log.place.segment_bytes);
            group.file.sync_data().map_err(|e| io_error("sync", &path, &e))?;
            partition.synced.store(durable, Release);
        }
        let synced = partition.synced.load(Relaxed);
        if let Err(error) = partition.mark.lock().write(Mark { sequence: 0, durable, synced, records }) {
            // The mark is a lower bound, and an older one is as true.
            tracing::warn!(%error, "durable mark not written");
        }
        if group.wants_zeros {
            let (index, file) = (durable / partition.log.place.segment_bytes, group.file);
            self.side(Job::Zeros { partition: partition.clone(), file, index }).await;
        }
        if group.wants_spare {
            self.side(Job::Spare { partition: partition.clone() }).await;
        }
        self.side(Job::Hash { partition: partition.clone(), bytes: group.bytes }).await;
        partition.recent.push(group.from, durable, group.records);
        partition.published.send_replace(Published { durable, records });
        Ok(())
    }

    /// The side thread ends after this one.
    async fn side(&self, job: Job) {
        if self.side.send(job).await.is_err() {
            tracing::error!("the thread beside the journal has ended");
        }
    }

    /// Seals a full segment and puts the next one in place.
    async fn rotate(&self, partition: &Arc<Partition>, rotation: Rotation) -> Result<(), JournalError> {
        let place = &partition.log.place;
        let path = segment_path(&place.dir, rotation.full_index);
        let error = |action| move |e: io::Error| (action, e);
        let io = |(action, e): (&'static str, io::Error)| io_error(action, &path, &e);
        rotation.full.sync_data().map_err(error("sync")).map_err(io)?;
        partition.synced.fetch_max(rotation.records_end, Release);
        let sealed = self.seal(partition, &rotation).await.map_err(error("seal")).map_err(io)?;
        let (durable, records) = (rotation.records_end, rotation.ordinal);
        let mut mark = partition.mark.lock();
        mark.write(Mark { sequence: 0, durable, synced: durable, records })?;
        mark.sync()?;
        drop(mark);
        let index = rotation.full_index + 1;
        let mut header = SegmentHeader::new(place.journal, &place.at, index * place.segment_bytes);
        (header.previous_end, header.first_ordinal) = (durable, records);
        let path = segment_path(&place.dir, index);
        let io = |(action, e): (&'static str, io::Error)| io_error(action, &path, &e);
        let head = header.encode_with_start(sealed.hash);
        rotation.next.write_at(&[head], 0).map_err(error("write")).map_err(io)?;
        rotation.next.sync_all().map_err(error("sync")).map_err(io)?;
        place.storage.rename(&rotation.next_path, &path).map_err(error("create")).map_err(io)?;
        place.storage.sync_dir(&place.dir).map_err(error("sync the directory of")).map_err(io)?;
        let next = Segment { index, previous_end: durable, first_ordinal: records, sealed: None };
        partition.log.rotate(sealed, next, rotation.next);
        self.queue.keeper_news.notify_one();
        Ok(())
    }

    /// Writes footer and end behind what has been synced, and cuts off the rest.
    async fn seal(&self, partition: &Arc<Partition>, rotation: &Rotation) -> io::Result<Sealed> {
        let (hashed, hash) = oneshot::channel();
        let (partition, bytes) = (partition.clone(), rotation.bytes.clone());
        self.side(Job::Seal { partition: partition.clone(), bytes, hashed }).await;
        let hash: Hash = hash.await.map_err(|_| io::Error::other("the hashing thread has ended"))?;
        let footer =
            Footer { records_end: rotation.records_end, hash, is_compacted: false, times: rotation.times.clone() };
        let body = footer.encode();
        let footer_bytes = (FRAME_BYTES + body.len()).next_multiple_of(ALIGNMENT as usize) as u64;
        let mut out = BytesMut::new();
        encode_control(&mut out, Control::Footer, rotation.at, rotation.ordinal, &body, footer_bytes);
        let end = encode_end(rotation.at + footer_bytes, rotation.ordinal, rotation.newest_ingest, footer_bytes);
        out.extend_from_slice(&end);
        let within = rotation.at % partition.log.place.segment_bytes;
        rotation.full.write_at(&[Bytes::from(out)], within)?;
        let file_bytes = within + footer_bytes + END_BYTES;
        rotation.full.set_size(file_bytes)?;
        rotation.full.sync_all()?;
        let times = Arc::new(footer.times);
        let (end, newest_ingest) = (rotation.records_end, rotation.newest_ingest);
        Ok(Sealed { end, newest_ingest, file_bytes, hash, is_compacted: false, times })
    }

    fn answer(&self, partition: &Partition, answers: Vec<Answer>, outcome: Result<(), JournalError>) {
        let counters = &self.queue.counters;
        if outcome.is_ok() {
            counters.syncs.fetch_add(1, Relaxed);
            counters.appends.fetch_add(answers.len() as u64, Relaxed);
            counters.records.fetch_add(answers.iter().map(|a| a.records).sum(), Relaxed);
            counters.bytes.fetch_add(answers.iter().map(|a| a.bytes).sum(), Relaxed);
        } else {
            tracing::debug!(topic = partition.log.place.at.topic, "appends refused");
        }
        answers.into_iter().for_each(|answer| answer.send(outcome.clone()));
    }
}
