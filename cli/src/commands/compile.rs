//! `tidemill compile-plugin`: what a node starts to compile a plugin, so that a plugin made to hurt a compiler hurts only this.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use rustix::process::{Resource, Rlimit, setrlimit};
use tidemill_journal::SystemEnv;
use tidemill_runtime::{Compiler, EXIT_REFUSED, compile_file, refusal};

use crate::commands::serve;
use crate::output;

/// Memory that the compiler may write to. A JavaScript engine of 12 MB takes 1.5 GB; a module made to hurt asks for ten times that.
const MEMORY_BYTES_MAX: u64 = 4 << 30;
/// CPU seconds over all threads. A Python interpreter takes about 20.
const CPU_SECONDS_MAX: u64 = 300;
/// Largest file it may write.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// How much it gives way to the node.
const NICENESS: i32 = 10;

/// Options of `tidemill compile-plugin`.
#[derive(Args, Debug)]
pub struct CompileArgs {
    /// The Wasm file
    pub wasm: PathBuf,
    /// The directory to make
    pub dir: PathBuf,
}

/// The way in which a node of this program compiles plugins.
///
/// # Errors
/// When this program's own file cannot be found.
pub fn compiler() -> anyhow::Result<Compiler> {
    let program = std::env::current_exe().context("find this program's own file, to start it for compiling plugins")?;
    Ok(Compiler::Child { program, arguments: vec!["compile-plugin".to_owned()] })
}

/// Compiles under limits. A refusal is one line of JSON on standard output.
///
/// # Errors
/// When the limits cannot be set.
pub fn run(args: &CompileArgs) -> anyhow::Result<()> {
    limit(Resource::Data, MEMORY_BYTES_MAX)?;
    limit(Resource::Cpu, CPU_SECONDS_MAX)?;
    limit(Resource::Fsize, FILE_BYTES_MAX)?;
    limit(Resource::Core, 0)?;
    // Not being able to give way is no reason to refuse.
    let _ = rustix::process::nice(NICENESS);
    let runtime = serve::runtime()?;
    let _inside = runtime.enter();
    if let Err(error) = compile_file(&args.wasm, &args.dir, SystemEnv::new()) {
        output::line(refusal(&error))?;
        std::process::exit(EXIT_REFUSED);
    }
    Ok(())
}

fn limit(resource: Resource, most: u64) -> anyhow::Result<()> {
    let limit = Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(resource, limit).with_context(|| format!("limit {resource:?} to {most}"))
}
