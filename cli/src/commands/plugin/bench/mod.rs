//! `tidemill plugin bench`: what a plugin costs, measured on this machine. Needs no node.

mod load;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use serde_json::{Map, Value, json};
use tidemill_runtime::guest::{Inspected, Instance, Logs, inspect};
use tidemill_runtime::{CallError, Limits, Tried, try_out};

use crate::clock::Stopwatch;
use crate::commands::plugin::build;
use crate::commands::plugin::deploy::parse_pairs;
use crate::exit::{Exit, ended};
use crate::output::{self, Context, say, thousands};
use crate::table::Table;
use crate::trials::{Arena, FixtureDir};

use load::Load;

/// Rows per call that are measured.
const SIZES: [usize; 5] = [1, 16, 256, 4096, 65_536];
/// Starts that are measured.
const STARTS: usize = 21;
/// What a measurement of one size takes at least, and how many calls it makes at most.
const MEASURE_SECONDS: f64 = 0.3;
const CALLS_MAX: usize = 20_000;

/// Options of `tidemill plugin bench`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidemill plugin bench
  tidemill plugin bench my-plugin.wasm --param alpha=0.2 --json

Parameters are those of the first fixture, and then those given here. Rows go to 100 groups; every call has the same
number of them. Times are medians over calls.")]
pub struct BenchArgs {
    /// Directory of the plugin, or a .wasm file
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// A parameter of the plugin, as name=value; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub param: Vec<String>,
}

/// What calls of one size cost.
struct Cost {
    rows: usize,
    ns_per_row: f64,
    fuel_per_row: f64,
    memory_bytes: u64,
}

/// Measures and prints.
///
/// # Errors
/// When the plugin does not build, is refused, or does not take the parameters.
pub fn run(context: &Context, args: &BenchArgs) -> anyhow::Result<()> {
    let is_file = args.path.is_file();
    let wasm_path = if is_file { args.path.clone() } else { build::build(&args.path)? };
    let dir = if is_file { args.path.parent().unwrap_or(Path::new(".")) } else { args.path.as_path() };
    let params = params(dir, &args.param)?;
    let wasm = std::fs::read(&wasm_path).with_context(|| format!("read {}", wasm_path.display()))?;
    let arena = Arena::new()?;
    let inspected = inspect(&wasm).with_context(|| format!("a node would refuse {}", wasm_path.display()))?;
    let bench = Bench::new(&arena, &inspected, &params)?;
    let (mut costs, mut failure) = (Vec::new(), None);
    for rows in SIZES {
        match bench.measure(rows) {
            Ok(cost) => costs.push(cost),
            Err(error) => {
                failure = Some(format!("{rows} rows per call: {error}"));
                break;
            }
        }
    }
    let start_us = bench.start_us()?;
    if context.json {
        let sizes = costs.iter().map(|cost| {
            json!({
                "rows_per_call": cost.rows,
                "ns_per_row": cost.ns_per_row,
                "fuel_per_row": cost.fuel_per_row,
                "memory_bytes": cost.memory_bytes,
            })
        });
        let sizes: Vec<_> = sizes.collect();
        output::json(&json!({
            "file": wasm_path, "bytes": wasm.len(), "compile_ms": bench.compile_ms, "start_us": start_us,
            "sizes": sizes, "failure": failure,
        }))?;
        return Ok(());
    }
    let header = ["rows per call", "ns per row", "fuel per row", "memory bytes"].map(str::to_owned).to_vec();
    let mut table = Table::new(std::io::stdout().lock(), header, output::has_colour());
    for cost in &costs {
        let cells = [
            cost.rows.to_string(),
            format!("{:.1}", cost.ns_per_row),
            format!("{:.1}", cost.fuel_per_row),
            cost.memory_bytes.to_string(),
        ];
        table.row(cells.to_vec())?;
    }
    table.finish()?;
    output::line(format_args!(
        "{} bytes, compiled in {:.0} ms, started in {:.0} µs",
        thousands(wasm.len() as u64),
        bench.compile_ms,
        start_us
    ))?;
    failure.iter().for_each(say);
    Ok(())
}

/// The parameters of the first fixture with those of the command line over them.
fn params(dir: &Path, given: &[String]) -> anyhow::Result<Map<String, Value>> {
    let mut params = match FixtureDir::all(&dir.join("fixtures"))?.first() {
        Some(fixture) => fixture.request()?.params,
        None => Map::new(),
    };
    params.extend(parse_pairs("--param", given).map_err(|reason| ended(Exit::Usage, reason))?);
    Ok(params)
}

struct Bench<'a> {
    arena: &'a Arena,
    tried: Tried,
    params: String,
    compile_ms: f64,
}

impl<'a> Bench<'a> {
    fn new(arena: &'a Arena, inspected: &Inspected, params: &Map<String, Value>) -> anyhow::Result<Self> {
        let watch = Stopwatch::start();
        let tried = try_out(inspected, arena.env())?;
        let compile_ms = watch.elapsed().as_secs_f64() * 1e3;
        let bench = Self { arena, tried, params: Value::Object(params.clone()).to_string(), compile_ms };
        bench.start().context("it does not take these parameters: give others with --param name=value")?;
        Ok(bench)
    }

    fn start(&self) -> Result<Instance, CallError> {
        let limits =
            Limits { memory_bytes: 1 << 30, output_rows: 400_000, output_bytes: 14 << 20, ..Limits::default() };
        let mut instance = Instance::new(&self.tried.plugin, limits, Arc::new(Logs::default()), self.arena.env())?;
        instance.configure(&self.params)?;
        Ok(instance)
    }

    fn start_us(&self) -> Result<f64, CallError> {
        let mut times = Vec::with_capacity(STARTS);
        for _ in 0..STARTS {
            let watch = Stopwatch::start();
            let instance = self.start()?;
            times.push(watch.elapsed().as_secs_f64() * 1e6);
            drop(instance);
        }
        Ok(median(&mut times))
    }

    fn measure(&self, rows: usize) -> Result<Cost, CallError> {
        let mut instance = self.start()?;
        let mut load = Load::new(self.tried.plugin.world(), &self.tried.about, rows);
        // The first calls make room in the guest.
        for _ in 0..3 {
            load.call(&mut instance)?;
        }
        let (whole, mut times, mut fuel) = (Stopwatch::start(), Vec::new(), 0);
        while times.len() < 5 || (whole.elapsed().as_secs_f64() < MEASURE_SECONDS && times.len() < CALLS_MAX) {
            let watch = Stopwatch::start();
            load.call(&mut instance)?;
            times.push(watch.elapsed().as_secs_f64() * 1e9);
            fuel += instance.fuel_used();
        }
        let total = (rows * times.len()) as f64;
        Ok(Cost {
            rows,
            ns_per_row: median(&mut times) / rows as f64,
            fuel_per_row: fuel as f64 / total,
            memory_bytes: instance.memory_bytes(),
        })
    }
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(0.0)
}
