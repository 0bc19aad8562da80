//! Benchmarks of the whole system: `make bench`, or `make bench ONLY=name`.
//!
//! The load generator is this process; the node is another one, and its CPU is what the operating system has accounted to
//! it. Every figure is printed, and written to `target/bench.json` as `{name, value, unit, against, ratio}`: `against`
//! names what the figure is compared with, `ratio` is the figure divided by that.

mod aggregates;
mod checkpoint;
mod fleet;
mod hostile;
mod ingest;
mod journal;
mod kafka;
mod languages;
mod load;
mod process;
mod query;
mod report;
#[expect(unreachable_pub, reason = "as a plugin it is a crate of its own")]
#[path = "../../sdk/rust/template/src/lib.rs"]
mod smooth;
mod storage;
mod theodolite;
mod wasm;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Parser;
use report::{Figure, Report};

/// Measures a node from outside and writes the figures down.
#[derive(Parser)]
struct Arguments {
    /// Run only the cases whose name starts with this.
    #[arg(long)]
    only: Option<String>,
    /// Where the figures go.
    #[arg(long, default_value = "target/bench.json")]
    out: PathBuf,
}

/// A case: the figures it produces and how.
type Case = (&'static [&'static str], fn() -> Result<Vec<Figure>>);

const CASES: &[Case] = &[
    (&["ingest-line", "ingest-line-replica"], ingest::single_field_lines),
    (&["ingest-tsbs", "ingest-tsbs-replica"], ingest::tsbs_rows),
    (&["bytes-per-sample"], storage::bytes_per_sample),
    (&["rebuild"], storage::rebuild),
    (&["uc1-durable"], theodolite::uc1),
    (&["uc2-tick-durable", "uc2-batch-durable", "uc2-replay"], theodolite::uc2),
    (&["uc3-durable"], theodolite::uc3),
    (&["uc4-durable"], theodolite::uc4),
    (&["across-merged", "across-staged"], theodolite::across_partitions),
    (fleet::NAMES, fleet::thousand_operators),
    (&["append-output-p99"], theodolite::append_to_output),
    (&["operator-recovery"], theodolite::recovery),
    (&["ack-readable-p50", "ack-readable-p99"], query::ack_to_readable),
    (&["wasm-native"], wasm::against_native),
    (&["hostile-neighbour-p99"], hostile::neighbour_p99),
    (
        &[
            "checkpoint-1mb-hot",
            "checkpoint-10mb-hot",
            "checkpoint-100mb-hot",
            "checkpoint-1mb-random",
            "checkpoint-10mb-random",
            "checkpoint-100mb-random",
        ],
        checkpoint::captures,
    ),
    (languages::NAMES, languages::against_native),
    (&["sql-rollup"], aggregates::rollup_in_sql),
    (
        &[
            "journal-append-4kib",
            "journal-append-4kib-ratio",
            "journal-small-append-ratio",
            "journal-append-64kib",
            "journal-append-64kib-ratio",
            "journal-append-1mib",
            "journal-append-1mib-ratio",
        ],
        journal::appends,
    ),
    (&["journal-100b-1w", "journal-100b-16w", "journal-100b-256w"], journal::small_records),
    (&["journal-10-readers-cost"], journal::ten_readers),
    (&["journal-read"], journal::sequential_read),
    (&["kafka-ratio"], kafka::against_librdkafka),
];

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let only = arguments.only.unwrap_or_default();
    let wanted = |(names, _): &&Case| names.iter().any(|name| name.starts_with(&only));
    let mut report = Report::default();
    for (names, run) in CASES.iter().filter(wanted) {
        eprintln!("measuring {} …", names.join(", "));
        report.add(run()?);
    }
    if report.is_empty() {
        bail!("no case starts with {only:?}; there are {:?}", CASES.iter().flat_map(|(n, _)| *n).collect::<Vec<_>>());
    }
    report.print();
    report.write(&arguments.out)
}
