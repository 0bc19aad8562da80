//! State by key that the host keeps: for state too large for linear memory, and for state that outlives a new version.
//!
//! Keys belong to a group. A call costs some tens of nanoseconds and a copy, so state that is touched with every row belongs into the
//! plugin's own memory. In native tests the state lives in the thread that runs the test.

use crate::abi::memory::kv;

/// The value of a key, if it has one.
pub fn get(group: u32, key: &[u8]) -> Option<Vec<u8>> {
    kv::get(group, key)
}

/// Sets the value of a key. It counts towards the operator's limit on state; beyond it the call fails like a trap.
pub fn set(group: u32, key: &[u8], value: &[u8]) {
    kv::set(group, key, value);
}

/// Forgets a key.
pub fn remove(group: u32, key: &[u8]) {
    kv::remove(group, key);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_belongs_to_its_group_and_key_until_it_is_removed() {
        set(1, b"total", b"5");
        assert_eq!((get(1, b"total"), get(2, b"total"), get(1, b"max")), (Some(b"5".to_vec()), None, None));
        set(1, b"total", b"6");
        assert_eq!(get(1, b"total"), Some(b"6".to_vec()));
        remove(1, b"total");
        assert_eq!(get(1, b"total"), None);
    }
}
