//! What followers still need: remembered in small objects, written lazily, trusted only to keep more than necessary.

use std::collections::BTreeMap;
use std::time::Duration;

use tidemill_journal::JournalError;
use tidemill_model::Offset;

use crate::objects::Hold;
use crate::partition::Partition;

/// A hold that stays as it is is written again this often, so that it is known to be alive.
const REFRESH: Duration = Duration::from_secs(3600);
/// A follower that has not been heard of for so long holds nothing any more.
const FORGET: Duration = Duration::from_secs(7 * 24 * 3600);

#[derive(Default)]
pub(crate) struct Holds {
    /// By follower: what it asked for last, if that has not been written.
    wanted: BTreeMap<String, Option<Offset>>,
    /// By follower: what was written, and when (monotonic).
    written: BTreeMap<String, (Offset, Duration)>,
}

impl Holds {
    pub(crate) fn set(&mut self, follower: &str, from: Option<Offset>) {
        self.wanted.insert(follower.to_owned(), from);
    }
}

impl Partition {
    /// Writes what followers of this process asked for.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn write_holds(&self) -> Result<(), JournalError> {
        let wanted = std::mem::take(&mut self.holds.lock().wanted);
        let (now, heard) = (self.now(), self.store.env.now());
        for (follower, from) in wanted {
            let Some(from) = from else {
                self.store.delete(vec![self.keys.hold(&follower)]).await?;
                self.holds.lock().written.remove(&follower);
                continue;
            };
            let before = self.holds.lock().written.get(&follower).copied();
            if before.is_some_and(|(offset, at)| offset == from && now < at + REFRESH) {
                continue;
            }
            self.store.overwrite(&self.keys.hold(&follower), Hold { from, heard }.encode(&self.stream)).await;
            self.holds.lock().written.insert(follower, (from, now));
        }
        Ok(())
    }

    /// The lowest offset that a living follower holds, of this process or any other.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn held(&self) -> Result<Option<Offset>, JournalError> {
        let folder = self.keys.holds();
        let mut held: Option<Offset> = None;
        for name in self.store.list(&folder, usize::MAX).await? {
            let key = format!("{folder}/{name}");
            let Some(bytes) = self.store.get(&key).await? else { continue };
            // A hold that cannot be read holds nothing: its follower writes it again.
            let Ok(hold) = Hold::decode(&bytes, &self.stream, &key) else { continue };
            let is_living = hold.heard.saturating_add(FORGET.as_nanos() as i64) > self.store.env.now();
            if is_living {
                held = Some(held.map_or(hold.from, |held| held.min(hold.from)));
            }
        }
        Ok(held)
    }
}
