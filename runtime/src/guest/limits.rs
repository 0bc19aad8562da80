//! What an operator's guest may use.

use serde::{Deserialize, Serialize};

/// Most rows that one call may return, whatever an operator asks for: 32 bytes each must fit into one record.
pub(crate) const OUTPUT_ROWS_MAX: u64 = 400_000;
/// Most memory that an operator may ask for: a checkpoint of it stays below 4 GiB.
pub(crate) const MEMORY_BYTES_MAX: u64 = 2 << 30;

/// What an operator's guest may use, per call or per instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Fuel per call; about one unit per Wasm instruction. The default lasts for roughly a second.
    pub fuel_per_call: u64,
    /// Linear memory per instance, bytes. There is one instance per partition.
    pub memory_bytes: u64,
    /// Rows returned for one input record.
    pub output_rows: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { fuel_per_call: 1_000_000_000, memory_bytes: 64 << 20, output_rows: 262_144 }
    }
}

impl Limits {
    /// Checks the ranges.
    ///
    /// # Errors
    /// The reason, for people.
    pub fn check(&self) -> Result<(), String> {
        if self.fuel_per_call == 0 {
            return Err("fuel_per_call must be at least 1".into());
        }
        if self.memory_bytes > MEMORY_BYTES_MAX {
            return Err(format!("memory_bytes may be at most {MEMORY_BYTES_MAX}"));
        }
        if !(1..=OUTPUT_ROWS_MAX).contains(&self.output_rows) {
            return Err(format!("output_rows must lie between 1 and {OUTPUT_ROWS_MAX}"));
        }
        Ok(())
    }
}
