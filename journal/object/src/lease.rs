//! The lease: where writers meet, one goes first and the others wait longer, so that fewer PUTs are wasted.
//!
//! Correctness never depends on it: put-if-absent and the chain decide. A writer alone pays nothing for it; only one
//! that was beaten to a page asks.

use std::time::Duration;

use tidemill_journal::JournalError;

use crate::objects::Lease;
use crate::partition::Partition;

/// How much longer than usual a writer waits that does not hold the lease.
const YIELD: u32 = 4;
/// The least that is, where one usually does not wait.
const YIELD_MIN: Duration = Duration::from_millis(5);

/// How this writer behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Standing {
    /// The newest lease known; 0: none.
    pub(crate) epoch: u64,
    /// Until when (monotonic) somebody else goes first.
    yields_until: Option<Duration>,
    /// Until when (monotonic) the lease is this writer's.
    holds_until: Option<Duration>,
    /// When (monotonic) to look for a newer lease.
    looks_at: Duration,
}

impl Standing {
    pub(crate) const ALONE: Standing =
        Standing { epoch: 0, yields_until: None, holds_until: None, looks_at: Duration::ZERO };

    fn yields(&self, partition: &Partition) -> bool {
        self.yields_until.is_some_and(|until| partition.now() < until)
    }

    /// How long an append waits for others to share its page.
    pub(crate) fn linger(&self, partition: &Partition) -> Duration {
        let linger = partition.settings.linger;
        if self.yields(partition) { (linger * YIELD).max(YIELD_MIN) } else { linger }
    }

    /// Pages to create at the same time: a full pipeline would leave the holder no opening.
    pub(crate) fn pipeline(&self, partition: &Partition) -> usize {
        if self.yields(partition) { 1 } else { partition.settings.pipeline as usize }
    }

    /// Looks now and then whether somebody else has taken the lease, which a writer that is never beaten would not
    /// notice.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn look(&mut self, partition: &Partition, writer: u64) -> Result<(), JournalError> {
        let now = partition.now();
        if now < self.looks_at {
            return Ok(());
        }
        self.looks_at = now + partition.settings.lease / 2;
        let newest = partition.store.newest(self.epoch, |epoch| partition.keys.lease(epoch)).await?;
        if newest > self.epoch {
            self.epoch = newest;
            if self.is_live_elsewhere(partition, writer).await? {
                (self.holds_until, self.yields_until) = (None, Some(now + partition.settings.lease));
            }
        }
        Ok(())
    }

    /// Whether lease `self.epoch` is somebody else's and has not run out.
    async fn is_live_elsewhere(&self, partition: &Partition, writer: u64) -> Result<bool, JournalError> {
        let key = partition.keys.lease(self.epoch);
        let found = partition.store.get(&key).await?;
        let lease = found.and_then(|bytes| Lease::decode(&bytes, &partition.stream, &key).ok());
        let ends = |lease: &Lease| lease.taken.saturating_add(lease.ttl.as_nanos() as i64);
        Ok(lease.is_some_and(|lease| lease.holder != writer && ends(&lease) > partition.store.env.now()))
    }

    /// After being beaten by a page whose writer knew lease `epoch`: take the lease, or see that somebody has it.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn contend(&mut self, partition: &Partition, writer: u64, epoch: u64) -> Result<(), JournalError> {
        let (now, ttl) = (partition.now(), partition.settings.lease);
        let is_held = self.holds_until.is_some_and(|until| now < until);
        if epoch <= self.epoch && (is_held || self.yields(partition)) {
            return Ok(());
        }
        let store = &partition.store;
        let key = |epoch| partition.keys.lease(epoch);
        self.epoch = store.newest(self.epoch, key).await?;
        if self.epoch > 0 && self.is_live_elsewhere(partition, writer).await? {
            (self.holds_until, self.yields_until) = (None, Some(now + ttl));
            return Ok(());
        }
        let lease = Lease { holder: writer, taken: store.env.now(), ttl };
        let is_mine = store.create_settled(&key(self.epoch + 1), lease.encode(&partition.stream)).await?.is_none();
        self.epoch += 1;
        (self.holds_until, self.yields_until) = if is_mine { (Some(now + ttl), None) } else { (None, Some(now + ttl)) };
        Ok(())
    }
}
