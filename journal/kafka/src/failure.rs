//! What librdkafka reports, as errors of the journal, and what it says on the side: its log and its connection errors.

use std::sync::Arc;

use parking_lot::Mutex;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tidemill_journal::JournalError;

/// The last thing that went wrong with a connection, so that a request that ran out of time can say why.
#[derive(Default, Debug)]
pub(crate) struct Trouble {
    last: Mutex<Option<(RDKafkaErrorCode, String)>>,
}

impl Trouble {
    /// Takes note of an error that librdkafka reports by itself.
    pub(crate) fn note(&self, error: &KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        tracing::debug!(?code, reason, "kafka client");
        // That all brokers are down follows from what was said about each of them before.
        let mut last = self.last.lock();
        if code != RDKafkaErrorCode::AllBrokersDown || last.is_none() {
            *last = Some((code, reason.to_owned()));
        }
    }

    /// Forgets: the brokers have answered.
    pub(crate) fn clear(&self) {
        self.last.lock().take();
    }

    /// Whether the brokers refuse this client's credentials, which waiting does not change.
    pub(crate) fn is_refusal(&self) -> bool {
        self.last.lock().as_ref().is_some_and(|(code, _)| is_refusal(*code))
    }

    /// `place` does not answer, with everything that is known about why.
    pub(crate) fn unavailable(&self, place: &str, what: &str) -> JournalError {
        let reason = match self.last.lock().as_ref() {
            Some((code, reason)) if is_refusal(*code) => {
                format!("authentication failed, check security.protocol, sasl.* and ssl.*: {reason}")
            }
            Some((_, reason)) => format!("{what}: {reason}"),
            None => what.to_owned(),
        };
        JournalError::Unavailable { place: place.to_owned(), reason }
    }
}

fn is_refusal(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{Authentication, SSL, SaslAuthenticationFailed};
    matches!(code, Authentication | SaslAuthenticationFailed | SSL)
}

/// Receives what a client of librdkafka says on the side.
#[derive(Clone, Default)]
pub(crate) struct Context {
    pub(crate) trouble: Arc<Trouble>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.trouble.note(&error, reason);
    }
}

impl ConsumerContext for Context {}

/// Passes a line of librdkafka's log on. Connections that come and go are its daily business.
pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    use RDKafkaLogLevel::{Alert, Critical, Emerg, Error, Warning};
    // Properties of the user go to all clients; that some of them are for consumers only is no news.
    let is_noise = matches!(facility, "CONFWARN" | "FAIL" | "ERROR");
    match level {
        Emerg | Alert | Critical | Error | Warning if !is_noise => tracing::warn!(facility, message, "librdkafka"),
        _ => tracing::debug!(facility, message, "librdkafka"),
    }
}

/// The error for a client that cannot be made: a property that librdkafka does not know or take.
pub(crate) fn misconfigured(error: KafkaError) -> JournalError {
    let reason = match error {
        // The value may be a secret.
        KafkaError::ClientConfig(_, _, name, _) => {
            format!("librdkafka does not take property {name}, or not with this value")
        }
        KafkaError::ClientCreation(reason) => format!("librdkafka refuses its properties: {reason}"),
        other => format!("librdkafka refuses its properties: {other}"),
    };
    JournalError::Invalid { reason: format!("kafka journal's address or settings: {reason}") }
}

/// The code of an error, also of those that an admin request returns.
pub(crate) fn code_of(error: &KafkaError) -> Option<RDKafkaErrorCode> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        other => other.rdkafka_error_code(),
    }
}
