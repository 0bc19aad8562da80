//! Plugins on their way to other nodes: a compacted topic with the installed files, by hash.
//!
//! A file of one record has its hash as the key; a larger one goes in parts with the keys `hash/part/parts`, the last of which is
//! appended last.
//!
//! A node that is to run an operator whose plugin it does not have takes it from here, and checks it as it would any other.

use std::collections::BTreeMap;

use bytes::Bytes;
use tidemill_journal::{Journal, JournalError, ReadLimits, Retention, TOPIC_PLUGINS, TopicConfig, TopicPartition};
use tidemill_model::{NewRecord, RecordKind};

/// Creates the topic.
pub(crate) async fn create_topic(journal: &dyn Journal) -> Result<(), JournalError> {
    let retention = Retention { compacted: true, ..Retention::default() };
    journal.create(TopicConfig { retention, ..TopicConfig::new(TOPIC_PLUGINS, 1) }).await
}

/// Bytes per record.
const PART_BYTES: usize = 8 << 20;

fn key(hash: &str, part: usize, parts: usize) -> String {
    if parts == 1 { hash.to_owned() } else { format!("{hash}/{part}/{parts}") }
}

/// Appends a plugin, unless it is there.
pub(crate) async fn offer(journal: &dyn Journal, hash: &str, wasm: Bytes) -> Result<(), JournalError> {
    if find(journal, hash).await?.is_some() {
        return Ok(());
    }
    let parts = wasm.len().div_ceil(PART_BYTES);
    for part in 0..parts {
        let payload = wasm.slice(part * PART_BYTES..wasm.len().min((part + 1) * PART_BYTES));
        let record = NewRecord::anonymous(RecordKind::Plugin, payload).with_key(key(hash, part, parts));
        journal.append(&TopicPartition::new(TOPIC_PLUGINS, 0), vec![record]).await?;
    }
    Ok(())
}

/// The plugin with this hash, if somebody has offered it.
pub(crate) async fn find(journal: &dyn Journal, hash: &str) -> Result<Option<Bytes>, JournalError> {
    let at = TopicPartition::new(TOPIC_PLUGINS, 0);
    let bounds = journal.bounds(&at).await?;
    let (mut from, mut parts) = (bounds.start, Parts::default());
    while from < bounds.durable {
        let batch = journal.read(&at, from, ReadLimits::default()).await?;
        for record in &batch.records {
            if record.key == hash.as_bytes() {
                return Ok(Some(record.payload.clone()));
            }
            if let Some(whole) = parts.add(hash, &record.key, &record.payload) {
                return Ok(Some(whole));
            }
        }
        if batch.next <= from {
            break;
        }
        from = batch.next;
    }
    Ok(None)
}

/// The parts of one plugin that have been read.
#[derive(Default)]
struct Parts(BTreeMap<usize, Bytes>);

impl Parts {
    /// Takes a part, if it is one of this plugin, and returns the whole once it is complete.
    fn add(&mut self, hash: &str, key: &[u8], payload: &Bytes) -> Option<Bytes> {
        let place = std::str::from_utf8(key).ok()?.strip_prefix(hash)?.strip_prefix('/')?;
        let (part, parts) = place.split_once('/')?;
        let (part, parts): (usize, usize) = (part.parse().ok()?, parts.parse().ok()?);
        self.0.insert(part, payload.clone());
        let is_complete = self.0.len() == parts && self.0.keys().copied().eq(0..parts);
        is_complete.then(|| self.0.values().flat_map(|part| part.iter().copied()).collect::<Vec<u8>>().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_in_parts_is_whole_when_every_part_is_there() {
        let mut parts = Parts::default();
        assert_eq!(parts.add("ab", b"ab/1/2", &Bytes::from_static(b"world")), None);
        assert_eq!(parts.add("ab", b"cd/0/2", &Bytes::from_static(b"other")), None);
        assert_eq!(parts.add("ab", b"ab/nonsense", &Bytes::from_static(b"other")), None);
        assert_eq!(
            parts.add("ab", b"ab/0/2", &Bytes::from_static(b"hello ")),
            Some(Bytes::from_static(b"hello world"))
        );
    }
}
