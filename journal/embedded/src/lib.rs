//! The embedded journal: segments in a local directory.
//!
//! ```text
//! DIR/meta                      which journal this is            (meta.rs)
//! DIR/lock                      held by the process that writes
//! DIR/keeper                    what followers hold, and more   (holds.rs)
//! DIR/ballast                   room for when there is none     (space.rs)
//! DIR/<topic>/topic             partitions and retention         (meta.rs)
//! DIR/<topic>/<p>/durable       how far records have been synced (mark.rs)
//! DIR/<topic>/<p>/<index>.seg   header, frames, end              (segment.rs, frame.rs)
//! ```
//!
//! An offset is a place: `segment index * segment_bytes + byte in the file`. One thread appends (appender.rs), any
//! number of tasks read (log.rs), and one thread keeps the rest in order (keeper.rs). Every byte is described in `docs/formats/journal.md`.
//!
//! Left out on purpose: replication and tiering.

mod ahead;
mod appender;
mod chain;
mod compact;
mod config;
mod embedded;
mod files;
mod footer;
mod frame;
mod holds;
mod keeper;
mod keeping;
mod layout;
mod log;
mod mark;
mod meta;
mod readonly;
mod recent;
mod recover;
mod scan;
mod scrub;
mod segment;
mod side;
mod space;
mod storage;
mod sync;
mod verify;
mod writer;

pub use compact::Compacted;
pub use config::{EmbeddedConfig, Sync, Totals};
pub use embedded::EmbeddedJournal;
pub use holds::Hold;
pub use keeping::Keeping;
pub use readonly::{ReadOnlyJournal, open_read_only};
pub use scrub::scrub;
pub use storage::{Disk, Entry, Lock, Open, Space, Storage, StorageFile};
pub use verify::{Damage, Head, Report, verify, verify_against};
