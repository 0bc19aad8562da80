//! The digest: what two replicas compare to prove that they hold the same samples.
//!
//! It is the wrapping sum of one 64-bit hash per live sample, so it depends neither on the order in which samples came
//! nor on how they lie in blocks, and a sample can be taken out again by subtraction.

use tidemill_model::{Position, Sample, SampleColumn, SeriesId, Value, Values};
use xxhash_rust::xxh3::xxh3_64;

/// Fingerprint of all live samples at a position.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Digest {
    /// Everything before it is in, nothing after it.
    pub position: Position,
    /// Wrapping sum of the hashes of all live samples.
    pub value: u64,
    /// Number of live samples.
    pub samples: u64,
}

/// Hash of one sample; `bits` are those of the value, for text those of [`text_bits`].
#[inline]
pub(crate) fn sample_hash(series: SeriesId, time: i64, bits: u64, quality: u32) -> u64 {
    let mut bytes = [0; 28];
    bytes[0..8].copy_from_slice(&series.0.to_le_bytes());
    bytes[8..16].copy_from_slice(&time.to_le_bytes());
    bytes[16..24].copy_from_slice(&bits.to_le_bytes());
    bytes[24..28].copy_from_slice(&quality.to_le_bytes());
    xxh3_64(&bytes)
}

/// What stands for a text in a sample's hash.
#[inline]
pub(crate) fn text_bits(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

/// Hash of a sample.
pub(crate) fn hash_of(series: SeriesId, sample: &Sample) -> u64 {
    let bits = match &sample.value {
        Value::Float(v) => v.to_bits(),
        Value::Int(v) => *v as u64,
        Value::Uint(v) => *v,
        Value::Bool(v) => u64::from(*v),
        Value::Text(v) => text_bits(v),
    };
    sample_hash(series, sample.time, bits, sample.quality.0)
}

/// Wrapping sum of the hashes of a whole column.
pub(crate) fn hash_column(series: SeriesId, column: &SampleColumn) -> u64 {
    let bits = |row: usize| match &column.values {
        Values::Float(v) => v[row].to_bits(),
        Values::Int(v) => v[row] as u64,
        Values::Uint(v) => v[row],
        Values::Bool(v) => u64::from(v[row]),
        Values::Text(v) => text_bits(&v[row]),
    };
    (0..column.len())
        .map(|row| sample_hash(series, column.times[row], bits(row), column.quality(row).0))
        .fold(0, u64::wrapping_add)
}
