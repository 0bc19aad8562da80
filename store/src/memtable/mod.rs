//! The memtable: what the replica has applied and not yet written to a block.
//!
//! ```text
//!   series ──> in-order lane: rows, each newer in source time than anything the series ever had
//!          └─> late lane:     rows that came out of order, in the order in which they came
//! ```
//!
//! Both lanes are append-only and every row carries the ordinal of its record, so a snapshot is a number: it sees the
//! rows up to its ordinal. Deleted ranges carry ordinals too and hide what came before them.
//!
//! Invariants: ordinals never fall along a lane; a late row is newer than every in-order row of the same time.

mod series;

use parking_lot::RwLock;
use tidemill_model::{Quality, Sample, SampleColumn, TimeRange, Value, ValueType};

pub(crate) use series::{Base, Last, Row, SeriesRows};

/// A memtable that readers share with the fold. Only the fold writes, and only until it is frozen.
#[derive(Default)]
pub(crate) struct Memtable {
    pub(crate) rows: RwLock<Rows>,
}

/// A range of a series that was deleted by the record with this ordinal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deletion {
    pub(crate) range: TimeRange,
    pub(crate) ordinal: u32,
}

/// What a memtable says about one source time of a series.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Found<T> {
    /// A live sample.
    Live(T),
    /// Nothing, and nothing older counts: it was deleted here.
    Deleted,
    /// Nothing; something older may be there.
    Absent,
}

/// The contents of a memtable.
#[derive(Default)]
pub(crate) struct Rows {
    /// `[slot]`
    pub(crate) series: Vec<SeriesRows>,
    /// All texts; a text row's bits say where its own lies ([`TextRef`]).
    texts: String,
    /// Ordinal of the newest record.
    pub(crate) ordinal: u32,
    /// Number of rows.
    pub(crate) len: usize,
    /// Number of deletions.
    pub(crate) deletions: usize,
}

/// Place of a text in the arena, packed into a row's bits.
#[derive(Clone, Copy)]
struct TextRef(u64);

/// A payload is at most 16 MiB, so a length fits into 25 bits; the rest addresses half a terabyte.
const TEXT_LENGTH_BITS: u32 = 25;
const _: () = assert!(tidemill_model::record::PAYLOAD_BYTES_MAX < 1 << TEXT_LENGTH_BITS);

impl TextRef {
    fn bounds(self) -> std::ops::Range<usize> {
        let start = (self.0 >> TEXT_LENGTH_BITS) as usize;
        start..start + (self.0 & ((1 << TEXT_LENGTH_BITS) - 1)) as usize
    }
}

impl Rows {
    /// Keeps a text; the result is the bits of its row.
    pub(crate) fn intern(&mut self, text: &str) -> u64 {
        let start = self.texts.len() as u64;
        self.texts.push_str(text);
        start << TEXT_LENGTH_BITS | text.len() as u64
    }

    /// The text of a row with these bits.
    pub(crate) fn text(&self, bits: u64) -> &str {
        &self.texts[TextRef(bits).bounds()]
    }

    /// Number of rows and deletions, where texts count as many rows as would fit into their bytes.
    pub(crate) fn weight(&self) -> usize {
        self.len + self.deletions + self.texts.len() / size_of::<Row>()
    }

    /// Whether nothing was applied.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0 && self.deletions == 0
    }

    /// An empty memtable that goes on where this one ends; `look_up` finds the last sample of a slot whose own was
    /// deleted.
    pub(crate) fn successor<E>(
        &self,
        types: &[ValueType],
        mut look_up: impl FnMut(u32) -> Result<Option<Sample>, E>,
    ) -> Result<Rows, E> {
        let mut next = Rows::default();
        for (slot, series) in (0..).zip(&self.series) {
            let base = match series.last(u32::MAX) {
                Last::None => Base::NONE,
                Last::Row(row) => {
                    let is_text = types[slot as usize] == ValueType::Text;
                    let bits = if is_text { next.intern(self.text(row.bits)) } else { row.bits };
                    Base::new(row.time, bits, row.quality)
                }
                Last::LookUp => match look_up(slot)? {
                    None => Base::NONE,
                    Some(sample) => next.base_of(sample),
                },
            };
            next.series.push(SeriesRows::new(series.newest, base, series.rows.len()));
        }
        Ok(next)
    }

    /// What a series without rows starts with, given its last sample.
    pub(crate) fn base_of(&mut self, sample: Sample) -> Base {
        let bits = match sample.value {
            Value::Float(value) => value.to_bits(),
            Value::Int(value) => value as u64,
            Value::Uint(value) => value,
            Value::Bool(value) => u64::from(value),
            Value::Text(text) => self.intern(&text),
        };
        Base::new(sample.time, bits, sample.quality.0)
    }

    fn value(&self, value_type: ValueType, bits: u64) -> Value {
        match value_type {
            ValueType::Float => Value::Float(f64::from_bits(bits)),
            ValueType::Int => Value::Int(bits as i64),
            ValueType::Uint => Value::Uint(bits),
            ValueType::Bool => Value::Bool(bits != 0),
            ValueType::Text => Value::Text(self.text(bits).to_owned()),
        }
    }

    pub(crate) fn sample(&self, value_type: ValueType, row: Row) -> Sample {
        Sample { time: row.time, value: self.value(value_type, row.bits), quality: Quality(row.quality) }
    }

    /// The live rows of a series in `range` as the record with ordinal `cut` left them, times ascending.
    pub(crate) fn column(&self, slot: usize, value_type: ValueType, range: TimeRange, cut: u32) -> SampleColumn {
        let mut column = SampleColumn::empty(value_type);
        if let Some(series) = self.series.get(slot) {
            series.visit(range, cut, |rows| push_rows(&mut column, rows, &self.texts));
        }
        column
    }
}

/// Appends rows to a column.
fn push_rows(column: &mut SampleColumn, rows: &[Row], texts: &str) {
    use tidemill_model::Values;
    let before = column.times.len();
    column.times.extend(rows.iter().map(|row| row.time));
    if !column.qualities.is_empty() || rows.iter().any(|row| row.quality != 0) {
        column.qualities.resize(before, 0);
        column.qualities.extend(rows.iter().map(|row| row.quality));
    }
    match &mut column.values {
        Values::Float(values) => values.extend(rows.iter().map(|row| f64::from_bits(row.bits))),
        Values::Int(values) => values.extend(rows.iter().map(|row| row.bits as i64)),
        Values::Uint(values) => values.extend(rows.iter().map(|row| row.bits)),
        Values::Bool(values) => values.extend(rows.iter().map(|row| row.bits != 0)),
        Values::Text(values) => {
            values.extend(rows.iter().map(|row| texts[TextRef(row.bits).bounds()].to_owned()));
        }
    }
}
