//! The Kafka journal: topics of Apache Kafka or Redpanda, one record of the journal being one record of Kafka.
//!
//! ```text
//!              ┌ Producer ── one thread: delivery reports, time limits, replacement ──────────┐
//!  Journal ────┼ Readers ─── consumers placed by hand, kept where the next read goes on ──────┼── brokers
//!              ├ Topics ──── create, settings, retention, delete                              │
//!              └ Control ─── a few threads that ask: ends of partitions, topics, times ───────┘
//! ```
//!
//! Offsets are Kafka's, and so are ordinals: they count what was appended, and compaction leaves holes. Consumer groups
//! serve one purpose, sharing work between nodes ([`KafkaJournal::share`]); no offset is ever committed to one.
//!
//! Left to the brokers: replication, retention, compaction. [`Journal::hold`](tidemill_journal::Journal::hold) therefore
//! holds nothing. Not here: transactions, which the journal's cursors make unnecessary.

mod codec;
mod config;
mod control;
mod counters;
mod failure;
#[cfg(test)]
mod faults;
mod identity;
mod journal;
mod native;
mod pending;
mod producer;
mod reader;
mod readers;
mod share;
mod topics;

pub use journal::KafkaJournal;
