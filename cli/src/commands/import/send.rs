//! Sends a file chunk by chunk and keeps account.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use csv::StringRecord;
use serde_json::json;
use xxhash_rust::xxh3::Xxh3;

use super::ImportArgs;
use super::convert::{Converted, convert};
use super::mapping::Mapping;
use super::survey::{Survey, reader};
use crate::clock::now_ns;
use crate::deliver::{Request, deliver};
use crate::exit::{Exit, ended};
use crate::output::{self, Context, say, thousands};
use crate::progress;
use crate::time::format_time;

/// Rows per request. Part of what makes a repeated import send the same requests: changing it changes the identity.
const CHUNK_ROWS: usize = 5000;
/// Bad rows that are kept in full; the others are counted.
const SHOWN_MAX: usize = 10;
/// Lines that a dry run shows.
const PREVIEW_LINES: usize = 5;
/// Rows whose times are remembered to count repetitions, 8 bytes each.
const REMEMBERED_MAX: usize = 20_000_000;
/// How long a node may be away before the import gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came of an import.
#[derive(Debug, Default)]
pub struct Report {
    rows: u64,
    lines: u64,
    empty: u64,
    repeated: u64,
    bad: u64,
    shown: Vec<(u64, String)>,
    span: Option<(i64, i64)>,
    position: Option<String>,
    seen: HashSet<u64>,
}

/// A chunk in the making: lines, and the file's line number of each.
#[derive(Default)]
struct Chunk {
    body: String,
    lines: Vec<u64>,
    sequence: u64,
}

/// Converts and sends the whole file.
///
/// # Errors
/// When the file cannot be read or the node does not take a chunk.
pub fn send_file(context: &Context, args: &ImportArgs, mapping: &Mapping, survey: &Survey) -> anyhow::Result<Report> {
    let producer = producer(args, mapping).with_context(|| format!("read {}", args.file.display()))?;
    let file = File::open(&args.file)?;
    let bar = progress::bytes(file.metadata()?.len(), "importing");
    let mut rows = reader(BufReader::with_capacity(1 << 20, file), survey.delimiter);
    let mut report = Report::default();
    let mut chunk = Chunk { sequence: 1, ..Chunk::default() };
    let mut row = StringRecord::new();
    let mut in_chunk = 0;
    loop {
        let line = rows.position().line();
        match rows.read_record(&mut row) {
            Ok(false) => break,
            Ok(true) => {
                let line = row.position().map_or(line, csv::Position::line);
                report.take(line, convert(mapping, &survey.header, &row, &mut chunk.body), &mut chunk.lines);
            }
            Err(error) => {
                report.rows += 1;
                report.bad_row(unreadable(&error, line)?, "the row is not UTF-8".to_owned());
            }
        }
        in_chunk += 1;
        if in_chunk == CHUNK_ROWS {
            in_chunk = 0;
            finish_chunk(context, args, &producer, &mut chunk, &mut report)?;
            bar.set_position(rows.position().byte());
        }
    }
    finish_chunk(context, args, &producer, &mut chunk, &mut report)?;
    bar.finish_and_clear();
    Ok(report)
}

/// The line of a row that is not text; any other error ends the import.
fn unreadable(error: &csv::Error, line: u64) -> anyhow::Result<u64> {
    match error.kind() {
        csv::ErrorKind::Utf8 { pos, .. } => Ok(pos.as_ref().map_or(line, csv::Position::line)),
        _ => Err(anyhow::anyhow!("line {line}: {error}")),
    }
}

/// The import's identity: what is written is a function of the file's bytes and the mapping.
fn producer(args: &ImportArgs, mapping: &Mapping) -> std::io::Result<String> {
    let mut hash = hash_file(&args.file)?;
    hash.update(format!("{CHUNK_ROWS} {mapping:?}").as_bytes());
    if args.again {
        hash.update(&now_ns().to_le_bytes());
    }
    Ok(format!("import/{:032x}", hash.digest128()))
}

fn hash_file(path: &Path) -> std::io::Result<Xxh3> {
    let mut file = File::open(path)?;
    let (mut hash, mut buffer) = (Xxh3::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash),
            bytes => hash.update(&buffer[..bytes]),
        }
    }
}

fn finish_chunk(
    context: &Context,
    args: &ImportArgs,
    producer: &str,
    chunk: &mut Chunk,
    report: &mut Report,
) -> anyhow::Result<()> {
    if args.dry_run {
        if chunk.sequence == 1 {
            chunk.body.lines().take(PREVIEW_LINES).try_for_each(output::line)?;
        }
    } else if !chunk.lines.is_empty() {
        deliver_chunk(context, producer, chunk, report)?;
    }
    chunk.body.clear();
    chunk.lines.clear();
    chunk.sequence += 1;
    Ok(())
}

fn deliver_chunk(context: &Context, producer: &str, chunk: &Chunk, report: &mut Report) -> anyhow::Result<()> {
    let body = chunk.body.as_bytes();
    let request = Request { body, precision: "ns", identity: Some((producer, chunk.sequence)), ..Request::default() };
    let receipt = deliver(&context.client, &request, PATIENCE, &|| false)
        .context("the import stopped; run the same command again and it continues where it stopped")?;
    report.position = receipt.position.or(report.position.take());
    for bad in receipt.bad {
        let index = usize::try_from(bad.line.saturating_sub(1)).unwrap_or(usize::MAX);
        report.bad_row(chunk.lines.get(index).copied().unwrap_or(0), bad.reason);
        report.lines = report.lines.saturating_sub(1);
    }
    Ok(())
}

impl Report {
    fn take(&mut self, line: u64, converted: Result<Converted, String>, lines: &mut Vec<u64>) {
        self.rows += 1;
        match converted {
            Ok(Converted::Line { key, time }) => {
                self.lines += 1;
                lines.push(line);
                let (first, last) = self.span.unwrap_or((time, time));
                self.span = Some((first.min(time), last.max(time)));
                if self.seen.len() < REMEMBERED_MAX {
                    self.repeated += u64::from(!self.seen.insert(key));
                }
            }
            Ok(Converted::Empty) => self.empty += 1,
            Err(reason) => self.bad_row(line, reason),
        }
    }

    fn bad_row(&mut self, line: u64, reason: String) {
        self.bad += 1;
        if self.shown.len() < SHOWN_MAX {
            self.shown.push((line, reason));
        }
    }

    /// Tells what came of it.
    ///
    /// # Errors
    /// When rows were bad.
    pub fn print(&self, context: &Context, args: &ImportArgs) -> anyhow::Result<()> {
        if context.json && !args.dry_run {
            let bad: Vec<_> = self.shown.iter().map(|(line, why)| json!({ "line": line, "reason": why })).collect();
            output::json(&json!({
                "rows": self.rows, "stored": self.lines, "empty": self.empty, "repeated": self.repeated,
                "bad": self.bad, "bad_rows": bad, "position": self.position,
            }))?;
        }
        for (line, reason) in &self.shown {
            say(format_args!("line {line}: {reason}"));
        }
        let verb = if args.dry_run { "would be stored" } else { "are stored" };
        say(format_args!("{} of {} rows {verb}{}", thousands(self.lines), thousands(self.rows), self.details()));
        if self.bad > 0 {
            let what = if self.bad == 1 { "1 row is".to_owned() } else { format!("{} rows are", thousands(self.bad)) };
            return Err(ended(Exit::Failure, format!("{what} bad; the others {verb}")));
        }
        Ok(())
    }

    fn details(&self) -> String {
        let mut out = String::new();
        if let Some((first, last)) = self.span {
            out += &format!(", {} to {}", format_time(first), format_time(last));
        }
        if self.repeated > 0 {
            out += &format!("; {} repeat an earlier time, the later line wins", thousands(self.repeated));
        }
        if self.empty > 0 {
            out += &format!("; {} have no value", thousands(self.empty));
        }
        out
    }
}
