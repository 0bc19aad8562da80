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
    /// Measurement of the results [default: {measurement}_{operator}]
    #[arg(long)]
    pub output: Option<String>,
    /// A parameter of the plugin, as name=value; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub param: Vec<String>,
    /// Length of a window, such as 60s (aggregations only)
    #[arg(long)]
    pub window: Option<String>,
    /// How long samples may come late before a window is closed, such as 2s
    #[arg(long)]
    pub lateness: Option<String>,
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
        inputs.insert(port.to_owned(), Value::from(selector));
    }
    if inputs.is_empty() {
        return Err("name what the plugin reads: --input value=measurement:field".to_owned());
    }
    let params = params(&args.param)?;
    let mut request = json!({ "name": args.name, "plugin": args.plugin, "inputs": inputs, "params": params });
    let start = args.start.as_deref().map(start).transpose().map_err(|error| error.to_string())?;
    let optional =
        [("output", &args.output), ("window", &args.window), ("lateness", &args.lateness), ("start", &start)];
    for (name, value) in optional.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
        request[name] = Value::from(value.as_str());
    }
    if let Some(labels) = &args.group_by {
        request["group_by"] = Value::from(labels.clone());
    }
    Ok(request)
}

/// Parameters from options of the form name=value. What reads as JSON (a number, true, a list) is that; everything else is text.
///
/// # Errors
/// Which option is malformed.
pub(crate) fn params(options: &[String]) -> Result<Map<String, Value>, String> {
    let parse = |option: &String| {
        let (name, value) = pair("--param", option)?;
        Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| Value::from(value))))
    };
    options.iter().map(parse).collect()
}

fn pair<'a>(option: &str, text: &'a str) -> Result<(&'a str, &'a str), String> {
    let is_named = |(name, _): &(&str, &str)| !name.is_empty();
    text.split_once('=').filter(is_named).ok_or_else(|| format!("{option} {text:?} is not of the form name=value"))
}
