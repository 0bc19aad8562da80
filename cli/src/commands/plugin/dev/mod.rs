//! `tidemill plugin dev`: builds and runs the fixtures again whenever a source changes. Needs no node.

mod watch;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tidemill_runtime::trial::{Fixture, Outcome};

use crate::clock::{Stopwatch, pause};
use crate::commands::plugin::build;
use crate::commands::plugin::project::{MANIFEST, Project};
use crate::commands::plugin::test::{Tested, Verdict, test_fixture};
use crate::output::{self, Context, say};
use crate::stop::Stop;
use crate::table::Table;
use crate::trials::{Arena, FixtureDir};

use watch::Sources;

/// Time between two looks at the sources.
const POLL: Duration = Duration::from_millis(300);
/// What is watched of a crate that has no `plugin.toml`.
const CRATE_SOURCES: [&str; 2] = ["src", "Cargo.toml"];

/// Options of `tidemill plugin dev`.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  tidemill plugin dev my-plugin

Watches what `sources` in plugin.toml names, and the fixtures. Errors are shown and waited out; Ctrl-C ends it.")]
pub struct DevArgs {
    /// Directory of the plugin
    #[arg(default_value = ".")]
    pub dir: PathBuf,
}

/// Builds, runs, waits for a change, until it is told to stop.
///
/// # Errors
/// When there is no project, or the output is closed.
pub fn run(context: &Context, args: &DevArgs) -> anyhow::Result<()> {
    let stop = Stop::on_signal()?;
    let arena = Arena::new()?;
    loop {
        let sources = sources(&args.dir)?;
        let seen = sources.seen();
        if let Err(error) = round(context, &arena, &args.dir) {
            if crate::exit::is_broken_pipe(&error) {
                return Err(error);
            }
            say(format_args!("error: {error:#}"));
        }
        say("watching; Ctrl-C ends");
        while sources.seen() == seen {
            if stop.is_set() {
                return Ok(());
            }
            pause(POLL);
        }
    }
}

fn sources(dir: &Path) -> anyhow::Result<Sources> {
    // A manifest that is being edited may be wrong for a moment: then the round says so
    // as well, and the manifest itself is watched.
    let named = match Project::open(dir) {
        Ok(Some(project)) => project.sources,
        Ok(None) => CRATE_SOURCES.map(str::to_owned).to_vec(),
        Err(error) if dir.is_dir() => {
            say(format_args!("error: {error:#}"));
            Vec::new()
        }
        Err(error) => return Err(error),
    };
    let always = [MANIFEST, "fixtures"].map(str::to_owned);
    Ok(Sources::new(dir, named.into_iter().chain(always).collect()))
}

/// Builds once and runs every fixture.
fn round(context: &Context, arena: &Arena, dir: &Path) -> anyhow::Result<()> {
    let watch = Stopwatch::start();
    let wasm = build::build(dir)?;
    let built = watch.elapsed();
    let subject = arena.subject(&wasm)?;
    let fixtures = FixtureDir::all(&dir.join("fixtures"))?;
    if fixtures.is_empty() {
        say("it builds; there are no fixtures to run: add fixtures/NAME/operator.json and input.txt");
    }
    for fixture in &fixtures {
        let tested = test_fixture(arena, &subject, fixture, false)?;
        print(context, &tested)?;
    }
    say(format_args!("built in {:.1} s, {:.1} s in all", built.as_secs_f64(), watch.elapsed().as_secs_f64()));
    Ok(())
}

fn print(context: &Context, tested: &Tested) -> anyhow::Result<()> {
    let Tested { fixture, outcome, checks } = tested;
    let failed = checks.iter().filter_map(|check| match &check.verdict {
        Verdict::Failed(reason) => Some((check.name, reason)),
        _ => None,
    });
    let failed: Vec<_> = failed.collect();
    let rows_in: u64 = outcome.rows_in.values().sum();
    let per_row = |total: f64| if rows_in == 0 { 0.0 } else { total / rows_in as f64 };
    let (ns, fuel) = (per_row(outcome.elapsed.as_nanos() as f64), per_row(outcome.fuel as f64));
    if context.json {
        output::json(&serde_json::json!({
            "fixture": fixture, "passed": failed.is_empty(), "rows_in": outcome.rows_in,
            "rows_out": rows_out(&outcome.outputs), "ns_per_row": ns, "fuel_per_row": fuel,
            "state_bytes": outcome.state_bytes,
        }))?;
    } else {
        print_rows(fixture, outcome)?;
        let passed = if failed.is_empty() { "all checks passed" } else { "FAILED" };
        output::line(format_args!(
            "{passed}: {ns:.0} ns and {fuel:.0} fuel per row, {} bytes of state\n",
            outcome.state_bytes
        ))?;
    }
    failed.iter().for_each(|(check, reason)| say(format_args!("{fixture}, {check}: {reason}")));
    outcome.logs.iter().for_each(|line| say(format_args!("{fixture}, log: {:5}  {}", line.level, line.text)));
    Ok(())
}

fn print_rows(fixture: &str, outcome: &Outcome) -> anyhow::Result<()> {
    let header = ["fixture", "series", "rows in", "rows out"].map(str::to_owned).to_vec();
    let mut table = Table::new(std::io::stdout().lock(), header, output::has_colour());
    for (series, rows) in &outcome.rows_in {
        table.row(vec![fixture.to_owned(), series.clone(), rows.to_string(), String::new()])?;
    }
    for (series, rows) in rows_out(&outcome.outputs) {
        table.row(vec![fixture.to_owned(), series, String::new(), rows.to_string()])?;
    }
    Ok(table.finish()?)
}

fn rows_out(outputs: &Fixture) -> std::collections::BTreeMap<String, u64> {
    let mut rows = std::collections::BTreeMap::new();
    for (_, row) in outputs.rows() {
        *rows.entry(outputs.series[row.series].key.to_string()).or_default() += 1;
    }
    rows
}
