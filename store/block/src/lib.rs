//! Immutable blocks: compressed columns of samples in files.

pub mod column;
