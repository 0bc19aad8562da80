//! Sessions: what keeps a repeated request from being appended twice.
//!
//! A client numbers its requests and sends those that were not answered again after a broken connection. The node
//! remembers the last [`WINDOW`] requests of a session, with their outcomes, and appends none of them twice.
//!
//! Invariants
//! - Requests of a session are appended in the order of their numbers: a number that is not the highest so far is
//!   answered from memory or refused.
//! - One stream has a session: the one with the highest attempt. An older stream, whose bytes may still be under way,
//!   can append nothing any more.
//! - Sessions are in memory only: after a restart, or when [`SESSIONS_MAX`] others have come, a client learns that it
//!   is unknown, and decides for itself what to send again.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt, Shared};
use parking_lot::Mutex;
use tidemill_journal::{JournalError, Receipt};

/// Requests that are remembered per session. A client sends no more without an answer.
pub(crate) const WINDOW: usize = 1024;
/// Sessions that are remembered. Full windows of all of them take about 50 MiB.
const SESSIONS_MAX: usize = 256;

/// What became, or will become, of a request.
pub(crate) type Outcome = Shared<BoxFuture<'static, Result<Receipt, JournalError>>>;

/// All sessions of a node.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<Table>);

#[derive(Default)]
struct Table {
    sessions: HashMap<u64, (u64, Arc<Session>)>,
    /// Counts the openings, to tell which session has been unused for longest.
    openings: u64,
}

/// One session.
pub(crate) struct Session(Mutex<Requests>);

struct Requests {
    attempt: u64,
    /// Number and outcome, ascending.
    seen: VecDeque<(u64, Outcome)>,
}

impl Sessions {
    /// The session for a stream, and whether it was known.
    ///
    /// # Errors
    /// When a later stream has it.
    pub(crate) fn open(&self, id: u64, attempt: u64) -> Result<(Arc<Session>, bool), JournalError> {
        let mut table = self.0.lock();
        table.openings += 1;
        let now = table.openings;
        if let Some((opened, session)) = table.sessions.get_mut(&id) {
            let mut requests = session.0.lock();
            if attempt <= requests.attempt {
                return Err(taken_over());
            }
            (*opened, requests.attempt) = (now, attempt);
            return Ok((session.clone(), true));
        }
        if table.sessions.len() >= SESSIONS_MAX {
            table.forget_oldest()?;
        }
        let session = Arc::new(Session(Mutex::new(Requests { attempt, seen: VecDeque::new() })));
        table.sessions.insert(id, (now, session.clone()));
        Ok((session, false))
    }
}

impl Table {
    /// Makes room; sessions that a stream has stay.
    fn forget_oldest(&mut self) -> Result<(), JournalError> {
        let unused = self.sessions.iter().filter(|(_, (_, session))| Arc::strong_count(session) == 1);
        let oldest = unused.min_by_key(|(_, (opened, _))| *opened).map(|(id, _)| *id);
        let full = || JournalError::Full { reason: format!("{SESSIONS_MAX} clients append at once") };
        self.sessions.remove(&oldest.ok_or_else(full)?);
        Ok(())
    }
}

impl Session {
    /// The outcome of request `number`; appends it with `append` if it has not been seen before.
    ///
    /// # Errors
    /// When another stream has the session, or when the number is older than what is remembered.
    pub(crate) fn request(
        &self,
        attempt: u64,
        number: u64,
        append: impl FnOnce() -> BoxFuture<'static, Result<Receipt, JournalError>>,
    ) -> Result<Outcome, JournalError> {
        let mut requests = self.0.lock();
        if requests.attempt != attempt {
            return Err(taken_over());
        }
        if requests.seen.back().is_none_or(|(last, _)| *last < number) {
            // Under the lock, so that a stream that takes over finds everything that was appended.
            let outcome = append().shared();
            requests.seen.push_back((number, outcome.clone()));
            if requests.seen.len() > WINDOW {
                requests.seen.pop_front();
            }
            return Ok(outcome);
        }
        let seen = requests.seen.binary_search_by_key(&number, |(number, _)| *number);
        let seen = seen.ok().and_then(|at| requests.seen.get(at));
        seen.map(|(_, outcome)| outcome.clone()).ok_or_else(|| JournalError::Invalid {
            reason: format!("request {number} of the session is older than the last {WINDOW}, or was never sent"),
        })
    }
}

fn taken_over() -> JournalError {
    JournalError::Fenced { reason: "a later stream has taken over the session".to_owned() }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tidemill_model::Offset;

    use super::*;

    fn receipt(n: u64) -> BoxFuture<'static, Result<Receipt, JournalError>> {
        async move { Ok(Receipt { first: Offset(n), end: Offset(n + 1) }) }.boxed()
    }

    fn first(outcome: Outcome) -> u64 {
        outcome.now_or_never().unwrap().unwrap().first.0
    }

    #[test]
    fn a_request_that_was_seen_is_answered_and_not_appended() {
        let sessions = Sessions::default();
        let appended = Cell::new(0);
        let append = || {
            appended.set(appended.get() + 1);
            receipt(appended.get())
        };
        let (session, is_known) = sessions.open(1, 1).unwrap();
        assert!(!is_known);
        assert_eq!(first(session.request(1, 10, append).unwrap()), 1);
        let (session, is_known) = sessions.open(1, 2).unwrap();
        assert!(is_known);
        assert_eq!(first(session.request(2, 10, append).unwrap()), 1);
        assert_eq!(first(session.request(2, 12, append).unwrap()), 2);
        assert!(session.request(2, 11, append).is_err(), "a number that was skipped is refused");
        assert_eq!(appended.get(), 2);
    }

    #[test]
    fn a_stream_that_was_overtaken_appends_nothing() {
        let sessions = Sessions::default();
        let (old, _) = sessions.open(1, 1).unwrap();
        sessions.open(1, 2).unwrap();
        let refused = old.request(1, 1, || panic!("nothing is appended"));
        assert!(matches!(refused, Err(JournalError::Fenced { .. })));
        assert!(sessions.open(1, 2).is_err(), "an attempt has one stream");
    }

    #[test]
    fn the_window_is_bounded() {
        let (session, _) = Sessions::default().open(1, 1).unwrap();
        for n in 0..WINDOW as u64 + 1 {
            drop(session.request(1, n, || receipt(n)).unwrap());
        }
        assert!(matches!(session.request(1, 0, || receipt(0)), Err(JournalError::Invalid { .. })));
        assert_eq!(first(session.request(1, 1, || receipt(0)).unwrap()), 1);
    }

    #[test]
    fn sessions_without_a_stream_give_way_and_others_do_not() {
        let sessions = Sessions::default();
        let kept: Vec<_> = (1..SESSIONS_MAX as u64).map(|id| sessions.open(id, 1).unwrap()).collect();
        sessions.open(0, 1).unwrap();
        let last = sessions.open(1000, 1).unwrap();
        assert!(!last.1 && sessions.open(1001, 1).is_err(), "all have streams");
        drop(kept);
        assert!(!sessions.open(1001, 1).unwrap().1);
        assert!(sessions.open(1000, 2).unwrap().1, "the newest is remembered");
    }
}
