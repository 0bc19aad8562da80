//! The cache of known series: from the raw bytes of `measurement,tags` to the partition and the ids of its fields.
//!
//! A line whose series and fields are known needs neither unescaping nor sorting nor the catalog. Invariants: an entry
//! never goes stale, because a series never changes once it is registered; a hash alone is never trusted; there are at
//! most [`ENTRIES_MAX`] entries, and half of them are forgotten when there would be more.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use tidemill_model::{SeriesId, ValueType};
use xxhash_rust::xxh3::xxh3_64;

use super::line_protocol::Line;

/// Most series that are remembered; about 300 bytes each.
pub(super) const ENTRIES_MAX: usize = 1_000_000;
/// Longer names are resolved anew every time, so that the bound on entries bounds memory.
const RAW_BYTES_MAX: usize = 2048;

/// A field of a known series.
#[derive(Debug, Clone)]
pub(super) struct KnownField {
    /// The key as it is sent.
    pub(super) key: Box<[u8]>,
    pub(super) id: SeriesId,
    pub(super) value_type: ValueType,
}

/// What a line's series resolves to.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    raw: Box<[u8]>,
    pub(super) partition: u32,
    pub(super) fields: Vec<KnownField>,
}

/// How the fields of a line fit an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// All of them are known and have the right type; their ids have been pushed.
    All,
    /// The field with this index is not known yet.
    Unknown(usize),
    /// The field with this index is registered with the other type.
    Clash(usize, SeriesId, ValueType),
}

impl Entry {
    pub(super) fn new(raw: &[u8], partition: u32) -> Self {
        Self { raw: raw.into(), partition, fields: Vec::new() }
    }

    /// The field that is sent as `key`. `hint` is where it stands if lines name their fields in one order.
    #[inline]
    pub(super) fn field(&self, key: &[u8], hint: usize) -> Option<&KnownField> {
        match self.fields.get(hint) {
            Some(field) if *field.key == *key => Some(field),
            _ => self.fields.iter().find(|field| *field.key == *key),
        }
    }

    /// Resolves the fields of `line` into `ids`.
    #[inline]
    pub(super) fn fit(&self, line: &Line<'_, '_>, ids: &mut Vec<SeriesId>) -> Fit {
        ids.clear();
        for (index, field) in line.fields.iter().enumerate() {
            let Some(known) = self.field(field.key, index) else { return Fit::Unknown(index) };
            if known.value_type != field.value.value_type() {
                return Fit::Clash(index, known.id, known.value_type);
            }
            ids.push(known.id);
        }
        Fit::All
    }
}

/// Hashes that are their own hash.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64(bytes);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// The entries, by the hash of their raw bytes.
#[derive(Default)]
pub(super) struct Cache {
    entries: HashMap<u64, Entry, BuildHasherDefault<Identity>>,
    sweeps: u64,
}

impl Cache {
    /// The entry of `raw`.
    #[inline]
    pub(super) fn get(&self, raw: &[u8]) -> Option<&Entry> {
        self.entries.get(&xxh3_64(raw)).filter(|entry| *entry.raw == *raw)
    }

    /// Adds an entry, or its fields to the one that is there.
    pub(super) fn insert(&mut self, entry: Entry) {
        if entry.raw.len() > RAW_BYTES_MAX {
            return;
        }
        if self.entries.len() >= ENTRIES_MAX {
            let half = self.sweeps & 1;
            self.entries.retain(|hash, _| hash & 1 == half);
            self.sweeps += 1;
        }
        match self.entries.entry(xxh3_64(&entry.raw)) {
            std::collections::hash_map::Entry::Vacant(slot) => drop(slot.insert(entry)),
            std::collections::hash_map::Entry::Occupied(mut slot) if slot.get().raw == entry.raw => {
                let there = slot.get_mut();
                for field in entry.fields {
                    if there.field(&field.key, 0).is_none() {
                        there.fields.push(field);
                    }
                }
            }
            // Two names with one hash: the first keeps its place, the other is resolved anew every time.
            std::collections::hash_map::Entry::Occupied(_) => {}
        }
    }
}
