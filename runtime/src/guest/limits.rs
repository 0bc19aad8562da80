//! What an operator's guest may use.

use serde::{Deserialize, Serialize};

/// Most rows that one record may cause, whatever an operator asks for: 32 bytes each must fit into one record.
pub(crate) const OUTPUT_ROWS_MAX: u64 = 400_000;
/// Most bytes of those rows: they must fit into one record.
pub(crate) const OUTPUT_BYTES_MAX: u64 = 14 << 20;
/// Most memory that an operator may ask for: a checkpoint of it stays below 4 GiB.
pub(crate) const MEMORY_BYTES_MAX: u64 = 2 << 30;

/// What an operator's guest may use, per call, per record or per instance. There is one instance per partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Fuel per call; about one unit per Wasm instruction. The default lasts for roughly a second. A record is one call of
    /// `process`, and one of `advance` if the watermark has passed a second.
    pub fuel_per_call: u64,
    /// Linear memory per instance, bytes.
    pub memory_bytes: u64,
    /// What an instance keeps by key in the host, bytes: keys and values, and 256 more for each key.
    pub state_bytes: u64,
    /// Rows returned for one input record.
    pub output_rows: u64,
    /// Bytes of those rows: 20 each, and their texts.
    pub output_bytes: u64,
    /// Lines logged per second; further ones are counted and dropped.
    pub log_lines_per_s: u64,
    /// Most rows per call of `process`. No part of a request: trials cut batches to see whether it matters.
    #[serde(skip)]
    pub rows_per_call: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fuel_per_call: 1_000_000_000,
            memory_bytes: 64 << 20,
            state_bytes: 256 << 20,
            output_rows: 262_144,
            output_bytes: 8 << 20,
            log_lines_per_s: 100,
            rows_per_call: u64::MAX,
        }
    }
}

impl Limits {
    /// Checks the ranges.
    ///
    /// # Errors
    /// The reason, for people.
    pub fn check(&self) -> Result<(), String> {
        let ranges = [
            ("fuel_per_call", self.fuel_per_call, 1, u64::MAX),
            ("memory_bytes", self.memory_bytes, 0, MEMORY_BYTES_MAX),
            ("state_bytes", self.state_bytes, 0, MEMORY_BYTES_MAX),
            ("output_rows", self.output_rows, 1, OUTPUT_ROWS_MAX),
            ("output_bytes", self.output_bytes, 1, OUTPUT_BYTES_MAX),
            ("log_lines_per_s", self.log_lines_per_s, 0, 1_000_000),
        ];
        match ranges.into_iter().find(|(_, value, least, most)| !(least..=most).contains(&value)) {
            None => Ok(()),
            Some((name, value, least, most)) => {
                Err(format!("{name} is {value}, it must lie between {least} and {most}"))
            }
        }
    }

    /// The limits by name, for comparing two sets.
    pub(crate) fn by_name(&self) -> [(&'static str, u64); 6] {
        [
            ("fuel_per_call", self.fuel_per_call),
            ("memory_bytes", self.memory_bytes),
            ("state_bytes", self.state_bytes),
            ("output_rows", self.output_rows),
            ("output_bytes", self.output_bytes),
            ("log_lines_per_s", self.log_lines_per_s),
        ]
    }
}
