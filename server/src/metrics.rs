//! The node's numbers for Prometheus. Counters are written where things happen; the state of replicas and operators is
//! read when somebody looks.

use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tidemill_journal::Metric;
use tidemill_journal::metered::{BUCKETS_US, Calls, Histogram, Meters};

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

/// What is read when somebody looks.
#[derive(Default)]
pub(crate) struct State(String);

impl State {
    /// Adds a gauge with a value per name of what it speaks of.
    pub(crate) fn gauge(&mut self, name: &str, help: &str, label: &str, values: impl Iterator<Item = (String, i64)>) {
        self.head(name, help, "gauge");
        for (of, value) in values {
            let _ = writeln!(self.0, "{name}{{{label}=\"{}\"}} {value}", of.escape_default());
        }
    }
    fn head(&mut self, name: &str, help: &str, kind: &str) {
        let _ = writeln!(self.0, "# HELP {name} {}.\n# TYPE {name} {kind}", help.trim_end_matches('.'));
    }

    /// Adds what a journal's backend tells about itself.
    pub(crate) fn journal(&mut self, metrics: &[Metric]) {
        for metric in metrics {
            let name = format!("tidemill_{}", metric.name.trim_end_matches("_total"));
            let (kind, suffix) = if metric.is_counter { ("counter", "_total") } else { ("gauge", "") };
            self.head(&name, metric.help, kind);
            let _ = writeln!(self.0, "{name}{suffix} {}", metric.value);
        }
    }

    /// Adds how the node has used its journal.
    pub(crate) fn meters(&mut self, meters: &Meters) {
        let all = [("append", &meters.append), ("read", &meters.read)];
        let name = "tidemill_journal_use_seconds";
        self.head(name, "how long calls took that succeeded; of reads, those that did not wait for news", "histogram");
        all.iter().for_each(|(operation, calls)| self.histogram(name, operation, &calls.duration));
        let mut counter = |name: &str, help: &str, value: fn(&Calls) -> u64| {
            self.head(name, help, "counter");
            for (operation, calls) in all {
                let _ = writeln!(self.0, "{name}_total{{operation=\"{operation}\"}} {}", value(calls));
            }
        };
        counter("tidemill_journal_use_records", "records that passed", |calls| calls.records.load(Relaxed));
        counter("tidemill_journal_use_bytes", "bytes of their keys and payloads", |calls| calls.bytes.load(Relaxed));
        let name = "tidemill_journal_use_errors";
        self.head(name, "calls that failed", "counter");
        for (operation, calls) in all {
            for (kind, count) in calls.errors() {
                let _ = writeln!(self.0, "{name}_total{{operation=\"{operation}\",kind=\"{kind}\"}} {count}");
            }
        }
    }

    fn histogram(&mut self, name: &str, operation: &str, histogram: &Histogram) {
        let mut below = 0;
        let bounds = BUCKETS_US.iter().map(|us| (*us as f64 / 1e6).to_string()).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(histogram.counts()) {
            below += count;
            let _ = writeln!(self.0, "{name}_bucket{{operation=\"{operation}\",le=\"{bound}\"}} {below}");
        }
        let sum = histogram.sum().as_secs_f64();
        let _ = writeln!(self.0, "{name}_sum{{operation=\"{operation}\"}} {sum}");
        let _ = writeln!(self.0, "{name}_count{{operation=\"{operation}\"}} {below}");
    }
}
