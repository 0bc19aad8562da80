//! The replica: a time-series database that is a fold over the journal.
//!
//! ```text
//!   journal ──> ReplicaFold ──> memtable ──flush──> blocks + manifest
//!                                  └──────┬──────────┘
//!                     Snapshot: one consistent view at one position
//! ```
//!
//! A replica has no log of its own: what is not yet in blocks is read from the journal again, from the cursors that the
//! manifest holds. Knows nothing of journal backends, plugins or the network.

mod blocks;
mod compact;
mod config;
mod digest;
mod error;
mod flush;
mod fold;
mod manifest;
mod memtable;
mod open;
mod registry;
mod replica;
mod snapshot;
mod storage;
mod view;

pub use config::ReplicaConfig;
pub use digest::Digest;
pub use error::StoreError;
pub use fold::ReplicaFold;
pub use replica::{Replica, ReplicaStats};
pub use snapshot::{LabelFilter, Snapshot};
