//! `tidemill journal inspect`: records, one line each.

use clap::Args;
use serde_json::{Value, json};
use tidemill_journal::{ReadLimits, TopicPartition};
use tidemill_model::payload::{
    DeleteRange, Heartbeat, OperatorDefinition, PayloadError, Quarantined, SamplesView, SeriesDefinition,
};
use tidemill_model::{Offset, Record, RecordKind};
use tidemill_server::journals::Opening;

use super::{Place, find_partition, open};
use crate::clock::now_ns;
use crate::exit::{Exit, ended};
use crate::output::{self, Context};
use crate::time::{format_time, parse_instant};

/// Options of `tidemill journal inspect`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidemill journal inspect --data tidemill-data --topic catalog --limit 5
  tidemill journal inspect --journal object:///srv/journal --since -15m --json")]
pub struct InspectArgs {
    /// The journal
    #[command(flatten)]
    pub place: Place,
    /// The topic: data, catalog or quarantine
    #[arg(long, default_value = "data")]
    pub topic: String,
    /// The partition
    #[arg(long, default_value_t = 0)]
    pub partition: u32,
    /// First offset [default: the oldest record]
    #[arg(long, conflicts_with = "since")]
    pub from: Option<u64>,
    /// Begin with the first record that was appended then or later, such as -15m or 2026-11-23T12:00:00Z
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub since: Option<String>,
    /// At most this many records
    #[arg(long, default_value_t = 20)]
    pub limit: usize,
}

pub(super) async fn run(context: &Context, args: &InspectArgs) -> anyhow::Result<()> {
    let since = args.since.as_deref().map(|text| parse_instant(text, now_ns())).transpose();
    let since = since.map_err(|reason| ended(Exit::Usage, reason))?;
    let journal = open(&args.place.options(Opening::Read)?).await?;
    let at = TopicPartition::new(&args.topic, args.partition);
    let bounds = find_partition(&*journal, &at).await?;
    let mut from = match since {
        Some(time) => journal.find(&at, time).await?,
        None => args.from.map_or(bounds.start, Offset),
    };
    let mut left = args.limit;
    while left > 0 {
        let batch = journal.read(&at, from, ReadLimits::default()).await?;
        if batch.records.is_empty() {
            break;
        }
        for record in batch.records.iter().take(left) {
            if context.json { output::json(&record_json(record))? } else { output::line(record_text(record))? }
        }
        left -= left.min(batch.records.len());
        from = batch.next;
    }
    Ok(())
}

fn kind_name(record: &Record) -> String {
    record.kind().map_or_else(|| format!("kind {}", record.kind_number), |kind| format!("{kind:?}"))
}

fn record_json(record: &Record) -> Value {
    json!({
        "offset": record.offset.0, "ordinal": record.ordinal, "kind": kind_name(record),
        "producer": format!("{:016x}", record.producer.0), "epoch": record.epoch, "sequence": record.sequence,
        "ingest_time": format_time(record.ingest_time), "key": String::from_utf8_lossy(&record.key), "payload_bytes": record.payload.len(),
        "summary": summary(record),
    })
}

fn record_text(record: &Record) -> String {
    let (offset, time, kind) = (record.offset, format_time(record.ingest_time), kind_name(record));
    let producer = format!("{:016x}/{}/{}", record.producer.0, record.epoch, record.sequence);
    let bytes = record.payload.len();
    format!("{offset:>12}  {time}  {kind:<11}  producer {producer}  {bytes:>7} B  {}", summary(record))
}

/// What the payload says, in one line.
fn summary(record: &Record) -> String {
    match decode(record) {
        Ok(text) => text,
        Err(error) => format!("unreadable: {error}"),
    }
}

fn decode(record: &Record) -> Result<String, PayloadError> {
    let payload = &record.payload;
    Ok(match record.kind() {
        Some(RecordKind::Samples) => samples(&SamplesView::parse(payload)?),
        Some(RecordKind::Heartbeat) => format!("time {}", format_time(Heartbeat::parse(payload)?.time)),
        Some(RecordKind::DeleteRange) => {
            let range = DeleteRange::parse(payload)?;
            format!("{} series, {} to {}", range.series.len(), format_time(range.start), format_time(range.end))
        }
        Some(RecordKind::Series) => {
            let series = SeriesDefinition::parse(payload)?.series()?;
            format!("{} {} ({})", series.id, series.key, series.value_type)
        }
        Some(RecordKind::Operator) => {
            let operator = OperatorDefinition::parse(payload)?;
            let state = operator.operator_state().map_or("unknown".to_owned(), |state| format!("{state:?}"));
            let (name, plugin, generation) = (&operator.name, &operator.plugin, operator.generation);
            format!("{name}: {plugin}, {state}, generation {generation}, {}", operator.config)
        }
        Some(RecordKind::Quarantined) => {
            let Quarantined { follower, topic, partition, offset, reason, .. } = Quarantined::parse(payload)?;
            format!("{follower} at {topic}/{partition} offset {offset}: {reason}")
        }
        Some(RecordKind::Plugin) => format!("plugin {}", String::from_utf8_lossy(&record.key)),
        None => "of a newer version".to_owned(),
    })
}

fn samples(view: &SamplesView<'_>) -> String {
    let (mut count, mut series, mut span) = (0, 0, None);
    for column in view.columns() {
        for run in column.runs() {
            series += 1;
            count += run.rows;
            for row in run.first..run.first + run.rows {
                let time = column.time(row);
                let (first, last) = span.unwrap_or((time, time));
                span = Some((time.min(first), time.max(last)));
            }
        }
    }
    let (first, last) = span.unwrap_or((0, 0));
    format!("{count} samples of {series} series, {} to {}", format_time(first), format_time(last))
}
