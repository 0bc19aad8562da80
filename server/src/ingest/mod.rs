//! Ingest: line protocol in, durable records out.
//!
//! ```text
//!   body ──▶ line_protocol, number, precision ──▶ resolve (cache) ──▶ collect ──▶ write ──▶ journal
//!            bytes to fields                      names to ids        payloads    receipt
//! ```

pub(crate) mod body;
mod cache;
pub(crate) mod collect;
pub(crate) mod http;
pub mod line_protocol;
mod number;
pub mod precision;
pub(crate) mod resolve;
pub(crate) mod write;
