//! `tidemill write`: sends line protocol in chunks.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use crate::deliver::{self, BadLine, Receipt, Request};
use crate::exit::{Exit, ended};
use crate::output::{self, Context, say, thousands};

/// Bad lines that are shown in full; the others are counted.
const SHOWN_MAX: usize = 10;
/// A chunk ends before it grows beyond this, whatever its number of lines: the node has a limit too.
const CHUNK_BYTES_MAX: usize = 16 << 20;

/// Options of `tidemill write`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  echo 'room,floor=2 temperature=21.5' | tidemill write
  tidemill write readings.lp.gz --precision s
  tidemill write batch-17.lp --producer plc4 --sequence 1700    safe to repeat: nothing is stored twice

Prints the position that covers what was written: give it to `tidemill sql --at-least`.")]
pub struct WriteArgs {
    /// File with line protocol, plain or gzip; - is standard input
    #[arg(default_value = "-")]
    pub file: PathBuf,
    /// Unit of the times
    #[arg(long, default_value = "ns", value_parser = ["ns", "us", "ms", "s"])]
    pub precision: String,
    /// Lines per request
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..))]
    pub chunk: u32,
    /// Compress requests
    #[arg(long)]
    pub gzip: bool,
    /// Who writes: with --sequence, repeating the command writes nothing twice
    #[arg(long, requires = "sequence")]
    pub producer: Option<String>,
    /// Sequence of the first request; it grows by one with every further request
    #[arg(long, requires = "producer")]
    pub sequence: Option<u64>,
    /// When a write counts as done: durable, or applied:K for readable on K replicas
    #[arg(long)]
    pub ack: Option<String>,
}

/// Sends the lines.
///
/// # Errors
/// When the file cannot be read, the node does not answer, or a line is bad; good lines are stored all the same.
pub fn run(context: &Context, args: &WriteArgs) -> anyhow::Result<()> {
    let mut chunks = Chunks { lines: open(&args.file)?, lines_max: args.chunk as usize };
    let (mut total, mut position, mut bad) = (0_u64, None, Vec::new());
    let mut sequence = args.sequence.unwrap_or(0);
    while let Some((chunk, lines)) = chunks.next().with_context(|| format!("read {}", args.file.display()))? {
        let receipt = send(context, args, &chunk, sequence)?;
        bad.extend(receipt.bad.into_iter().map(|line| BadLine { line: line.line + total, ..line }));
        position = receipt.position.or(position);
        total += lines;
        sequence += 1;
    }
    report(context, total, position, &bad)
}

fn send(context: &Context, args: &WriteArgs, chunk: &[u8], sequence: u64) -> anyhow::Result<Receipt> {
    let packed = if args.gzip { pack(chunk)? } else { Vec::new() };
    let identity = args.producer.as_deref().map(|producer| (producer, sequence));
    let request = Request {
        body: if args.gzip { &packed } else { chunk },
        precision: &args.precision,
        identity,
        ack: args.ack.as_deref(),
        is_gzip: args.gzip,
    };
    Ok(match identity {
        Some(_) => deliver::deliver(&context.client, &request, Duration::from_secs(60), &|| false)?,
        None => deliver::send(&context.client, &request)?,
    })
}

fn report(context: &Context, total: u64, position: Option<String>, bad: &[BadLine]) -> anyhow::Result<()> {
    if context.json {
        let line = |bad: &BadLine| json!({ "line": bad.line, "reason": bad.reason, "text": bad.text });
        let lines: Vec<_> = bad.iter().map(line).collect();
        output::json(&json!({ "lines": total, "position": position, "bad": lines }))?;
    } else if let Some(position) = position {
        output::line(position)?;
    }
    for line in bad.iter().take(SHOWN_MAX).filter(|_| !context.json) {
        say(format_args!("line {}: {}: {}", line.line, line.reason, line.text));
    }
    if !bad.is_empty() {
        let message = format!("{} of {total} lines are bad and were not stored; the others were", bad.len());
        return Err(ended(Exit::Failure, message));
    }
    say(format_args!("{} lines written", thousands(total)));
    Ok(())
}

/// Opens a file or standard input; gzip is recognised by its first bytes.
fn open(file: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    let raw: Box<dyn Read> = match file.to_str() {
        Some("-") => Box::new(std::io::stdin()),
        _ => Box::new(std::fs::File::open(file).with_context(|| format!("open {}", file.display()))?),
    };
    let mut reader = BufReader::with_capacity(1 << 16, raw);
    let is_gzip = reader.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    Ok(if is_gzip { Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(reader))) } else { Box::new(reader) })
}

fn pack(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Cuts lines into chunks.
struct Chunks {
    lines: Box<dyn BufRead>,
    lines_max: usize,
}

impl Chunks {
    /// The next chunk and its number of lines.
    fn next(&mut self) -> std::io::Result<Option<(Vec<u8>, u64)>> {
        let (mut chunk, mut lines) = (Vec::new(), 0);
        while lines < self.lines_max as u64 && chunk.len() < CHUNK_BYTES_MAX {
            if self.lines.read_until(b'\n', &mut chunk)? == 0 {
                break;
            }
            lines += 1;
        }
        Ok((lines > 0).then_some((chunk, lines)))
    }
}
