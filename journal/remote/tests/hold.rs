//! Holds reach the other node, and are let go there.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use common::{Served, embedded, record, remote};
use tempfile::TempDir;
use tidemill_journal::{Journal, Retention, TopicConfig, TopicPartition};
use tidemill_journal_remote::service::Access;
use tidemill_model::Offset;

async fn start(journal: &dyn Journal, at: &TopicPartition) -> Offset {
    journal.bounds(at).await.unwrap().start
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_holds_is_kept_by_the_other_node_until_it_is_let_go() {
    let dir = TempDir::new().unwrap();
    let journal = embedded(dir.path(), 32 << 10);
    let retention = Retention { bytes: Some(64 << 10), ..Retention::default() };
    journal.create(TopicConfig { retention, ..TopicConfig::new("data", 2) }).await.unwrap();
    let (held, free) = (TopicPartition::new("data", 0), TopicPartition::new("data", 1));
    let first = journal.append(&held, vec![record(0, 1000)]).await.unwrap().first;
    let served = Served::start(journal.clone(), Access::Read).await;
    let client = remote(&served.url()).await;
    client.hold(&held, "slow", Some(Offset(u64::MAX)));
    client.hold(&held, "slow", Some(first));
    client.hold(&free, "fast", Some(Offset(u64::MAX)));
    // Sends what waits.
    client.close().await;
    let mut sequence = 0;
    let mut fill = async |until: &TopicPartition| {
        while start(&*journal, until).await <= first {
            for at in [&held, &free] {
                sequence += 1;
                journal.append(at, vec![record(sequence, 8000)]).await.unwrap();
            }
        }
    };
    fill(&free).await;
    assert!(start(&*journal, &held).await <= first, "what is held is kept");
    let client = remote(&served.url()).await;
    client.hold(&held, "slow", None);
    client.close().await;
    fill(&held).await;
    served.end().await;
}
