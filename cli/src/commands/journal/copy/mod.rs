//! `tidemill journal copy`: moves topics to another journal, of whatever kind.
//!
//! 1. Every topic is made in the other journal, for the time being with nothing to be dropped.
//! 2. Partition by partition, batches are read and appended in order; producer, epoch, sequence, kind and key stay. After each
//!    append the map gets a line: which offset of the one journal is which of the other.
//! 3. Both sides are read again and compared record by record; the digest says what is on both, and the map becomes denser.
//! 4. The topics get the retention that they have in the first journal.
//!
//! A copy that was cut off goes on with `--resume`: what the other journal has beyond the map's last line is compared, not
//! copied again, so that nothing is there twice. What the first journal gets meanwhile is copied by the next `--resume`.
//! Ingest times are those of the copy, because a journal stamps what it takes.

mod compare;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use indicatif::ProgressBar;
use serde_json::json;
use tidemill_journal::{Batch, Env, ErrorKind, Journal, ReadLimits, Receipt, Retention, TopicConfig, TopicPartition};
use tidemill_model::{NewRecord, Offset, Record};
use tidemill_server::journals::{JournalOptions, Opening};

use self::compare::{Compared, compare, skip_copied};
use super::map::{MapWriter, PositionMap};
use super::{TOOL, find_topic, open, world};
use crate::commands::serve::{journal_settings, journal_url};
use crate::exit::{Exit, ended};
use crate::output::{self, Context, say, thousands};
use crate::progress;

/// How long the other journal may refuse for now before the copy gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause before an append that was refused for now is made again.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Options of `tidemill journal copy`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidemill journal copy --from tidemill-data/journal --to object:///srv/journal
  tidemill journal copy --from tidemill-data/journal --to kafka://broker:9092/plant --to-settings kafka.conf --resume

To move a node: copy while it runs, stop it, copy again with --resume, and start a node with the other journal and a new data
directory. Plugins come with the copy, replicas are rebuilt from it and operators compute again.")]
pub struct CopyArgs {
    /// The journal to copy; one in a directory may be in use by a node
    #[arg(long, value_name = "URL")]
    pub from: String,
    /// The journal to copy into; nobody else may write these topics meanwhile
    #[arg(long, value_name = "URL")]
    pub to: String,
    /// A topic to copy; may be given several times [default: all]
    #[arg(long = "topic", value_name = "TOPIC")]
    pub topics: Vec<String>,
    /// Go on with a copy, or copy what has come since
    #[arg(long)]
    pub resume: bool,
    /// Where to write which offsets correspond
    #[arg(long, value_name = "FILE", default_value = "tidemill-copy.map")]
    pub map: PathBuf,
    /// Settings of the journal to copy
    #[arg(long, value_name = "FILE")]
    pub from_settings: Option<PathBuf>,
    /// Settings of the journal to copy into
    #[arg(long, value_name = "FILE")]
    pub to_settings: Option<PathBuf>,
}

/// A copy under way.
struct Copy {
    from: Arc<dyn Journal>,
    to: Arc<dyn Journal>,
    env: Arc<dyn Env>,
    map: MapWriter,
    known: Option<PositionMap>,
    bar: ProgressBar,
}

/// A partition that is on both sides.
struct Span {
    at: TopicPartition,
    from: (Offset, Offset),
    to: (Offset, Offset),
}

pub(super) async fn run(context: &Context, args: &CopyArgs) -> anyhow::Result<()> {
    let options = |url: &str, settings: &Option<PathBuf>, opening| {
        let settings = journal_settings(settings.as_deref())?;
        anyhow::Ok(JournalOptions { settings, ..JournalOptions::new(journal_url(url)?, opening, TOOL) })
    };
    let from = options(&args.from, &args.from_settings, Opening::Read)?;
    let to = options(&args.to, &args.to_settings, Opening::Create)?;
    let source = open(&from).await.with_context(|| format!("open {}", from.url))?;
    let topics = wanted(&*source, &args.topics).await?;
    let target = open(&to).await.with_context(|| format!("open {}", to.url))?;
    let result = copy_all(context, args, (&from, source), (&to, target.clone()), topics, world()).await;
    target.close().await;
    result
}

async fn copy_all(
    context: &Context,
    args: &CopyArgs,
    (from, source): (&JournalOptions, Arc<dyn Journal>),
    (to, target): (&JournalOptions, Arc<dyn Journal>),
    topics: Vec<TopicConfig>,
    env: Arc<dyn Env>,
) -> anyhow::Result<()> {
    let ids = (source.identity(), target.identity());
    if ids.0 == ids.1 {
        let message = format!("{} and {} are the same journal, {}", from.url, to.url, ids.0);
        return Err(ended(Exit::Refused, message));
    }
    let places = (from.url.to_string(), to.url.to_string());
    let (map, known) = if args.resume && MapWriter::is_begun(&args.map) {
        let (map, known) = MapWriter::resume(&args.map, ids.0, ids.1)?;
        (map, Some(known))
    } else {
        if !args.resume {
            require_empty(&*target, to, &topics).await?;
        }
        (MapWriter::create(&args.map, (ids.0, &places.0), (ids.1, &places.1))?, None)
    };
    let mut copy = Copy { from: source, to: target, env, map, known, bar: ProgressBar::hidden() };
    let spans = copy.copy_topics(&topics).await?;
    let mut whole = MapWriter::successor(&args.map, (ids.0, &places.0), (ids.1, &places.1))?;
    if let Some(known) = &copy.known {
        known.copy_to(&mut whole, |at| spans.iter().any(|span| span.at == *at))?;
    }
    let compared = copy.compare(&spans, &mut whole).await?;
    whole.succeed(&args.map)?;
    for topic in topics {
        copy.to.create(topic).await.context("set the retention of the copy")?;
    }
    for (span, compared) in spans.iter().zip(compared) {
        report(context, span, &compared)?;
    }
    let (from, to, map) = (&from.url, &to.url, args.map.display());
    say(format_args!("{to} holds what {from} held; `tidemill journal position --map {map}` translates positions"));
    Ok(())
}

async fn wanted(journal: &dyn Journal, names: &[String]) -> anyhow::Result<Vec<TopicConfig>> {
    if names.is_empty() {
        return Ok(journal.topics().await?);
    }
    let mut topics = Vec::new();
    for name in names {
        topics.push(find_topic(journal, name).await?);
    }
    Ok(topics)
}

/// Nothing is mixed with what is there already.
async fn require_empty(to: &dyn Journal, options: &JournalOptions, topics: &[TopicConfig]) -> anyhow::Result<()> {
    for topic in to.topics().await?.iter().filter(|there| topics.iter().any(|topic| topic.name == there.name)) {
        for partition in 0..topic.partitions {
            let bounds = to.bounds(&TopicPartition::new(&topic.name, partition)).await?;
            if bounds.records > 0 {
                let (name, records, url) = (&topic.name, thousands(bounds.records), &options.url);
                let message = format!("topic {name:?} in {url} holds {records} records already");
                let remedy = "choose another journal, or go on with --resume if they are a copy that was cut off";
                return Err(ended(Exit::Refused, format!("{message}: {remedy}")));
            }
        }
    }
    Ok(())
}

fn report(context: &Context, span: &Span, compared: &Compared) -> anyhow::Result<()> {
    let (at, Compared { records, bytes, digest }) = (&span.at, compared);
    if context.json {
        output::json(&json!({
            "topic": at.topic, "partition": at.partition, "records": records, "bytes": bytes,
            "digest": format!("{digest:032x}"), "from_start": span.from.0.0, "from_end": span.from.1.0,
            "to_start": span.to.0.0, "to_end": span.to.1.0,
        }))?;
        return Ok(());
    }
    let (records, bytes) = (thousands(*records), thousands(*bytes));
    Ok(output::line(format!("{}/{}: {records} records, {bytes} bytes, digest {digest:032x}", at.topic, at.partition))?)
}

impl Copy {
    async fn copy_topics(&mut self, topics: &[TopicConfig]) -> anyhow::Result<Vec<Span>> {
        let mut ends = Vec::new();
        for topic in topics {
            // What is copied must stay until it has been compared.
            let keep = TopicConfig { retention: Retention::default(), ..topic.clone() };
            self.to.create(keep).await.with_context(|| format!("make topic {:?}", topic.name))?;
            for partition in 0..topic.partitions {
                let at = TopicPartition::new(&topic.name, partition);
                let bounds = self.from.bounds(&at).await?;
                ends.push((at, bounds));
            }
        }
        self.bar = progress::count(ends.iter().map(|(_, bounds)| bounds.records).sum(), "copying");
        let mut spans = Vec::new();
        for (at, bounds) in ends {
            let last = self.known.as_ref().and_then(|map| map.last(&at));
            let first = self.known.as_ref().and_then(|map| map.first(&at));
            let (start, to_start) = match first {
                Some(first) => first,
                None => {
                    let first = (bounds.start, self.to.bounds(&at).await?.start);
                    self.map.add(&at, first.0, first.1)?;
                    first
                }
            };
            let to_end = self.copy_partition(&at, last.unwrap_or((start, to_start)), bounds.durable).await?;
            spans.push(Span { at, from: (start, bounds.durable), to: (to_start, to_end) });
        }
        self.map.sync()?;
        self.bar.finish_and_clear();
        Ok(spans)
    }

    /// Copies from what the map knows to `until`; returns where the copy ends.
    async fn copy_partition(
        &mut self,
        at: &TopicPartition,
        last: (Offset, Offset),
        until: Offset,
    ) -> anyhow::Result<Offset> {
        let copied = skip_copied(&*self.from, &*self.to, at, last).await?;
        let (mut from, mut to) = copied;
        if copied != last {
            self.map.add(at, from, to)?;
        }
        let mut batch = self.read(at, from, until).await?;
        while !batch.records.is_empty() {
            let (appended, next) = tokio::join!(self.append(at, &batch.records), self.read(at, batch.next, until));
            (from, to) = (batch.next, appended?.end);
            self.map.add(at, from, to)?;
            self.map.flush()?;
            self.bar.inc(batch.records.len() as u64);
            batch = next?;
        }
        Ok(to)
    }

    /// Records before `until`.
    async fn read(&self, at: &TopicPartition, from: Offset, until: Offset) -> anyhow::Result<Batch> {
        if from >= until {
            return Ok(Batch { records: Vec::new(), next: from });
        }
        let batch = self.from.read(at, from, ReadLimits::default()).await;
        let mut batch = batch.with_context(|| format!("read {}/{} at {from}", at.topic, at.partition))?;
        if batch.next > until {
            batch.records.retain(|record| record.offset < until);
            batch.next = until;
        }
        Ok(batch)
    }

    async fn append(&self, at: &TopicPartition, records: &[Record]) -> anyhow::Result<Receipt> {
        let records = records.iter().map(again).collect::<anyhow::Result<Vec<_>>>()?;
        let until = self.env.monotonic() + PATIENCE;
        loop {
            match self.to.append(at, records.clone()).await {
                Err(error) if error.kind() == ErrorKind::Retry && self.env.monotonic() < until => {
                    self.env.sleep(RETRY_PAUSE).await;
                }
                result => return result.context("the copy stopped; go on with --resume"),
            }
        }
    }

    async fn compare(&mut self, spans: &[Span], map: &mut MapWriter) -> anyhow::Result<Vec<Compared>> {
        self.bar = progress::count(self.bar.length().unwrap_or(0), "comparing");
        let mut all = Vec::new();
        for span in spans {
            all.push(compare(&*self.from, &*self.to, span, &self.bar, map).await?);
        }
        self.bar.finish_and_clear();
        Ok(all)
    }
}

/// A record as it is appended once more.
fn again(record: &Record) -> anyhow::Result<NewRecord> {
    let kind = record.kind().with_context(|| {
        let (offset, number) = (record.offset, record.kind_number);
        format!("the record at {offset} is of kind {number}, which this version does not know: use a newer one")
    })?;
    let Record { producer, epoch, sequence, .. } = *record;
    Ok(NewRecord { kind, producer, epoch, sequence, key: record.key.clone(), payload: record.payload.clone() })
}
