//! What a checkpoint costs an operator's own thread: capturing what has changed of a guest's state.
//!
//! The guest has one 8-byte sum per key and 4,096 keys per MB, each on 256 bytes of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tidemill_journal::SystemEnv;
use tidemill_runtime::Limits;
use tidemill_runtime::guest::{
    BatchColumns, Image, Instance, Kind, Logs, OutputBounds, OutputRows, Plugin, engine, inspect,
};

use crate::load::{Random, START_NS};
use crate::report::Figure;

const KEYS_PER_MB: u32 = 4_096;
const HOT_KEYS: u32 = 100;
const CAPTURES: usize = 41;
const TARGET_MS: f64 = 1.0;
/// Keys per call while the state is filled.
const FILL: u32 = 65_536;

/// Which keys change between two captures: 100 that are spread over the state, or 4,000 at random.
#[derive(Clone, Copy)]
enum Changes {
    Hot,
    Random,
}

/// A guest with a state of some size.
struct Guest {
    plugin: Plugin,
    instance: Instance,
    keys: u32,
}

impl Guest {
    fn start(plugin: &Plugin) -> Result<Instance> {
        let limits = Limits { memory_bytes: 256 << 20, ..Limits::default() };
        Ok(Instance::new(plugin, limits, Arc::new(Logs::default()), SystemEnv::new())?)
    }

    /// A guest with so many MB of touched state.
    fn of(size_mb: u32) -> Result<Self> {
        let wasm = wat::parse_str(include_str!("checkpoint.wat"))?;
        let plugin = Plugin::compile(&engine()?, &inspect(&wasm)?)?;
        let instance = Self::start(&plugin)?;
        let mut guest = Self { plugin, instance, keys: size_mb * KEYS_PER_MB };
        for first in (0..guest.keys).step_by(FILL as usize) {
            guest.add((first..guest.keys.min(first + FILL)).collect())?;
        }
        Ok(guest)
    }

    /// Adds one to the sum of each key. Returns the sums.
    fn add(&mut self, keys: Vec<u32>) -> Result<Vec<f64>> {
        add(&mut self.instance, self.keys, keys)
    }
}

fn add(instance: &mut Instance, groups: u32, keys: Vec<u32>) -> Result<Vec<f64>> {
    let batch = BatchColumns {
        dt: vec![0; keys.len()],
        values: vec![1.0; keys.len()],
        runs: keys.into_iter().map(|key| [key, 0, 1]).collect(),
        ..BatchColumns::default()
    };
    let mut out = OutputRows::default();
    instance.process(START_NS, &batch, OutputBounds { groups, ports: &[Kind::Number] }, &mut out)?;
    Ok(out.values)
}

/// The median time of a capture, ms, and the bytes of the last one and the time to restore the state. Checks that what was
/// captured is the state.
#[expect(clippy::disallowed_methods, reason = "a benchmark is a composition root")]
fn capture(size_mb: u32, changes: Changes) -> Result<(f64, String)> {
    let mut guest = Guest::of(size_mb)?;
    let mut image = Image::default();
    image.apply(&guest.instance.capture(false));
    let mut random = Random::new(7);
    let mut times = Vec::new();
    let mut bytes = 0;
    for _ in 0..CAPTURES {
        let keys = match changes {
            Changes::Hot => (0..HOT_KEYS).map(|key| key * (guest.keys / HOT_KEYS)).collect(),
            Changes::Random => (0..HOT_KEYS * 40).map(|_| random.below(u64::from(guest.keys)) as u32).collect(),
        };
        guest.add(keys)?;
        let begun = Instant::now();
        let delta = guest.instance.capture(false);
        times.push(begun.elapsed());
        bytes = delta.size_bytes();
        image.apply(&delta);
    }
    times.sort_unstable();
    let all: Vec<u32> = (0..guest.keys).step_by(61).collect();
    let (mut restored, took) = restore(&guest.plugin, &image)?;
    let (expected, found) = (guest.add(all.clone())?, add(&mut restored, guest.keys, all)?);
    ensure!(expected == found, "a restored guest answers differently");
    let details = format!("{} KiB captured, restored in {:.1} ms", bytes >> 10, took.as_secs_f64() * 1e3);
    Ok((times[CAPTURES / 2].as_secs_f64() * 1e3, details))
}

/// A new guest in the state of an image, and how long that took.
#[expect(clippy::disallowed_methods, reason = "a benchmark is a composition root")]
fn restore(plugin: &Plugin, image: &Image) -> Result<(Instance, Duration)> {
    let begun = Instant::now();
    let mut instance = Guest::start(plugin)?;
    instance.restore(image)?;
    Ok((instance, begun.elapsed()))
}

/// Milliseconds of an operator's thread per checkpoint.
///
/// # Errors
/// When the guest fails, or a restored one answers differently.
pub(crate) fn captures() -> Result<Vec<Figure>> {
    let runtime = tokio::runtime::Runtime::new()?;
    let _inside = runtime.enter();
    let cases = [
        ("checkpoint-1mb-hot", 1, Changes::Hot),
        ("checkpoint-10mb-hot", 10, Changes::Hot),
        ("checkpoint-100mb-hot", 100, Changes::Hot),
        ("checkpoint-1mb-random", 1, Changes::Random),
        ("checkpoint-10mb-random", 10, Changes::Random),
        ("checkpoint-100mb-random", 100, Changes::Random),
    ];
    let figure = |(name, size_mb, changes)| {
        let (value, details) = capture(size_mb, changes)?;
        let against = format!("target {TARGET_MS} ms; {details}");
        Ok(Figure { name, value, unit: "ms", against, ratio: value / TARGET_MS })
    };
    cases.into_iter().map(figure).collect()
}
