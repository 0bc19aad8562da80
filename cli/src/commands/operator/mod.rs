//! `tidemill operator`: versions of an operator, running it again, and where its samples come from.

mod show;

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::client::path_part;
use crate::clock::now_ns;
use crate::commands::plugin::deploy::parse_pairs;
use crate::commands::series::text;
use crate::exit::{Exit, ended};
use crate::output::{self, Context, confirm, say};
use crate::time::{parse_duration, parse_instant};

/// The commands about versions and reruns of operators.
#[derive(Subcommand, Debug)]
pub enum OperatorCommand {
    /// Run a new version in the shadow of the present one: on the same inputs, with outputs that nobody sees yet
    #[command(after_help = "\
Examples:
  tidemill operator shadow smooth                                   the file of the deployed name that was added last
  tidemill operator shadow smooth --plugin HASH --param alpha=0.1   the same file with other parameters
  tidemill operator shadow smooth --plugin smooth2 --start state    with the state of the present version")]
    Shadow(ShadowArgs),
    /// Compare what an operator and its shadow have put out
    Diff {
        /// The operator
        name: String,
        /// Of which source times
        #[command(flatten)]
        range: RangeArgs,
    },
    /// Make the shadow the present version, at one exact offset
    Promote {
        /// The operator
        name: String,
    },
    /// Go back to the version before the last promotion; twice goes forward again
    Rollback {
        /// The operator
        name: String,
    },
    /// Remove an operator's shadow
    Discard {
        /// The operator
        name: String,
    },
    /// Start an operator anew somewhere else, with nothing remembered; what it writes again revises what is there
    Rewind {
        /// The operator
        name: String,
        /// earliest, latest, a time of appending (a date, RFC 3339, -2h) or a position
        #[arg(long, allow_hyphen_values = true)]
        to: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Calculate a range of outputs anew from what the replicas hold now
    #[command(after_help = "\
Examples:
  tidemill operator recalc power_1m --start 2026-11-01 --end 2026-11-02 --preview
  tidemill operator recalc smooth --start -2h --end now --warm-up 1h --cascade")]
    Recalc(RecalcArgs),
    /// Run an operator again over the journal and compare every output bit
    Verify {
        /// The operator
        name: String,
        /// Of which source times
        #[command(flatten)]
        range: RangeArgs,
    },
    /// Tell where a derived sample comes from: operator, plugin, input
    #[command(
        after_help = "Example:\n  tidemill operator lineage 'turbine_power_1m:power_mean{unit=T1}' 2026-11-01T12:00:00Z"
    )]
    Lineage {
        /// The series, as `tidemill series` prints it
        series: String,
        /// The sample's source time: RFC 3339, or ns since 1970
        #[arg(allow_hyphen_values = true)]
        time: String,
    },
}

/// A range of source time.
#[derive(Args, Debug)]
pub struct RangeArgs {
    /// First source time: a date, RFC 3339, -15m, now, or ns since 1970 [default: all]
    #[arg(long, allow_hyphen_values = true)]
    pub start: Option<String>,
    /// First source time behind the range
    #[arg(long, allow_hyphen_values = true)]
    pub end: Option<String>,
}

/// Options of `tidemill operator shadow`.
#[derive(Args, Debug)]
pub struct ShadowArgs {
    /// The operator
    pub name: String,
    /// The plugin of the new version: its name (the file added last) or its hash [default: what it was deployed with]
    #[arg(long)]
    pub plugin: Option<String>,
    /// A parameter, as name=value; may be repeated, and then these are all [default: the present ones]
    #[arg(long, value_name = "NAME=VALUE")]
    pub param: Vec<String>,
    /// Where it starts to read: earliest, latest, state, a time of appending or a position [default: earliest]
    #[arg(long, allow_hyphen_values = true)]
    pub start: Option<String>,
}

/// Options of `tidemill operator recalc`.
#[derive(Args, Debug)]
pub struct RecalcArgs {
    /// The operator
    pub name: String,
    /// First source time that is replaced: a date, RFC 3339, -15m, now, or ns since 1970
    #[arg(long, allow_hyphen_values = true)]
    pub start: String,
    /// First source time that is kept
    #[arg(long, allow_hyphen_values = true)]
    pub end: String,
    /// Let the plugin see inputs from so long before the range, for what it remembers
    #[arg(long, default_value = "0s", value_parser = parse_duration)]
    pub warm_up: Duration,
    /// Only tell what would change
    #[arg(long)]
    pub preview: bool,
    /// Go on with the operators that take the outputs
    #[arg(long)]
    pub cascade: bool,
}

/// Runs one of the commands.
///
/// # Errors
/// When an option is malformed, or the node does not answer or refuses.
pub fn run(context: &Context, command: &OperatorCommand) -> anyhow::Result<()> {
    match command {
        OperatorCommand::Shadow(args) => shadow(context, args),
        OperatorCommand::Diff { name, range } => {
            let query = range_query(range)?;
            let report = context.client.get_json(&path(name, "diff"), &pairs(&query))?;
            show::diff(context, &report)
        }
        OperatorCommand::Promote { name } => change(context, name, "promote", "its shadow has taken over"),
        OperatorCommand::Rollback { name } => change(context, name, "rollback", "the version before runs again"),
        OperatorCommand::Discard { name } => {
            context.client.delete(&path(name, "shadow"))?;
            say(format_args!("the shadow of {name} is removed"));
            Ok(())
        }
        OperatorCommand::Rewind { name, to, yes } => rewind(context, name, to, *yes),
        OperatorCommand::Recalc(args) => recalc(context, args),
        OperatorCommand::Verify { name, range } => {
            let query = range_query(range)?;
            let answer = context.client.post(&path(name, "verify"), &pairs(&query), &[], &[])?;
            show::verify(context, name, &answer.json()?)
        }
        OperatorCommand::Lineage { series, time } => {
            let time = instant(time)?.to_string();
            let query = [("series", series.as_str()), ("time", time.as_str())];
            show::lineage(context, &context.client.get_json("/api/v1/lineage", &query)?)
        }
    }
}

fn path(name: &str, verb: &str) -> String {
    format!("/api/v1/operators/{}/{verb}", path_part(name))
}

fn instant(text: &str) -> anyhow::Result<i64> {
    parse_instant(text, now_ns()).map_err(|reason| ended(Exit::Usage, reason))
}

fn range_query(range: &RangeArgs) -> anyhow::Result<Vec<(&'static str, String)>> {
    let mut query = Vec::new();
    for (name, text) in [("start", &range.start), ("end", &range.end)] {
        if let Some(text) = text {
            query.push((name, instant(text)?.to_string()));
        }
    }
    Ok(query)
}

fn pairs<'a>(query: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    query.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// A place to start at, as the API takes it.
pub(crate) fn start(text: &str) -> anyhow::Result<String> {
    let is_position = text.len() > 24 && text.split('-').all(|part| part.bytes().all(|b| b.is_ascii_hexdigit()));
    match text {
        "earliest" | "latest" | "state" => Ok(text.to_owned()),
        _ if is_position && !text.starts_with('-') && text.contains('-') && parse_instant(text, 0).is_err() => {
            Ok(text.to_owned())
        }
        _ => parse_instant(text, now_ns()).map(|at| at.to_string()).map_err(|reason| {
            ended(Exit::Usage, format!("{reason}; or earliest, latest, or a position that a write or a query returned"))
        }),
    }
}

fn shadow(context: &Context, args: &ShadowArgs) -> anyhow::Result<()> {
    let mut request = json!({});
    if let Some(plugin) = &args.plugin {
        request["plugin"] = Value::from(plugin.as_str());
    }
    if !args.param.is_empty() {
        request["params"] =
            Value::Object(parse_pairs("--param", &args.param).map_err(|reason| ended(Exit::Usage, reason))?);
    }
    if let Some(text) = &args.start {
        request["start"] = Value::from(start(text)?);
    }
    let status = context.client.post_json(&path(&args.name, "shadow"), &request)?;
    if context.json {
        output::json(&status)?;
    } else {
        let hash = text(&status["hash"]);
        say(format_args!("plugin {} ({hash}) runs in the shadow of {}", text(&status["plugin"]), args.name));
        say(format_args!("compare with `tidemill operator diff {0}`, then `tidemill operator promote {0}`", args.name));
    }
    Ok(())
}

fn change(context: &Context, name: &str, verb: &str, now: &str) -> anyhow::Result<()> {
    let status = context.client.post(&path(name, verb), &[], &[], &[])?.json()?;
    if context.json {
        output::json(&status)?;
    } else {
        say(format_args!("operator {name}: {now} (plugin {}, {})", text(&status["plugin"]), text(&status["hash"])));
    }
    Ok(())
}

fn rewind(context: &Context, name: &str, to: &str, yes: bool) -> anyhow::Result<()> {
    let place = start(to)?;
    if !yes && !confirm(&format!("let operator {name} forget its state and start again at {to}?")) {
        return Err(ended(Exit::Refused, "nothing was changed: confirm with --yes"));
    }
    let status = context.client.post_json(&path(name, "rewind"), &json!({ "start": place }))?;
    if context.json {
        output::json(&status)?;
    } else {
        say(format_args!("operator {name} starts again at {to}"));
    }
    Ok(())
}

fn recalc(context: &Context, args: &RecalcArgs) -> anyhow::Result<()> {
    let (start, end) = (instant(&args.start)?, instant(&args.end)?);
    let warm_up = i64::try_from(args.warm_up.as_nanos()).unwrap_or(i64::MAX);
    let request = json!({
        "start": start.to_string(), "end": end.to_string(), "warm_up": warm_up.to_string(),
        "preview": args.preview, "cascade": args.cascade,
    });
    let answer = context.client.post_json(&path(&args.name, "recalc"), &request)?;
    show::recalc(context, &answer)
}
