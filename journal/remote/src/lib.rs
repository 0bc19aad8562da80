//! The remote journal: another node's journal over gRPC, on both sides.
//!
//! ```text
//!   RemoteJournal ──▶ queue, worker ──▶ append stream ──▶ JournalService ──▶ a journal
//!        │                                                    ▲
//!        └──────────▶ readers ──▶ read streams, calls ────────┘
//! ```
//!
//! [`RemoteJournal`] is the client and implements the seam; [`service::JournalService`] serves any journal. They are one
//! crate because they keep one set of promises: nothing is appended twice, no record is left out, and a client never gets
//! records of two journals (`docs/journals/remote.md`).
//!
//! The connection itself runs on tokio; clock, randomness, sleeping and tasks come from the environment.

mod append;
mod error;
mod hold;
mod link;
mod read;
mod remote;
pub mod service;
mod settings;
mod wire;

pub use remote::RemoteJournal;
pub use settings::RemoteSettings;
pub use wire::{APPEND_BYTES_MAX, MESSAGE_BYTES_MAX};
