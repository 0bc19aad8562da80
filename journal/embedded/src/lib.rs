//! The embedded journal: segments in a local directory.
