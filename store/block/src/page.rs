//! Pages: up to [`PAGE_ROWS_MAX`] rows of one value type, encoded column by column.
//!
//! ```text
//! times      pco of i64
//! values     float, integer, unsigned: pco
//!            boolean: one bit each, the first in the lowest bit
//!            string: u32 bytes of the lengths | pco of u32 lengths | the texts
//! qualities  nothing when every one is good, else pco of u32
//! ```
//!
//! Rows of one series are neighbours with ascending times; the times of a page as a whole do not ascend.

use pco::data_types::Number;
use pco::standalone::{simple_compress, simple_decompress_into};
use pco::{ChunkConfig, DeltaSpec};
use tidemill_model::{SampleColumn, ValueType, Values};

use crate::format::Fields;

/// Most rows in a page. Larger pages compress a little better (7 % from here to whole columns) and make reading one
/// series dearer, because a page is decoded as a whole.
pub const PAGE_ROWS_MAX: usize = 16_384;
/// A page of texts is closed when they pass this size.
pub(crate) const PAGE_TEXT_BYTES_MAX: usize = 1 << 20;
/// On sensor walks, level 4 takes 12 % more bytes in no less time; level 8, pco's default, 1 % fewer in a third more.
const LEVEL: usize = 6;

/// The three columns of an encoded page.
pub(crate) struct Encoded {
    pub(crate) times: Vec<u8>,
    pub(crate) values: Vec<u8>,
    pub(crate) qualities: Vec<u8>,
}

/// Encodes a page.
pub(crate) fn encode(page: &SampleColumn) -> Encoded {
    let values = match &page.values {
        Values::Float(values) => compress(values, DeltaSpec::Auto),
        Values::Int(values) => compress(values, DeltaSpec::Auto),
        Values::Uint(values) => compress(values, DeltaSpec::Auto),
        Values::Bool(values) => pack_bools(values),
        Values::Text(values) => encode_texts(values),
    };
    let all_good = page.qualities.iter().all(|quality| *quality == 0);
    let qualities = if all_good { Vec::new() } else { compress(&page.qualities, DeltaSpec::Auto) };
    Encoded { times: compress(&page.times, DeltaSpec::TryConsecutive(1)), values, qualities }
}

/// Decodes a page of `rows` rows whose checksum has been verified.
pub(crate) fn decode(
    value_type: ValueType,
    rows: usize,
    [times, values, qualities]: [&[u8]; 3],
) -> Result<SampleColumn, String> {
    let values = match value_type {
        ValueType::Float => Values::Float(decompress(values, rows)?),
        ValueType::Int => Values::Int(decompress(values, rows)?),
        ValueType::Uint => Values::Uint(decompress(values, rows)?),
        ValueType::Bool => Values::Bool(unpack_bools(values, rows)?),
        ValueType::Text => Values::Text(decode_texts(values, rows)?),
    };
    let qualities = if qualities.is_empty() { Vec::new() } else { decompress(qualities, rows)? };
    Ok(SampleColumn { times: decompress(times, rows)?, values, qualities })
}

/// Compresses numbers bit for bit.
pub(crate) fn compress<T: Number>(numbers: &[T], delta: DeltaSpec) -> Vec<u8> {
    let config = ChunkConfig::default().with_compression_level(LEVEL).with_delta_spec(delta);
    simple_compress(numbers, &config).expect("level and delta order are within pco's limits")
}

/// Decompresses exactly `count` numbers.
pub(crate) fn decompress<T: Number + Default>(bytes: &[u8], count: usize) -> Result<Vec<T>, String> {
    let mut numbers = vec![T::default(); count];
    let progress = simple_decompress_into(bytes, &mut numbers).map_err(|error| error.to_string())?;
    if progress.n_processed != count {
        return Err(format!("{} of {count} numbers", progress.n_processed));
    }
    Ok(numbers)
}

fn pack_bools(values: &[bool]) -> Vec<u8> {
    let pack = |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    values.chunks(8).map(pack).collect()
}

fn unpack_bools(bytes: &[u8], rows: usize) -> Result<Vec<bool>, String> {
    if bytes.len() != rows.div_ceil(8) {
        return Err(format!("{} bytes for {rows} booleans", bytes.len()));
    }
    Ok((0..rows).map(|row| bytes[row / 8] >> (row % 8) & 1 == 1).collect())
}

fn encode_texts(texts: &[String]) -> Vec<u8> {
    let lengths: Vec<u32> = texts.iter().map(|text| text.len() as u32).collect();
    let lengths = compress(&lengths, DeltaSpec::Auto);
    let mut out = (lengths.len() as u32).to_le_bytes().to_vec();
    out.extend_from_slice(&lengths);
    texts.iter().for_each(|text| out.extend_from_slice(text.as_bytes()));
    out
}

fn decode_texts(bytes: &[u8], rows: usize) -> Result<Vec<String>, String> {
    let mut fields = Fields(bytes);
    let lengths = fields.u32().and_then(|length| fields.take(length as usize)).ok_or("texts are cut short")?;
    let lengths: Vec<u32> = decompress(lengths, rows)?;
    let mut texts = Vec::with_capacity(rows);
    for length in lengths {
        let text = fields.take(length as usize).ok_or("texts are cut short")?;
        texts.push(std::str::from_utf8(text).map_err(|error| error.to_string())?.to_owned());
    }
    if !fields.0.is_empty() {
        return Err(format!("{} bytes after the last text", fields.0.len()));
    }
    Ok(texts)
}
