//! Plugins on their way to other nodes: a compacted topic with the installed files, by hash.
//!
//! A file of one record has its hash as the key; a larger one goes in parts with the keys `hash/part/parts`, the last of which is
//! appended last. A plugin that is taken back has records without content under its keys.
//!
//! A node that is to run an operator whose plugin it does not have takes it from here, and checks it as it would any other.

use std::collections::BTreeMap;

use bytes::Bytes;
use tidemill_journal::{Journal, JournalError, Retention, Stretch, TOPIC_PLUGINS, TopicConfig, TopicPartition};
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

/// Takes a plugin back, so that no other node installs it any more.
pub(crate) async fn withdraw(journal: &dyn Journal, hash: &str) -> Result<(), JournalError> {
    let keys = read(journal, hash).await?.0.into_keys();
    let gone = keys.map(|key| NewRecord::anonymous(RecordKind::Plugin, Bytes::new()).with_key(key)).collect::<Vec<_>>();
    if !gone.is_empty() {
        journal.append(&TopicPartition::new(TOPIC_PLUGINS, 0), gone).await?;
    }
    Ok(())
}

/// The plugin with this hash, if somebody has offered it.
pub(crate) async fn find(journal: &dyn Journal, hash: &str) -> Result<Option<Bytes>, JournalError> {
    Ok(read(journal, hash).await?.whole(hash))
}

/// Reads the topic to its end: what was offered may have been taken back, and offered again.
async fn read(journal: &dyn Journal, hash: &str) -> Result<Parts, JournalError> {
    let at = TopicPartition::new(TOPIC_PLUGINS, 0);
    let bounds = journal.bounds(&at).await?;
    let (mut stretch, mut parts) = (Stretch::new(at, bounds.start, bounds.durable), Parts::default());
    while let Some(batch) = stretch.read(journal).await? {
        batch.records.iter().for_each(|record| parts.add(hash, &record.key, &record.payload));
    }
    Ok(parts)
}

/// The records of one plugin, by key.
#[derive(Default)]
struct Parts(BTreeMap<String, Bytes>);

impl Parts {
    /// Takes a record, if it is one of this plugin; without content it takes back what was there.
    fn add(&mut self, hash: &str, record_key: &[u8], payload: &Bytes) {
        let Some(name) = std::str::from_utf8(record_key).ok().filter(|name| name.split('/').next() == Some(hash))
        else {
            return;
        };
        match payload.is_empty() {
            true => self.0.remove(name),
            false => self.0.insert(name.to_owned(), payload.clone()),
        };
    }

    /// The whole plugin, once all of its parts are there.
    fn whole(&self, hash: &str) -> Option<Bytes> {
        let parts = self.0.len();
        let of = |part| self.0.get(&key(hash, part, parts));
        if parts == 1 {
            return of(0).cloned();
        }
        let all: Option<Vec<_>> = (0..parts).map(of).collect();
        all.filter(|all| !all.is_empty())
            .map(|all| all.into_iter().flat_map(|part| part.iter().copied()).collect::<Vec<u8>>().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_whole_when_every_part_is_there_and_gone_when_they_are_taken_back() {
        let mut parts = Parts::default();
        let mut add = |key: &str, text: &'static str| {
            parts.add("ab", key.as_bytes(), &Bytes::from_static(text.as_bytes()));
            parts.whole("ab")
        };
        assert_eq!(add("ab/1/2", "world"), None);
        assert_eq!(add("cd/0/2", "other"), None);
        assert_eq!(add("abc", "other"), None);
        assert_eq!(add("ab/0/2", "hello "), Some(Bytes::from_static(b"hello world")));
        assert_eq!(add("ab/0/2", ""), None);
        assert_eq!(add("ab/1/2", ""), None);
        assert_eq!(add("ab", "small"), Some(Bytes::from_static(b"small")));
        assert_eq!(add("ab", ""), None);
        assert!(parts.0.is_empty());
    }
}
