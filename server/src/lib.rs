//! The node: ingest, planner, queries and subscriptions over HTTP.
//!
//! ```text
//!   POST /write ──▶ ingest ──▶ journal ──▶ replicas ──▶ planner ──▶ GET /sql
//!                                │  └────▶ runtime ──▶ journal
//!                                └───────▶ ledger ───▶ GET /live
//! ```
//!
//! The only crate that names journal backends (`journals`). Knows nothing of command lines: addresses, limits and directories come
//! in as a [`NodeConfig`].

mod aggregates;
mod app;
mod config;
mod error;
mod heartbeat;
mod history;
mod http;
pub mod ingest;
pub mod journals;
mod ledger;
mod live;
mod metrics;
mod node;
mod planner;
mod replicas;
mod stop;

pub use config::{JournalAccess, NodeConfig, RetentionChange, Sync};
pub use error::{ApiError, NodeError};
pub use node::Node;

/// This program's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
