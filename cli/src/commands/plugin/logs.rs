//! `tidemill plugin logs`: what an operator has logged, and with `-f` what it goes on to log.

use std::time::Duration;

use clap::Args;
use serde_json::Value;

use crate::client::path_part;
use crate::clock::pause;
use crate::commands::plugin::items;
use crate::commands::series::{text, time};
use crate::output::{self, Context, say};
use crate::stop::Stop;

/// Lines that one request asks for while following.
const FOLLOW_LINES: u32 = 1000;
/// Time between two requests while following.
const POLL: Duration = Duration::from_millis(500);

/// Options of `tidemill plugin logs`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidemill plugin logs power_1m
  tidemill plugin logs -f power_1m --limit 10

A node keeps the newest 1000 lines of an operator. `-f` says how many were missed when there were more.")]
pub struct LogsArgs {
    /// The operator
    pub name: String,
    /// At most this many lines, the newest
    #[arg(long, default_value_t = 100)]
    pub limit: u32,
    /// Go on with new lines until Ctrl-C
    #[arg(long, short)]
    pub follow: bool,
}

/// Prints the lines.
///
/// # Errors
/// When the node does not answer or has no such operator.
pub fn run(context: &Context, args: &LogsArgs) -> anyhow::Result<()> {
    let stop = if args.follow { Some(Stop::on_signal()?) } else { None };
    let path = format!("/api/v1/operators/{}/logs", path_part(&args.name));
    let newest = print_after(context, &path, 0, args.limit)?;
    if newest.is_none() {
        say(format_args!("operator {} has not logged anything yet", args.name));
    }
    let mut last = newest.unwrap_or(0);
    while stop.as_ref().is_some_and(|stop| !stop.is_set()) {
        pause(POLL);
        last = match print_after(context, &path, last, FOLLOW_LINES)? {
            Some(newest) => newest,
            // A node that has started again counts from 1: its first line is behind nothing.
            None => {
                if has_restarted(context, &path, last)? {
                    0
                } else {
                    last
                }
            }
        };
    }
    Ok(())
}

/// Prints the lines behind the one with this sequence. Returns the sequence of the last one, if there were any.
fn print_after(context: &Context, path: &str, after: u64, limit: u32) -> anyhow::Result<Option<u64>> {
    let query = [("after", after.to_string()), ("limit", limit.to_string())];
    let query = query.each_ref().map(|(name, value)| (*name, value.as_str()));
    let lines = items(&context.client.get_json(path, &query)?, "lines");
    let sequence = |line: &Value| line["sequence"].as_u64().unwrap_or(0);
    let missed = lines.first().map_or(0, |line| sequence(line).saturating_sub(after + 1));
    if after > 0 && missed > 0 {
        say(format_args!("{missed} lines were missed: they came too fast"));
    }
    for line in &lines {
        if context.json {
            output::json(line)?;
        } else {
            let (level, said) = (text(&line["level"]), text(&line["text"]));
            output::line(format!("{}  {level:5}  {said}", time(&line["time_ns"])))?;
        }
    }
    Ok(lines.last().map(sequence))
}

/// Whether the newest line of the operator is older in number than what was seen.
fn has_restarted(context: &Context, path: &str, last: u64) -> anyhow::Result<bool> {
    let newest = items(&context.client.get_json(path, &[("after", "0"), ("limit", "1")])?, "lines");
    Ok(newest.first().and_then(|line| line["sequence"].as_u64()).unwrap_or(0) < last)
}
