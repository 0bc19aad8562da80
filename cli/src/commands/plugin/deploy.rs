//! `tidemill plugin deploy`: turns options into a deploy request.

use clap::Args;
use serde_json::{Map, Value, json};

use crate::commands::operator::start;
use crate::commands::series::text;
use crate::exit::{Exit, ended};
use crate::output::{self, Context, say};

/// Options of `tidemill plugin deploy`.
#[derive(Args, Debug, Default)]
#[command(after_help = "\
Examples:
  tidemill plugin deploy power_1m --plugin rollup --input 'value=turbine:power' --window 60s
  tidemill plugin deploy bearings --plugin deadband --input 'value=turbine:bearing_temperature' --param width=0.5
  tidemill plugin deploy health --plugin health --group-by station,unit \\
      --input 'flow=turbine:flow' --input 'head=turbine:head' --input 'power=turbine:power' \\
      --input 'bearing_temperature=turbine:bearing_temperature' --input 'vibration=turbine:vibration'

`tidemill plugin list` shows the inputs of each plugin.")]
pub struct DeployArgs {
    /// Name of the operator
    pub name: String,
    /// The plugin: its name or its hash
    #[arg(long)]
    pub plugin: String,
    /// What an input of the plugin reads, as input=selector; once per input
    #[arg(long, value_name = "INPUT=SELECTOR")]
    pub input: Vec<String>,
    /// Calculate once per combination of these labels [default: once per series]
    #[arg(long, value_name = "LABEL,…", value_delimiter = ',')]
    pub group_by: Option<Vec<String>>,
    /// Read all partitions in one order, in one place, so that a group may have series in several of them
    #[arg(long)]
    pub merge_partitions: bool,
    /// Aggregate once per partition and once more over the results: for groups with series in several partitions, where
    /// merging all samples in one place would be too slow
    #[arg(long, conflicts_with = "merge_partitions")]
    pub two_stage: bool,
    /// Measurement of the results [default: {measurement}_{operator}]
    #[arg(long)]
    pub output: Option<String>,
    /// A parameter of the plugin, as name=value; may be repeated. What reads as JSON is sent as JSON: for the text 1
    /// write 'name="1"'
    #[arg(long, value_name = "NAME=VALUE")]
    pub param: Vec<String>,
    /// The windows (aggregations only): 60s, 1h+15m (from a quarter past), 5m/1m (hopping), sliding:5m, session:30s,
    /// session:30s/1h (at most an hour), day@Europe/Berlin (or hour, week, month, quarter, year)
    #[arg(long)]
    pub window: Option<String>,
    /// How long samples may come late before a window is closed, such as 2s
    #[arg(long)]
    pub lateness: Option<String>,
    /// How long a group must be silent before heartbeats close its windows [default: until the second heartbeat]
    #[arg(long)]
    pub idle_close: Option<String>,
    /// What happens to rows that the plugin fails on: quarantine them and go on, or halt [default: quarantine]
    #[arg(long, value_parser = ["quarantine", "halt"])]
    pub on_error: Option<String>,
    /// How often its state is captured, such as 500ms [default: 1s]
    #[arg(long)]
    pub checkpoint_every: Option<String>,
    /// What it may use, as name=number: fuel_per_call, memory_bytes, output_rows, …; may be repeated
    #[arg(long, value_name = "NAME=NUMBER")]
    pub limit: Vec<String>,
    /// Where it starts to read: earliest, latest, a time of appending (a date, RFC 3339, -2h) or a position [default: latest]
    #[arg(long, allow_hyphen_values = true)]
    pub start: Option<String>,
    /// Only show the request
    #[arg(long)]
    pub dry_run: bool,
}

/// Deploys the plugin.
///
/// # Errors
/// When an option is malformed, or the node does not answer or refuses.
pub fn run(context: &Context, args: &DeployArgs) -> anyhow::Result<()> {
    let request = request(args).map_err(|reason| ended(Exit::Usage, reason))?;
    if args.dry_run {
        output::json(&request)?;
        return Ok(());
    }
    let status = context.client.post_json("/api/v1/operators", &request)?;
    if context.json {
        output::json(&status)?;
    } else {
        say(format_args!("operator {} is {}: see `tidemill plugin list`", args.name, text(&status["state"])));
    }
    Ok(())
}

/// The request that the options describe.
///
/// # Errors
/// Which option is malformed.
pub fn request(args: &DeployArgs) -> Result<Value, String> {
    let mut inputs = Map::new();
    for input in &args.input {
        let (port, selector) = pair("--input", input)?;
        if inputs.insert(port.to_owned(), Value::from(selector)).is_some() {
            return Err(format!("--input {port} is given twice: one selector may have several parts, as in a;b"));
        }
    }
    if inputs.is_empty() {
        return Err("name what the plugin reads: --input value=measurement:field".to_owned());
    }
    let (params, limits) = (parse_pairs("--param", &args.param)?, parse_pairs("--limit", &args.limit)?);
    let mut request = json!({ "name": args.name, "plugin": args.plugin, "inputs": inputs, "params": params });
    let start = args.start.as_deref().map(start).transpose().map_err(|error| error.to_string())?;
    let optional = [
        ("output", &args.output),
        ("lateness", &args.lateness),
        ("idle_close", &args.idle_close),
        ("on_error", &args.on_error),
        ("checkpoint_every", &args.checkpoint_every),
        ("start", &start),
    ];
    for (name, value) in optional.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
        request[name] = Value::from(value.as_str());
    }
    if let Some(text) = &args.window {
        request["window"] = window(text);
    }
    if let Some(labels) = &args.group_by {
        request["group_by"] = Value::from(labels.clone());
    }
    if args.merge_partitions {
        request["merge_partitions"] = Value::from(true);
    }
    if args.two_stage {
        request["two_stage"] = Value::from(true);
    }
    if !limits.is_empty() {
        request["limits"] = Value::from(limits);
    }
    Ok(request)
}

/// Options given as `name=value`. What reads as JSON (a number, true, a list) is that; everything else is text.
///
/// # Errors
/// Which one is malformed or given twice.
pub fn parse_pairs(option: &str, given: &[String]) -> Result<Map<String, Value>, String> {
    let mut values = Map::new();
    for text in given {
        let (name, value) = pair(option, text)?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        if values.insert(name.to_owned(), value).is_some() {
            return Err(format!("{option} {name} is given twice"));
        }
    }
    Ok(values)
}

/// The JSON form of a window. The node checks what it says.
fn window(text: &str) -> Value {
    if let Some(length) = text.strip_prefix("sliding:") {
        return json!({ "sliding": length });
    }
    if let Some(session) = text.strip_prefix("session:") {
        return match session.split_once('/') {
            Some((gap, max)) => json!({ "gap": gap, "max": max }),
            None => json!({ "gap": session }),
        };
    }
    if let Some((unit, zone)) = text.split_once('@') {
        return json!({ "calendar": unit, "zone": zone });
    }
    if ["hour", "day", "week", "month", "quarter", "year"].contains(&text) {
        return json!({ "calendar": text });
    }
    let (text, offset) = text.split_once('+').map_or((text, None), |(text, offset)| (text, Some(offset)));
    let (length, every) = text.split_once('/').map_or((text, None), |(length, every)| (length, Some(every)));
    if offset.is_none() && every.is_none() {
        return Value::from(length);
    }
    let parts = [("length", Some(length)), ("every", every), ("offset", offset)];
    parts
        .into_iter()
        .filter_map(|(name, part)| Some((name.to_owned(), Value::from(part?))))
        .collect::<Map<_, _>>()
        .into()
}

fn pair<'a>(option: &str, text: &'a str) -> Result<(&'a str, &'a str), String> {
    let is_named = |(name, _): &(&str, &str)| !name.is_empty();
    text.split_once('=').filter(is_named).ok_or_else(|| format!("{option} {text:?} is not of the form name=value"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_window_has_its_json() {
        let check = |text: &str, json: &str| assert_eq!(window(text).to_string(), json, "{text}");
        check("60s", r#""60s""#);
        check("1h+15m", r#"{"length":"1h","offset":"15m"}"#);
        check("5m/1m", r#"{"every":"1m","length":"5m"}"#);
        check("5m/1m+30s", r#"{"every":"1m","length":"5m","offset":"30s"}"#);
        check("sliding:5m", r#"{"sliding":"5m"}"#);
        check("session:30s", r#"{"gap":"30s"}"#);
        check("session:30s/1h", r#"{"gap":"30s","max":"1h"}"#);
        check("day@Europe/Berlin", r#"{"calendar":"day","zone":"Europe/Berlin"}"#);
        check("month", r#"{"calendar":"month"}"#);
    }
}
