//! The running hash of a partition: a BLAKE3 chain over its segments.
//!
//! The hash at an offset covers the hash before the segment (in its start frame) and every byte behind that frame up to the
//! offset. So whoever noted a hash and an offset can prove later that nothing before it has changed, and the footer of a
//! segment holds what the next one starts with.

use bytes::Bytes;

use crate::footer::Hash;

/// The hash so far.
#[derive(Clone, Debug)]
pub(crate) struct Chain(blake3::Hasher);

impl Chain {
    /// At the beginning of a segment, after everything that `before` covers.
    pub(crate) fn new(before: Hash) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&before);
        Self(hasher)
    }

    /// Goes on over `bytes`.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Goes on over `chunks`.
    pub(crate) fn extend(&mut self, chunks: &[Bytes]) {
        chunks.iter().for_each(|chunk| self.update(chunk));
    }

    /// The hash of everything up to here.
    pub(crate) fn hash(&self) -> Hash {
        *self.0.finalize().as_bytes()
    }
}
