//! State by key that the host keeps for a guest, and what of it has changed since the last look.
//!
//! Invariants: `bytes` is what all keys and values take; `changed` holds every key that was set or removed since
//! [`State::take_changes`] was called last, and whether it was there then. A key that was not there then and is not there
//! now has no place in it: what a guest sets and removes over and over takes no memory.

use std::collections::BTreeMap;

/// What a key costs besides its bytes and those of its value: its places among the entries and, with another copy of it, among
/// the changes.
const ENTRY_BYTES: u64 = 256;

/// A group's number and a key.
pub(crate) type Key = (u32, Vec<u8>);

/// A key and its value; no value: it was removed.
pub(crate) type Change = (Key, Option<Vec<u8>>);

/// State by group and key.
#[derive(Default, Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    entries: BTreeMap<Key, Vec<u8>>,
    changed: BTreeMap<Key, bool>,
    bytes: u64,
}

fn cost(key: &[u8], value: &[u8]) -> u64 {
    (key.len() + value.len()) as u64 + ENTRY_BYTES
}

impl State {
    /// Bytes that count towards the limit.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn get(&self, group: u32, key: &[u8]) -> Option<&[u8]> {
        if self.entries.is_empty() {
            return None;
        }
        self.entries.get(&(group, key.to_vec())).map(Vec::as_slice)
    }

    pub(crate) fn set(&mut self, group: u32, key: Vec<u8>, value: Vec<u8>) {
        self.bytes += cost(&key, &value);
        let key = (group, key);
        let old = self.entries.insert(key.clone(), value);
        self.bytes -= old.as_ref().map_or(0, |old| cost(&key.1, old));
        self.changed.entry(key).or_insert(old.is_some());
    }

    pub(crate) fn remove(&mut self, group: u32, key: &[u8]) {
        let key = (group, key.to_vec());
        if let Some(old) = self.entries.remove(&key) {
            self.bytes -= cost(&key.1, &old);
            if !*self.changed.entry(key.clone()).or_insert(true) {
                self.changed.remove(&key);
            }
        }
    }

    /// Everything, as changes of an empty state.
    pub(crate) fn all(&self) -> Vec<Change> {
        self.entries.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect()
    }

    /// What has changed since the last call.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_keys().map(|key| (key.clone(), self.entries.get(&key).cloned())).collect()
    }

    /// The state with these entries, none of which counts as a change.
    pub(crate) fn of<'a>(entries: impl Iterator<Item = (&'a Key, &'a Vec<u8>)>) -> Self {
        let entries: BTreeMap<_, _> = entries.map(|(key, value)| (key.clone(), value.clone())).collect();
        let bytes = entries.iter().map(|((_, key), value)| cost(key, value)).sum();
        Self { entries, changed: BTreeMap::new(), bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_once_and_a_state_made_of_the_entries_is_the_same() {
        let mut state = State::default();
        state.set(1, b"a".to_vec(), b"one".to_vec());
        state.set(2, b"b".to_vec(), b"two".to_vec());
        assert_eq!(state.take_changes(), state.all());
        state.set(1, b"a".to_vec(), b"longer".to_vec());
        state.remove(2, b"b");
        state.remove(3, b"never there");
        let changes = state.take_changes();
        assert_eq!(changes, [((1, b"a".to_vec()), Some(b"longer".to_vec())), ((2, b"b".to_vec()), None)]);
        assert!(state.take_changes().is_empty());
        assert_eq!(state.bytes(), ENTRY_BYTES + 1 + 6);
        let entries: BTreeMap<_, _> = state.all().into_iter().map(|(key, value)| (key, value.unwrap())).collect();
        assert_eq!(State::of(entries.iter()), state);
    }

    #[test]
    fn keys_that_come_and_go_leave_nothing_behind() {
        let mut state = State::default();
        state.set(1, b"stays".to_vec(), b"one".to_vec());
        state.take_changes();
        for number in 0..1000_u32 {
            state.set(1, number.to_le_bytes().to_vec(), vec![0; 8]);
            state.remove(1, &number.to_le_bytes());
        }
        assert!(state.changed.is_empty());
        state.remove(1, b"stays");
        state.set(1, b"stays".to_vec(), b"two".to_vec());
        state.remove(1, b"stays");
        assert_eq!(state.take_changes(), [((1, b"stays".to_vec()), None)]);
    }
}
