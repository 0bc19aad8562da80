//! Maps by series id, which is a hash already and is not hashed again.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use tidemill_model::SeriesId;

/// A map by series id.
pub type IdMap<T> = HashMap<SeriesId, T, BuildHasherDefault<IdHasher>>;

/// Passes a 64-bit id through.
#[derive(Default)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Ids hash as one u64; anything else would be a mistake, but a harmless one.
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = id;
    }
}
