//! The outbox: events on their way to one client, bounded in number and in bytes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use tidemill_journal::Env;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Events that may wait for a client.
const EVENTS_MAX: usize = 64;
/// Their bytes, in KiB. A larger event goes out alone.
const KIB_MAX: usize = 4096;
/// How long a client may leave no room before it is cut off.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a subscription ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The client has gone, or the node stops.
    Gone,
    /// The client does not keep up.
    Slow,
}

type Waiting = (Bytes, OwnedSemaphorePermit);

/// The side that is filled.
pub(super) struct Outbox {
    events: mpsc::Sender<Waiting>,
    room: Arc<Semaphore>,
    env: Arc<dyn Env>,
}

/// An outbox and what the client reads from it.
pub(super) fn outbox(env: Arc<dyn Env>) -> (Outbox, impl Stream<Item = Result<Bytes, Infallible>> + Send) {
    let (sender, receiver) = mpsc::channel::<Waiting>(EVENTS_MAX);
    let stream = futures::stream::unfold(receiver, |mut receiver| async move {
        // Taking an event frees its room.
        receiver.recv().await.map(|(event, _room)| (Ok(event), receiver))
    });
    (Outbox { events: sender, room: Arc::new(Semaphore::new(KIB_MAX)), env }, stream)
}

impl Outbox {
    /// Puts an event in, as soon as there is room.
    pub(super) async fn put(&self, event: Bytes) -> Result<(), End> {
        let permits = (event.len() / 1024 + 1).min(KIB_MAX) as u32;
        let event = match self.room.clone().try_acquire_many_owned(permits) {
            Ok(room) => match self.events.try_send((event, room)) {
                Ok(()) => return Ok(()),
                Err(mpsc::error::TrySendError::Closed(_)) => return Err(End::Gone),
                Err(mpsc::error::TrySendError::Full((event, _))) => event,
            },
            Err(_) => event,
        };
        let put = async {
            let room = self.room.clone().acquire_many_owned(permits).await.map_err(|_| End::Gone)?;
            self.events.send((event, room)).await.map_err(|_| End::Gone)
        };
        tokio::select! {
            put = put => put,
            () = self.events.closed() => Err(End::Gone),
            () = self.env.sleep(PATIENCE) => Err(End::Slow),
        }
    }

    /// Puts a last event in if there is room for it.
    pub(super) fn put_last(self, event: Bytes) {
        if let Ok(room) = self.room.clone().try_acquire_many_owned(0) {
            // Without room the client is cut off without a word: it finds out when its stream ends.
            let _ = self.events.try_send((event, room));
        }
    }

    /// Resolves when the client has gone.
    pub(super) async fn closed(&self) {
        self.events.closed().await;
    }
}
