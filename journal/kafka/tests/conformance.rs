//! The Kafka journal keeps every promise of the seam, on a real broker.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::HashMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tidemill_journal::Journal;
use tidemill_journal::conformance::{Rig, Shape, run_all};
use tidemill_model::JournalIdentity;

/// Makes journals, each with a prefix of its own.
#[derive(Default, Clone)]
struct Brokers {
    urls: Arc<Mutex<HashMap<u64, String>>>,
}

impl Rig for Brokers {
    fn make(&self, _shape: Shape) -> BoxFuture<'static, Arc<dyn Journal>> {
        let this = self.clone();
        async move {
            let url = common::shared().fresh_url();
            let journal = common::open(&url).await.unwrap();
            this.urls.lock().insert(journal.identity().id, url);
            journal as Arc<dyn Journal>
        }
        .boxed()
    }

    fn reopen(&self, journal: JournalIdentity) -> BoxFuture<'static, Option<Arc<dyn Journal>>> {
        let url = self.urls.lock()[&journal.id].clone();
        async move { Some(common::open(&url).await.unwrap() as Arc<dyn Journal>) }.boxed()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kafka_journal_conforms() {
    let in_part = run_all(Brokers::default()).await;
    // The broker decides when it compacts and what it retains.
    assert_eq!(in_part, ["compaction_keeps_the_last_of_each_key_where_it_was", "what_is_held_survives_retention"]);
}
