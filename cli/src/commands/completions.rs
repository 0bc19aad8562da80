//! `tidemill completions`: a completion script for a shell.

use clap::{Args, CommandFactory};

use crate::args::Cli;

/// Options of `tidemill completions`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  source <(tidemill completions bash)")]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Prints the script.
///
/// # Errors
/// When standard output is closed.
pub fn run(args: &CompletionsArgs) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tidemill", &mut script);
    std::io::Write::write_all(&mut std::io::stdout(), &script)?;
    Ok(())
}
