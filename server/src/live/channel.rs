//! Channels: what all subscribers with one selector share, so that a record is encoded once for all of them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, RwLock};
use tidemill_journal::Catalog;
use tidemill_model::{Selector, SeriesId};

/// A selector and what it has said about the series met so far.
pub(super) struct Channel {
    /// Tells channels apart.
    pub(super) number: u64,
    pub(super) selector: Selector,
    catalog: Arc<Catalog>,
    /// The beginning of a series' JSON object; `None`: not selected.
    heads: RwLock<HashMap<SeriesId, Option<Arc<str>>>>,
}

impl Channel {
    /// `{"key":…,"type":…` of a series; `None` if it is not selected.
    pub(super) fn head(&self, id: SeriesId) -> Option<Arc<str>> {
        if let Some(head) = self.heads.read().get(&id) {
            return head.clone();
        }
        // A series is registered before its first sample is written, so only what is known is remembered.
        let series = self.catalog.series(id)?;
        let head = self.selector.matches(&series.key).then(|| {
            let key = serde_json::Value::String(series.key.to_string());
            Arc::from(format!("{{\"key\":{key},\"type\":\"{}\"", series.value_type))
        });
        self.heads.write().insert(id, head.clone());
        head
    }

    /// The key of a series as JSON text, if it is selected.
    pub(super) fn key(&self, id: SeriesId) -> Option<String> {
        let series = self.catalog.series(id)?;
        self.selector.matches(&series.key).then(|| serde_json::Value::String(series.key.to_string()).to_string())
    }
}

/// The channels that have subscribers.
pub(crate) struct Channels {
    catalog: Arc<Catalog>,
    next: AtomicU64,
    by_text: Mutex<HashMap<String, Weak<Channel>>>,
}

impl Channels {
    /// No channels yet.
    pub(crate) fn new(catalog: Arc<Catalog>) -> Self {
        Self { catalog, next: AtomicU64::new(1), by_text: Mutex::default() }
    }

    /// The channel of a selector.
    pub(super) fn of(&self, selector: &Selector) -> Arc<Channel> {
        let mut by_text = self.by_text.lock();
        by_text.retain(|_, channel| channel.strong_count() > 0);
        if let Some(channel) = by_text.get(&selector.to_string()).and_then(Weak::upgrade) {
            return channel;
        }
        let channel = Arc::new(Channel {
            number: self.next.fetch_add(1, Relaxed),
            selector: selector.clone(),
            catalog: self.catalog.clone(),
            heads: RwLock::default(),
        });
        by_text.insert(selector.to_string(), Arc::downgrade(&channel));
        channel
    }
}
