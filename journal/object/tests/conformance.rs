//! The object journal keeps every promise of the seam.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use futures::future::{BoxFuture, FutureExt};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use tempfile::TempDir;
use tidemill_journal::conformance::{Rig, Shape, run_all};
use tidemill_journal::{Journal, SystemEnv, TopicPartition};
use tidemill_journal_object::{ObjectJournal, Settings};
use tidemill_model::JournalIdentity;

/// Where a journal is kept, so that it can be opened again.
#[derive(Clone)]
enum Place {
    On(Arc<dyn ObjectStore>),
    At(String),
}

struct Made {
    place: Place,
    shape: Shape,
    journal: Arc<ObjectJournal>,
}

type Journals = Arc<Mutex<HashMap<JournalIdentity, Made>>>;

/// Journals in places of one kind.
struct Places<F> {
    place: F,
    made: Journals,
}

async fn open(place: Place, shape: Shape, made: Journals) -> Arc<dyn Journal> {
    let page_bytes = if shape == Shape::SmallFiles { 16 << 10 } else { 8 << 20 };
    let settings = Settings { page_bytes, run_pages: 8, ..Settings::local() };
    let env = SystemEnv::new();
    let journal = match &place {
        Place::On(store) => ObjectJournal::open_on(store.clone(), "a/prefix", settings, env).await.unwrap(),
        Place::At(url) => {
            let pairs = [("page_bytes", page_bytes.to_string()), ("run_pages", "8".into())];
            let pairs = pairs.map(|(name, value)| (name.to_owned(), value)).to_vec();
            ObjectJournal::open(url, pairs, env).await.unwrap()
        }
    };
    made.lock().unwrap().insert(journal.identity(), Made { place, shape, journal: journal.clone() });
    journal
}

impl<F: Fn() -> Place> Rig for Places<F> {
    fn make(&self, shape: Shape) -> BoxFuture<'static, Arc<dyn Journal>> {
        open((self.place)(), shape, self.made.clone()).boxed()
    }

    fn reopen(&self, journal: JournalIdentity) -> BoxFuture<'static, Option<Arc<dyn Journal>>> {
        let Made { place, shape, .. } = self.made.lock().unwrap().remove(&journal).unwrap();
        open(place, shape, self.made.clone()).map(Some).boxed()
    }

    fn compact(&self, journal: JournalIdentity, at: &TopicPartition) -> BoxFuture<'static, bool> {
        let (journal, at) = (self.made.lock().unwrap()[&journal].journal.clone(), at.clone());
        async move { journal.maintain(&at).await.is_ok() }.boxed()
    }

    fn retain(&self, journal: JournalIdentity) -> BoxFuture<'static, bool> {
        let journal = self.made.lock().unwrap()[&journal].journal.clone();
        async move {
            for topic in journal.topics().await.unwrap() {
                for partition in 0..topic.partitions {
                    journal.maintain(&TopicPartition::new(&topic.name, partition)).await.unwrap();
                }
            }
            true
        }
        .boxed()
    }

    fn can_hold(&self) -> bool {
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_object_journal_conforms_in_memory() {
    let place = || Place::On(Arc::new(InMemory::new()));
    assert_eq!(run_all(Places { place, made: Arc::default() }).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_object_journal_conforms_on_files() {
    let root = TempDir::new().unwrap();
    let place = || {
        let dir = tempfile::Builder::new().tempdir_in(&root).unwrap().keep();
        Place::At(format!("object://{}", dir.display()))
    };
    assert_eq!(run_all(Places { place, made: Arc::default() }).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_object_journal_conforms_on_the_librarys_own_files() {
    let root = TempDir::new().unwrap();
    let place = || {
        let dir = tempfile::Builder::new().tempdir_in(&root).unwrap().keep();
        Place::On(Arc::new(LocalFileSystem::new_with_prefix(dir).unwrap()))
    };
    assert_eq!(run_all(Places { place, made: Arc::default() }).await, [""; 0]);
}
