//! One partition as this process knows it: the tip, the boundary, and pages that were verified.
//!
//! Invariants:
//! - the tip is a pure function of stored pages, so whoever learns of a later one may publish it;
//! - an answer about a page counts only if the boundary was looked at no longer than [`Settings::request_max`] before
//!   the answer came and the page is not below the floor: pages below it may have been deleted, and a writer that
//!   overslept may have created their names again;
//! - the cache holds only valid pages whose hashes were checked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tidemill_journal::{JournalError, TopicPartition};
use tidemill_model::JournalIdentity;
use tokio::sync::watch;

use crate::cache::Cache;
use crate::config::Settings;
use crate::keys::Keys;
use crate::objects::Boundary;
use crate::page::{HEADER_BYTES, Page, PageHeader, Tip};
use crate::queue::Queue;
use crate::segment::SegmentIndex;
use crate::store::Store;
use crate::topics::Topic;
use crate::wire::{Hash, Stream, corrupt, short_hash};

/// Hashes of verified headers that are remembered: 40 bytes each.
const LINKS_MAX: usize = 1 << 16;
/// Void pages that are remembered.
const VOIDS_MAX: usize = 4096;
/// Segment indexes that are remembered: up to 32 bytes per page each.
const INDEXES_MAX: usize = 32;

/// The newest boundary as far as this process knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownBoundary {
    pub(crate) number: u64,
    pub(crate) boundary: Boundary,
    /// It was the newest at this monotonic time or later; `None`: not looked yet.
    pub(crate) checked: Option<Duration>,
    /// Since when this process has known it.
    pub(crate) seen: Duration,
}

/// What readers and the writer of a partition have in common.
struct Known {
    boundary: KnownBoundary,
    cache: Cache,
    links: BTreeMap<u64, Hash>,
    voids: BTreeSet<u64>,
    indexes: BTreeMap<u64, Arc<SegmentIndex>>,
}

/// A page object, as far as it counts.
pub(crate) enum Object {
    /// Its bytes.
    Found(Bytes),
    /// Nobody has created it yet.
    Absent,
    /// It is below the floor by now: look into segments.
    Below,
}

/// One partition.
pub(crate) struct Partition {
    pub(crate) at: TopicPartition,
    pub(crate) keys: Keys,
    pub(crate) stream: Stream,
    pub(crate) store: Arc<Store>,
    pub(crate) settings: Settings,
    pub(crate) run_pages: u64,
    pub(crate) topic: Arc<Topic>,
    pub(crate) tip: watch::Sender<Tip>,
    pub(crate) queue: Queue,
    pub(crate) holds: Mutex<crate::holds::Holds>,
    /// Whether the tail has been found; whoever looks for it or advances it holds the lock.
    pub(crate) looking: tokio::sync::Mutex<bool>,
    pub(crate) last_probe: Mutex<Option<Duration>>,
    known: Mutex<Known>,
}

impl Partition {
    pub(crate) fn new(
        at: TopicPartition,
        identity: JournalIdentity,
        run_pages: u64,
        topic: Arc<Topic>,
        settings: Settings,
        store: Arc<Store>,
    ) -> Arc<Self> {
        let JournalIdentity { id, generation } = identity;
        let stream = Stream { journal: id, generation, partition: at.partition, topic: short_hash(&at.topic) };
        let boundary =
            KnownBoundary { number: 0, boundary: Boundary::NONE, checked: None, seen: store.env.monotonic() };
        let known = Known {
            boundary,
            cache: Cache::new(settings.cache_bytes),
            links: BTreeMap::new(),
            voids: BTreeSet::new(),
            indexes: BTreeMap::new(),
        };
        Arc::new(Self {
            keys: Keys::new(&at),
            at,
            stream,
            store,
            settings,
            run_pages,
            topic,
            tip: watch::Sender::new(Tip::EMPTY),
            queue: Queue::default(),
            holds: Mutex::default(),
            looking: tokio::sync::Mutex::new(false),
            last_probe: Mutex::new(None),
            known: Mutex::new(known),
        })
    }

    pub(crate) fn now(&self) -> Duration {
        self.store.env.monotonic()
    }

    pub(crate) fn tip(&self) -> Tip {
        *self.tip.borrow()
    }

    /// Publishes a tip, unless a later one is known.
    pub(crate) fn learn(&self, tip: Tip) {
        self.tip.send_if_modified(|known| {
            let is_later = tip.next_page > known.next_page;
            if is_later {
                *known = tip;
            }
            is_later
        });
    }

    pub(crate) fn known_boundary(&self) -> KnownBoundary {
        self.known.lock().boundary
    }

    /// The newest boundary, looked for at most [`Settings::request_max`] ago.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn boundary(&self) -> Result<Boundary, JournalError> {
        let known = self.known_boundary();
        let is_fresh = known.checked.is_some_and(|at| self.now().saturating_sub(at) <= self.settings.request_max);
        if is_fresh { Ok(known.boundary) } else { self.refresh_boundary(known.number).await }
    }

    /// Looks for a newer boundary than number `from`.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn refresh_boundary(&self, from: u64) -> Result<Boundary, JournalError> {
        let checked = self.now();
        let number = self.store.newest(from, |number| self.keys.boundary(number)).await?;
        let known = self.known_boundary();
        let boundary = if number == 0 || number == known.number {
            known.boundary
        } else {
            let key = self.keys.boundary(number);
            let missing = || corrupt(&key, 0, "the boundary was there and is gone");
            Boundary::decode(&self.store.get(&key).await?.ok_or_else(missing)?, &self.stream, &key)?
        };
        self.learn_boundary(number, boundary, checked);
        Ok(self.known_boundary().boundary)
    }

    /// Takes in a boundary that was the newest at `checked`.
    pub(crate) fn learn_boundary(&self, number: u64, boundary: Boundary, checked: Duration) {
        let mut known = self.known.lock();
        let seen = self.now();
        if number > known.boundary.number {
            if boundary.thinned != known.boundary.boundary.thinned {
                // Compacted pages are read from the segment from now on, by everybody here alike.
                known.cache.forget_below(boundary.floor.next_page);
            }
            known.boundary = KnownBoundary { number, boundary, checked: Some(checked), seen };
            known.indexes.clear();
            let floor = boundary.floor.next_page;
            known.links.retain(|page, _| *page >= floor);
            known.voids.retain(|page| *page >= floor);
        } else if number == known.boundary.number {
            known.boundary.checked = known.boundary.checked.max(Some(checked));
        }
    }

    /// The page object `page`, or only its header.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn object(&self, page: u64, is_whole: bool) -> Result<Object, JournalError> {
        if page < self.boundary().await?.floor.next_page {
            return Ok(Object::Below);
        }
        let key = self.keys.page(page);
        let found = match is_whole {
            true => self.store.get(&key).await?,
            false => self.store.get_range(&key, 0..HEADER_BYTES as u64).await?,
        };
        // What was seen may be too old to count: see the module.
        let is_below = page < self.boundary().await?.floor.next_page;
        Ok(if is_below { Object::Below } else { found.map_or(Object::Absent, Object::Found) })
    }

    pub(crate) fn cached(&self, page: u64) -> Option<Arc<Page>> {
        self.known.lock().cache.get(page)
    }

    pub(crate) fn is_void(&self, page: u64) -> bool {
        self.known.lock().voids.contains(&page)
    }

    /// The hash of the header of `page`, if that has been found valid.
    pub(crate) fn verified(&self, page: u64) -> Option<Hash> {
        self.known.lock().links.get(&page).copied()
    }

    /// Remembers a valid page.
    pub(crate) fn remember(&self, header: &PageHeader, page: Option<Arc<Page>>) {
        let link = header.link();
        let mut known = self.known.lock();
        known.links.insert(link.page, link.hash);
        if known.links.len() > LINKS_MAX {
            known.links.pop_first();
        }
        if let Some(page) = page {
            known.cache.put(page);
        }
    }

    /// Remembers a page out of a segment.
    pub(crate) fn remember_old(&self, page: Arc<Page>) {
        self.known.lock().cache.put(page);
    }

    pub(crate) fn remember_void(&self, page: u64) {
        let mut known = self.known.lock();
        known.voids.insert(page);
        if known.voids.len() > VOIDS_MAX {
            known.voids.pop_first();
        }
    }

    /// The index of a segment.
    ///
    /// # Errors
    /// Those of the store; [`JournalError::Corrupt`] where the segment is missing or damaged.
    pub(crate) async fn index(&self, run: u64) -> Result<Arc<SegmentIndex>, JournalError> {
        if let Some(index) = self.known.lock().indexes.get(&run) {
            return Ok(index.clone());
        }
        let index = Arc::new(SegmentIndex::load(self, run).await?);
        let mut known = self.known.lock();
        known.indexes.insert(run, index.clone());
        if known.indexes.len() > INDEXES_MAX {
            known.indexes.pop_first();
        }
        Ok(index)
    }
}
