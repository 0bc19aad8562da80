//! Plugins on their way to other nodes: a compacted topic with the installed files, by hash.
//!
//! A node that is to run an operator whose plugin it does not have takes it from here, and checks it as it would any other.

use bytes::Bytes;
use tidemill_journal::{Journal, JournalError, ReadLimits, Retention, TOPIC_PLUGINS, TopicConfig, TopicPartition};
use tidemill_model::{NewRecord, RecordKind};

/// Creates the topic.
pub(crate) async fn create_topic(journal: &dyn Journal) -> Result<(), JournalError> {
    let retention = Retention { compacted: true, ..Retention::default() };
    journal.create(TopicConfig { retention, ..TopicConfig::new(TOPIC_PLUGINS, 1) }).await
}

/// Appends a plugin, unless it is there.
pub(crate) async fn offer(journal: &dyn Journal, hash: &str, wasm: Bytes) -> Result<(), JournalError> {
    if find(journal, hash).await?.is_none() {
        let record = NewRecord::anonymous(RecordKind::Plugin, wasm).with_key(hash.to_owned());
        journal.append(&TopicPartition::new(TOPIC_PLUGINS, 0), vec![record]).await?;
    }
    Ok(())
}

/// The plugin with this hash, if somebody has offered it.
pub(crate) async fn find(journal: &dyn Journal, hash: &str) -> Result<Option<Bytes>, JournalError> {
    let at = TopicPartition::new(TOPIC_PLUGINS, 0);
    let bounds = journal.bounds(&at).await?;
    let mut from = bounds.start;
    while from < bounds.durable {
        let batch = journal.read(&at, from, ReadLimits::default()).await?;
        if let Some(record) = batch.records.iter().find(|record| record.key == hash.as_bytes()) {
            return Ok(Some(record.payload.clone()));
        }
        if batch.next <= from {
            break;
        }
        from = batch.next;
    }
    Ok(None)
}
