//! Numbers about a Kafka journal since it was opened.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tidemill_journal::Metric;

/// A number that only grows, or one that is set.
#[derive(Default, Debug)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// All of them.
#[derive(Default, Debug)]
pub(crate) struct Counters {
    pub(crate) appends: Count,
    pub(crate) appended_records: Count,
    pub(crate) appended_bytes: Count,
    pub(crate) refused_appends: Count,
    pub(crate) failed_appends: Count,
    pub(crate) unknown_appends: Count,
    pub(crate) producers: Count,
    pub(crate) waiting_records: Count,
    pub(crate) waiting_bytes: Count,
    pub(crate) read_records: Count,
    pub(crate) read_bytes: Count,
    pub(crate) foreign_records: Count,
    pub(crate) readers: Count,
    pub(crate) readers_placed: Count,
    pub(crate) readers_replaced: Count,
    pub(crate) brokers_up: Count,
    pub(crate) round_trip_us: Count,
}

impl Counters {
    pub(crate) fn metrics(&self) -> Vec<Metric> {
        let counter = |name, help, count: &Count| Metric::counter(name, help, count.get());
        let gauge = |name, help, count: &Count| Metric::gauge(name, help, count.get() as f64);
        vec![
            counter("journal_appends", "Appends acknowledged.", &self.appends),
            counter("journal_appended_records", "Records acknowledged.", &self.appended_records),
            counter("journal_appended_bytes", "Bytes of acknowledged records, uncompressed.", &self.appended_bytes),
            counter("journal_refused_appends", "Appends refused because too much waited.", &self.refused_appends),
            counter("journal_failed_appends", "Appends of which nothing was written.", &self.failed_appends),
            counter("journal_unknown_appends", "Appends that may have been written.", &self.unknown_appends),
            counter(
                "journal_producers",
                "Producers made; each but the first took over from one that failed.",
                &self.producers,
            ),
            gauge("journal_waiting_records", "Records that wait for an acknowledgement.", &self.waiting_records),
            gauge("journal_waiting_bytes", "Bytes of records that wait for an acknowledgement.", &self.waiting_bytes),
            counter("journal_read_records", "Records read.", &self.read_records),
            counter("journal_read_bytes", "Bytes of records read, uncompressed.", &self.read_bytes),
            counter("journal_foreign_records", "Records read that something else wrote.", &self.foreign_records),
            gauge("journal_readers", "Consumers that stand ready to read on.", &self.readers),
            counter("journal_readers_placed", "Times that a consumer was placed at an offset.", &self.readers_placed),
            counter("journal_readers_replaced", "Consumers given up because they fell silent.", &self.readers_replaced),
            gauge("journal_brokers_up", "Brokers that the producer is connected to.", &self.brokers_up),
            Metric::gauge(
                "journal_broker_seconds",
                "Mean round trip to the slowest broker.",
                self.round_trip_us.get() as f64 / 1e6,
            ),
        ]
    }
}
