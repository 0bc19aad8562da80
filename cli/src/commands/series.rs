//! `tidemill series`: which series there are, with their newest samples.

use clap::Args;
use serde_json::Value;

use crate::output::{self, Context, say};
use crate::table::Table;
use crate::time::format_time;

/// Options of `tidemill series`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  tidemill series\n  tidemill series 'turbine:power{unit=T*}' --json")]
pub struct SeriesArgs {
    /// Which series, as measurement:field{label=pattern}; * matches anything
    #[arg(default_value = "*")]
    pub selector: String,
    /// At most this many
    #[arg(long, default_value_t = 1000)]
    pub limit: u32,
}

/// Lists the series.
///
/// # Errors
/// When the node does not answer or refuses.
pub fn run(context: &Context, args: &SeriesArgs) -> anyhow::Result<()> {
    let limit = args.limit.to_string();
    let query = [("select", args.selector.as_str()), ("limit", limit.as_str())];
    let answer = context.client.get_json("/api/v1/series", &query)?;
    let series = answer["series"].as_array().cloned().unwrap_or_default();
    if context.json {
        series.iter().try_for_each(output::json)?;
        return Ok(());
    }
    let header = ["series", "type", "time", "value", "quality"].map(str::to_owned).to_vec();
    let mut table = Table::new(std::io::stdout().lock(), header, output::has_colour());
    for one in &series {
        let last = &one["last"];
        table.row(vec![
            text(&one["series"]),
            text(&one["type"]),
            time(&last["time"]),
            text(&last["value"]),
            quality(last),
        ])?;
    }
    table.finish()?;
    if series.len() as u64 == u64::from(args.limit) {
        say(format_args!("only the first {} are shown: see --limit", args.limit));
    }
    Ok(())
}

fn quality(last: &Value) -> String {
    match last["quality"].as_u64() {
        None => String::new(),
        Some(0) => "good".to_owned(),
        Some(code) => format!("{code:#010x}"),
    }
}

/// A time in ns, given as a number or as text, in readable form.
pub(crate) fn time(value: &Value) -> String {
    ns(value).map(format_time).unwrap_or_default()
}

/// A 64-bit integer, given as a number or as text (JavaScript cannot hold it).
pub(crate) fn ns(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// A JSON value without the quotes of a string; nothing for null.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
