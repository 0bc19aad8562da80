//! `tidemill tail`: follows series as they are written.
//!
//! Every event carries a position. When the connection ends, the next one starts from the last position seen, so that
//! nothing is missed and nothing is told twice; a gap that the node reports is passed on.

use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::client::{Client, ClientError};
use crate::clock::{pause, start_thread};
use crate::commands::series::{ns, text};
use crate::output::{self, Context, say};
use crate::sse::{Event, Parser};
use crate::time::format_time;

/// A node sends a heartbeat every second or so: after this silence the connection is given up.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// Longest pause before a new connection.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Options of `tidemill tail`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidemill tail                                    everything, newest values first
  tidemill tail 'turbine:power{unit=T1}' --from earliest
  tidemill tail --json | jq .value")]
pub struct TailArgs {
    /// Which series, as measurement:field{label=pattern}; * matches anything
    #[arg(default_value = "*")]
    pub selector: String,
    /// Where to start: snapshot (newest value of each series), earliest, or a position
    #[arg(long, default_value = "snapshot")]
    pub from: String,
    /// Stop after this many samples
    #[arg(long, value_name = "SAMPLES")]
    pub limit: Option<u64>,
}

/// Follows until it is stopped.
///
/// # Errors
/// When the first connection fails, or the node refuses.
pub fn run(context: &Context, args: &TailArgs) -> anyhow::Result<()> {
    let mut tail = Tail { context, limit: args.limit.unwrap_or(u64::MAX), last_id: None };
    let mut delay = Duration::from_millis(200);
    let mut is_first = true;
    while tail.limit > 0 {
        let from = tail.last_id.clone().unwrap_or_else(|| args.from.clone());
        match connect(&context.client, &args.selector, &from) {
            Ok(pieces) => {
                if !is_first {
                    say("connected again");
                }
                is_first = false;
                delay = Duration::from_millis(200);
                tail.follow(&pieces)?;
                if tail.limit > 0 {
                    say("the connection ended; connecting again");
                }
            }
            Err(error) if is_first || !error.is_passing() => return Err(error.into()),
            Err(error) if context.verbose => say(error),
            Err(_) => {}
        }
        if tail.limit > 0 {
            pause(delay);
            delay = (delay * 2).min(PAUSE_MAX);
        }
    }
    Ok(())
}

/// Opens the stream; a thread of its own reads it, so that silence is noticed.
fn connect(client: &Client, selector: &str, from: &str) -> Result<Receiver<Vec<u8>>, ClientError> {
    let query = [("series", selector), ("from", from)];
    let answer = client.get("/api/v1/live", &query, &[("Accept", "text/event-stream")])?;
    let (sender, receiver) = sync_channel(16);
    start_thread(move || {
        let (mut reader, mut buffer) = (answer.reader(), vec![0; 1 << 16]);
        while let Ok(bytes @ 1..) = reader.read(&mut buffer) {
            if sender.send(buffer[..bytes].to_vec()).is_err() {
                break;
            }
        }
    });
    Ok(receiver)
}

struct Tail<'a> {
    context: &'a Context,
    /// Samples still to be told.
    limit: u64,
    last_id: Option<String>,
}

impl Tail<'_> {
    /// Tells events until the connection ends.
    fn follow(&mut self, pieces: &Receiver<Vec<u8>>) -> anyhow::Result<()> {
        let mut parser = Parser::default();
        while self.limit > 0 {
            match pieces.recv_timeout(SILENCE_MAX) {
                Ok(piece) => parser.feed(&piece)?.iter().try_for_each(|event| self.tell(event))?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        Ok(())
    }

    fn tell(&mut self, event: &Event) -> anyhow::Result<()> {
        let data: Value = serde_json::from_str(&event.data).unwrap_or(Value::Null);
        match event.name.as_str() {
            "snapshot" | "samples" => self.tell_samples(&data)?,
            "gap" => self.tell_gap(&data)?,
            "delete" => self.tell_delete(&data)?,
            "slow" => say(format_args!("the node cut this connection: {}", text(&data["reason"]))),
            "error" => say(format_args!("the node reports: {}", event.data)),
            _ => {}
        }
        // Only now: an event that was not told in full is asked for again.
        if event.id.is_some() {
            self.last_id.clone_from(&event.id);
        }
        Ok(())
    }

    fn tell_gap(&self, data: &Value) -> anyhow::Result<()> {
        say(format_args!("gap: {}", text(&data["reason"])));
        if self.context.json {
            output::json(&json!({ "gap": data }))?;
        }
        Ok(())
    }

    fn tell_delete(&self, data: &Value) -> anyhow::Result<()> {
        match self.context.json {
            true => output::json(&json!({ "delete": data }))?,
            false => say(format_args!("a range of samples was deleted: {data}")),
        }
        Ok(())
    }

    fn tell_samples(&mut self, data: &Value) -> anyhow::Result<()> {
        for series in data["series"].as_array().into_iter().flatten() {
            for sample in samples_of(series) {
                if self.limit == 0 {
                    return Ok(());
                }
                self.limit -= 1;
                match self.context.json {
                    true => output::json(&sample.to_json(&data["position"]))?,
                    false => output::line(sample.to_text())?,
                }
            }
        }
        Ok(())
    }
}

/// One sample of a live event.
#[derive(Debug, PartialEq)]
pub struct LiveSample {
    key: String,
    time: i64,
    value: Value,
    quality: u64,
}

/// The samples in one element of an event's `series`.
pub fn samples_of(series: &Value) -> Vec<LiveSample> {
    let key = text(&series["key"]);
    let first = ns(&series["t0"]).unwrap_or(0);
    let steps = series["dt"].as_array().into_iter().flatten();
    let values = series["values"].as_array().into_iter().flatten();
    let sample = |(i, (step, value)): (usize, (&Value, &Value))| LiveSample {
        key: key.clone(),
        time: first.saturating_add(ns(step).unwrap_or(0)),
        value: value.clone(),
        quality: series["quality"][i].as_u64().unwrap_or(0),
    };
    steps.zip(values).enumerate().map(sample).collect()
}

impl LiveSample {
    fn to_json(&self, position: &Value) -> Value {
        let (time, time_ns) = (format_time(self.time), self.time.to_string());
        json!({
            "series": self.key, "time": time, "time_ns": time_ns, "value": self.value, "quality": self.quality,
            "position": position,
        })
    }

    fn to_text(&self) -> String {
        let quality = if self.quality == 0 { String::new() } else { format!("  quality {:#010x}", self.quality) };
        format!("{}  {}  {}{quality}", format_time(self.time), self.key, text(&self.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_event_becomes_lines() {
        let series = json!({ "key": "turbine:power{unit=T1}", "type": "float", "t0": "1000000000",
            "dt": [0, 500_000_000], "values": [1.5, 2], "quality": [0, 0x8000_0000_u32] });
        let lines: Vec<String> = samples_of(&series).iter().map(LiveSample::to_text).collect();
        assert_eq!(lines[0], "1970-01-01T00:00:01Z  turbine:power{unit=T1}  1.5");
        assert_eq!(lines[1], "1970-01-01T00:00:01.500Z  turbine:power{unit=T1}  2  quality 0x80000000");
    }
}
