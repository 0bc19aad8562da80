//! `tidemill host`: this machine's own telemetry, once a second.

use clap::Args;

use crate::clock::now_ns;
use crate::feed::{Destination, feed_host, hostname};
use crate::output::{Context, say};
use crate::stop::Stop;

/// Options of `tidemill host`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  tidemill host --server http://plant:7300")]
pub struct HostArgs {
    /// Value of the label `host` [default: this machine's name]
    #[arg(long)]
    pub name: Option<String>,
}

/// Streams until it is stopped.
///
/// # Errors
/// When the node refuses.
pub fn run(context: &Context, args: &HostArgs) -> anyhow::Result<()> {
    let name = args.name.clone().unwrap_or_else(hostname);
    // Samples wait in memory only, so every run is a producer of its own.
    let producer = format!("host/{name}/{}", now_ns());
    let destination = Destination { client: context.client.clone(), producer };
    say(format_args!("sending telemetry of {name} to {}; stop with Ctrl-C", context.client.url()));
    let sent = feed_host(&destination, &name, &Stop::on_signal()?)?;
    say(format_args!("{sent} samplings sent"));
    Ok(())
}
