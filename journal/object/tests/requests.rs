//! What a journal asks of its store, counted: that is what it costs.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::sync::Arc;

use object_store::memory::InMemory;
use tidemill_journal::{Journal, ReadLimits, SystemEnv, TopicConfig, TopicPartition};
use tidemill_journal_object::{ObjectJournal, Settings};
use tidemill_model::{NewRecord, Offset, RecordKind};

const PAGES: u64 = 5000;

fn at() -> TopicPartition {
    TopicPartition::new("data", 0)
}

fn count(journal: &ObjectJournal, name: &str) -> u64 {
    journal.metrics().iter().find(|metric| metric.name == name).unwrap().value as u64
}

async fn open(store: &Arc<InMemory>) -> Arc<ObjectJournal> {
    let settings = Settings { linger: std::time::Duration::ZERO, ..Settings::remote() };
    ObjectJournal::open_on(store.clone(), "j", settings, SystemEnv::new()).await.unwrap()
}

fn record() -> NewRecord {
    NewRecord::anonymous(RecordKind::Samples, "x")
}

#[tokio::test]
async fn an_append_is_one_put_and_a_start_finds_the_tail_in_few_requests() {
    let store = Arc::new(InMemory::new());
    let journal = open(&store).await;
    journal.create(TopicConfig::new("data", 1)).await.unwrap();
    journal.append(&at(), vec![record()]).await.unwrap();
    let before = count(&journal, "journal_object_puts");
    for _ in 1..PAGES {
        journal.append(&at(), vec![record()]).await.unwrap();
    }
    let puts = count(&journal, "journal_object_puts") - before;
    assert!(puts <= PAGES + PAGES / 100, "{puts} PUTs for {PAGES} pages");
    assert_eq!(count(&journal, "journal_object_lists"), 2, "only opening lists");
    // Gone without a word, its last hint some hundred pages old.
    drop(journal);
    for with_hint in [true, false] {
        if !with_hint {
            let hint = object_store::path::Path::from("j/p/data/0/hint");
            object_store::ObjectStoreExt::delete(store.as_ref(), &hint).await.unwrap();
        }
        let journal = open(&store).await;
        let asked = || count(&journal, "journal_object_gets") + count(&journal, "journal_object_heads");
        let before = asked();
        assert_eq!(journal.bounds(&at()).await.unwrap().records, PAGES);
        let requests = asked() - before;
        assert!(requests <= 60, "{requests} requests to find the tail, hint: {with_hint}");
        let before = asked();
        let batch = journal.read(&at(), Offset(1234 << 20), ReadLimits::default()).await.unwrap();
        assert_eq!(batch.records[0].ordinal, 1234);
        let requests = asked() - before;
        assert!(requests <= 2, "{requests} requests to read from anywhere");
    }
}
