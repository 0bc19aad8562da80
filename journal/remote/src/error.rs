//! Between the seam's errors and statuses.
//!
//! An error keeps its kind and what programs need of it. What has no name on the wire, and every status that does not
//! come from a journal, is something that may pass: [`JournalError::Unavailable`].

use tidemill_api::journal::v1::{self, ErrorDetail, error_detail::What};
use tidemill_journal::{ErrorKind, JournalError};
use tidemill_model::Offset;
use tonic::{Code, Status};

use crate::wire::{identity_from, identity_to};

/// What the other side gets to know of an error.
///
/// [`JournalError::Closed`] says that this node is going away, not that the caller is: it becomes something that passes.
pub(crate) fn detail_of(error: &JournalError) -> ErrorDetail {
    let reason = |reason: &str| v1::Reason { reason: reason.to_owned() };
    let what = match error {
        JournalError::NoSuchPartition { topic, partition } => {
            Some(What::NoSuchPartition(v1::NoSuchPartition { topic: topic.clone(), partition: *partition }))
        }
        JournalError::Trimmed { from, start } => Some(What::Trimmed(v1::Trimmed { from: from.0, start: start.0 })),
        JournalError::NoSuchOffset { from, tail } => {
            Some(What::NoSuchOffset(v1::NoSuchOffset { from: from.0, tail: tail.0 }))
        }
        JournalError::Invalid { reason: text } => Some(What::Invalid(reason(text))),
        JournalError::Corrupt { file, at, reason, remedy } => {
            let (file, reason, remedy) = (file.clone(), reason.clone(), remedy.clone());
            Some(What::Corrupt(v1::Corrupt { file, at: *at, reason, remedy }))
        }
        JournalError::Poisoned { reason: text } => Some(What::Poisoned(reason(text))),
        JournalError::Full { reason: text } => Some(What::Full(reason(text))),
        JournalError::InUse { path } => Some(What::InUse(reason(path))),
        JournalError::WrongJournal { place, found, expected, remedy } => Some(What::WrongJournal(v1::WrongJournal {
            place: place.clone(),
            found: Some(identity_to(*found)),
            expected: Some(identity_to(*expected)),
            remedy: remedy.clone(),
        })),
        JournalError::Fenced { reason: text } => Some(What::Fenced(reason(text))),
        JournalError::Unknown { reason: text } => Some(What::Unknown(reason(text))),
        _ => None,
    };
    ErrorDetail { message: error.to_string(), what }
}

/// The error that `detail` tells of, as seen by a client of `place`.
pub(crate) fn error_of(detail: ErrorDetail, place: &str) -> JournalError {
    let unavailable = |reason: String| JournalError::Unavailable { place: place.to_owned(), reason };
    match detail.what {
        Some(What::NoSuchPartition(v1::NoSuchPartition { topic, partition })) => {
            JournalError::NoSuchPartition { topic, partition }
        }
        Some(What::Trimmed(gap)) => JournalError::Trimmed { from: Offset(gap.from), start: Offset(gap.start) },
        Some(What::NoSuchOffset(none)) => {
            JournalError::NoSuchOffset { from: Offset(none.from), tail: Offset(none.tail) }
        }
        Some(What::Invalid(v1::Reason { reason })) => JournalError::Invalid { reason },
        Some(What::Corrupt(v1::Corrupt { file, at, reason, remedy })) => {
            JournalError::Corrupt { file: format!("{place} {file}"), at, reason, remedy }
        }
        Some(What::Poisoned(v1::Reason { reason })) => JournalError::Poisoned { reason },
        Some(What::Full(v1::Reason { reason })) => JournalError::Full { reason },
        Some(What::InUse(v1::Reason { reason })) => JournalError::InUse { path: reason },
        Some(What::WrongJournal(v1::WrongJournal { found: Some(found), expected: Some(expected), remedy, .. })) => {
            let (place, found, expected) = (place.to_owned(), identity_from(found), identity_from(expected));
            JournalError::WrongJournal { place, found, expected, remedy }
        }
        Some(What::Fenced(v1::Reason { reason })) => JournalError::Fenced { reason },
        Some(What::Unknown(v1::Reason { reason })) => JournalError::Unknown { reason },
        Some(What::WrongJournal(_)) | None => unavailable(detail.message),
    }
}

/// The status for an error.
pub(crate) fn status_of(error: &JournalError) -> Status {
    let code = match error {
        JournalError::Trimmed { .. } | JournalError::NoSuchOffset { .. } => Code::OutOfRange,
        JournalError::Full { .. } => Code::ResourceExhausted,
        error => match error.kind() {
            ErrorKind::NotFound => Code::NotFound,
            ErrorKind::Invalid => Code::InvalidArgument,
            ErrorKind::Corrupt => Code::DataLoss,
            ErrorKind::Fenced => Code::FailedPrecondition,
            ErrorKind::Unknown => Code::Unknown,
            _ => Code::Unavailable,
        },
    };
    let detail = detail_of(error);
    Status::with_details(code, detail.message.clone(), detail.to_details())
}

/// The error behind a status that `place` answered with, or that the connection to it made up.
pub(crate) fn error_of_status(status: &Status, place: &str) -> JournalError {
    if let Some(detail) = ErrorDetail::from_details(status.details()) {
        return error_of(detail, place);
    }
    let reason = match status.code() {
        Code::Unimplemented => "it does not serve its journal: start that node with --grpc read or append".to_owned(),
        code => format!("{} ({})", reason_of(status), code.description()),
    };
    JournalError::Unavailable { place: place.to_owned(), reason }
}

/// What a status says, with the causes that it hides behind "transport error".
fn reason_of(status: &Status) -> String {
    let mut reason = status.message().to_owned();
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        let text = error.to_string();
        if !reason.contains(&text) {
            reason = format!("{reason}: {text}");
        }
        cause = error.source();
    }
    reason
}

#[cfg(test)]
mod tests {
    use tidemill_model::JournalIdentity;

    use super::*;

    fn all() -> Vec<JournalError> {
        let text = || "why".to_owned();
        let identity = |id| JournalIdentity { id, generation: 2 };
        vec![
            JournalError::NoSuchPartition { topic: "data".into(), partition: 3 },
            JournalError::Trimmed { from: Offset(1), start: Offset(2) },
            JournalError::NoSuchOffset { from: Offset(9), tail: Offset(2) },
            JournalError::Invalid { reason: text() },
            JournalError::Corrupt { file: "f".into(), at: 7, reason: text(), remedy: text() },
            JournalError::Poisoned { reason: text() },
            JournalError::Full { reason: text() },
            JournalError::InUse { path: text() },
            JournalError::WrongJournal { place: "p".into(), found: identity(1), expected: identity(2), remedy: text() },
            JournalError::Fenced { reason: text() },
            JournalError::Unknown { reason: text() },
            JournalError::Unavailable { place: "p".into(), reason: text() },
            JournalError::Io { action: "open", path: "p".into(), reason: text() },
        ]
    }

    #[test]
    fn errors_keep_their_kind_and_their_fields() {
        for error in all() {
            let again = error_of_status(&status_of(&error), "p");
            assert_eq!(again.kind(), error.kind(), "{error}");
            let is_named = !matches!(error, JournalError::Unavailable { .. } | JournalError::Io { .. });
            if is_named && !matches!(error, JournalError::Corrupt { .. }) {
                assert_eq!(again.to_string(), error.to_string());
            }
        }
    }

    #[test]
    fn a_node_that_closes_its_journal_is_one_that_comes_back() {
        let again = error_of_status(&status_of(&JournalError::Closed), "p");
        assert_eq!(again.kind(), ErrorKind::Retry, "{again}");
    }

    #[test]
    fn statuses_of_others_may_pass() {
        for details in [&b""[..], b"\xff\xff\xff", b"\x12\x00"] {
            let status = Status::with_details(Code::Internal, "no", details.to_vec().into());
            assert_ne!(error_of_status(&status, "p").kind(), ErrorKind::Corrupt, "{details:?}");
        }
        let status = Status::internal("no");
        assert!(matches!(error_of_status(&status, "p"), JournalError::Unavailable { .. }));
    }
}
