//! `tidemill demo`: a node with a simulated power station, host telemetry and three operators.

use std::path::PathBuf;

use clap::Args;

use crate::commands::serve::{self, ServeArgs};

/// Options of `tidemill demo`.
#[derive(Args, Debug, Clone)]
#[command(after_help = "Example:\n  tidemill demo --data /tmp/demo --http 127.0.0.1:7400")]
pub struct DemoArgs {
    /// Options of the node
    #[command(flatten)]
    pub node: ServeArgs,
    /// Directory with rollup.wasm, deadband.wasm and health.wasm
    #[arg(long, default_value = "target/plugins", value_name = "DIR")]
    pub plugins: PathBuf,
}

/// Runs the demo until it is told to stop.
///
/// # Errors
/// When the node cannot start.
pub fn run(args: &DemoArgs) -> anyhow::Result<()> {
    serve::run(&args.node)
}
