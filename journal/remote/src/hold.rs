//! Holds on their way to the other node: the latest wish of every follower, sent beside everything else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tidemill_api::journal::v1::HoldRequest;
use tidemill_journal::{JournalError, TopicPartition};
use tidemill_model::{JournalIdentity, Offset};
use tokio::sync::watch;

use crate::link::Link;
use crate::wire::target_to;

/// Wishes that wait to be sent; there is one per follower and partition.
const WISHES_MAX: usize = 4096;
/// Pause after a failure.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

type Wishes = BTreeMap<(TopicPartition, String), Option<Offset>>;

/// Holds on their way.
#[derive(Default)]
pub(crate) struct Holds {
    wishes: Mutex<Wishes>,
    /// Turns true at the end.
    end: watch::Sender<bool>,
}

impl Holds {
    /// Replaces what `follower` wished for before.
    pub(crate) fn wish(&self, at: &TopicPartition, follower: String, from: Option<Offset>) {
        let mut wishes = self.wishes.lock();
        let key = (at.clone(), follower);
        if wishes.len() >= WISHES_MAX && !wishes.contains_key(&key) {
            tracing::warn!(follower = key.1, "too many holds wait to be sent: this one is not");
            return;
        }
        wishes.insert(key, from);
        drop(wishes);
        self.end.send_modify(|_| {});
    }

    pub(crate) fn close(&self) {
        self.end.send_replace(true);
    }

    /// Sends wishes until the end; what waits then is tried once more.
    pub(crate) async fn run(self: Arc<Self>, link: Arc<Link>, journal: JournalIdentity) {
        let mut end = self.end.subscribe();
        loop {
            let is_ending = *end.borrow_and_update();
            let has_failed = !self.send(&link, journal).await;
            if is_ending {
                return;
            }
            if !has_failed {
                // The sender is in `self`.
                drop(end.changed().await);
                continue;
            }
            tokio::select! {
                ended = end.wait_for(|end| *end) => drop(ended),
                () = link.env.sleep(RETRY_PAUSE) => {}
            }
        }
    }

    /// Sends what waits; `false` if some of it must be tried again.
    async fn send(&self, link: &Link, journal: JournalIdentity) -> bool {
        let wishes = std::mem::take(&mut *self.wishes.lock());
        let mut is_away = false;
        for ((at, follower), from) in wishes {
            if !is_away {
                let request = HoldRequest {
                    at: Some(target_to(journal, &at)),
                    follower: follower.clone(),
                    from: from.map(|from| from.0),
                };
                let call = link.call(|mut client| {
                    let request = request.clone();
                    async move { client.hold(request).await }
                });
                match call.await {
                    Ok(_) => continue,
                    Err(JournalError::Unavailable { .. }) => is_away = true,
                    Err(error) => {
                        tracing::warn!(follower, %error, "a hold was refused");
                        continue;
                    }
                }
            }
            // Unless there is a newer one by now.
            self.wishes.lock().entry((at, follower)).or_insert(from);
        }
        !is_away
    }
}
