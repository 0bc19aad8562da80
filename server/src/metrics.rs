//! The node's numbers for Prometheus. Counters are written where things happen; the state of replicas and operators is
//! read when somebody looks.

use std::fmt::Write;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The counters.
pub(crate) struct Metrics {
    registry: Registry,
    /// Accepted lines.
    pub lines: Counter,
    /// Samples in accepted lines.
    pub samples: Counter,
    /// Refused lines.
    pub rejected_lines: Counter,
    /// Write requests.
    pub writes: Counter,
    /// Write requests that were repetitions.
    pub repeated_writes: Counter,
    /// Bytes of write bodies, decompressed.
    pub body_bytes: Counter,
    /// Queries that were started.
    pub queries: Counter,
    /// Queries that failed.
    pub failed_queries: Counter,
    /// Live subscribers now.
    pub subscribers: Gauge,
    /// Live subscribers that were cut off because they were too slow.
    pub cut_subscribers: Counter,
    /// Events sent to live subscribers.
    pub events: Counter,
}

impl Metrics {
    /// All counters at zero.
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("tidemill");
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let lines = counter("ingest_lines", "accepted lines");
        let samples = counter("ingest_samples", "samples in accepted lines");
        let rejected_lines = counter("ingest_rejected_lines", "refused lines");
        let writes = counter("ingest_requests", "write requests");
        let repeated_writes = counter("ingest_repeated_requests", "write requests that were repetitions");
        let body_bytes = counter("ingest_body_bytes", "bytes of write bodies, decompressed");
        let queries = counter("query_requests", "queries that were started");
        let failed_queries = counter("query_failed_requests", "queries that failed");
        let cut_subscribers = counter("live_cut_subscribers", "live subscribers cut off because they were too slow");
        let events = counter("live_events", "events sent to live subscribers");
        let subscribers = Gauge::default();
        registry.register("live_subscribers", "live subscribers now", subscribers.clone());
        Self {
            registry,
            lines,
            samples,
            rejected_lines,
            writes,
            repeated_writes,
            body_bytes,
            queries,
            failed_queries,
            subscribers,
            cut_subscribers,
            events,
        }
    }

    /// The text that Prometheus reads, with `state` (see [`State`]) before its end.
    pub(crate) fn text(&self, state: &State) -> String {
        let mut out = String::new();
        encode(&mut out, &self.registry).expect("writing to a string does not fail");
        out.truncate(out.trim_end_matches("# EOF\n").len());
        out.push_str(&state.0);
        out.push_str("# EOF\n");
        out
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Gauges that are read when somebody looks.
#[derive(Default)]
pub(crate) struct State(String);

impl State {
    /// Adds a gauge with a value per name of what it speaks of.
    pub(crate) fn gauge(&mut self, name: &str, help: &str, label: &str, values: impl Iterator<Item = (String, i64)>) {
        let _ = writeln!(self.0, "# HELP {name} {help}.\n# TYPE {name} gauge");
        for (of, value) in values {
            let _ = writeln!(self.0, "{name}{{{label}=\"{}\"}} {value}", of.escape_default());
        }
    }
}
