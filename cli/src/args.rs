//! The command line. Each command's own options stand beside its code in [`crate::commands`].

use clap::{Args, Parser, Subcommand};

use crate::commands::{
    compile, completions, delete, demo, host, import, journal, operator, plugin, replica, series, serve, sql, station,
    tail, write,
};

/// Examples at the end of `tidemill --help`.
const EXAMPLES: &str = "\
Examples:
  tidemill demo                                      a node with a simulated power station to play with
  tidemill serve --data /var/lib/tidemill            a node
  echo 'room,floor=2 temperature=21.5' | tidemill write
  tidemill import readings.csv --labels site,sensor --dry-run
  tidemill sql \"SELECT * FROM room ORDER BY time DESC LIMIT 5\"
  tidemill tail 'turbine:power{unit=T1}'

Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 refused or not now";

/// A stream-processing platform for industrial telemetry on a shared journal.
#[derive(Parser, Debug)]
#[command(name = "tidemill", version, about, after_help = EXAMPLES, max_term_width = 110)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Args, Debug)]
pub struct Global {
    /// URL of the node
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "TIDEMILL_SERVER",
        default_value = "http://127.0.0.1:7300",
        help_heading = "Everywhere"
    )]
    pub server: String,
    /// Print data as JSON, one value a line
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub json: bool,
    /// Say more on standard error
    #[arg(long, short, global = true, help_heading = "Everywhere")]
    pub verbose: bool,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run a node
    Serve(serve::ServeArgs),
    /// Run a node with a simulated power station, host telemetry and three operators
    Demo(demo::DemoArgs),
    /// Write line protocol from a file or standard input
    Write(write::WriteArgs),
    /// Import a CSV file: resumable, and writes nothing twice
    Import(import::ImportArgs),
    /// Ask a question in SQL
    Sql(sql::SqlArgs),
    /// Follow series as they are written
    Tail(tail::TailArgs),
    /// List series with their newest samples
    Series(series::SeriesArgs),
    /// Delete a time range of series
    Delete(delete::DeleteArgs),
    /// Build, install and run plugins
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    /// Try new versions of operators, compare, promote, recalculate, verify
    #[command(subcommand)]
    Operator(operator::OperatorCommand),
    /// Look into a journal's files; works while a node runs
    #[command(subcommand)]
    Journal(journal::JournalCommand),
    /// See and rebuild replicas
    #[command(subcommand)]
    Replica(replica::ReplicaCommand),
    /// Stream a simulated tidal power station into a node
    Station(station::StationArgs),
    /// Stream this machine's own telemetry into a node
    Host(host::HostArgs),
    /// Compile a plugin under limits; a node starts this by itself
    #[command(hide = true)]
    CompilePlugin(compile::CompileArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
}
