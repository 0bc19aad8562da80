//! Sends what waits, over one stream at a time.
//!
//! ```text
//!   queue ──▶ open(session, attempt) ──▶ opened ──▶ parts ──▶          the other node
//!     ▲                                                                     │
//!     └───────────────── receipts and refusals, in order ◀──────────────────┘
//! ```
//!
//! When a stream breaks, a new one takes over the session with a higher attempt, and everything that was not answered
//! is sent again with the same numbers. Nothing is sent before the session is open, so an append that waits while the
//! other node is away is known not to have been written.

use std::sync::Arc;

use futures::stream;
use tidemill_api::journal::v1::{
    AppendOpen, AppendPart, AppendReceipt, AppendRefusal, AppendRequest, AppendResponse, append_request,
    append_response,
};
use tidemill_journal::{JournalError, Receipt};
use tidemill_model::{JournalIdentity, Offset};
use tokio::sync::mpsc;
use tonic::Streaming;

use super::queue::{Place, Queue};
use crate::error::error_of;
use crate::link::{Link, Pauses};
use crate::wire::identity_to;

/// Messages between the queue and the connection. They are up to a MiB each; more would only be memory.
const OUTBOUND: usize = 4;

/// Sends what waits.
pub(crate) struct Worker {
    pub(crate) link: Arc<Link>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) journal: JournalIdentity,
    pub(crate) session: u64,
}

impl Worker {
    /// Runs until the queue is closed and empty.
    pub(crate) async fn run(self) {
        let (mut attempt, mut pauses) = (0, Pauses::default());
        while self.has_work().await {
            attempt += 1;
            let mut is_open = false;
            let end = tokio::select! {
                end = self.stream(attempt, &mut is_open) => end,
                () = self.give_up_late() => continue,
            };
            let Err(error) = end else { continue };
            tracing::debug!(place = self.link.place, %error, "an append stream has ended");
            if !matches!(error, JournalError::Unavailable { .. }) {
                // Somebody else's journal, or one that does not take appends: waiting does not help.
                self.queue.fail_all(|_| error.clone());
            }
            if is_open {
                pauses = Pauses::default();
            }
            let pause = pauses.next(&*self.link.env);
            tokio::select! {
                () = self.link.env.sleep(pause) => {}
                () = self.give_up_late() => {}
            }
        }
    }

    /// Waits for something to send; `false` if nothing will come.
    async fn has_work(&self) -> bool {
        let mut news = self.queue.news();
        loop {
            if self.queue.is_done() {
                return false;
            }
            if self.queue.deadline().is_some() {
                return true;
            }
            // The sender is in the queue, which is here.
            drop(news.changed().await);
        }
    }

    /// Returns after it has given up everything because the first append has waited for too long. Answers come in
    /// order, so whatever is behind it has had none either.
    async fn give_up_late(&self) {
        let mut news = self.queue.news();
        loop {
            let now = self.link.env.monotonic();
            match self.queue.deadline() {
                None => drop(news.changed().await),
                Some(deadline) if deadline > now => self.link.env.sleep(deadline - now).await,
                Some(_) => return self.queue.fail_all(|is_sent| self.late(is_sent)),
            }
        }
    }

    fn late(&self, is_sent: bool) -> JournalError {
        match is_sent {
            true => self.unknown("did not answer in time"),
            false => self.link.unavailable("an append could not be sent in time: its records were not written"),
        }
    }

    fn unknown(&self, reason: &str) -> JournalError {
        JournalError::Unknown { reason: format!("{} {reason} after it was sent an append", self.link.place) }
    }

    /// One stream, until it breaks (an error) or nothing is left to do.
    async fn stream(&self, attempt: u64, is_open: &mut bool) -> Result<(), JournalError> {
        let (outbound, messages) = mpsc::channel(OUTBOUND);
        let open = AppendOpen { journal: Some(identity_to(self.journal)), session: self.session, attempt };
        drop(outbound.try_send(message(append_request::What::Open(open))));
        let messages = stream::unfold(messages, |mut messages| async move { Some((messages.recv().await?, messages)) });
        let answers = self.link.append_client().append(messages).await;
        let mut answers = answers.map_err(|status| self.link.error(&status))?.into_inner();
        self.opened(&mut answers).await?;
        *is_open = true;
        let (mut news, mut place) = (self.queue.news(), Place::default());
        loop {
            if self.queue.is_done() {
                return Ok(());
            }
            let next = self.queue.next(place);
            tokio::select! {
                answer = answers.message() => match answer.map_err(|status| self.link.error(&status))? {
                    Some(answer) => self.take(answer)?,
                    None => return Err(self.link.unavailable("it has ended the stream of appends")),
                },
                permit = outbound.reserve(), if next.is_some() => {
                    let permit = permit.map_err(|_| self.link.unavailable("the connection is gone"))?;
                    if let Some((part, after)) = next {
                        self.send(permit, part);
                        place = after;
                    }
                }
                _ = news.changed(), if next.is_none() => {}
            }
        }
    }

    fn send(&self, permit: mpsc::Permit<'_, AppendRequest>, part: AppendPart) {
        self.queue.mark_sent(part.request, part.is_last);
        permit.send(message(append_request::What::Part(part)));
    }

    async fn opened(&self, answers: &mut Streaming<AppendResponse>) -> Result<(), JournalError> {
        let first = answers.message().await.map_err(|status| self.link.error(&status))?;
        let Some(append_response::What::Opened(opened)) = first.and_then(|first| first.what) else {
            return Err(self.link.unavailable("it did not open a session"));
        };
        if !opened.is_known {
            self.queue.forget_anonymous(|| self.unknown("has started anew"));
        }
        Ok(())
    }

    fn take(&self, answer: AppendResponse) -> Result<(), JournalError> {
        let (number, result) = match answer.what {
            Some(append_response::What::Receipt(AppendReceipt { request, first, end })) => {
                (request, Ok(Receipt { first: Offset(first), end: Offset(end) }))
            }
            Some(append_response::What::Refusal(AppendRefusal { request, error })) => {
                (request, Err(error_of(error.unwrap_or_default(), &self.link.place)))
            }
            Some(append_response::What::Opened(_)) | None => return Ok(()),
        };
        match self.queue.answer(number, result) {
            true => Ok(()),
            false => Err(self.link.unavailable(format!("it answered request {number}, which is not next"))),
        }
    }
}

fn message(what: append_request::What) -> AppendRequest {
    AppendRequest { what: Some(what) }
}
