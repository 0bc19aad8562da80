//! `tidemill plugin record`: a slice of a real journal as a fixture.
//!
//! What is written is what an operator would have been given: of every record the rows of the series that its inputs
//! select, in their order, and the heartbeats between them. Reads the journal, so that nothing of it is lost on the way.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;
use tidemill_journal::{Catalog, Journal, Merge, Stretch, TOPIC_DATA, TopicPartition};
use tidemill_model::payload::{Heartbeat, SamplesView};
use tidemill_model::{Record, RecordKind, Selector, SeriesId, SeriesKey};
use tidemill_runtime::trial::{Event, Fixture, FixtureSeries, Row, Step};

use crate::clock::now_ns;
use crate::commands::journal::{Place, find_topic, open_to_read};
use crate::commands::plugin::deploy::{self, DeployArgs};
use crate::exit::{Exit, ended};
use crate::fixture::write;
use crate::output::{Context, line, say};
use crate::time::{format_time, parse_instant};

/// Options of `tidemill plugin record`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidemill plugin record --node http://127.0.0.1:7300 --input 'value=turbine:power{unit=T1}' --from -10m \\
      --out fixtures/ten-minutes --param alpha=0.2
  tidemill plugin record --data /var/lib/tidemill --input 'value=turbine:power' \\
      --from 2026-11-23T12:00:00Z --to 2026-11-23T12:05:00Z --out fixtures/noon

--from and --to are times at which the journal took the records: what an operator got in that span. Then
`tidemill plugin test --bless` writes expected.txt.")]
pub struct RecordArgs {
    /// URL of a node whose journal is read
    #[arg(long, value_name = "URL", conflicts_with_all = ["data", "journal"])]
    pub node: Option<String>,
    /// The journal, when it is not a node's.
    #[command(flatten)]
    pub place: Place,
    /// What an input of the plugin reads, as input=selector; once per input
    #[arg(long, value_name = "INPUT=SELECTOR", required = true)]
    pub input: Vec<String>,
    /// Beginning: RFC 3339, a date, or a duration ago such as -10m
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub from: String,
    /// End
    #[arg(long, value_name = "TIME", default_value = "now", allow_hyphen_values = true)]
    pub to: String,
    /// The fixture's directory
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The partition, where the series lie in several
    #[arg(long, conflicts_with = "merge_partitions")]
    pub partition: Option<u32>,
    /// Take all partitions in one order, as an operator with --merge-partitions reads them; records are numbered anew
    #[arg(long)]
    pub merge_partitions: bool,
    /// At most this many rows
    #[arg(long, default_value_t = 200_000)]
    pub max_rows: usize,
    /// For operator.json: a parameter of the plugin, as name=value; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub param: Vec<String>,
    /// For operator.json: calculate once per combination of these labels
    #[arg(long, value_name = "LABEL,…", value_delimiter = ',')]
    pub group_by: Option<Vec<String>>,
    /// For operator.json: length of a window, such as 60s
    #[arg(long)]
    pub window: Option<String>,
    /// For operator.json: how long samples may come late, such as 2s
    #[arg(long)]
    pub lateness: Option<String>,
}

/// Records the fixture.
///
/// # Errors
/// When the journal cannot be read, nothing is selected, or there is too much of it.
pub fn run(_: &Context, args: &RecordArgs) -> anyhow::Result<()> {
    let request = request(args).map_err(|reason| ended(Exit::Usage, reason))?;
    let selectors = selectors(&request)?;
    let now = now_ns();
    let time = |text: &str| parse_instant(text, now).map_err(|reason| ended(Exit::Usage, reason));
    let span = (time(&args.from)?, time(&args.to)?);
    if fs::exists(args.out.join("input.txt"))? {
        let message = format!("{} holds a fixture already: choose another directory", args.out.display());
        return Err(ended(Exit::Refused, message));
    }
    let place = place(args);
    let (fixture, from) = crate::commands::serve::runtime()?.block_on(async {
        let (journal, url) = open_to_read(&place).await?;
        let catalog = Catalog::read(journal.clone()).await?;
        let slice = slice(&*journal, &catalog, &selectors, span, args).await;
        journal.close().await;
        anyhow::Ok((slice?, url))
    })?;
    let rows = fixture.rows().count();
    if rows == 0 {
        let message = "no rows: nothing that the inputs select was taken by the journal in this time";
        return Err(ended(Exit::NotFound, message));
    }
    let comments = [
        match args.merge_partitions {
            true => format!("Recorded from {from}, all partitions in one order."),
            false => format!("Recorded from {from}, partition {}.", args.partition.unwrap_or(0)),
        },
        format!("Taken by the journal from {} to {}.", format_time(span.0), format_time(span.1)),
        format!("Selected: {}.", args.input.join(", ")),
    ];
    fs::create_dir_all(&args.out).with_context(|| format!("create {}", args.out.display()))?;
    let save = |name: &str, text: String| {
        let path = args.out.join(name);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    };
    save("operator.json", serde_json::to_string_pretty(&request)? + "\n")?;
    save("input.txt", write(&fixture, &comments.each_ref().map(String::as_str)))?;
    line(args.out.display())?;
    say(format_args!("{rows} rows of {} series in {} records", fixture.series.len(), fixture.steps.len()));
    Ok(())
}

/// The deploy request without the name and the plugin.
fn request(args: &RecordArgs) -> Result<Value, String> {
    let (window, lateness) = (args.window.clone(), args.lateness.clone());
    let (input, param, group_by) = (args.input.clone(), args.param.clone(), args.group_by.clone());
    let merge_partitions = args.merge_partitions;
    let options = DeployArgs { input, param, group_by, window, lateness, merge_partitions, ..DeployArgs::default() };
    let mut request = deploy::request(&options)?;
    if let Some(request) = request.as_object_mut() {
        request.retain(|name, _| name != "name" && name != "plugin");
    }
    Ok(request)
}

fn selectors(request: &Value) -> anyhow::Result<Vec<Selector>> {
    let texts = request["inputs"].as_object().into_iter().flat_map(|inputs| inputs.values()).filter_map(Value::as_str);
    texts.map(|text| text.parse().map_err(|error| ended(Exit::Usage, format!("{text:?}: {error}")))).collect()
}

/// Where the journal is; a node gives its own over gRPC on the same port.
fn place(args: &RecordArgs) -> Place {
    match &args.node {
        None => args.place.clone(),
        Some(url) => {
            let host = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest).trim_end_matches('/');
            Place { journal: Some(format!("grpc://{host}")), ..args.place.clone() }
        }
    }
}

async fn slice(
    journal: &dyn Journal,
    catalog: &Catalog,
    selectors: &[Selector],
    (from, to): (i64, i64),
    args: &RecordArgs,
) -> anyhow::Result<Fixture> {
    let partitions = find_topic(journal, TOPIC_DATA).await?.partitions;
    let is_wanted = |key: &SeriesKey| selectors.iter().any(|selector| selector.matches(key));
    let mut slice = Slice::default();
    for series in catalog.series_since(0).into_iter().filter(|series| is_wanted(&series.key)) {
        let partition = (series.key.partition_hash() % u64::from(partitions)) as u32;
        let known = FixtureSeries { key: series.key.clone(), value_type: series.value_type };
        slice.wanted.insert(series.id, (partition, known));
    }
    let mut places: Vec<_> = slice.wanted.values().map(|(partition, _)| *partition).collect();
    places.sort_unstable();
    places.dedup();
    let taken: Vec<u32> = match (args.partition, places.as_slice()) {
        _ if args.merge_partitions => (0..partitions).collect(),
        (Some(partition), _) => vec![partition],
        (None, []) => return Ok(Fixture::default()),
        (None, [partition]) => vec![*partition],
        (None, several) => {
            let message = format!(
                "the series lie in partitions {several:?}: choose one with --partition, or take all with --merge-partitions"
            );
            return Err(ended(Exit::Usage, message));
        }
    };
    let mut sources = Vec::new();
    for partition in taken {
        let at = TopicPartition::new(TOPIC_DATA, partition);
        let (next, end) = (journal.find(&at, from).await?, journal.bounds(&at).await?.durable);
        sources.push(Stretch::new(at, next, end));
    }
    let mut merge = Merge::new(sources.len());
    loop {
        while let Some((index, record, _)) = merge.take() {
            if record.ingest_time >= to {
                return Ok(slice.fixture);
            }
            // Of partitions that are merged, only the first one's heartbeats mean something to an operator.
            let is_idle_talk = index > 0 && record.kind() == Some(RecordKind::Heartbeat);
            if record.ingest_time >= from && !is_idle_talk {
                let offset = if args.merge_partitions { slice.fixture.steps.len() as u64 + 1 } else { record.offset.0 };
                slice.take(&record, offset)?;
            }
            if slice.rows > args.max_rows {
                let message = format!(
                    "more than {} rows: take a shorter time or fewer series, or raise --max-rows",
                    args.max_rows
                );
                return Err(ended(Exit::Refused, message));
            }
        }
        let Some(index) = merge.wants() else {
            return Ok(slice.fixture);
        };
        match sources[index].read(journal).await? {
            Some(batch) => merge.push(index, batch),
            None => merge.end(index),
        }
    }
}

#[derive(Default)]
struct Slice {
    fixture: Fixture,
    wanted: HashMap<SeriesId, (u32, FixtureSeries)>,
    /// Places in the fixture.
    places: HashMap<SeriesId, usize>,
    rows: usize,
}

impl Slice {
    fn take(&mut self, record: &Record, offset: u64) -> anyhow::Result<()> {
        let malformed = || format!("record at {}", record.offset);
        let event = match record.kind() {
            Some(RecordKind::Heartbeat) => {
                Event::Heartbeat(Heartbeat::parse(&record.payload).with_context(malformed)?.time)
            }
            Some(RecordKind::Samples) => {
                let rows = self.rows_of(&SamplesView::parse(&record.payload).with_context(malformed)?);
                if rows.is_empty() {
                    return Ok(());
                }
                self.rows += rows.len();
                Event::Samples(rows)
            }
            _ => return Ok(()),
        };
        self.fixture.steps.push(Step { offset, event });
        Ok(())
    }

    fn rows_of(&mut self, view: &SamplesView<'_>) -> Vec<Row> {
        let mut rows = Vec::new();
        for column in view.columns() {
            for run in column.runs() {
                let Some((_, series)) = self.wanted.get(&run.series) else {
                    continue;
                };
                let next = self.fixture.series.len();
                let place = *self.places.entry(run.series).or_insert(next);
                if place == next {
                    self.fixture.series.push(series.clone());
                }
                rows.extend((run.first..run.first + run.rows).map(|row| Row {
                    series: place,
                    time: column.time(row),
                    value: column.value(row),
                    quality: column.quality(row),
                }));
            }
        }
        rows
    }
}
