//! Where a journal is, as people write it.
//!
//! | text | journal |
//! |---|---|
//! | `DIR`, `file:///DIR` | embedded, in a local directory |
//! | `kafka://HOST:PORT,…/PREFIX?PROPERTY=VALUE` | topics of a Kafka or Redpanda cluster |
//! | `object:///DIR`, `s3://BUCKET/PREFIX`, `gs://…`, `az://…` | objects in a directory or an object store |
//! | `grpc://HOST:PORT`, `grpcs://HOST:PORT` | the journal of another node |
//!
//! Secrets do not belong into it, since everybody on the machine sees the process list. Messages and the status show the
//! place, which is what comes before a question mark.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a journal is.
#[derive(Clone, PartialEq, Eq)]
pub enum JournalUrl {
    /// A directory of this machine.
    Embedded(PathBuf),
    /// The whole text, `kafka://…`.
    Kafka(String),
    /// The whole text, `object://…` or the scheme of a provider.
    Object(String),
    /// The whole text, `grpc://…`.
    Remote(String),
}

/// A text that names no journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{reason}; a journal is a directory, file:///DIR, kafka://HOST:PORT, object:///DIR, s3://BUCKET/PREFIX (gs, az) or grpc://HOST:PORT"
)]
pub struct JournalUrlError {
    reason: String,
}

impl FromStr for JournalUrl {
    type Err = JournalUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = |reason: String| Err(JournalUrlError { reason });
        if text.trim().is_empty() {
            return refused("the journal's URL is empty".to_owned());
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            // `object:dir` is a slip, `./object:dir` is a path.
            return match text.split('/').next() {
                Some(first) if first.contains(':') => refused(format!("{text:?} is neither a URL nor a path")),
                _ => Ok(JournalUrl::Embedded(text.into())),
            };
        };
        if rest.split('/').next().is_some_and(|authority| authority.contains('@')) {
            let reason = format!("a {scheme} URL must not hold a password: put it into a file for --journal-settings");
            return refused(reason);
        }
        if rest.is_empty() {
            return refused(format!("{text:?} says no place"));
        }
        match scheme {
            "file" if rest.starts_with('/') => Ok(JournalUrl::Embedded(rest.into())),
            "file" => refused(format!("{text:?} is not absolute: a third slash is missing")),
            "kafka" => Ok(JournalUrl::Kafka(text.to_owned())),
            "object" | "s3" | "gs" | "az" => Ok(JournalUrl::Object(text.to_owned())),
            "grpc" | "grpcs" => Ok(JournalUrl::Remote(text.to_owned())),
            other => refused(format!("{other:?} is no kind of journal")),
        }
    }
}

/// The place, without what comes behind a question mark.
impl fmt::Display for JournalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JournalUrl::Embedded(dir) => write!(f, "{}", dir.display()),
            JournalUrl::Kafka(url) | JournalUrl::Object(url) | JournalUrl::Remote(url) => {
                f.write_str(url.split('?').next().unwrap_or_default())
            }
        }
    }
}

impl fmt::Debug for JournalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl JournalUrl {
    /// The kind of journal, as users call it.
    pub fn kind(&self) -> &'static str {
        match self {
            JournalUrl::Embedded(_) => "embedded",
            JournalUrl::Kafka(_) => "kafka",
            JournalUrl::Object(_) => "object",
            JournalUrl::Remote(_) => "remote",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_told_by_its_text() {
        let kind = |text: &str| JournalUrl::from_str(text).map(|url| url.kind());
        for (text, expected) in [
            ("tidemill-data/journal", "embedded"),
            ("./a:b", "embedded"),
            ("file:///var/lib/journal", "embedded"),
            ("kafka://a:9092,b:9092/plant", "kafka"),
            ("object:///srv/journal", "object"),
            ("s3://bucket/plant", "object"),
            ("grpc://10.0.0.7:7301", "remote"),
        ] {
            assert_eq!(kind(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_names_no_journal_is_refused_with_what_would() {
        for text in ["", " ", "object:dir", "foo://x", "kafka://", "file://relative", "s3:bucket"] {
            let error = JournalUrl::from_str(text).unwrap_err().to_string();
            assert!(error.contains("kafka://HOST:PORT"), "{text}: {error}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_refused_and_not_repeated() {
        let error = JournalUrl::from_str("kafka://me:hunter2@broker:9092").unwrap_err().to_string();
        assert!(error.contains("--journal-settings") && !error.contains("hunter2"), "{error}");
        let url = JournalUrl::from_str("kafka://broker:9092/plant?sasl.password=hunter2").unwrap();
        assert_eq!(url.to_string(), "kafka://broker:9092/plant");
    }
}
