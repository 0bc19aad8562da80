//! The embedded journal: segments in a local directory.
//!
//! ```text
//! DIR/meta                      which journal this is            (meta.rs)
//! DIR/lock                      held by the process that writes
//! DIR/<topic>/topic             partitions and retention         (meta.rs)
//! DIR/<topic>/<p>/durable       how far records have been synced (mark.rs)
//! DIR/<topic>/<p>/<index>.seg   header, frames, end              (segment.rs, frame.rs)
//! ```
//!
//! An offset is a place: `segment index * segment_bytes + byte in the file`. One thread appends (appender.rs), any
//! number of tasks read (log.rs). Every byte is described in `docs/formats/journal.md`.
//!
//! Left out on purpose: replication and tiering.

mod ahead;
mod appender;
mod chain;
mod embedded;
mod files;
mod footer;
mod frame;
mod log;
mod mark;
mod meta;
mod readonly;
mod recover;
mod segment;
mod side;
mod storage;
mod sync;
mod verify;
mod writer;

pub use embedded::{EmbeddedConfig, EmbeddedJournal, Sync, Totals};
pub use readonly::{ReadOnlyJournal, open_read_only};
pub use storage::{Disk, Entry, Lock, Open, Space, Storage, StorageFile};
pub use verify::{Damage, Head, Report, verify, verify_against};
