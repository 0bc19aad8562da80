//! `tidemill journal topics`: what is in a journal.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tidemill_journal::{Bounds, Retention, TopicConfig, TopicPartition};
use tidemill_journal_embedded::{Hold, open_read_only};
use tidemill_server::journals::{JournalUrl, Opening};

use super::{Place, open};
use crate::output::{self, Context, has_colour, say, thousands};
use crate::table::Table;
use crate::time::format_time;

/// One line per partition.
struct Line {
    topic: TopicConfig,
    partition: u32,
    bounds: Bounds,
    bytes: Option<u64>,
    /// What retention keeps for the sake of followers.
    holds: Vec<Hold>,
}

pub(super) async fn run(context: &Context, place: &Place) -> anyhow::Result<()> {
    let options = place.options(Opening::Read)?;
    let journal = open(&options).await?;
    let mut lines = Vec::new();
    let holds = match &options.url {
        JournalUrl::Embedded(dir) => open_read_only(dir)?.holds()?,
        _ => Vec::new(),
    };
    for topic in journal.topics().await? {
        for partition in 0..topic.partitions {
            let at = TopicPartition::new(&topic.name, partition);
            let bounds = journal.bounds(&at).await?;
            let holds = holds.iter().filter(|hold| hold.at == at).cloned().collect();
            let bytes = match &options.url {
                JournalUrl::Embedded(dir) => size_of(&dir.join(&topic.name).join(partition.to_string())).ok(),
                _ => None,
            };
            lines.push(Line { topic: topic.clone(), partition, bounds, bytes, holds });
        }
    }
    if context.json {
        return lines.iter().try_for_each(print_json);
    }
    say(format_args!("journal {} in {} ({})", journal.identity(), options.url, options.url.kind()));
    let header = ["topic", "partition", "start", "durable", "records", "bytes", "retention", "kept since", "held from"];
    let mut table = Table::new(std::io::stdout().lock(), header.map(str::to_owned).to_vec(), has_colour());
    for line in lines {
        let Bounds { start, durable, records, kept_since, .. } = line.bounds;
        table.row(vec![
            line.topic.name.clone(),
            line.partition.to_string(),
            start.to_string(),
            durable.to_string(),
            records.to_string(),
            line.bytes.map_or_else(String::new, |bytes| bytes.to_string()),
            retention(line.topic.retention),
            kept_since.map_or_else(String::new, format_time),
            line.holds.iter().min_by_key(|hold| hold.from).map_or_else(String::new, held),
        ])?;
    }
    Ok(table.finish()?)
}

fn print_json(line: &Line) -> anyhow::Result<()> {
    let Retention { age, bytes, compacted } = line.topic.retention;
    let bounds = line.bounds;
    output::json(&json!({
        "topic": line.topic.name, "partition": line.partition, "start": bounds.start.0, "durable": bounds.durable.0,
        "records": bounds.records, "bytes": line.bytes, "retention_age_s": age.map(|age| age.as_secs_f64()),
        "retention_bytes": bytes, "compacted": compacted, "kept_since": bounds.kept_since.map(format_time),
        "holds": line.holds.iter().map(|h| json!({"follower": h.follower, "from": h.from.0})).collect::<Vec<_>>(),
    }))?;
    Ok(())
}

/// Who still needs the oldest records, and from where on.
fn held(hold: &Hold) -> String {
    format!("{} by {}", hold.from, hold.follower)
}

/// How long records are kept, in words.
fn retention(retention: Retention) -> String {
    let age = |age: Duration| match age.as_secs() {
        s if s >= 86_400 && s % 86_400 == 0 => format!("{} d", s / 86_400),
        s if s >= 3_600 && s % 3_600 == 0 => format!("{} h", s / 3_600),
        _ => format!("{} s", age.as_secs_f64()),
    };
    let parts = [
        retention.age.map(age),
        retention.bytes.map(|bytes| format!("{} B", thousands(bytes))),
        retention.compacted.then(|| "newest per key".to_owned()),
    ];
    let words: Vec<_> = parts.into_iter().flatten().collect();
    if words.is_empty() { "everything".to_owned() } else { words.join(", ") }
}

pub(super) fn size_of(dir: &Path) -> std::io::Result<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        total += if entry.file_type()?.is_dir() { size_of(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(total)
}
