//! Names of objects below the journal's prefix. Persisted: never change them.
//!
//! ```text
//! journal                                   which journal this is
//! selftest/<random>                         for moments, at start-up
//! topic/<topic>/<version:020>               a topic; the highest version counts
//! p/<topic>/<partition>/page/<page:020>     what an append creates
//! p/<topic>/<partition>/seg/<run:020>       a run of old pages in one object
//! p/<topic>/<partition>/gc/<number:020>     boundaries; the highest number counts
//! p/<topic>/<partition>/lease/<epoch:020>   who goes first where writers meet
//! p/<topic>/<partition>/hint                where the tail was lately; not trusted
//! p/<topic>/<partition>/hold/<follower>     what a follower still needs; not trusted
//! ```

use tidemill_journal::TopicPartition;

pub(crate) const JOURNAL: &str = "journal";
pub(crate) const TOPICS: &str = "topic";
pub(crate) const SELFTESTS: &str = "selftest";

/// Number `version` of a topic, from 1.
pub(crate) fn topic(name: &str, version: u64) -> String {
    format!("{TOPICS}/{name}/{version:020}")
}

/// The names of one partition.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    folder: String,
}

impl Keys {
    pub(crate) fn new(at: &TopicPartition) -> Self {
        Self { folder: format!("p/{}/{}", at.topic, at.partition) }
    }

    pub(crate) fn page(&self, page: u64) -> String {
        format!("{}/page/{page:020}", self.folder)
    }

    pub(crate) fn segment(&self, run: u64) -> String {
        format!("{}/seg/{run:020}", self.folder)
    }

    /// From 1.
    pub(crate) fn boundary(&self, number: u64) -> String {
        format!("{}/gc/{number:020}", self.folder)
    }

    /// From 1.
    pub(crate) fn lease(&self, epoch: u64) -> String {
        format!("{}/lease/{epoch:020}", self.folder)
    }

    pub(crate) fn hint(&self) -> String {
        format!("{}/hint", self.folder)
    }

    pub(crate) fn holds(&self) -> String {
        format!("{}/hold", self.folder)
    }

    /// `follower` is hashed: it may be any text.
    pub(crate) fn hold(&self, follower: &str) -> String {
        format!("{}/hold/{:016x}", self.folder, crate::wire::short_hash(follower))
    }
}
