//! Decoded pages, kept up to a number of bytes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tidemill_model::{SampleColumn, Values};

use crate::BlockError;

/// Block number and page number.
type Key = (u64, u32);

/// A cache of decoded pages. Pages that were used again since they came in get a second chance.
pub struct PageCache {
    bytes_max: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    pages: HashMap<Key, Slot>,
    /// In the order in which they came, or got their second chance.
    queue: VecDeque<Key>,
    bytes: usize,
}

struct Slot {
    page: Arc<SampleColumn>,
    bytes: usize,
    is_used: bool,
}

impl PageCache {
    /// Keeps up to `bytes_max` bytes of decoded pages.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, kept: Mutex::default() }
    }

    /// The page, from the cache or from `read`, which runs without a lock.
    pub(crate) fn get_or_read(
        &self,
        key: Key,
        read: impl FnOnce() -> Result<SampleColumn, BlockError>,
    ) -> Result<Arc<SampleColumn>, BlockError> {
        if let Some(slot) = self.lock().pages.get_mut(&key) {
            slot.is_used = true;
            return Ok(slot.page.clone());
        }
        let page = Arc::new(read()?);
        let bytes = size_of_page(&page);
        let slot = Slot { page: page.clone(), bytes, is_used: false };
        let mut kept = self.lock();
        match kept.pages.insert(key, slot) {
            Some(before) => kept.bytes -= before.bytes,
            None => kept.queue.push_back(key),
        }
        kept.bytes += bytes;
        kept.shrink(self.bytes_max);
        Ok(page)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        // Nothing can panic while the lock is held, and a cache is never wrong.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn shrink(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max {
            let Some(key) = self.queue.pop_front() else {
                return;
            };
            match self.pages.get_mut(&key) {
                Some(slot) if slot.is_used => {
                    slot.is_used = false;
                    self.queue.push_back(key);
                }
                Some(_) => self.bytes -= self.pages.remove(&key).map_or(0, |slot| slot.bytes),
                None => {}
            }
        }
    }
}

fn size_of_page(page: &SampleColumn) -> usize {
    let values = match &page.values {
        Values::Float(_) | Values::Int(_) | Values::Uint(_) => page.len() * 8,
        Values::Bool(_) => page.len(),
        Values::Text(texts) => texts.iter().map(|text| text.len() + size_of::<String>()).sum(),
    };
    page.len() * 8 + values + page.qualities.len() * 4
}
