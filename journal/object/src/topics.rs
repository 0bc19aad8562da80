//! Topics: one small object per version of a topic's settings. The highest version counts; versions have no gaps.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use tidemill_journal::{JournalError, Retention, TopicConfig};

use crate::keys;
use crate::objects::TopicObject;
use crate::store::Store;
use crate::wire::corrupt;

/// A topic that is there.
pub(crate) struct Topic {
    name: String,
    /// The newest version this process knows.
    current: Mutex<(u64, TopicConfig)>,
}

impl Topic {
    /// The topic of this name, if there is one.
    ///
    /// # Errors
    /// Those of the store; [`JournalError::Corrupt`].
    pub(crate) async fn load(store: &Store, name: &str) -> Result<Option<Self>, JournalError> {
        match store.newest(0, |version| keys::topic(name, version)).await? {
            0 => Ok(None),
            version => {
                let config = load(store, name, version).await?;
                Ok(Some(Self { name: name.to_owned(), current: Mutex::new((version, config)) }))
            }
        }
    }

    /// Creates a topic, or takes over its retention if it is there.
    ///
    /// # Errors
    /// Those of the store; [`JournalError::Invalid`] for another number of partitions.
    pub(crate) async fn create(store: &Store, wanted: &TopicConfig) -> Result<Self, JournalError> {
        loop {
            let there = Self::load(store, &wanted.name).await?;
            let version = match &there {
                Some(topic) if !topic.config().accept(wanted)? => break Ok(there.expect("it was just looked at")),
                Some(topic) => topic.current.lock().0 + 1,
                None => 1,
            };
            let object = TopicObject { config: wanted.clone(), nonce: store.env.random() };
            if store.create_settled(&keys::topic(&wanted.name, version), object.encode()).await?.is_none() {
                return Ok(Self { name: wanted.name.clone(), current: Mutex::new((version, wanted.clone())) });
            }
            // Somebody else was first: see what they made.
        }
    }

    /// Looks for a newer version.
    ///
    /// # Errors
    /// Those of the store; [`JournalError::Corrupt`].
    pub(crate) async fn refresh(&self, store: &Store) -> Result<(), JournalError> {
        let known = self.current.lock().0;
        let newest = store.newest(known, |version| keys::topic(&self.name, version)).await?;
        if newest > known {
            self.learn(newest, load(store, &self.name, newest).await?);
        }
        Ok(())
    }

    /// Takes over what another look at the same topic found.
    pub(crate) fn learn_from(&self, other: &Topic) {
        let (version, config) = other.current.lock().clone();
        self.learn(version, config);
    }

    fn learn(&self, version: u64, config: TopicConfig) {
        let mut current = self.current.lock();
        if version > current.0 {
            *current = (version, config);
        }
    }

    pub(crate) fn config(&self) -> TopicConfig {
        self.current.lock().1.clone()
    }

    pub(crate) fn retention(&self) -> Retention {
        self.current.lock().1.retention
    }
}

async fn load(store: &Store, name: &str, version: u64) -> Result<TopicConfig, JournalError> {
    let key = keys::topic(name, version);
    let missing = || corrupt(&key, 0, "the topic was there and is gone");
    let bytes = store.get(&key).await?.ok_or_else(missing)?;
    TopicObject::decode(&bytes, name, &key).map(|topic| topic.config)
}

/// The names of the topics there are.
///
/// # Errors
/// Those of the store.
pub(crate) async fn names(store: &Store) -> Result<BTreeSet<String>, JournalError> {
    let keys = store.list(keys::TOPICS, usize::MAX).await?;
    Ok(keys.iter().filter_map(|key| key.split_once('/')).map(|(name, _)| name.to_owned()).collect())
}
