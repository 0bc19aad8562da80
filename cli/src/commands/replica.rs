//! `tidemill replica`: how replicas stand, and how to rebuild one from the journal.

use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::client::path_part;
use crate::clock::{Stopwatch, pause};
use crate::commands::series::text;
use crate::exit::{Exit, ended};
use crate::output::{self, Context, confirm, say};
use crate::progress;
use crate::table::Table;

/// Pause between two looks at a rebuild.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// A replica that had failed before may take this long to notice that it shall be rebuilt.
const GRACE: Duration = Duration::from_secs(5);

/// The commands about replicas.
#[derive(Subcommand, Debug)]
pub enum ReplicaCommand {
    /// Show position, lag and digest of every replica
    Status,
    /// Throw a replica's files away and make them again from what the journal still holds; the others go on serving
    #[command(after_help = "Example:\n  tidemill replica rebuild r2 --yes")]
    Rebuild {
        /// The replica, as `tidemill replica status` names it
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// Start the rebuild and do not wait for its end
        #[arg(long)]
        no_wait: bool,
        /// Give up waiting after this long
        #[arg(long, default_value = "1h", value_parser = crate::time::parse_duration)]
        timeout: Duration,
    },
}

/// Runs one of the commands.
///
/// # Errors
/// When the node does not answer or refuses, or the rebuild fails.
pub fn run(context: &Context, command: &ReplicaCommand) -> anyhow::Result<()> {
    match command {
        ReplicaCommand::Status => status(context),
        ReplicaCommand::Rebuild { name, yes, no_wait, timeout } => {
            rebuild(context, name, *yes)?;
            if *no_wait { Ok(()) } else { follow(context, name, *timeout) }
        }
    }
}

fn replicas(context: &Context) -> anyhow::Result<Vec<Value>> {
    let status = context.client.get_json("/api/v1/status", &[])?;
    Ok(status["replicas"].as_array().cloned().unwrap_or_default())
}

fn status(context: &Context) -> anyhow::Result<()> {
    let replicas = replicas(context)?;
    if context.json {
        replicas.iter().try_for_each(output::json)?;
        return Ok(());
    }
    let header = ["replica", "state", "lag", "staleness", "falls off", "samples", "series", "digest", "position"];
    let header = header.map(str::to_owned).to_vec();
    let mut table = Table::new(std::io::stdout().lock(), header, output::has_colour());
    for replica in &replicas {
        let cell = |name: &str| text(&replica[name]);
        let position = cell("position");
        table.row(vec![
            cell("name"),
            cell("state"),
            cell("lag_records"),
            replica["staleness_ms"].as_f64().map_or_else(String::new, |ms| format!("{:.1} s", ms / 1000.0)),
            replica["falls_off_in_ms"].as_f64().map_or_else(String::new, falls_off),
            cell("samples"),
            cell("series"),
            cell("digest"),
            position,
        ])?;
    }
    table.finish()?;
    for replica in replicas.iter().filter(|replica| !replica["error"].is_null()) {
        say(format_args!("{}: {}", text(&replica["name"]), text(&replica["error"])));
    }
    Ok(())
}

/// A duration as people think of it.
fn falls_off(ms: f64) -> String {
    match ms / 3_600_000.0 {
        hours if hours >= 48.0 => format!("{:.1} d", hours / 24.0),
        hours if hours >= 1.0 => format!("{hours:.1} h"),
        _ => format!("{:.0} s", ms / 1000.0),
    }
}

fn rebuild(context: &Context, name: &str, yes: bool) -> anyhow::Result<()> {
    let replicas = replicas(context)?;
    if !replicas.iter().any(|replica| replica["name"] == name) {
        let names: Vec<String> = replicas.iter().map(|replica| text(&replica["name"])).collect();
        return Err(ended(Exit::NotFound, format!("there is no replica {name:?}; there are {}", names.join(", "))));
    }
    if !yes && !confirm(&format!("throw away the files of replica {name} and rebuild them from the journal?")) {
        return Err(ended(Exit::Refused, "nothing was changed: confirm with --yes"));
    }
    context.client.post(&format!("/api/v1/replicas/{}/rebuild", path_part(name)), &[], &[], &[])?;
    Ok(())
}

/// Waits until the replica serves again and agrees with another one at the same position.
fn follow(context: &Context, name: &str, timeout: Duration) -> anyhow::Result<()> {
    let clock = Stopwatch::start();
    let bar = progress::count(0, &format!("rebuilding {name}"));
    let mut lag_max = 0;
    while clock.elapsed() < timeout {
        pause(LOOK_EVERY);
        let replicas = replicas(context)?;
        let Some(replica) = replicas.iter().find(|replica| replica["name"] == name) else {
            continue;
        };
        let lag = replica["lag_records"].as_u64().unwrap_or(0);
        lag_max = lag.max(lag_max);
        bar.set_length(lag_max);
        bar.set_position(lag_max - lag);
        match compare(replica, &replicas) {
            Verdict::Wait => {}
            Verdict::Failed(_) if clock.elapsed() < GRACE => {}
            Verdict::Failed(reason) => return Err(ended(Exit::Failure, format!("replica {name} failed: {reason}"))),
            Verdict::Differs(other) => {
                let message = format!("replica {name} differs from {other} at the same position");
                return Err(ended(Exit::Failure, format!("{message}: keep both directories and report this")));
            }
            Verdict::Agrees(other) => {
                bar.finish_and_clear();
                return done(context, name, replica, other.as_deref(), clock.elapsed());
            }
        }
    }
    let message = format!("replica {name} is still catching up after {timeout:?}: see `tidemill replica status`");
    Err(ended(Exit::Failure, message))
}

fn done(context: &Context, name: &str, replica: &Value, other: Option<&str>, took: Duration) -> anyhow::Result<()> {
    let (seconds, digest) = (took.as_secs_f64(), text(&replica["digest"]));
    let agreement = match other {
        Some(other) => format!("digest {digest} agrees with {other}"),
        None => format!("digest {digest}; there is no other replica to compare with"),
    };
    say(format_args!("replica {name} is rebuilt after {seconds:.1} s: {agreement}"));
    if context.json {
        let position = &replica["digest_position"];
        output::json(&json!({ "replica": name, "seconds": seconds, "digest": digest, "position": position }))?;
    }
    Ok(())
}

/// How a replica compares with the others.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not at a common position yet.
    Wait,
    /// It cannot go on.
    Failed(String),
    /// Same position, same digest as the named one; `None` if it is the only one.
    Agrees(Option<String>),
    /// Same position, other digest.
    Differs(String),
}

/// Compares `replica` with every other one that has published a digest at the same position.
pub fn compare(replica: &Value, replicas: &[Value]) -> Verdict {
    match replica["state"].as_str() {
        Some("serving") => {}
        Some("failed") => return Verdict::Failed(text(&replica["error"])),
        _ => return Verdict::Wait,
    }
    let others: Vec<&Value> = replicas.iter().filter(|other| other["name"] != replica["name"]).collect();
    if others.is_empty() {
        return Verdict::Agrees(None);
    }
    let at = &replica["digest_position"];
    match others.iter().find(|other| !at.is_null() && other["digest_position"] == *at) {
        None => Verdict::Wait,
        Some(other) if other["digest"] == replica["digest"] => Verdict::Agrees(Some(text(&other["name"]))),
        Some(other) => Verdict::Differs(text(&other["name"])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(name: &str, state: &str, position: &str, digest: &str) -> Value {
        json!({ "name": name, "state": state, "digest_position": position, "digest": digest, "error": "broken" })
    }

    #[test]
    fn digests_are_compared_at_one_position_only() {
        let r1 = replica("r1", "serving", "p1", "aa");
        let check = |state, position, digest, expected| {
            let r2 = replica("r2", state, position, digest);
            assert_eq!(compare(&r2, &[r1.clone(), r2.clone()]), expected, "{state} {position} {digest}");
        };
        check("serving", "p1", "aa", Verdict::Agrees(Some("r1".into())));
        check("serving", "p1", "bb", Verdict::Differs("r1".into()));
        check("serving", "p0", "bb", Verdict::Wait);
        check("catching-up", "p1", "aa", Verdict::Wait);
        check("failed", "p1", "aa", Verdict::Failed("broken".into()));
        assert_eq!(compare(&r1, std::slice::from_ref(&r1)), Verdict::Agrees(None));
    }
}
