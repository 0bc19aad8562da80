//! `tidemill station`: streams a simulated tidal power station into a node.

use std::time::Duration;

use clap::Args;
use tidemill_agent::StationConfig;

use crate::clock::{Stopwatch, now_ns};
use crate::exit::{Exit, ended};
use crate::feed::{Destination, Pace, StationFeed, feed_station};
use crate::output::{self, Context, say, thousands};
use crate::stop::Stop;
use crate::time::{parse_duration, parse_instant};

/// Ticks per request when it goes as fast as possible.
const TICKS_PER_REQUEST: u32 = 64;

/// Options of `tidemill station`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidemill station                                             live, one tick a second
  tidemill station --rate max --start -24h --duration 24h      a day of history at once
  tidemill station --rate 60x --seed 7

With --start given as a date, running the same command again writes nothing twice.")]
pub struct StationArgs {
    /// Chooses noise, incidents and the machines' characters
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// live, a factor such as 10x, or max for as fast as the node takes it
    #[arg(long, default_value = "live", value_parser = parse_rate)]
    pub rate: Pace,
    /// Stop after this much of the station's time, such as 1h [default: never]
    #[arg(long, value_parser = parse_duration)]
    pub duration: Option<Duration>,
    /// Time of the first tick: a date, RFC 3339, -15m, now
    #[arg(long, default_value = "now", allow_hyphen_values = true)]
    pub start: String,
    /// Generating units; 24 give about 500 series
    #[arg(long, default_value_t = 24)]
    pub units: usize,
    /// Value of the label `station`
    #[arg(long, default_value = "rance")]
    pub name: String,
    /// URL of the node; the same as --server
    #[arg(long)]
    pub url: Option<String>,
}

/// Parses `live`, `max` or a factor.
///
/// # Errors
/// What a rate looks like.
pub fn parse_rate(text: &str) -> Result<Pace, String> {
    let factor = match text {
        "live" => return Ok(Pace::Times(1.0)),
        "max" => return Ok(Pace::Max),
        factor => factor.strip_suffix('x').and_then(|factor| factor.parse::<f64>().ok()),
    };
    factor
        .filter(|factor| (0.001..=1e6).contains(factor))
        .map(Pace::Times)
        .ok_or_else(|| format!("{text:?} is not a rate: use live, max, or a factor such as 10x"))
}

/// Streams until the duration is over or it is stopped.
///
/// # Errors
/// When an option makes no sense or the node refuses.
pub fn run(context: &Context, args: &StationArgs) -> anyhow::Result<()> {
    let start_ns = parse_instant(&args.start, now_ns()).map_err(|reason| ended(Exit::Usage, reason))?;
    if start_ns < 0 {
        return Err(ended(Exit::Usage, "--start lies before 1970"));
    }
    let client = args.url.as_deref().map_or_else(|| context.client.clone(), crate::client::Client::new);
    let ticks_per_request = if args.rate == Pace::Max { TICKS_PER_REQUEST } else { 1 };
    let config = StationConfig {
        seed: args.seed,
        start_ns,
        units: args.units,
        name: args.name.clone(),
        ..StationConfig::default()
    };
    let duration_ns = args.duration.map_or(i64::MAX, |length| i64::try_from(length.as_nanos()).unwrap_or(i64::MAX));
    let feed = StationFeed {
        pace: args.rate,
        send_from_ns: i64::MIN,
        end_ns: start_ns.saturating_add(duration_ns),
        ticks_per_request,
        config,
    };
    let producer = format!("station/{}/{}/{}/{start_ns}/{ticks_per_request}", args.name, args.seed, args.units);
    say(format_args!("sending station {} to {}; stop with Ctrl-C", args.name, client.url()));
    let clock = Stopwatch::start();
    let sent = feed_station(&Destination { client, producer }, &feed, &Stop::on_signal()?)?;
    let seconds = clock.elapsed().as_secs_f64();
    if context.json {
        output::json(&serde_json::json!({ "ticks": sent.ticks, "samples": sent.samples, "seconds": seconds }))?;
    }
    let samples = thousands(sent.samples);
    say(format_args!("{samples} samples in {seconds:.1} s, {}/s", thousands((sent.samples as f64 / seconds) as u64)));
    Ok(())
}
