//! The node's side of an append stream.
//!
//! 1. The first message opens a session ([`super::sessions`]).
//! 2. Parts are put together; the last one of a request appends it, which takes its place in the journal's order.
//! 3. Outcomes are sent in the order of the requests.
//!
//! While [`WINDOW`] requests or [`PENDING_BYTES_MAX`] bytes wait to be durable nothing more is taken from the stream, so
//! the client's window fills and it waits.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use tidemill_api::journal::v1::{
    AppendOpened, AppendPart, AppendReceipt, AppendRefusal, AppendRequest, AppendResponse, append_request,
    append_response,
};
use tidemill_journal::{Journal, JournalError, Receipt, TopicPartition};
use tidemill_model::NewRecord;
use tokio::sync::watch;
use tonic::{Status, Streaming};

use super::sessions::{Outcome, Session, Sessions, WINDOW};
use super::{leaving, stopped};
use crate::error::{detail_of, status_of};
use crate::wire::{APPEND_BYTES_MAX, decode_new};

/// Bytes of requests that wait to be durable.
const PENDING_BYTES_MAX: usize = 64 << 20;

/// A request that is being put together.
struct Open {
    number: u64,
    at: TopicPartition,
    records: Vec<NewRecord>,
    bytes: usize,
}

/// A request that waits for its outcome.
struct Pending {
    number: u64,
    bytes: usize,
    outcome: Outcome,
}

/// An append stream.
pub(super) struct AppendStream {
    journal: Arc<dyn Journal>,
    inbound: Streaming<AppendRequest>,
    stop: watch::Receiver<bool>,
    session: Arc<Session>,
    attempt: u64,
    /// The answer to the opening, until it is sent.
    opened: Option<AppendOpened>,
    open: Option<Open>,
    pending: VecDeque<Pending>,
    pending_bytes: usize,
    /// Why nothing more is taken; `None` for the client's own end.
    ending: Option<Option<Status>>,
}

enum Event {
    Outcome(Result<Receipt, JournalError>),
    Message(Result<Option<AppendRequest>, Status>),
    Stop,
}

impl AppendStream {
    /// Opens a session for the stream `inbound`, whose first message said which.
    pub(super) fn open(
        journal: Arc<dyn Journal>,
        sessions: &Sessions,
        (session, attempt): (u64, u64),
        inbound: Streaming<AppendRequest>,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, JournalError> {
        let (session, is_known) = sessions.open(session, attempt)?;
        Ok(Self {
            journal,
            inbound,
            stop,
            session,
            attempt,
            opened: Some(AppendOpened { is_known }),
            open: None,
            pending: VecDeque::new(),
            pending_bytes: 0,
            ending: None,
        })
    }

    /// The next answer; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Result<AppendResponse, Status>> {
        if let Some(opened) = self.opened.take() {
            return Some(Ok(AppendResponse { what: Some(append_response::What::Opened(opened)) }));
        }
        loop {
            if self.pending.is_empty()
                && let Some(ending) = &mut self.ending
            {
                return ending.take().map(Err);
            }
            match self.event().await {
                Event::Outcome(outcome) => return self.answer(outcome).map(Ok),
                Event::Message(Ok(None)) => self.ending = Some(None),
                Event::Message(Ok(Some(message))) => {
                    if let Err(status) = self.take(message) {
                        self.ending = Some(Some(status));
                    }
                }
                Event::Message(Err(status)) => self.ending = Some(Some(status)),
                Event::Stop => self.ending = Some(Some(leaving())),
            }
        }
    }

    /// What happens next, unless the stream has come to its end.
    async fn event(&mut self) -> Event {
        let has_room = self.pending.len() < WINDOW && self.pending_bytes < PENDING_BYTES_MAX;
        let takes = self.ending.is_none();
        let oldest = self.pending.front().map(|pending| pending.outcome.clone());
        let outcome = async {
            match oldest {
                Some(outcome) => outcome.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            outcome = outcome => Event::Outcome(outcome),
            () = stopped(&mut self.stop), if takes => Event::Stop,
            message = self.inbound.message(), if takes && has_room => Event::Message(message),
        }
    }

    fn answer(&mut self, outcome: Result<Receipt, JournalError>) -> Option<AppendResponse> {
        let Pending { number, bytes, .. } = self.pending.pop_front()?;
        self.pending_bytes -= bytes;
        let what = match outcome {
            Ok(Receipt { first, end }) => {
                append_response::What::Receipt(AppendReceipt { request: number, first: first.0, end: end.0 })
            }
            Err(error) => {
                append_response::What::Refusal(AppendRefusal { request: number, error: Some(detail_of(&error)) })
            }
        };
        Some(AppendResponse { what: Some(what) })
    }

    fn take(&mut self, message: AppendRequest) -> Result<(), Status> {
        let Some(append_request::What::Part(part)) = message.what else {
            return Err(Status::invalid_argument("after the first message of an append stream, every one is a part"));
        };
        self.take_part(part).map_err(|error| status_of(&error))
    }

    fn take_part(&mut self, part: AppendPart) -> Result<(), JournalError> {
        let at = TopicPartition { topic: part.topic, partition: part.partition };
        let open = self.open.take();
        let mut open = open.unwrap_or_else(|| Open { number: part.request, at: at.clone(), records: vec![], bytes: 0 });
        if (open.number, &open.at) != (part.request, &at) {
            let reason = format!("a part of request {} came before the last one of {}", part.request, open.number);
            return Err(JournalError::Invalid { reason });
        }
        open.bytes += part.records.len();
        if open.bytes > APPEND_BYTES_MAX {
            let reason = format!("request {} is over the limit of {APPEND_BYTES_MAX} bytes", open.number);
            return Err(JournalError::Invalid { reason });
        }
        open.decode(part.records)?;
        if !part.is_last {
            self.open = Some(open);
            return Ok(());
        }
        let Open { number, at, records, bytes } = open;
        let append = || self.journal.append(&at, records).boxed();
        let outcome = self.session.request(self.attempt, number, append)?;
        self.pending_bytes += bytes;
        self.pending.push_back(Pending { number, bytes, outcome });
        Ok(())
    }
}

impl Open {
    fn decode(&mut self, records: Bytes) -> Result<(), JournalError> {
        decode_new(records, &mut self.records)
    }
}
