//! Operators: deployed Wasm plugins that follow the journal, and whose outputs are new records in it.
//!
//! ```text
//!   record ──▶ inputs ──▶ guest (process, advance | windows, aggregate) ──▶ outputs ──▶ journal
//!              groups      store, fuel, memory limits                        series
//!                 └──────────────── checkpoint: state + cursor ────────────────┘
//! ```
//!
//! - `compile` makes machine code of Wasm files, in a process of its own.
//! - `guest` runs a Wasm module: checks, calls, limits, images of its memory. The only place that names wasmtime.
//! - `operator` makes a follower of a guest: which rows it gets, where its outputs go, windows, checkpoints.
//! - [`trial`] runs a plugin as an operator over a fixture, for its author.
//! - [`Runtime`] keeps the plugins and runs the operators that the catalog names.
//!
//! An operator in one partition is one instance on one thread. A plugin that traps, loops or floods hurts only itself: it
//! lags alone, and nothing else waits for it. Knows nothing of how replicas store samples: what an operator may ask
//! of one is the trait [`History`], which the server fills.

mod aggregator;
mod compile;
mod deploy;
mod error;
pub mod guest;
mod history;
mod operator;
mod plugins;
mod rerun;
mod runtime;
mod shared_plugins;
mod supervisor;
pub mod trial;
mod versions;

pub use aggregator::Aggregator;
pub use compile::{Compiler, EXIT_REFUSED, Tried, compile_file, open_compiled, refusal, try_out};
pub use error::{DeployError, HistoryError, InstallError, RuntimeError};
pub use guest::{CallError, Kind, Limits, LogLine, WindowColumns};
pub use history::History;
pub use operator::spec::{DeployRequest, OnError};
pub use operator::stage::Stage;
pub use operator::start::Start;
pub use operator::status::{OperatorStatus, WindowNote};
pub use operator::windows::{WindowParts, WindowRequest};
pub use plugins::PluginInfo;
pub use rerun::{Comparison, DiffReport, Difference, Lineage, Origin, RecalcReport, RecalcRequest, VerifyReport};
pub use runtime::{Runtime, RuntimeConfig};
pub use versions::ShadowRequest;
