//! Which pages of a guest's memory have changed since the last look.
//!
//! Linux can tell (`kernel`). Where it cannot or must not, every page is hashed and compared with its hash at the last look,
//! which costs a read of the whole memory each time. Either way [`DirtyPages::take`] names every page whose bytes differ
//! from those at the last call; a page that was written with what it held, or has only just become accessible, may be named too.

#[cfg(target_os = "linux")]
mod kernel;

use xxhash_rust::xxh3::xxh3_64;

/// Bytes of a page. Smaller than Wasm's, because guests leave much of theirs zero.
pub(crate) const PAGE_BYTES: usize = 4096;

/// Tells which pages of one memory have changed.
pub(crate) enum DirtyPages {
    /// The operating system notes them.
    #[cfg(target_os = "linux")]
    Noted(kernel::Tracker),
    /// The hash that every page had.
    Hashed(Vec<u64>),
}

impl DirtyPages {
    /// Looks at `memory` for the first time. It may grow up to `reserved_bytes` but must stay where it is.
    pub(crate) fn watch(memory: &[u8], reserved_bytes: u64) -> Self {
        #[cfg(target_os = "linux")]
        match kernel::Tracker::new(memory.as_ptr(), reserved_bytes).and_then(|mut tracker| {
            tracker.take(memory.len() as u64)?;
            Ok(tracker)
        }) {
            Ok(tracker) => return Self::Noted(tracker),
            Err(error) => tracing::debug!(%error, "this kernel does not track dirty pages, they are hashed instead"),
        }
        #[cfg(not(target_os = "linux"))]
        let _ = reserved_bytes;
        Self::hash(memory)
    }

    /// Looks at `memory` for the first time without the operating system's help.
    pub(crate) fn hash(memory: &[u8]) -> Self {
        Self::Hashed(memory.as_chunks::<PAGE_BYTES>().0.iter().map(|page| xxh3_64(page)).collect())
    }

    /// Numbers of the pages that have changed since the last call, ascending.
    pub(crate) fn take(&mut self, memory: &[u8]) -> Vec<u32> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Noted(tracker) => tracker.take(memory.len() as u64).unwrap_or_else(|error| {
                tracing::warn!(%error, "the kernel stopped tracking dirty pages, they are hashed from now on");
                *self = Self::hash(memory);
                (0..(memory.len() / PAGE_BYTES) as u32).collect()
            }),
            Self::Hashed(hashes) => compare(hashes, memory),
        }
    }
}

fn compare(hashes: &mut Vec<u64>, memory: &[u8]) -> Vec<u32> {
    let pages = memory.as_chunks::<PAGE_BYTES>().0;
    hashes.resize(pages.len(), xxh3_64(&[0; PAGE_BYTES]));
    let mut changed = Vec::new();
    for (number, (page, before)) in (0..).zip(pages.iter().zip(hashes)) {
        let now = xxh3_64(page);
        if now != *before {
            *before = now;
            changed.push(number);
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use wasmtime::{Config, Engine, Memory, MemoryType, Store};

    use super::*;
    use crate::guest::engine::RESERVED_BYTES;

    const WASM_PAGE: usize = 64 << 10;

    /// What happens between two looks: bytes written, and Wasm pages grown before that.
    type Round = (Vec<(u32, u8)>, u64);

    fn check(rounds: &[Round], watch: fn(&[u8]) -> DirtyPages) {
        let engine = Engine::new(Config::new().memory_reservation(RESERVED_BYTES)).expect("an engine");
        let mut store = Store::new(&engine, ());
        let memory = Memory::new(&mut store, MemoryType::new(2, Some(64))).expect("a memory");
        memory.data_mut(&mut store)[77] = 1;
        let mut dirty = watch(memory.data(&store));
        let mut model = memory.data(&store).to_vec();
        for (writes, grow) in rounds {
            let grown_from = model.len() / PAGE_BYTES;
            // At its maximum a memory refuses to grow and stays as it is.
            let _ = memory.grow(&mut store, *grow);
            let data = memory.data_mut(&mut store);
            let mut touched = BTreeSet::new();
            for (at, byte) in writes {
                let at = *at as usize % data.len();
                data[at] = *byte;
                touched.insert((at / PAGE_BYTES) as u32);
            }
            let named = dirty.take(data);
            assert!(named.is_sorted_by(|a, b| a < b), "{named:?}");
            let is_expected = |page: &u32| touched.contains(page) || *page as usize >= grown_from;
            assert!(named.iter().all(is_expected), "more pages than were touched: {named:?}, {touched:?}");
            model.resize(data.len(), 0);
            for page in named {
                let bytes = page as usize * PAGE_BYTES..(page as usize + 1) * PAGE_BYTES;
                model[bytes.clone()].copy_from_slice(&data[bytes]);
            }
            assert!(model == data, "a page that changed was not named");
            assert_eq!(data.len() % WASM_PAGE, 0);
        }
        assert!(dirty.take(memory.data(&store)).is_empty(), "nothing was written since");
    }

    fn rounds() -> impl Strategy<Value = Vec<Round>> {
        let writes = prop::collection::vec((any::<u32>(), 1u8..), 0..40);
        prop::collection::vec((writes, prop_oneof![3 => Just(0), 1 => 1u64..20]), 1..6)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn what_the_system_notes_is_what_changed(rounds in rounds()) {
            check(&rounds, |memory| DirtyPages::watch(memory, RESERVED_BYTES));
        }

        #[test]
        fn what_hashes_tell_is_what_changed(rounds in rounds()) {
            check(&rounds, DirtyPages::hash);
        }
    }
}
