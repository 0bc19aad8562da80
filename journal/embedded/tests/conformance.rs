//! The embedded journal keeps every promise of the seam.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use futures::future::{BoxFuture, FutureExt, ready};
use tempfile::TempDir;
use tidemill_journal::conformance::{Rig, Shape, run_all};
use tidemill_journal::{Journal, SystemEnv, TopicPartition};
use tidemill_journal_embedded::{EmbeddedConfig, EmbeddedJournal, Sync};
use tidemill_model::JournalIdentity;

/// Journals in directories below one that goes when the test is over.
struct Directories {
    root: TempDir,
    sync: Sync,
    made: Arc<Mutex<HashMap<JournalIdentity, (PathBuf, Shape)>>>,
    /// As they were opened last, so that the keeper can be made to work.
    opened: Mutex<HashMap<JournalIdentity, Arc<EmbeddedJournal>>>,
}

impl Directories {
    fn new(sync: Sync) -> Self {
        Self { root: TempDir::new().unwrap(), sync, made: Arc::default(), opened: Mutex::default() }
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
        self.opened.lock().unwrap().insert(journal.identity(), journal.clone());
        ready(journal as Arc<dyn Journal>).boxed()
    }

    fn reopen(&self, journal: JournalIdentity) -> BoxFuture<'static, Option<Arc<dyn Journal>>> {
        let (dir, shape) = self.made.lock().unwrap()[&journal].clone();
        let opened = self.open(dir, shape);
        self.opened.lock().unwrap().insert(journal, opened.clone());
        ready(Some(opened as Arc<dyn Journal>)).boxed()
    }

    fn compact(&self, journal: JournalIdentity, at: &TopicPartition) -> BoxFuture<'static, bool> {
        let (journal, at) = (self.opened.lock().unwrap()[&journal].clone(), at.clone());
        async move { journal.compact_now(&at).await.is_ok() }.boxed()
    }

    fn retain(&self, journal: JournalIdentity) -> BoxFuture<'static, bool> {
        self.opened.lock().unwrap()[&journal].retain_now();
        ready(true).boxed()
    }

    fn can_hold(&self) -> bool {
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_journal_conforms() {
    let in_part = run_all(Directories::new(Sync::Always)).await;
    assert!(in_part.is_empty(), "{in_part:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_journal_conforms_without_fsync() {
    let in_part = run_all(Directories::new(Sync::Never)).await;
    assert!(in_part.is_empty(), "{in_part:?}");
}
