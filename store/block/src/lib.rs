//! Immutable blocks: compressed columns of samples in files.
