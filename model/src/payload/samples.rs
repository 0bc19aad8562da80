//! The samples payload: the protobuf message `Samples`, written and read as whole columns.
//!
//! A record holds one column per value type; a column holds *runs* of consecutive rows of one series. The reader borrows
//! the payload: it checks every length once in [`SamplesView::parse`] and copies nothing. Packed fixed-width fields are
//! plain little-endian arrays, so that both directions are memory copies.
//!
//! Deliberate limits: a repeated field must be packed and come once per column, as this writer makes it. Unknown
//! fields are skipped.

use crate::payload::PayloadError;
use crate::quality::Quality;
use crate::sample::{Value, ValueType, Values};
use crate::series::SeriesId;

const SAMPLES_COLUMNS: u32 = 1;
const COLUMN_SERIES: u32 = 1;
const COLUMN_ROWS: u32 = 2;
const COLUMN_TIMES: u32 = 3;
const COLUMN_QUALITIES: u32 = 4;
const COLUMN_VALUES_FIRST: u32 = 5;
const COLUMN_BOOLS: u32 = 8;
const COLUMN_TEXTS: u32 = 9;
const WIRE_LEN: u32 = 2;

/// Collects samples and encodes them as one payload.
#[derive(Default, Debug)]
pub struct SamplesBuilder {
    /// `[ValueType as usize - 1]`
    columns: [ColumnBuilder; 5],
}

/// Invariants: `rows` sums up to `times.len()`; `bits` (or `texts`) and `qualities` have one entry per row.
#[derive(Default, Debug)]
struct ColumnBuilder {
    series: Vec<u64>,
    rows: Vec<u32>,
    times: Vec<i64>,
    bits: Vec<u64>,
    texts: Vec<String>,
    qualities: Vec<u32>,
}

impl ColumnBuilder {
    #[inline]
    fn push_row(&mut self, series: SeriesId, time: i64, quality: Quality) {
        match self.rows.last_mut() {
            Some(rows) if self.series.last() == Some(&series.0) => *rows += 1,
            _ => {
                self.series.push(series.0);
                self.rows.push(1);
            }
        }
        self.times.push(time);
        self.qualities.push(quality.0);
    }
}

impl SamplesBuilder {
    /// No samples yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a sample whose value is given by its 64 bits: those of the double or integer; 0 or 1 for a boolean.
    ///
    /// # Panics
    /// When `value_type` is text, which has no bits.
    #[inline]
    pub fn push_bits(&mut self, series: SeriesId, value_type: ValueType, time: i64, bits: u64, quality: Quality) {
        assert!(value_type != ValueType::Text, "text has no bits");
        let column = &mut self.columns[value_type as usize - 1];
        column.push_row(series, time, quality);
        column.bits.push(bits);
    }

    /// Adds a text sample.
    pub fn push_text(&mut self, series: SeriesId, time: i64, text: String, quality: Quality) {
        let column = &mut self.columns[ValueType::Text as usize - 1];
        column.push_row(series, time, quality);
        column.texts.push(text);
    }

    /// Adds a sample.
    pub fn push(&mut self, series: SeriesId, time: i64, value: Value, quality: Quality) {
        let (value_type, bits) = match value {
            Value::Float(v) => (ValueType::Float, v.to_bits()),
            Value::Int(v) => (ValueType::Int, v as u64),
            Value::Uint(v) => (ValueType::Uint, v),
            Value::Bool(v) => (ValueType::Bool, u64::from(v)),
            Value::Text(v) => return self.push_text(series, time, v, quality),
        };
        self.push_bits(series, value_type, time, bits, quality);
    }

    /// Number of samples so far.
    pub fn len(&self) -> usize {
        self.columns.iter().map(|c| c.times.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.columns.iter().all(|c| c.times.is_empty())
    }

    /// Upper bound on the bytes that [`SamplesBuilder::encode`] will write.
    pub fn encoded_bytes_max(&self) -> usize {
        let texts: usize = self.columns[ValueType::Text as usize - 1].texts.iter().map(|t| t.len() + 6).sum();
        texts + self.columns.iter().map(|c| 64 + c.series.len() * 12 + c.times.len() * 20).sum::<usize>()
    }

    /// The payload; the builder is empty again afterwards and keeps its buffers.
    pub fn encode(&mut self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_bytes_max());
        let mut body = Vec::new();
        for (value_type, column) in ValueType::ALL.into_iter().zip(&mut self.columns) {
            if column.times.is_empty() {
                continue;
            }
            body.clear();
            encode_column(&mut body, value_type, column);
            put_field(&mut out, SAMPLES_COLUMNS, &body);
            column.series.clear();
            column.rows.clear();
            column.times.clear();
            column.bits.clear();
            column.texts.clear();
            column.qualities.clear();
        }
        out
    }
}

fn encode_column(out: &mut Vec<u8>, value_type: ValueType, column: &ColumnBuilder) {
    put_fixed64(out, COLUMN_SERIES, column.series.iter().copied());
    if column.series.len() != column.times.len() {
        put_fixed32(out, COLUMN_ROWS, &column.rows);
    }
    let shared_time = column.times.iter().all(|t| *t == column.times[0]);
    let times = if shared_time { &column.times[..1] } else { &column.times[..] };
    put_fixed64(out, COLUMN_TIMES, times.iter().map(|t| *t as u64));
    if column.qualities.iter().any(|q| *q != 0) {
        put_fixed32(out, COLUMN_QUALITIES, &column.qualities);
    }
    match value_type {
        ValueType::Bool => {
            put_header(out, COLUMN_BOOLS, column.bits.len());
            out.extend(column.bits.iter().map(|bits| u8::from(*bits != 0)));
        }
        ValueType::Text => column.texts.iter().for_each(|text| put_field(out, COLUMN_TEXTS, text.as_bytes())),
        numeric => put_fixed64(out, COLUMN_VALUES_FIRST + numeric as u32 - 1, column.bits.iter().copied()),
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_header(out: &mut Vec<u8>, field: u32, bytes: usize) {
    put_varint(out, u64::from(field << 3 | WIRE_LEN));
    put_varint(out, bytes as u64);
}

fn put_field(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_header(out, field, bytes.len());
    out.extend_from_slice(bytes);
}

fn put_fixed64(out: &mut Vec<u8>, field: u32, values: impl ExactSizeIterator<Item = u64>) {
    put_header(out, field, values.len() * 8);
    let start = out.len();
    out.resize(start + values.len() * 8, 0);
    for (slot, value) in out[start..].as_chunks_mut::<8>().0.iter_mut().zip(values) {
        *slot = value.to_le_bytes();
    }
}

fn put_fixed32(out: &mut Vec<u8>, field: u32, values: &[u32]) {
    put_header(out, field, values.len() * 4);
    let start = out.len();
    out.resize(start + values.len() * 4, 0);
    for (slot, value) in out[start..].as_chunks_mut::<4>().0.iter_mut().zip(values) {
        *slot = value.to_le_bytes();
    }
}

/// A samples payload, checked and borrowed.
#[derive(Debug, Default)]
pub struct SamplesView<'a> {
    columns: Vec<ColumnView<'a>>,
}

/// All samples of one value type in a record.
///
/// Invariants, established by [`SamplesView::parse`]: the runs cover exactly the rows; there is one time or one per
/// row; values, and qualities if any, have one entry per row.
#[derive(Debug)]
pub struct ColumnView<'a> {
    value_type: ValueType,
    rows: usize,
    series: &'a [[u8; 8]],
    run_rows: &'a [[u8; 4]],
    times: &'a [[u8; 8]],
    qualities: &'a [[u8; 4]],
    bits: &'a [[u8; 8]],
    bools: &'a [u8],
    texts: Vec<&'a str>,
}

/// Consecutive rows of one series in a column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// The series.
    pub series: SeriesId,
    /// Index of its first row.
    pub first: usize,
    /// Number of rows, at least 1.
    pub rows: usize,
}

impl<'a> SamplesView<'a> {
    /// Checks `payload` and borrows its columns.
    ///
    /// # Errors
    /// When the bytes are not a well-formed `Samples` message within the limits above.
    pub fn parse(payload: &'a [u8]) -> Result<Self, PayloadError> {
        let mut columns = Vec::new();
        let mut reader = Reader { bytes: payload };
        while let Some((field, wire)) = reader.key()? {
            match (field, wire) {
                (SAMPLES_COLUMNS, WIRE_LEN) => columns.push(parse_column(reader.block()?)?),
                _ => reader.skip(wire)?,
            }
        }
        Ok(Self { columns })
    }

    /// The columns, at most one per value type as this writer makes them.
    pub fn columns(&self) -> &[ColumnView<'a>] {
        &self.columns
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.columns.iter().map(|c| c.rows).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'a> ColumnView<'a> {
    /// The type of all its values.
    pub fn value_type(&self) -> ValueType {
        self.value_type
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The series of the runs, in record order: ids, little-endian.
    pub fn series(&self) -> &'a [[u8; 8]] {
        self.series
    }

    /// The runs, in record order.
    pub fn runs(&self) -> impl Iterator<Item = Run> + '_ {
        let mut first = 0;
        self.series.iter().enumerate().map(move |(i, series)| {
            let rows = self.run_rows.get(i).map_or(1, |rows| u32::from_le_bytes(*rows) as usize);
            let run = Run { series: SeriesId(u64::from_le_bytes(*series)), first, rows };
            first += rows;
            run
        })
    }

    /// Source time of a row.
    #[inline]
    pub fn time(&self, row: usize) -> i64 {
        i64::from_le_bytes(if self.times.len() == 1 { self.times[0] } else { self.times[row] })
    }

    /// Quality of a row.
    #[inline]
    pub fn quality(&self, row: usize) -> Quality {
        Quality(self.qualities.get(row).map_or(0, |q| u32::from_le_bytes(*q)))
    }

    /// Whether every row is good.
    pub fn all_good(&self) -> bool {
        self.qualities.is_empty()
    }

    /// The 64 bits of a row's value: of the double or integer; 0 or 1 for a boolean. 0 for text.
    #[inline]
    pub fn bits(&self, row: usize) -> u64 {
        match self.value_type {
            ValueType::Bool => u64::from(self.bools[row]),
            ValueType::Text => 0,
            _ => u64::from_le_bytes(self.bits[row]),
        }
    }

    /// The text of a row; empty unless the column holds text.
    pub fn text(&self, row: usize) -> &'a str {
        self.texts.get(row).copied().unwrap_or("")
    }

    /// The value of a row.
    pub fn value(&self, row: usize) -> Value {
        let bits = self.bits(row);
        match self.value_type {
            ValueType::Float => Value::Float(f64::from_bits(bits)),
            ValueType::Int => Value::Int(bits as i64),
            ValueType::Uint => Value::Uint(bits),
            ValueType::Bool => Value::Bool(bits != 0),
            ValueType::Text => Value::Text(self.text(row).to_owned()),
        }
    }
}

/// Appends the value with these bits (or this text) to a column of the same type.
pub fn push_value(values: &mut Values, bits: u64, text: &str) {
    match values {
        Values::Float(v) => v.push(f64::from_bits(bits)),
        Values::Int(v) => v.push(bits as i64),
        Values::Uint(v) => v.push(bits),
        Values::Bool(v) => v.push(bits != 0),
        Values::Text(v) => v.push(text.to_owned()),
    }
}

fn malformed(reason: impl ToString) -> PayloadError {
    PayloadError::malformed("Samples", reason)
}

fn parse_column(bytes: &[u8]) -> Result<ColumnView<'_>, PayloadError> {
    let (mut series, mut run_rows, mut times, mut qualities) = (None, None, None, None);
    let (mut numeric, mut bools, mut texts) = (None, None, Vec::new());
    let mut reader = Reader { bytes };
    while let Some((field, wire)) = reader.key()? {
        if wire != WIRE_LEN || field > COLUMN_TEXTS {
            if field <= COLUMN_TEXTS {
                return Err(malformed(format!("field {field} of a column is not packed")));
            }
            reader.skip(wire)?;
            continue;
        }
        let block = reader.block()?;
        match field {
            COLUMN_SERIES => set_once(&mut series, field, fixed::<8>(block)?)?,
            COLUMN_ROWS => set_once(&mut run_rows, field, fixed::<4>(block)?)?,
            COLUMN_TIMES => set_once(&mut times, field, fixed::<8>(block)?)?,
            COLUMN_QUALITIES => set_once(&mut qualities, field, fixed::<4>(block)?)?,
            COLUMN_BOOLS => set_once(&mut bools, field, block)?,
            COLUMN_TEXTS => texts.push(std::str::from_utf8(block).map_err(malformed)?),
            0 => return Err(malformed("field number 0")),
            _ => {
                let value_type = ValueType::ALL[(field - COLUMN_VALUES_FIRST) as usize];
                set_once(&mut numeric, field, (value_type, fixed::<8>(block)?))?;
            }
        }
    }
    let (value_type, value_count) = match (&numeric, &bools, texts.len()) {
        (Some((value_type, values)), None, 0) => (*value_type, values.len()),
        (None, Some(values), 0) if values.iter().all(|b| *b <= 1) => (ValueType::Bool, values.len()),
        (None, None, count) if count > 0 => (ValueType::Text, count),
        _ => return Err(malformed("a column needs values of exactly one type")),
    };
    let column = ColumnView {
        value_type,
        rows: value_count,
        series: series.unwrap_or_default(),
        run_rows: run_rows.unwrap_or_default(),
        times: times.unwrap_or_default(),
        qualities: qualities.unwrap_or_default(),
        bits: numeric.map(|(_, values)| values).unwrap_or_default(),
        bools: bools.unwrap_or_default(),
        texts,
    };
    check_column(&column)?;
    Ok(column)
}

fn check_column(column: &ColumnView<'_>) -> Result<(), PayloadError> {
    let rows = column.rows;
    let covered = if column.run_rows.is_empty() {
        column.series.len() as u64
    } else if column.run_rows.len() != column.series.len() {
        return Err(malformed(format!("{} runs with {} row counts", column.series.len(), column.run_rows.len())));
    } else if column.run_rows.contains(&[0; 4]) {
        return Err(malformed("a run without rows"));
    } else {
        column.run_rows.iter().map(|r| u64::from(u32::from_le_bytes(*r))).sum()
    };
    if covered != rows as u64 {
        return Err(malformed(format!("runs cover {covered} rows, there are {rows} values")));
    }
    if column.times.len() != rows && column.times.len() != 1 {
        return Err(malformed(format!("{} times for {rows} rows", column.times.len())));
    }
    if !column.qualities.is_empty() && column.qualities.len() != rows {
        return Err(malformed(format!("{} qualities for {rows} rows", column.qualities.len())));
    }
    if column.times.contains(&i64::MAX.to_le_bytes()) {
        return Err(malformed("the largest time is reserved"));
    }
    Ok(())
}

fn set_once<T>(slot: &mut Option<T>, field: u32, value: T) -> Result<(), PayloadError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(malformed(format!("field {field} of a column comes twice"))),
    }
}

fn fixed<const N: usize>(block: &[u8]) -> Result<&[[u8; N]], PayloadError> {
    let (chunks, rest) = block.as_chunks::<N>();
    if rest.is_empty() {
        Ok(chunks)
    } else {
        Err(malformed(format!("{} bytes are not whole {N}-byte values", block.len())))
    }
}

/// Walks the fields of a protobuf message.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn varint(&mut self) -> Result<u64, PayloadError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.bytes.split_first().ok_or_else(|| malformed("cut short in a varint"))?;
            self.bytes = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return Ok(value);
            }
        }
        Err(malformed("a varint of more than ten bytes"))
    }

    /// Field number and wire type of the next field; `None` at the end.
    fn key(&mut self) -> Result<Option<(u32, u32)>, PayloadError> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let key = u32::try_from(self.varint()?).map_err(malformed)?;
        Ok(Some((key >> 3, key & 7)))
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8], PayloadError> {
        let count = usize::try_from(count).map_err(malformed)?;
        let (block, rest) = self.bytes.split_at_checked(count).ok_or_else(|| malformed("cut short in a field"))?;
        self.bytes = rest;
        Ok(block)
    }

    fn block(&mut self) -> Result<&'a [u8], PayloadError> {
        let bytes = self.varint()?;
        self.take(bytes)
    }

    fn skip(&mut self, wire: u32) -> Result<(), PayloadError> {
        match wire {
            0 => self.varint().map(drop),
            1 => self.take(8).map(drop),
            2 => self.block().map(drop),
            5 => self.take(4).map(drop),
            _ => Err(malformed(format!("unknown wire type {wire}"))),
        }
    }
}
