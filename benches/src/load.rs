//! Line protocol for the benchmarks: two-decimal random walks with millisecond jitter, and TSBS rows.

use std::fmt::Write;

use anyhow::Result;
use tidemill_tests::Client;

/// Where source times begin: 2026-01-01.
pub(crate) const START_NS: i64 = 1_767_225_600_000_000_000;
/// Lines per request.
pub(crate) const BODY_LINES: usize = 5_000;

/// xorshift64*: fast, and the same on every machine.
pub(crate) struct Random(u64);

impl Random {
    /// A stream of numbers that depends on the seed alone.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next number, in `0..bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}

/// A fleet of sensors, each walking in steps of hundredths.
pub(crate) struct Walk {
    random: Random,
    hundredths: Vec<i64>,
}

impl Walk {
    /// `series` sensors.
    pub(crate) fn new(series: usize) -> Self {
        Self { random: Random::new(1), hundredths: vec![2_000; series] }
    }

    /// Appends one sample of sensor `i` at `time_ns`, plus up to 4 ms of jitter.
    pub(crate) fn push(&mut self, out: &mut String, i: usize, time_ns: i64) {
        let step = (0..4).map(|_| self.random.below(29) as i64 - 14).sum::<i64>();
        self.hundredths[i] = (self.hundredths[i] + step).clamp(0, 9_999);
        let (whole, rest) = (self.hundredths[i] / 100, self.hundredths[i] % 100);
        let time = time_ns + self.random.below(5) as i64 * 1_000_000;
        let (site, line) = (i % 20, i % 50);
        writeln!(
            out,
            "temperature,line=line{line:02},sensor=s{i:05},site=site{site:02} value={whole}.{rest:02} {time}"
        )
        .expect("strings take everything");
    }

    /// Calls `send` with bodies in which all sensors report once per `step_ns`.
    pub(crate) fn ticks(
        &mut self,
        ticks: usize,
        step_ns: i64,
        body_lines: usize,
        mut send: impl FnMut(&str) -> Result<()>,
    ) -> Result<()> {
        let (mut body, mut lines) = (String::new(), 0);
        for tick in 0..ticks {
            for i in 0..self.hundredths.len() {
                self.push(&mut body, i, START_NS + tick as i64 * step_ns);
                lines += 1;
                if lines == body_lines {
                    send(&body)?;
                    body.clear();
                    lines = 0;
                }
            }
        }
        if lines > 0 { send(&body) } else { Ok(()) }
    }

    /// Calls `send` with bodies in which every sensor reports `rows` times in a row.
    pub(crate) fn batches(
        &mut self,
        batches: usize,
        rows: usize,
        step_ns: i64,
        mut send: impl FnMut(&str) -> Result<()>,
    ) -> Result<()> {
        let mut body = String::new();
        for batch in 0..batches {
            for i in 0..self.hundredths.len() {
                for row in 0..rows {
                    self.push(&mut body, i, START_NS + (batch * rows + row) as i64 * step_ns);
                }
                if (i + 1) % (BODY_LINES / rows).max(1) == 0 {
                    send(&body)?;
                    body.clear();
                }
            }
        }
        if body.is_empty() { Ok(()) } else { send(&body) }
    }
}

/// Appends a row in the shape of the Time Series Benchmark Suite's cpu-only use case: ten labels, ten integer fields.
pub(crate) fn push_tsbs(out: &mut String, random: &mut Random, host: usize, time_ns: i64) {
    write!(
        out,
        "cpu,arch=x86,datacenter=eu-central-1a,hostname=host_{host},os=Ubuntu15.10,rack=6,region=eu-central-1,service=19,\
         service_environment=test,service_version=1,team=SF "
    )
    .expect("strings take everything");
    const FIELDS: [&str; 10] = [
        "usage_user",
        "usage_system",
        "usage_idle",
        "usage_nice",
        "usage_iowait",
        "usage_irq",
        "usage_softirq",
        "usage_steal",
        "usage_guest",
        "usage_guest_nice",
    ];
    for (i, field) in FIELDS.iter().enumerate() {
        let comma = if i > 0 { "," } else { "" };
        write!(out, "{comma}{field}={}i", random.below(100)).expect("strings take everything");
    }
    writeln!(out, " {time_ns}").expect("strings take everything");
}

/// Writes a body and insists on success.
///
/// # Errors
/// When the node does not take it.
pub(crate) fn send(client: &Client, body: &str) -> Result<()> {
    client.write(body)?.ok().map(drop)
}
