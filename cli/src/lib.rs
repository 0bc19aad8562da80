//! The one binary, `tidemill`: every role and every tool.
//!
//! Each command is a file in [`commands`]: its options, and a function that runs it. Data goes to standard output, messages
//! to standard error. This is the composition root: here the real clock and the real runtime come in.

pub mod args;
pub mod client;
pub mod clock;
pub mod commands;
pub mod deliver;
pub mod exit;
pub mod feed;
pub mod fixture;
pub mod output;
pub mod progress;
pub mod sdk;
pub mod sse;
pub mod stop;
pub mod table;
pub mod time;
pub mod trials;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::client::Client;
use crate::output::{Context, say};

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if exit::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("error: {error:#}"));
            ExitCode::from(exit::exit_of(&error) as u8)
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let client = Client::new(&cli.global.server);
    let context = Context { client, json: cli.global.json, verbose: cli.global.verbose };
    match cli.command {
        Command::Serve(args) => commands::serve::run(&args),
        Command::Demo(args) => commands::demo::run(&args),
        Command::Write(args) => commands::write::run(&context, &args),
        Command::Import(args) => commands::import::run(&context, &args),
        Command::Sql(args) => commands::sql::run(&context, &args),
        Command::Tail(args) => commands::tail::run(&context, &args),
        Command::Series(args) => commands::series::run(&context, &args),
        Command::Delete(args) => commands::delete::run(&context, &args),
        Command::Plugin(command) => commands::plugin::run(&context, &command),
        Command::Operator(command) => commands::operator::run(&context, &command),
        Command::Journal(command) => commands::journal::run(&context, &command),
        Command::Replica(command) => commands::replica::run(&context, &command),
        Command::Station(args) => commands::station::run(&context, &args),
        Command::Host(args) => commands::host::run(&context, &args),
        Command::CompilePlugin(args) => commands::compile::run(&args),
        Command::Completions(args) => commands::completions::run(&args),
    }
}
