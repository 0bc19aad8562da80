//! The process that compiles: how the node starts it, and what it does.
//!
//! The child gets the Wasm file's path and a directory to fill. Its answer is its exit status, and one line of JSON on standard
//! output when it refuses. Whatever kills it (its limits, a bug in the compiler) is a refusal with a reason for the author.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidemill_journal::Env;

use super::artefact::{self, Artefact};
use crate::error::{InstallError, RuntimeError};
use crate::guest::{About, Inspected, Instance, Kind, Limits, Logs, Plugin, Port, World, engine, inspect};

/// How plugins are compiled.
#[derive(Clone, Debug)]
pub enum Compiler {
    /// In this process: for tests and for tools that run what their user has just built.
    Here,
    /// In a child process.
    Child {
        /// The program; it must end up in [`compile_file`] with its last two arguments.
        program: PathBuf,
        /// Arguments before the paths of the Wasm file and of the directory to fill.
        arguments: Vec<String>,
    },
}

/// What a child says on standard output when it refuses.
#[derive(Serialize, Deserialize)]
struct Refusal {
    reason: String,
}

/// Exit status of a child that refuses.
pub const EXIT_REFUSED: i32 = 3;

/// Checks, compiles and tries out the plugin in `wasm`, and fills `dir`. Prints nothing.
///
/// # Errors
/// Why the file is not accepted.
pub fn compile_file(wasm: &Path, dir: &Path, env: Arc<dyn Env>) -> Result<(), InstallError> {
    let bytes = std::fs::read(wasm).map_err(|error| RuntimeError::io("read", wasm, &error))?;
    compile(&bytes, dir, env).map(drop)
}

fn compile(wasm: &[u8], dir: &Path, env: Arc<dyn Env>) -> Result<(Artefact, Plugin), InstallError> {
    let inspected = inspect(wasm)?;
    let Tried { plugin, about, contract } = try_out(&inspected, env)?;
    let artefact = artefact::write(&plugin, about, contract, dir)?;
    Ok((artefact, plugin))
}

/// A plugin that has been compiled and has answered.
pub struct Tried {
    /// The plugin.
    pub plugin: Plugin,
    /// What it says of itself.
    pub about: About,
    /// The contract that it speaks: 2 stands for 0.2.
    pub contract: u32,
}

/// Compiles what has passed the checks in this process and asks it what it is.
///
/// # Errors
/// Why it is not accepted.
pub fn try_out(inspected: &Inspected, env: Arc<dyn Env>) -> Result<Tried, InstallError> {
    let plugin = Plugin::compile(&engine()?, inspected)?;
    let limits = Limits { memory_bytes: 1 << 30, ..Limits::default() };
    let mut instance = Instance::new(&plugin, limits, Arc::new(Logs::default()), env)?;
    let about = instance.describe()?;
    check_about(&about, plugin.world())?;
    let contract = instance.contract();
    drop(instance);
    Ok(Tried { plugin, about, contract })
}

impl Compiler {
    /// Compiles `wasm` into `dir`, which must not be there.
    pub(crate) fn run(&self, wasm: &Path, dir: &Path, env: &Arc<dyn Env>) -> Result<(), InstallError> {
        let unfinished = dir.with_extension("new");
        // What an interrupted run has left.
        let _ = std::fs::remove_dir_all(&unfinished);
        let done = match self {
            Compiler::Here => compile_file(wasm, &unfinished, env.clone()),
            Compiler::Child { program, arguments } => {
                let mut command = Command::new(program);
                command.args(arguments).arg(wasm).arg(&unfinished);
                command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
                let output = command.output().map_err(|error| RuntimeError::io("start", program, &error))?;
                understand(&output)
            }
        };
        if let Err(error) = done {
            let _ = std::fs::remove_dir_all(&unfinished);
            return Err(error);
        }
        std::fs::rename(&unfinished, dir).map_err(|error| RuntimeError::io("rename", &unfinished, &error).into())
    }
}

/// What a child that has ended says.
fn understand(output: &Output) -> Result<(), InstallError> {
    if output.status.success() {
        return Ok(());
    }
    if let Ok(Refusal { reason }) = serde_json::from_slice(&output.stdout) {
        return Err(InstallError::Child { reason });
    }
    let words = String::from_utf8_lossy(&output.stderr);
    // What a program says about backtraces is not for the author of a plugin.
    let says_something = |line: &&str| !line.trim().is_empty() && !line.starts_with("note: ");
    let last = words.lines().rev().find(says_something).unwrap_or_default();
    let reason = format!(
        "it cannot be compiled within the limits on memory and time ({}{}{last}): split up large functions",
        output.status,
        if last.is_empty() { "" } else { "; " },
    );
    Err(InstallError::Child { reason })
}

/// The line that a child prints when it refuses.
pub fn refusal(error: &InstallError) -> String {
    serde_json::to_string(&Refusal { reason: error.to_string() }).expect("a plain struct has a JSON form")
}

/// Longest name of a plugin or port, characters.
const NAME_CHARS_MAX: usize = 64;

/// Names become parts of series, files and pages.
fn check_name(what: &str, name: &str) -> Result<(), InstallError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.len() <= NAME_CHARS_MAX && name.chars().all(fits) {
        return Ok(());
    }
    let start: String = name.chars().take(NAME_CHARS_MAX).collect();
    let reason = format!("{what} {start:?} must have 1 to {NAME_CHARS_MAX} letters, digits, - or _");
    Err(InstallError::Refused { reason })
}

fn check_about(about: &About, world: World) -> Result<(), InstallError> {
    let refused = |reason: &str| Err(InstallError::Refused { reason: reason.to_owned() });
    let is_unique =
        |ports: &[Port]| ports.iter().enumerate().all(|(i, port)| ports[..i].iter().all(|p| p.name != port.name));
    match (about.inputs.len(), about.outputs.len()) {
        _ if about.name.is_empty() => refused("describe returns an empty name"),
        (0, _) => refused("describe names no inputs"),
        (_, 0) => refused("describe names no outputs"),
        (2.., _) if world == World::Aggregation => refused("an aggregation has exactly one input"),
        _ if about.inputs.iter().chain(&about.outputs).any(|port| port.name.is_empty()) => {
            refused("a port has no name")
        }
        _ if !is_unique(&about.inputs) || !is_unique(&about.outputs) => refused("two ports have the same name"),
        _ if world == World::Aggregation && about.outputs.iter().any(|port| port.kind == Kind::Text) => {
            refused("an aggregation's outputs are numbers")
        }
        _ => {
            check_name("the plugin's name", &about.name)?;
            about.inputs.iter().chain(&about.outputs).try_for_each(|port| check_name("port", &port.name))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    #[test]
    fn what_killed_a_child_is_said_without_hints_for_its_programmers() {
        let stderr = b"memory allocation of 77 bytes failed\nnote: run with `RUST_BACKTRACE=1` for more\n\n".to_vec();
        let aborted = Output { status: ExitStatus::from_raw(6), stdout: Vec::new(), stderr };
        let reason = understand(&aborted).expect_err("it did not end well").to_string();
        assert!(reason.contains("signal: 6"), "{reason}");
        assert!(reason.contains("memory allocation of 77 bytes failed): split up"), "{reason}");
    }
}
