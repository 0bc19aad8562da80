//! `tidemill plugin test`: a plugin's native tests, and its fixtures through the operator code. Needs no node.

mod checks;
mod report;

use std::path::{Path, PathBuf};

use clap::Args;

use crate::commands::plugin::build;
use crate::commands::plugin::project::Project;
use crate::exit::{Exit, ended};
use crate::output::{Context, say};
use crate::trials::{Arena, FixtureDir};

pub use checks::{Tested, Verdict, test_fixture};

/// Options of `tidemill plugin test`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidemill plugin test                       build, native tests, every fixture
  tidemill plugin test --no-native
  tidemill plugin test --bless               take the outputs of now as the expected ones
  tidemill plugin test other.wasm --fixtures my-plugin/fixtures

A fixture is a directory fixtures/NAME with operator.json (what the operator is deployed with), input.txt (a slice of a
journal) and expected.txt. Each one is run
  golden   its outputs are those of expected.txt, bit for bit
  again    a second run gives the same
  crashes  stopping after every record, and starting again from the last checkpoint, changes nothing
  cut      the same rows one by one change nothing
  late     (aggregations) rows in another order within the lateness give the same windows")]
pub struct TestArgs {
    /// Directory of the plugin, or a .wasm file
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// Where the fixtures are [default: fixtures, beside the plugin]
    #[arg(long)]
    pub fixtures: Option<PathBuf>,
    /// Write the outputs to expected.txt instead of comparing them
    #[arg(long)]
    pub bless: bool,
    /// Leave out the native unit tests
    #[arg(long)]
    pub no_native: bool,
}

/// Runs all tests and prints a table.
///
/// # Errors
/// When the plugin does not build or a test fails.
pub fn run(context: &Context, args: &TestArgs) -> anyhow::Result<()> {
    let is_file = args.path.is_file();
    let dir = if is_file { args.path.parent().unwrap_or(Path::new(".")) } else { args.path.as_path() };
    let project = if is_file { None } else { Project::open(dir)? };
    let wasm = if is_file { args.path.clone() } else { build::build(dir)? };
    let native = match project.as_ref().and_then(|project| Some((project, project.test.as_deref()?))) {
        Some((project, command)) if !args.no_native => Some(project.run(command)?.success()),
        _ => None,
    };
    let fixtures = FixtureDir::all(&args.fixtures.clone().unwrap_or_else(|| dir.join("fixtures")))?;
    if fixtures.is_empty() && native.is_none() {
        return Err(ended(Exit::NotFound, "there is nothing to test: no fixtures/NAME/operator.json, no native tests"));
    }
    let mut tested = Vec::new();
    if !fixtures.is_empty() {
        let arena = Arena::new()?;
        let subject = arena.subject(&wasm)?;
        for fixture in &fixtures {
            tested.push(test_fixture(&arena, &subject, fixture, args.bless)?);
        }
    }
    report::print(context, native, &tested)?;
    let failed = tested.iter().flat_map(|tested| &tested.checks).filter(|check| check.verdict.is_failure()).count();
    match failed + usize::from(native == Some(false)) {
        0 => {
            say("all passed");
            Ok(())
        }
        1 => Err(ended(Exit::Failure, "1 test failed")),
        count => Err(ended(Exit::Failure, format!("{count} tests failed"))),
    }
}
