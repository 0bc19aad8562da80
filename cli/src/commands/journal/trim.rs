//! `tidemill journal trim`: forgets the oldest records of a partition, as far as whole files can be dropped.

use clap::Args;
use serde_json::json;
use tidemill_journal::{Bounds, Journal, JournalError, ReadLimits, TopicPartition};
use tidemill_model::Offset;
use tidemill_server::NodeError;
use tidemill_server::journals::Opening;

use super::{Place, find_partition, find_topic, open};
use crate::clock::now_ns;
use crate::exit::{Exit, ended};
use crate::output::{self, Context, confirm, say, thousands};
use crate::time::parse_instant;

/// Options of `tidemill journal trim`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidemill journal trim --data tidemill-data --before-time -30d --dry-run
  tidemill journal trim --journal grpc://127.0.0.1:7300 --topic data --partition 2 --before 123456 --yes

An embedded journal that a node is writing is trimmed through that node, with --journal grpc://HOST:PORT.")]
pub struct TrimArgs {
    /// The journal
    #[command(flatten)]
    pub place: Place,
    /// The topic
    #[arg(long, default_value = "data")]
    pub topic: String,
    /// The partition [default: all of them]
    #[arg(long)]
    pub partition: Option<u32>,
    /// Forget records before this offset; needs --partition
    #[arg(long, value_name = "OFFSET", requires = "partition", required_unless_present = "before_time")]
    pub before: Option<u64>,
    /// Forget records that were appended before this time, such as -30d or 2026-11-01
    #[arg(long, value_name = "TIME", conflicts_with = "before", allow_hyphen_values = true)]
    pub before_time: Option<String>,
    /// Say what would go, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// What is to go from a partition.
struct Cut {
    at: TopicPartition,
    start: Offset,
    before: Offset,
    /// Records between the two.
    records: u64,
}

pub(super) async fn run(context: &Context, args: &TrimArgs) -> anyhow::Result<()> {
    let time = args.before_time.as_deref().map(|text| parse_instant(text, now_ns())).transpose();
    let time = time.map_err(|reason| ended(Exit::Usage, reason))?;
    let options = args.place.options(if args.dry_run { Opening::Read } else { Opening::Existing })?;
    let journal = open(&options).await.map_err(advise)?;
    let result = trim(context, args, time, &*journal).await;
    journal.close().await;
    result
}

/// Says how to trim a journal that a node is writing.
fn advise(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref() {
        Some(NodeError::Journal(error @ JournalError::InUse { .. })) => {
            let advice = "or trim it through the node that writes it, with --journal grpc://HOST:PORT";
            ended(Exit::Refused, format!("{error};\n  {advice}"))
        }
        _ => error,
    }
}

async fn trim(context: &Context, args: &TrimArgs, time: Option<i64>, journal: &dyn Journal) -> anyhow::Result<()> {
    let topic = find_topic(journal, &args.topic).await?;
    let wanted = args.partition.map_or(0..topic.partitions, |partition| partition..partition + 1);
    let mut cuts = Vec::new();
    for partition in wanted {
        let at = TopicPartition::new(&args.topic, partition);
        let bounds = find_partition(journal, &at).await?;
        let before = match (time, args.before) {
            (Some(time), _) => journal.find(&at, time).await?,
            (None, before) => Offset(before.unwrap_or_default()),
        };
        cuts.push(cut(journal, at, bounds, before).await?);
    }
    cuts.iter().for_each(announce);
    let is_empty = cuts.iter().all(|cut| cut.before <= cut.start);
    if !args.dry_run && !is_empty && !args.yes && !confirm("forget these records for ever?") {
        return Err(ended(Exit::Refused, "nothing was changed: confirm with --yes"));
    }
    for cut in &cuts {
        if !args.dry_run {
            journal.trim(&cut.at, cut.before).await?;
        }
        let start = journal.bounds(&cut.at).await?.start;
        if context.json {
            output::json(&json!({
                "topic": cut.at.topic, "partition": cut.at.partition, "start_before": cut.start.0,
                "before": cut.before.0, "records_at_most": cut.records, "start": start.0, "dry_run": args.dry_run,
            }))?;
        } else if !args.dry_run {
            say(format_args!("{}/{} now starts at {start}", cut.at.topic, cut.at.partition));
        }
    }
    Ok(())
}

async fn cut(journal: &dyn Journal, at: TopicPartition, bounds: Bounds, before: Offset) -> anyhow::Result<Cut> {
    if before > bounds.durable {
        let message =
            format!("offset {before} of {}/{} lies beyond the end, {}", at.topic, at.partition, bounds.durable);
        return Err(ended(Exit::Refused, message));
    }
    let before = before.max(bounds.start);
    let first = ordinal(journal, &at, bounds, bounds.start).await?;
    let end = ordinal(journal, &at, bounds, before).await?;
    Ok(Cut { at, start: bounds.start, before, records: end.saturating_sub(first) })
}

/// The ordinal of the record at an offset.
async fn ordinal(journal: &dyn Journal, at: &TopicPartition, bounds: Bounds, offset: Offset) -> anyhow::Result<u64> {
    if offset >= bounds.durable {
        return Ok(bounds.records);
    }
    let batch = journal.read(at, offset, ReadLimits { bytes: 1, ..ReadLimits::default() }).await?;
    Ok(batch.records.first().map_or(bounds.records, |record| record.ordinal))
}

fn announce(cut: &Cut) {
    let Cut { at, start, before, records } = cut;
    let records = thousands(*records);
    say(format_args!(
        "{}/{}: {start} to {before}, at most {records} records, as far as whole files can be dropped",
        at.topic, at.partition
    ));
}
