//! The embedded journal keeps every promise of the seam.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use futures::future::{BoxFuture, FutureExt, ready};
use tempfile::TempDir;
use tidemill_journal::conformance::{Rig, Shape, run_all};
use tidemill_journal::{Journal, SystemEnv};
use tidemill_journal_embedded::{EmbeddedConfig, EmbeddedJournal, Sync};
use tidemill_model::JournalIdentity;

/// Journals in directories below one that goes when the test is over.
struct Directories {
    root: TempDir,
    sync: Sync,
    made: Arc<Mutex<HashMap<JournalIdentity, (PathBuf, Shape)>>>,
}

impl Directories {
    fn new(sync: Sync) -> Self {
        Self { root: TempDir::new().unwrap(), sync, made: Arc::default() }
    }

    fn open(&self, dir: PathBuf, shape: Shape) -> Arc<EmbeddedJournal> {
        let segment_bytes = if shape == Shape::SmallFiles { 32 << 10 } else { 64 << 20 };
        let config = EmbeddedConfig { segment_bytes, sync: self.sync, ..EmbeddedConfig::new(dir) };
        EmbeddedJournal::open(config, SystemEnv::new()).unwrap()
    }
}

impl Rig for Directories {
    fn make(&self, shape: Shape) -> BoxFuture<'static, Arc<dyn Journal>> {
        let dir = tempfile::Builder::new().tempdir_in(&self.root).unwrap().keep();
        let journal = self.open(dir.clone(), shape);
        self.made.lock().unwrap().insert(journal.identity(), (dir, shape));
        ready(journal as Arc<dyn Journal>).boxed()
    }

    fn reopen(&self, journal: JournalIdentity) -> BoxFuture<'static, Option<Arc<dyn Journal>>> {
        let (dir, shape) = self.made.lock().unwrap()[&journal].clone();
        ready(Some(self.open(dir, shape) as Arc<dyn Journal>)).boxed()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_journal_conforms() {
    let in_part = run_all(Directories::new(Sync::Always)).await;
    assert_eq!(in_part, IN_PART);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_journal_conforms_without_fsync() {
    let in_part = run_all(Directories::new(Sync::Never)).await;
    assert_eq!(in_part, IN_PART);
}

/// What no rig can force yet.
const IN_PART: [&str; 2] = ["compaction_keeps_the_last_of_each_key_where_it_was", "what_is_held_survives_retention"];
