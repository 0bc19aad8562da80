//! One number for all that happened, to tell whether two runs were the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A running hash of events, shared by the parts of a world. Not cryptographic.
#[derive(Clone, Default, Debug)]
pub struct Trace(Arc<AtomicU64>);

impl Trace {
    /// Takes note of an event.
    pub fn note(&self, what: u64) {
        let mixed = (self.0.load(Relaxed).rotate_left(5) ^ what).wrapping_mul(0x517c_c1b7_2722_0a95);
        self.0.store(mixed, Relaxed);
    }

    /// Takes note of bytes.
    pub fn note_bytes(&self, bytes: &[u8]) {
        self.note(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.note(u64::from_le_bytes(word));
        }
    }

    /// The hash of everything up to now.
    pub fn hash(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
