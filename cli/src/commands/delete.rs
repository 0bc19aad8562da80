//! `tidemill delete`: deletes a time range of series.

use clap::Args;
use serde_json::{Value, json};

use crate::clock::now_ns;
use crate::exit::{Exit, ended};
use crate::output::{self, Context, confirm, say};
use crate::time::{format_time, parse_instant};

/// Options of `tidemill delete`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  tidemill delete 'room:temperature{floor=2}' --start 2026-11-01 --end 2026-11-02")]
pub struct DeleteArgs {
    /// Which series, as measurement:field{label=pattern}; * matches anything
    pub selector: String,
    /// First time deleted: a date, RFC 3339, -15m, now, or ns since 1970
    #[arg(long, allow_hyphen_values = true)]
    pub start: String,
    /// First time kept
    #[arg(long, allow_hyphen_values = true)]
    pub end: String,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Only say which series it would touch
    #[arg(long)]
    pub dry_run: bool,
}

/// Deletes the range.
///
/// # Errors
/// When a time does not parse, the person says no, or the node does not answer or refuses.
pub fn run(context: &Context, args: &DeleteArgs) -> anyhow::Result<()> {
    let instant = |text: &str| parse_instant(text, now_ns()).map_err(|reason| ended(Exit::Usage, reason));
    let (start, end) = (instant(&args.start)?, instant(&args.end)?);
    if end <= start {
        return Err(ended(Exit::Usage, "--end is not after --start: nothing would be deleted"));
    }
    let query = [("select", args.selector.as_str()), ("limit", "100000")];
    let answer = context.client.get_json("/api/v1/series", &query)?;
    let count = answer["series"].as_array().map_or(0, Vec::len);
    if count == 0 {
        return Err(ended(Exit::NotFound, format!("no series matches {:?}: see `tidemill series`", args.selector)));
    }
    let what = format!("samples of {count} series from {} to {}", format_time(start), format_time(end));
    if args.dry_run {
        say(format_args!("would delete {what}"));
        return Ok(());
    }
    if !args.yes && !confirm(&format!("delete {what}?")) {
        return Err(ended(Exit::Refused, format!("nothing was deleted: confirm with --yes to delete {what}")));
    }
    let request = json!({ "select": args.selector, "start": start, "end": end });
    let headers = [("content-type", "application/json")];
    let answer = context.client.post("/api/v1/delete", &[], &headers, request.to_string().as_bytes())?;
    let position = answer.position().map_or(Value::Null, Value::String);
    if context.json {
        output::json(&json!({ "series": count, "position": position }))?;
    } else {
        say(format_args!("deleted {what}"));
    }
    Ok(())
}
