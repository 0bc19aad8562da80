//! `tidemill journal verify` and `scrub`: every byte is read and checked.
//!
//! An embedded journal is checked file by file, past any damage. Of others, every record is read through the backend, which
//! checks each; a damaged one ends the check of its partition.

use std::path::Path;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;
use tidemill_journal::{Journal, JournalError, ReadLimits, TopicPartition};
use tidemill_journal_embedded::{Damage, Report};
use tidemill_server::journals::JournalUrl;

use super::topics::size_of;
use super::{Place, open_to_read, require_present};
use crate::clock::{Stopwatch, pause};
use crate::exit::{Exit, ended};
use crate::output::{self, Context, say, thousands};
use crate::progress;
use crate::time::parse_bytes;

/// Options of `tidemill journal scrub`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  tidemill journal scrub --data /var/lib/tidemill --rate 20MiB")]
pub struct ScrubArgs {
    /// The journal
    #[command(flatten)]
    pub place: Place,
    /// Bytes to read per second, so that the disk keeps serving others
    #[arg(long, default_value = "10MiB", value_parser = parse_bytes, value_name = "SIZE")]
    pub rate: u64,
}

/// Keeps a reader below a rate.
struct Pace {
    clock: Stopwatch,
    bytes_per_second: Option<u64>,
}

impl Pace {
    fn new(bytes_per_second: Option<u64>) -> Self {
        Self { clock: Stopwatch::start(), bytes_per_second }
    }

    /// Waits until `bytes` may have been read.
    fn keep(&self, bytes: u64) {
        let Some(rate) = self.bytes_per_second else { return };
        let due = std::time::Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64);
        pause(due.saturating_sub(self.clock.elapsed()));
    }
}

pub(super) async fn verify(context: &Context, place: &Place) -> anyhow::Result<()> {
    check(context, place, "verifying", Pace::new(None)).await
}

pub(super) async fn scrub(context: &Context, args: &ScrubArgs) -> anyhow::Result<()> {
    check(context, &args.place, "scrubbing", Pace::new(Some(args.rate))).await
}

async fn check(context: &Context, place: &Place, what: &str, pace: Pace) -> anyhow::Result<()> {
    let options = place.options()?;
    require_present(&options)?;
    let report = match &options.url {
        JournalUrl::Embedded(dir) => check_files(dir, what, &pace)?,
        _ => check_records(&*open_to_read(&options).await?, what, &pace).await?,
    };
    if context.json {
        let damage = report.damage.iter().map(|d| json!({ "file": d.file, "at": d.at, "reason": d.reason }));
        output::json(&json!({
            "partitions": report.partitions, "segments": report.segments, "records": report.records,
            "bytes": report.bytes, "damage": damage.collect::<Vec<_>>(),
        }))?;
    } else {
        report.damage.iter().try_for_each(|d| output::line(format!("{}: byte {}: {}", d.file, d.at, d.reason)))?;
    }
    let (records, bytes) = (thousands(report.records), thousands(report.bytes));
    say(format_args!("{records} records in {} partitions, {bytes} bytes read", report.partitions));
    match report.damage.len() {
        0 => Ok(()),
        count => Err(ended(Exit::Failure, format!("{count} damaged places; restore these files from a copy"))),
    }
}

fn check_files(dir: &Path, what: &str, pace: &Pace) -> anyhow::Result<Report> {
    let bar = progress::bytes(size_of(dir).unwrap_or(0), what);
    let report = tidemill_journal_embedded::verify(dir, |report| {
        bar.set_position(report.bytes);
        pace.keep(report.bytes);
    });
    bar.finish_and_clear();
    report.context("verify")
}

async fn check_records(journal: &dyn Journal, what: &str, pace: &Pace) -> anyhow::Result<Report> {
    let mut report = Report { identity: Some(journal.identity()), ..Report::default() };
    let mut total = 0;
    let mut partitions = Vec::new();
    for topic in journal.topics().await? {
        for partition in 0..topic.partitions {
            let at = TopicPartition::new(&topic.name, partition);
            let bounds = journal.bounds(&at).await?;
            total += bounds.records;
            partitions.push((at, bounds));
        }
    }
    let bar = progress::count(total, what);
    for (at, bounds) in partitions {
        let mut from = bounds.start;
        while from < bounds.durable {
            let batch = match journal.read(&at, from, ReadLimits::default()).await {
                Ok(batch) if batch.next == from => break,
                Ok(batch) => batch,
                // Retention is at work: what it dropped is no damage.
                Err(JournalError::Trimmed { start, .. }) => {
                    from = start;
                    continue;
                }
                Err(JournalError::Corrupt { file, at, reason, .. }) => {
                    report.damage.push(Damage { file, at, reason });
                    break;
                }
                Err(error) => return Err(error.into()),
            };
            report.records += batch.records.len() as u64;
            report.bytes += batch.records.iter().map(|r| (r.key.len() + r.payload.len()) as u64).sum::<u64>();
            from = batch.next;
            bar.set_position(report.records);
            pace.keep(report.bytes);
        }
        report.partitions += 1;
    }
    bar.finish_and_clear();
    Ok(report)
}
