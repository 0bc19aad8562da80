//! The object journal: pages in an object store.
