//! A live subscriber over server-sent events that resumes by position, as a dashboard does.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use crate::client::percent_encoded;

/// One server-sent event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// `snapshot`, `samples`, `gap`, `heartbeat`, …
    pub name: String,
    /// The position, if the event carries one.
    pub id: Option<String>,
    /// The data.
    pub data: Value,
}

/// Reads a live stream, reconnecting from the last id until told to stop.
pub struct LiveReader {
    base: String,
    series: String,
    from: String,
}

impl LiveReader {
    /// A reader of the series that `series` selects, starting at `from`.
    pub fn new(base: &str, series: &str, from: &str) -> Self {
        Self { base: base.to_owned(), series: series.to_owned(), from: from.to_owned() }
    }

    /// Calls `seen` for every event until `stop` is set; an event counts as seen before its id is used to resume.
    #[expect(clippy::disallowed_methods, reason = "tests are composition roots; the pause only paces reconnects")]
    pub fn run(mut self, stop: &Arc<AtomicBool>, mut seen: impl FnMut(Event)) {
        while !stop.load(Relaxed) {
            // A killed node ends the stream with an error: the reader resumes, as a dashboard would.
            let _ = self.follow(stop, &mut seen);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn follow(&mut self, stop: &Arc<AtomicBool>, seen: &mut impl FnMut(Event)) -> Result<()> {
        let url = format!("{}/api/v1/live?series={}&from={}", self.base, percent_encoded(&self.series), self.from);
        let agent: ureq::Agent =
            ureq::Agent::config_builder().timeout_recv_body(Some(Duration::from_secs(600))).build().into();
        let body = agent.get(url).call()?.into_body().into_reader();
        let mut events = Events { lines: BufReader::new(body) };
        while let Some(event) = events.next_event()? {
            let id = event.id.clone();
            seen(event);
            if let Some(id) = id {
                self.from = id;
            }
            if stop.load(Relaxed) {
                break;
            }
        }
        Ok(())
    }
}

struct Events<R> {
    lines: BufReader<R>,
}

impl<R: Read> Events<R> {
    /// The next whole event; `None` at the end. A half event, cut off by a crash, is none.
    fn next_event(&mut self) -> Result<Option<Event>> {
        let mut event = Event { name: "message".into(), id: None, data: Value::Null };
        let mut data = String::new();
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            let line = line.trim_end_matches(['\n', '\r']);
            match line.split_once(':').map(|(name, value)| (name, value.strip_prefix(' ').unwrap_or(value))) {
                None if line.is_empty() && !data.is_empty() => {
                    event.data = serde_json::from_str(&data)?;
                    return Ok(Some(event));
                }
                Some(("event", value)) => event.name = value.to_owned(),
                Some(("id", value)) => event.id = Some(value.to_owned()),
                Some(("data", value)) => data.push_str(value),
                _ => {}
            }
        }
    }
}
