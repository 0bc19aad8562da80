//! What everything in Tidemill speaks of: series, samples, quality, positions and records, with their codecs.
//!
//! Invariants: nothing here does I/O, reads a clock or is async; decoding never panics, whatever the bytes; every
//! encoder has exactly one decoder beside it. Knows nothing of journals, stores or servers.

pub mod payload;
pub mod position;
pub mod quality;
pub mod record;
pub mod sample;
pub mod selector;
pub mod series;
pub mod time;

pub use position::{JournalIdentity, Offset, Position};
pub use quality::Quality;
pub use record::{NewRecord, ProducerId, Record, RecordKind};
pub use sample::{Sample, SampleColumn, Value, ValueType, Values};
pub use selector::Selector;
pub use series::{Series, SeriesId, SeriesKey};
pub use time::TimeRange;
