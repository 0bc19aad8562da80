//! `tidemill demo`: a node, a simulated power station, this host's telemetry and three operators, in one process.
//!
//! Everything but the node itself goes through the node's HTTP port, as it would from another machine. Starting again on the same
//! data directory goes on where it stopped, whatever stopped it: operators are deployed once, and ticks that the node has are
//! dropped by it.

mod operators;
mod origin;

use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use clap::Args;
use tidemill_agent::{Incidents, StationConfig};

use crate::client::Client;
use crate::clock::{now_ns, start_thread};
use crate::commands::serve::{self, ServeArgs, check_address};
use crate::feed::{Destination, Pace, StationFeed, feed_host, feed_station, hostname};
use crate::output::{bold, say};
use crate::stop::{Stop, wait_for_signal};
use crate::time::parse_duration;

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
    /// History of the station to write first
    #[arg(long, default_value = "30m", value_parser = parse_duration, value_name = "DURATION")]
    pub history: Duration,
    /// Chooses noise, incidents and the machines' characters of the station
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// Runs the demo until it is told to stop.
///
/// # Errors
/// When the node cannot start, or a plugin cannot be deployed.
pub fn run(args: &DemoArgs) -> anyhow::Result<()> {
    check_address(args.node.http, args.node.insecure)?;
    serve::start_log("warn");
    serve::runtime()?.block_on(async {
        let node = serve::start(&args.node).await?;
        let client = Client::new(&format!("http://{}", node.address()));
        let stop = Stop::new();
        let feeds = start(args, &client, &stop)?;
        wait_for_signal().await;
        stop.set();
        feeds.into_iter().for_each(|feed| drop(feed.join()));
        serve::shut_down(node).await;
        Ok(())
    })
}

/// Deploys the operators and starts the feeds.
fn start(args: &DemoArgs, client: &Client, stop: &Stop) -> anyhow::Result<Vec<JoinHandle<()>>> {
    let deployed = operators::deploy_all(client, &args.plugins)?;
    let history_ns = i64::try_from(args.history.as_nanos()).unwrap_or(i64::MAX);
    let start_ns = now_ns().saturating_sub(history_ns);
    let feed = StationFeed {
        config: StationConfig {
            seed: args.seed,
            start_ns: origin::load_or_store(&args.node.data, start_ns)?,
            incidents: Incidents::demo(),
            ..StationConfig::default()
        },
        pace: Pace::Times(1.0),
        send_from_ns: start_ns,
        end_ns: i64::MAX,
        ticks_per_request: 1,
    };
    guide(client.url(), deployed);
    Ok(vec![start_station(client, args.seed, feed, stop), start_host(client, stop)])
}

fn start_station(client: &Client, seed: u64, feed: StationFeed, stop: &Stop) -> JoinHandle<()> {
    let destination = Destination { client: client.clone(), producer: format!("demo/station/{seed}") };
    let stop = stop.clone();
    start_thread(move || {
        report("station", &stop, feed_station(&destination, &feed, &stop).err());
    })
}

fn start_host(client: &Client, stop: &Stop) -> JoinHandle<()> {
    let name = hostname();
    let destination = Destination { client: client.clone(), producer: format!("demo/host/{}", now_ns()) };
    let stop = stop.clone();
    start_thread(move || {
        report("host", &stop, feed_host(&destination, &name, &stop).err());
    })
}

/// A feed that fails while the node is being stopped is no news.
fn report(feed: &str, stop: &Stop, error: Option<anyhow::Error>) {
    if let Some(error) = error.filter(|_| !stop.is_set()) {
        say(format_args!("the {feed} feed has stopped: {error:#}"));
    }
}

fn guide(url: &str, deployed: usize) {
    let server = if url == "http://127.0.0.1:7300" { String::new() } else { format!(" --server {url}") };
    say(format_args!(
        "\n{title}\n\n  Open {url} in a browser: the station, its trends, the replicas and {deployed} operators.\n\n\
         Or, in another terminal:\n\n  \
         tidemill sql \"SELECT unit, last_value(power ORDER BY time) AS mw FROM turbine GROUP BY unit ORDER BY unit\"{server}\n  \
         tidemill tail 'turbine:power{{unit=T01}}'{server}\n  \
         tidemill replica status{server}\n\n\
         Try kill -9 on it and start it again: nothing is lost and nothing comes twice. Ctrl-C stops it.\n",
        title = bold("Tidemill is running.")
    ));
}
