//! The object journal: pages in an object store, without any other service.
//!
//! An append becomes part of a page, an immutable object that is created under the next number of its partition if
//! nobody has taken it. The object is the commit: there is no second step that could be missing. Every page carries the
//! hash of the header of the page before it, so that all readers agree on which pages count, whatever a writer that was
//! beaten, paused or cut off has left behind.
//!
//! ```text
//!  gc/3            seg/0        seg/1        page/2048  page/2049  page/2050
//!  start, floor    0..1024  <-  1024..2048  <-  2048  <-   2049  <-   2050
//!                  ^start                       ^floor                       ^tip
//! ```
//!
//! [`page`] has the bytes and what makes a page valid, [`tail`] finds the tip, [`appender`] writes, [`reader`] reads,
//! [`collect`] makes segments and deletes. `docs/formats/pages.md` describes every object.

#![allow(rustdoc::private_intra_doc_links, reason = "these docs are for those who work on the crate")]

mod appender;
mod cache;
mod collect;
mod config;
mod holds;
mod journal;
mod keys;
mod lease;
mod local;
mod objects;
mod open;
mod page;
mod partition;
mod queue;
mod reader;
mod segment;
mod store;
mod tail;
mod topics;
mod url;
mod wire;

pub use config::{Opening, Settings};
pub use journal::{APPEND_BYTES_MAX, ObjectJournal};
