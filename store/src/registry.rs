//! The replica's series: every series that ever had a sample here, with the label index that finds them.
//!
//! A series has a *slot*, its number in the order in which its first sample was applied. Slots are this replica's own and
//! never leave it. The index holds one roaring bitmap of slots per measurement and per label value.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use roaring::RoaringBitmap;
use tidemill_model::{Selector, Series, SeriesId};
use tidemill_store_block::IdMap;

use crate::LabelFilter;

/// A series and the text form of its key, by which series are sorted.
struct Entry {
    series: Arc<Series>,
    text: String,
}

/// All series of a replica.
#[derive(Default)]
pub(crate) struct Registry {
    /// `[slot]`
    entries: Vec<Entry>,
    slots: IdMap<u32>,
    measurements: BTreeMap<String, RoaringBitmap>,
    /// Label name, then label value.
    labels: HashMap<String, HashMap<String, RoaringBitmap>>,
    /// Slots by key text; the newest slots may be missing until [`Registry::sort`].
    sorted: Vec<u32>,
}

impl Registry {
    /// Adds a series under the next slot.
    pub(crate) fn add(&mut self, series: Arc<Series>) -> u32 {
        let slot = self.entries.len() as u32;
        self.slots.insert(series.id, slot);
        self.measurements.entry(series.key.measurement().to_owned()).or_default().insert(slot);
        for (name, value) in series.key.labels() {
            self.labels.entry(name.clone()).or_default().entry(value.clone()).or_default().insert(slot);
        }
        let text = series.key.to_string();
        self.entries.push(Entry { series, text });
        slot
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn slot(&self, id: SeriesId) -> Option<u32> {
        self.slots.get(&id).copied()
    }

    pub(crate) fn series(&self, slot: u32) -> &Arc<Series> {
        &self.entries[slot as usize].series
    }

    /// The ids of the first `count` slots, `[slot]`.
    pub(crate) fn ids(&self, count: u32) -> Vec<SeriesId> {
        self.entries[..count as usize].iter().map(|entry| entry.series.id).collect()
    }

    /// Whether slots were added since [`Registry::sort`].
    pub(crate) fn is_sorted(&self) -> bool {
        self.sorted.len() == self.entries.len()
    }

    /// Brings the order by key text up to date. The sort is a merge: what was sorted stays cheap.
    pub(crate) fn sort(&mut self) {
        self.sorted.extend(self.sorted.len() as u32..self.entries.len() as u32);
        let entries = &self.entries;
        self.sorted.sort_by(|a, b| entries[*a as usize].text.cmp(&entries[*b as usize].text));
    }

    /// Slots below `count` by key text.
    pub(crate) fn sorted(&self, count: u32) -> impl Iterator<Item = u32> + '_ {
        self.sorted.iter().copied().filter(move |slot| *slot < count)
    }

    /// The series below slot `count` that `selector` matches, by key text.
    pub(crate) fn select(&self, selector: &Selector, count: u32) -> Vec<Arc<Series>> {
        let matched = self.sorted(count).filter(|slot| selector.matches(&self.series(*slot).key));
        matched.map(|slot| self.series(slot).clone()).collect()
    }

    /// The measurements of series below slot `count`, sorted.
    pub(crate) fn measurements(&self, count: u32) -> Vec<String> {
        let seen = |slots: &RoaringBitmap| slots.min().is_some_and(|first| first < count);
        self.measurements.iter().filter(|(_, slots)| seen(slots)).map(|(name, _)| name.clone()).collect()
    }

    /// The series below slot `count` of a measurement that pass every filter, by key text.
    pub(crate) fn by_labels(&self, measurement: &str, filters: &[LabelFilter], count: u32) -> Vec<Arc<Series>> {
        let Some(mut slots) = self.measurements.get(measurement).cloned() else {
            return Vec::new();
        };
        for filter in filters {
            let by_value = self.labels.get(&filter.name);
            let bitmaps = filter.values.iter().filter_map(|value| by_value?.get(value));
            let passing = bitmaps.fold(RoaringBitmap::new(), |union, slots| union | slots);
            slots &= passing;
        }
        let mut entries: Vec<_> = slots.iter().filter(|s| *s < count).map(|s| &self.entries[s as usize]).collect();
        entries.sort_by(|a, b| a.text.cmp(&b.text));
        entries.into_iter().map(|entry| entry.series.clone()).collect()
    }
}
