//! Encoders: a result's rows as bytes, chunk by chunk as the rows come.
//!
//! | SQL | JSON, NDJSON | CSV |
//! |---|---|---|
//! | timestamp | `"2026-11-23T12:00:00.123456789Z"`: RFC 3339; 0, 3, 6 or 9 digits, as many as needed | the same |
//! | integer, unsigned | number, all digits | the same |
//! | float | shortest number that reads back the same | the same |
//! | NaN, infinity | `null` | `NaN`, `Infinity`, `-Infinity` |
//! | null | `null` | nothing between the commas (an empty text is `""`) |
//!
//! The bytes depend on nothing but the rows. When a query fails on its way, the stream of bytes ends with the error and a JSON document
//! stays open, so that nobody takes a part for the whole.

mod cell;
mod formats;

pub use formats::{write_csv, write_json, write_ndjson};
