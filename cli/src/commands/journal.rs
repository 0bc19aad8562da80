//! `tidemill journal`: looks into a journal's files. Nothing is changed, and a node may be writing meanwhile.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tidemill_journal::{Bounds, TopicPartition};
use tidemill_journal_embedded::{ReadOnlyJournal, open_read_only, verify};
use tidemill_model::payload::{
    DeleteRange, Heartbeat, OperatorDefinition, PayloadError, Quarantined, SamplesView, SeriesDefinition,
};
use tidemill_model::{Offset, Record, RecordKind};

use crate::exit::{Exit, ended};
use crate::output::{self, Context, has_colour, say, thousands};
use crate::progress;
use crate::table::Table;
use crate::time::format_time;

/// Bytes that are read at once.
const READ_BYTES: usize = 1 << 20;

/// The commands about a journal's files.
#[derive(Subcommand, Debug)]
pub enum JournalCommand {
    /// List topics and partitions with their bounds
    Topics(Place),
    /// Show records: header and a summary of the payload
    Inspect(InspectArgs),
    /// Read every byte and report all damage
    Verify(Place),
}

/// Where the journal is.
#[derive(Args, Debug)]
pub struct Place {
    /// The node's data directory, or a journal directory itself
    #[arg(long, default_value = "tidemill-data", value_name = "DIR")]
    pub data: PathBuf,
}

/// Options of `tidemill journal inspect`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  tidemill journal inspect --data tidemill-data --topic catalog --limit 5")]
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
    #[arg(long)]
    pub from: Option<u64>,
    /// At most this many records
    #[arg(long, default_value_t = 20)]
    pub limit: usize,
}

/// Runs one of the commands.
///
/// # Errors
/// When there is no journal, it cannot be read, or it is damaged.
pub fn run(context: &Context, command: &JournalCommand) -> anyhow::Result<()> {
    match command {
        JournalCommand::Topics(place) => topics(context, place),
        JournalCommand::Inspect(args) => inspect(context, args),
        JournalCommand::Verify(place) => check(context, place),
    }
}

/// `DIR/journal` of a data directory, or the directory itself.
fn directory(place: &Place) -> anyhow::Result<PathBuf> {
    let candidates = [place.data.join("journal"), place.data.clone()];
    candidates.into_iter().find(|dir| dir.join("meta").is_file()).ok_or_else(|| {
        ended(Exit::NotFound, format!("there is no journal in {}: name one with --data DIR", place.data.display()))
    })
}

fn partitions(journal: &ReadOnlyJournal) -> anyhow::Result<Vec<(TopicPartition, Bounds)>> {
    let topics = journal.topics()?.into_iter();
    let all = topics.flat_map(|topic| (0..topic.partitions).map(move |p| TopicPartition::new(&topic.name, p)));
    all.map(|at| Ok((at.clone(), journal.bounds(&at)?))).collect()
}

fn topics(context: &Context, place: &Place) -> anyhow::Result<()> {
    let journal = open_read_only(&directory(place)?)?;
    let partitions = partitions(&journal)?;
    if context.json {
        for (at, bounds) in partitions {
            let (start, durable, records) = (bounds.start.0, bounds.durable.0, bounds.records);
            let place = json!({ "topic": at.topic, "partition": at.partition });
            output::json(&merge(place, json!({ "start": start, "durable": durable, "records": records })))?;
        }
        return Ok(());
    }
    say(format_args!("journal {} made {}", journal.identity(), format_time(journal.created())));
    let header = ["topic", "partition", "start", "durable", "records"].map(str::to_owned).to_vec();
    let mut table = Table::new(std::io::stdout().lock(), header, has_colour());
    for (at, bounds) in partitions {
        let numbers = [u64::from(at.partition), bounds.start.0, bounds.durable.0, bounds.records];
        table.row(std::iter::once(at.topic).chain(numbers.map(|n| n.to_string())).collect())?;
    }
    Ok(table.finish()?)
}

fn merge(mut left: Value, right: Value) -> Value {
    if let (Some(left), Value::Object(right)) = (left.as_object_mut(), right) {
        left.extend(right);
    }
    left
}

fn inspect(context: &Context, args: &InspectArgs) -> anyhow::Result<()> {
    let journal = open_read_only(&directory(&args.place)?)?;
    let at = TopicPartition::new(&args.topic, args.partition);
    let bounds = journal.bounds(&at).map_err(|error| ended(Exit::NotFound, error.to_string()))?;
    let mut from = args.from.map_or(bounds.start, Offset);
    let mut left = args.limit;
    while left > 0 {
        let batch = journal.read(&at, from, READ_BYTES)?;
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
        "ingest_time": format_time(record.ingest_time), "payload_bytes": record.payload.len(),
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

fn check(context: &Context, place: &Place) -> anyhow::Result<()> {
    let dir = directory(place)?;
    let bar = progress::bytes(size_of(&dir).unwrap_or(0), "verifying");
    let report = verify(&dir, |report| bar.set_position(report.bytes)).context("verify")?;
    bar.finish_and_clear();
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
    say(format_args!("{records} records in {} segments, {bytes} bytes read", report.segments));
    match report.damage.len() {
        0 => Ok(()),
        count => Err(ended(Exit::Failure, format!("{count} damaged places; restore these files from a copy"))),
    }
}

fn size_of(dir: &Path) -> std::io::Result<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        total += if entry.file_type()?.is_dir() { size_of(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(total)
}
