//! The node's side of a read stream.
//!
//! Reads the journal only as fast as the client's window takes messages: a message is read when the one before it has
//! been handed to the connection.

use std::sync::Arc;
use std::time::Duration;

use tidemill_api::journal::v1::ReadResponse;
use tidemill_journal::{Batch, Journal, JournalError, ReadLimits, TopicPartition};
use tidemill_model::Offset;
use tokio::sync::watch;
use tonic::Status;

use super::{leaving, stopped};
use crate::error::status_of;
use crate::wire::{bounds_to, encode_records};

/// A stream to which nothing comes says so this often.
pub(crate) const IDLE: Duration = Duration::from_secs(1);

/// A read stream.
pub(super) struct ReadStream {
    pub(super) journal: Arc<dyn Journal>,
    pub(super) at: TopicPartition,
    pub(super) next: Offset,
    /// Bytes per message.
    pub(super) bytes: usize,
    /// How long the next message waits for a record.
    pub(super) wait: Duration,
    /// What is left to do.
    pub(super) then: Then,
    pub(super) stop: watch::Receiver<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Then {
    Follow,
    OneMessage,
    Nothing,
}

impl ReadStream {
    /// The next message; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Result<ReadResponse, Status>> {
        let mut stop = self.stop.clone();
        let message = match self.then {
            Then::Nothing => return None,
            Then::Follow => tokio::select! {
                biased;
                () = stopped(&mut stop) => Err(leaving()),
                message = self.read() => message.map_err(|error| status_of(&error)),
            },
            // Somebody waits for it: what is there is read even while the node stops.
            Then::OneMessage => tokio::select! {
                biased;
                message = self.read() => message.map_err(|error| status_of(&error)),
                () = stopped(&mut stop) => Err(leaving()),
            },
        };
        if message.is_err() || self.then == Then::OneMessage {
            self.then = Then::Nothing;
        }
        Some(message)
    }

    async fn read(&mut self) -> Result<ReadResponse, JournalError> {
        let limits = ReadLimits { bytes: self.bytes, wait: self.wait };
        let Batch { records, next } = self.journal.read(&self.at, self.next, limits).await?;
        let bounds = match records.is_empty() {
            true => Some(bounds_to(&self.journal.bounds(&self.at).await?)),
            false => None,
        };
        (self.next, self.wait) = (next, IDLE);
        Ok(ReadResponse { records: encode_records(&records), next: next.0, bounds })
    }
}
