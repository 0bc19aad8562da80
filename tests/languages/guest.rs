//! The plugins by themselves: calls of every size, images, memory.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use tidemill_journal::{Env, SystemEnv};
use tidemill_runtime::guest::{BatchColumns, Image, Instance, Kind, Logs, OutputBounds, OutputRows, Plugin, engine};
use tidemill_runtime::{Limits, open_compiled};
use tidemill_tests::{Example, Random};

use crate::input::{GROUPS, Step, steps};
use crate::reference::{Output, Reference, Row, Value};

const PARAMS: &str = r#"{"alpha": 0.3, "stale_s": 2.5}"#;
const ALPHA: f64 = 0.3;
const STALE_NS: i64 = 2_500_000_000;
/// Output ports: `value` and `state`.
const PORTS: &[Kind] = &[Kind::Number, Kind::Text];
/// 2026, and the start of the calendar, around which times have both signs.
const BASES: [i64; 2] = [1_767_225_600_000_000_000, -60_000_000_000];

/// All that an instance is made of.
pub(super) struct Maker {
    plugin: Plugin,
    env: Arc<dyn Env>,
}

impl Maker {
    pub(super) fn of(example: &Example) -> Result<Self> {
        let plugin = open_compiled(&engine()?, &example.compiled);
        let plugin = plugin.with_context(|| format!("{} is not intact", example.compiled.display()))?;
        Ok(Self { plugin, env: SystemEnv::new() })
    }

    fn bare(&self) -> Result<Instance> {
        let limits = Limits { fuel_per_call: 10_000_000_000, ..Limits::default() };
        Ok(Instance::new(&self.plugin, limits, Arc::new(Logs::default()), self.env.clone())?)
    }

    fn start(&self) -> Result<Instance> {
        let mut instance = self.bare()?;
        instance.configure(PARAMS)?;
        Ok(instance)
    }

    /// A fresh instance in the state of an image.
    fn restored(&self, image: &Image) -> Result<Instance> {
        let mut fresh = self.bare()?;
        fresh.restore(image)?;
        Ok(fresh)
    }
}

/// Calls of 1 to 4,096 rows, with a move into a fresh instance in the middle, give what the reference gives.
pub(super) fn calls_of_every_size_give_the_same_bits(maker: &Maker) -> Result<()> {
    for (seed, base) in (1..).zip(BASES) {
        let steps = steps(seed, base);
        let wanted = reference(&steps);
        ensure!(wanted.len() > 5_000, "only {} rows", wanted.len());
        for rows_max in [1, 7, 256, 4_096] {
            let found = run(maker, &calls(&steps, rows_max), Random::new(seed).below(20) as usize)?;
            let first = found.iter().zip(&wanted).position(|(found, wanted)| found != wanted);
            ensure!(
                found == wanted,
                "calls of {rows_max} rows: {} rows for {}, first difference {:?}",
                found.len(),
                wanted.len(),
                first.map(|at| (at, &found[at], &wanted[at]))
            );
        }
    }
    Ok(())
}

/// Once collectors have found their size, in two thousand calls, two thousand more need no more memory.
pub(super) fn memory_does_not_grow_with_calls(maker: &Maker) -> Result<()> {
    let calls: Vec<_> = calls(&steps(3, BASES[0]), 7).into_iter().take(1_000).collect();
    ensure!(calls.len() == 1_000, "only {} calls", calls.len());
    let mut instance = maker.start()?;
    let mut after = Vec::new();
    for _ in 0..4 {
        let mut ignored = OutputRows::default();
        for call in &calls {
            ignored.clear();
            call.make(&mut instance, &mut ignored)?;
        }
        after.push(instance.memory_bytes());
    }
    ensure!(after[1] == after[3], "bytes after every 1,000 calls: {after:?}");
    Ok(())
}

fn reference(steps: &[Step]) -> Vec<Output> {
    let (mut reference, mut out) = (Reference::new(ALPHA, STALE_NS), Vec::new());
    for step in steps {
        match step {
            Step::Row(row) => reference.process(row, &mut out),
            Step::Advance(watermark) => reference.advance(*watermark, &mut out),
        }
    }
    out
}

/// A call into a plugin.
enum Call {
    Process(i64, BatchColumns),
    Advance(i64),
}

impl Call {
    fn make(&self, instance: &mut Instance, out: &mut OutputRows) -> Result<()> {
        let bounds = OutputBounds { groups: GROUPS, ports: PORTS };
        match self {
            Call::Process(t0, batch) => instance.process(*t0, batch, bounds, out)?,
            Call::Advance(watermark) => instance.advance(*watermark, bounds, out)?,
        }
        Ok(())
    }
}

/// The steps as calls of at most `rows_max` rows.
fn calls(steps: &[Step], rows_max: usize) -> Vec<Call> {
    let (mut calls, mut rows) = (Vec::new(), Vec::new());
    for step in steps {
        match step {
            Step::Row(row) => rows.push(*row),
            Step::Advance(watermark) => {
                calls.extend(rows.chunks(rows_max).map(process));
                calls.push(Call::Advance(*watermark));
                rows.clear();
            }
        }
    }
    calls
}

/// A run goes on as long as the group is the same and time does not go back.
fn process(rows: &[Row]) -> Call {
    let t0 = rows.iter().map(|row| row.time).min().unwrap_or_default();
    let mut batch = BatchColumns::default();
    let mut before: Option<&Row> = None;
    for row in rows {
        match batch.runs.last_mut() {
            Some(run) if before.is_some_and(|b| b.group == row.group && b.time <= row.time) => run[2] += 1,
            _ => batch.runs.push([row.group, 0, 1]),
        }
        batch.dt.push(row.time - t0);
        batch.values.push(row.value);
        batch.qualities.push(row.quality);
        before = Some(row);
    }
    if batch.qualities.iter().all(|quality| *quality == 0) {
        batch.qualities.clear();
    }
    Call::Process(t0, batch)
}

/// All rows that the calls return. After so many twentieths of them the state moves into a fresh instance, by an image of
/// what was captured halfway and what has changed since.
fn run(maker: &Maker, calls: &[Call], twentieths: usize) -> Result<Vec<Output>> {
    let mut instance = maker.start()?;
    let (moves_at, mut image) = (calls.len() * twentieths / 20, Image::default());
    let mut all = Vec::new();
    let mut out = OutputRows::default();
    for (number, call) in calls.iter().enumerate() {
        if number == moves_at / 2 || number == moves_at {
            image.apply(&instance.capture(false));
        }
        if number == moves_at {
            instance = maker.restored(&image)?;
        }
        out.clear();
        call.make(&mut instance, &mut out)?;
        flatten(&out, &mut all);
    }
    Ok(all)
}

fn flatten(rows: &OutputRows, all: &mut Vec<Output>) {
    let mut row = 0;
    for [group, port, count] in &rows.runs {
        for _ in 0..*count {
            let value = match *port {
                0 => Value::Number(rows.values[row].to_bits()),
                _ => Value::Text(rows.text(row).to_owned()),
            };
            all.push(Output { group: *group, time: rows.times[row], value, quality: rows.qualities[row] });
            row += 1;
        }
    }
}
