//! The mixed load: new series, samples in order, late samples and rewrites, each request repeated until acknowledged.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::Sender;
use std::time::Duration;

use anyhow::{Result, bail};
use tidemill_tests::{Client, Random};

const SECOND_NS: i64 = 1_000_000_000;
/// 2026-01-01, a time at which nothing else is written.
const START_NS: i64 = 1_767_225_600 * SECOND_NS;
const STEP_NS: i64 = 50_000_000;

/// Every acknowledged write: series key → (time, value bits) in the order of writing.
#[derive(Default)]
pub(super) struct History {
    writes: BTreeMap<String, Vec<(i64, u64)>>,
}

impl History {
    pub(super) fn merge(&mut self, other: History) {
        self.writes.extend(other.writes);
    }

    pub(super) fn writes(&self) -> impl Iterator<Item = (&String, &Vec<(i64, u64)>)> {
        self.writes.iter()
    }

    pub(super) fn samples(&self) -> usize {
        self.writes.values().map(Vec::len).sum()
    }

    pub(super) fn series(&self) -> usize {
        self.writes.len()
    }

    /// What a replica must hold: the last write of every time.
    pub(super) fn latest(&self) -> BTreeMap<(String, i64), u64> {
        let all = self.writes.iter().flat_map(|(key, writes)| writes.iter().map(move |(t, v)| ((key.clone(), *t), *v)));
        all.collect()
    }
}

/// One client that writes under its own producer name.
pub(super) struct Writer {
    number: u64,
    random: Random,
    step: i64,
    history: History,
}

impl Writer {
    pub(super) fn new(number: u64, seed: u64) -> Self {
        Self { number, random: Random::new(seed ^ (number + 1) << 20), step: 0, history: History::default() }
    }

    /// Writes until `stop` is set, and tells of every request that was acknowledged; returns what was in them.
    pub(super) fn run(mut self, client: &Client, stop: &AtomicBool, acknowledged: &Sender<()>) -> Result<History> {
        let producer = format!("writer-{}", self.number);
        for sequence in 1.. {
            let lines = self.next_request(sequence);
            send_until_acknowledged(client, &producer, sequence, &lines)?;
            // Towards the end nobody counts any more.
            let _ = acknowledged.send(());
            if stop.load(Relaxed) {
                break;
            }
        }
        Ok(self.history)
    }

    fn next_request(&mut self, sequence: u64) -> String {
        let mut lines = String::new();
        let sensors = 5 + sequence / 10;
        for _ in 0..20 {
            self.step += 1;
            for _ in 0..3 {
                let sensor = self.random.below(sensors.min(60));
                let step = match self.random.below(20) {
                    0 => self.random_step(200),
                    1 => self.random_step(20),
                    _ => self.step,
                };
                self.push_sample(&mut lines, sensor, START_NS + step * STEP_NS);
            }
        }
        self.push_turbine(&mut lines);
        lines
    }

    fn random_step(&mut self, back: i64) -> i64 {
        (self.step - self.random.below(back as u64) as i64).max(0)
    }

    fn push_sample(&mut self, lines: &mut String, sensor: u64, time: i64) {
        let value = self.random.below(100_000) as f64 / 1_000.0;
        let writer = self.number;
        writeln!(lines, "load,writer=w{writer},sensor=s{sensor} value={value} {time}")
            .expect("strings take everything");
        let key = format!("load{{sensor=s{sensor},writer=w{writer}}}");
        self.history.writes.entry(key).or_default().push((time, value.to_bits()));
    }

    fn push_turbine(&mut self, lines: &mut String) {
        let (flow, power) = (180 + self.random.below(40), 5_000 + self.random.below(5_000));
        let (heat, shake) = (50 + self.random.below(40), self.random.below(8));
        let (unit, time) = (self.number, START_NS + self.step * STEP_NS);
        writeln!(
            lines,
            "turbine,unit=T{unit} flow={flow},head=5.5,power={power},bearing_temperature={heat},vibration={shake} {time}"
        )
        .expect("strings take everything");
    }
}

/// Sends the same request under the same sequence until the node says that it has it.
#[expect(clippy::disallowed_methods, reason = "tests are composition roots; the pause only paces the repetition")]
fn send_until_acknowledged(client: &Client, producer: &str, sequence: u64, lines: &str) -> Result<()> {
    for _ in 0..10_000 {
        match client.write_as(producer, sequence, lines) {
            Ok(reply) if reply.status == 204 => return Ok(()),
            Ok(reply) if reply.status < 500 && reply.status != 429 => bail!("status {}: {}", reply.status, reply.body),
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    bail!("request {sequence} of {producer} was never acknowledged")
}
