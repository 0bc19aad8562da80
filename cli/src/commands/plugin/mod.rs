//! `tidemill plugin`: builds, installs and runs plugins.

pub mod bench;
pub mod build;
pub mod deploy;
pub mod dev;
pub mod inspect;
pub mod logs;
pub mod new;
pub mod project;
pub mod record;
pub mod test;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::Value;

use crate::client::path_part;
use crate::commands::series::text;
use crate::exit::{Exit, ended};
use crate::output::{self, Context, confirm, say};
use crate::table::Table;

/// The commands about plugins and the operators that run them.
#[derive(Subcommand, Debug)]
pub enum PluginCommand {
    /// Begin a plugin: a project with a working example, its test and the SDK
    New(new::NewArgs),
    /// Build a plugin; prints the path of the .wasm file
    Build(build::BuildArgs),
    /// Run a plugin's tests and fixtures, without a node
    Test(test::TestArgs),
    /// Build and run the fixtures again whenever a source changes
    Dev(dev::DevArgs),
    /// Measure what a plugin costs
    Bench(bench::BenchArgs),
    /// Take a slice of a real journal as a fixture
    Record(record::RecordArgs),
    /// Show what is in a .wasm file, and every reason why a node would refuse it
    Inspect(inspect::InspectArgs),
    /// Install a .wasm file on the node
    Add {
        /// The file
        file: PathBuf,
    },
    /// Remove a plugin that no operator runs
    Uninstall {
        /// Its hash, or its name: the one of that name that was added last
        plugin: String,
    },
    /// Run an installed plugin on series, as an operator with a name
    Deploy(deploy::DeployArgs),
    /// List installed plugins and the operators that run them
    List,
    /// Show what an operator has logged
    Logs(logs::LogsArgs),
    /// Stop an operator; it keeps its state and its place
    Pause {
        /// The operator
        name: String,
    },
    /// Let a paused operator go on where it stopped
    Resume {
        /// The operator
        name: String,
    },
    /// Remove an operator with its state; what it has written stays
    Remove {
        /// The operator
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Runs one of the commands.
///
/// # Errors
/// When the node does not answer or refuses.
pub fn run(context: &Context, command: &PluginCommand) -> anyhow::Result<()> {
    match command {
        PluginCommand::New(args) => new::run(context, args),
        PluginCommand::Build(args) => build::run(context, args),
        PluginCommand::Test(args) => test::run(context, args),
        PluginCommand::Dev(args) => dev::run(context, args),
        PluginCommand::Bench(args) => bench::run(context, args),
        PluginCommand::Record(args) => record::run(context, args),
        PluginCommand::Inspect(args) => inspect::run(context, args),
        PluginCommand::Add { file } => add(context, file),
        PluginCommand::Uninstall { plugin } => uninstall(context, plugin),
        PluginCommand::Deploy(args) => deploy::run(context, args),
        PluginCommand::List => list(context),
        PluginCommand::Logs(args) => logs::run(context, args),
        PluginCommand::Pause { name } => change(context, name, "pause", "paused"),
        PluginCommand::Resume { name } => change(context, name, "resume", "running again"),
        PluginCommand::Remove { name, yes } => remove(context, name, *yes),
    }
}

fn add(context: &Context, file: &PathBuf) -> anyhow::Result<()> {
    let wasm = std::fs::read(file).with_context(|| format!("read {}", file.display()))?;
    let headers = [("content-type", "application/wasm")];
    let info = context.client.post("/api/v1/plugins", &[], &headers, &wasm)?.json()?;
    if context.json {
        output::json(&info)?;
        return Ok(());
    }
    let field = |name: &str| text(&info[name]);
    say(format_args!("installed {} {} ({})", field("name"), field("version"), field("world")));
    output::line(field("hash"))?;
    Ok(())
}

fn uninstall(context: &Context, plugin: &str) -> anyhow::Result<()> {
    let info = context.client.delete(&format!("/api/v1/plugins/{}", path_part(plugin)))?;
    if context.json {
        output::json(&info)?;
        return Ok(());
    }
    let field = |name: &str| text(&info[name]);
    say(format_args!("plugin {} {} ({}) is removed", field("name"), field("version"), field("hash")));
    Ok(())
}

/// The array in an answer that is either the array itself or an object with it.
pub(crate) fn items(answer: &Value, name: &str) -> Vec<Value> {
    answer.as_array().or(answer[name].as_array()).cloned().unwrap_or_default()
}

fn list(context: &Context) -> anyhow::Result<()> {
    let plugins = items(&context.client.get_json("/api/v1/plugins", &[])?, "plugins");
    let operators = items(&context.client.get_json("/api/v1/operators", &[])?, "operators");
    if context.json {
        output::json(&serde_json::json!({ "plugins": plugins, "operators": operators }))?;
        return Ok(());
    }
    let names = |value: &Value| {
        let ports = value.as_array().into_iter().flatten();
        ports.map(|port| text(&port["name"])).collect::<Vec<_>>().join(" ")
    };
    print(&["plugin", "version", "world", "inputs", "outputs", "hash"], &plugins, |plugin| {
        let cell = |name: &str| text(&plugin[name]);
        let (inputs, outputs) = (names(&plugin["inputs"]), names(&plugin["outputs"]));
        vec![cell("name"), cell("version"), cell("world"), inputs, outputs, cell("hash")]
    })?;
    output::line("")?;
    let columns = ["name", "plugin", "state", "lag_records", "rows_in", "rows_out", "errors"];
    print(&["operator", "plugin", "state", "lag", "rows in", "rows out", "errors"], &operators, |operator| {
        columns.iter().map(|name| text(&operator[*name])).collect()
    })?;
    for operator in operators.iter().filter(|operator| operator["last_error"].is_string()) {
        say(format_args!("{}: {}", text(&operator["name"]), text(&operator["last_error"])));
    }
    Ok(())
}

fn print(header: &[&str], rows: &[Value], cells: impl Fn(&Value) -> Vec<String>) -> std::io::Result<()> {
    let header = header.iter().map(|name| (*name).to_owned()).collect();
    let mut table = Table::new(std::io::stdout().lock(), header, output::has_colour());
    rows.iter().try_for_each(|row| table.row(cells(row)))?;
    table.finish()
}

fn change(context: &Context, name: &str, action: &str, now: &str) -> anyhow::Result<()> {
    context.client.post(&format!("/api/v1/operators/{}/{action}", path_part(name)), &[], &[], &[])?;
    say(format_args!("operator {name} is {now}"));
    Ok(())
}

fn remove(context: &Context, name: &str, yes: bool) -> anyhow::Result<()> {
    if !yes && !confirm(&format!("remove operator {name} with its state?")) {
        return Err(ended(Exit::Refused, "nothing was changed: confirm with --yes"));
    }
    context.client.delete(&format!("/api/v1/operators/{}", path_part(name)))?;
    say(format_args!("operator {name} is removed"));
    Ok(())
}
