//! Immutable blocks: compressed columns of samples in files.
//!
//! ```text
//!   header | page | page | … | index | footer
//! ```
//!
//! A *page* holds columns of neighbouring series, compressed; the *index* says which rows of which page belong to which
//! series and covers every page with a checksum; the *footer* finds the index. A block is written once, front to back,
//! and never changes. The bytes are described in `docs/formats/block.md`.
//!
//! Knows nothing of replicas, of what is newer or older, or of deletions.

pub mod column;
pub mod ids;

mod cache;
mod error;
mod format;
mod index;
mod page;
mod reader;
mod writer;

pub use cache::PageCache;
pub use error::BlockError;
pub use ids::IdMap;
pub use index::Chunk;
pub use page::PAGE_ROWS_MAX;
pub use reader::Block;
pub use writer::{BlockSummary, BlockWriter};
