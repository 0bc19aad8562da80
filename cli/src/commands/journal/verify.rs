//! `tidemill journal verify` and `scrub`: every byte is read and checked.
//!
//! An embedded journal is checked file by file, past any damage, and its running hash is computed again: a hash that
//! somebody has kept elsewhere proves that the history before it is still the same. Of other journals, every record is read
//! through the backend, which checks each; a damaged one ends the check of its partition.

use anyhow::Context as _;
use clap::Args;
use serde_json::json;
use tidemill_journal::{Journal, JournalError, ReadLimits, TopicPartition};
use tidemill_journal_embedded::{Damage, Head, Report, verify_against};
use tidemill_server::journals::{JournalUrl, Opening};

use super::topics::size_of;
use super::{Place, open, world};
use crate::clock::{Stopwatch, pause};
use crate::exit::{Exit, ended};
use crate::output::{self, Context, say, thousands};
use crate::progress;
use crate::time::parse_bytes;

/// Options of `tidemill journal verify`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidemill journal verify --data /var/lib/tidemill
  tidemill journal verify --journal s3://plant/journal --journal-settings s3.conf
  tidemill journal verify --data /var/lib/tidemill --expect data/0@1048576:9f64a747…

Of an embedded journal, the running hash of every partition is printed. Keep it elsewhere, and give it to --expect later: the
check fails unless every record before it is still what it was.")]
pub struct VerifyArgs {
    /// The journal
    #[command(flatten)]
    pub place: Place,
    /// A running hash that was printed before, as TOPIC/PARTITION@OFFSET:HASH; may be given several times
    #[arg(long, value_name = "HASH")]
    pub expect: Vec<Head>,
}

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

pub(super) async fn verify(context: &Context, args: &VerifyArgs) -> anyhow::Result<()> {
    let options = args.place.options(Opening::Read)?;
    let report = match &options.url {
        JournalUrl::Embedded(dir) => {
            open(&options).await?;
            let bar = progress::bytes(size_of(dir).unwrap_or(0), "verifying");
            let report = verify_against(dir, &args.expect, |report| bar.set_position(report.bytes));
            bar.finish_and_clear();
            report.context("verify")?
        }
        _ if !args.expect.is_empty() => {
            let message = "only embedded journals have a running hash: compare copies of others with `journal copy`";
            return Err(ended(Exit::Refused, message));
        }
        _ => check_records(&*open(&options).await?, "verifying", &Pace::new(None)).await?,
    };
    if !context.json {
        report.heads.iter().try_for_each(output::line)?;
    }
    tell(context, &report)
}

pub(super) async fn scrub(context: &Context, args: &ScrubArgs) -> anyhow::Result<()> {
    let options = args.place.options(Opening::Read)?;
    let report = match &options.url {
        JournalUrl::Embedded(dir) => {
            open(&options).await?;
            let bar = progress::bytes(size_of(dir).unwrap_or(0), "scrubbing");
            let env = world();
            let report =
                tidemill_journal_embedded::scrub(dir, args.rate, &*env, |report| bar.set_position(report.bytes)).await;
            bar.finish_and_clear();
            report.context("scrub")?
        }
        _ => check_records(&*open(&options).await?, "scrubbing", &Pace::new(Some(args.rate))).await?,
    };
    tell(context, &report)
}

fn tell(context: &Context, report: &Report) -> anyhow::Result<()> {
    if context.json {
        let damage = report.damage.iter().map(|d| json!({ "file": d.file, "at": d.at, "reason": d.reason }));
        output::json(&json!({
            "partitions": report.partitions, "segments": report.segments, "records": report.records,
            "bytes": report.bytes, "damage": damage.collect::<Vec<_>>(), "proven": report.proven,
            "heads": report.heads.iter().map(Head::to_string).collect::<Vec<_>>(),
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
