//! Builds one Arrow column out of sample values, widening them to the column's type where series differ.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, UInt64Builder};
use arrow::datatypes::DataType;
use tidemill_model::{ValueType, Values};

/// The Arrow type of a column whose values have this type.
pub(crate) fn data_type(value_type: ValueType) -> DataType {
    match value_type {
        ValueType::Float => DataType::Float64,
        ValueType::Int => DataType::Int64,
        ValueType::Uint => DataType::UInt64,
        ValueType::Bool => DataType::Boolean,
        ValueType::Text => DataType::Utf8,
    }
}

/// The narrowest type that holds values of both: numbers of different types become floats (exact up to 2^53), anything
/// else becomes text.
pub(crate) fn widen(a: ValueType, b: ValueType) -> ValueType {
    let is_number = |t| matches!(t, ValueType::Float | ValueType::Int | ValueType::Uint);
    match (a, b) {
        _ if a == b => a,
        _ if is_number(a) && is_number(b) => ValueType::Float,
        _ => ValueType::Text,
    }
}

/// Collects values for one column.
pub(crate) enum ColumnBuilder {
    Float(Float64Builder),
    Int(Int64Builder),
    Uint(UInt64Builder),
    Bool(BooleanBuilder),
    Text(StringBuilder),
}

impl ColumnBuilder {
    pub(crate) fn new(value_type: ValueType, rows: usize) -> Self {
        match value_type {
            ValueType::Float => Self::Float(Float64Builder::with_capacity(rows)),
            ValueType::Int => Self::Int(Int64Builder::with_capacity(rows)),
            ValueType::Uint => Self::Uint(UInt64Builder::with_capacity(rows)),
            ValueType::Bool => Self::Bool(BooleanBuilder::with_capacity(rows)),
            ValueType::Text => Self::Text(StringBuilder::with_capacity(rows, rows * 8)),
        }
    }

    /// Appends `values[range]`.
    ///
    /// # Panics
    /// When the values do not widen to the column's type: the layout has chosen it so that they do.
    pub(crate) fn append(&mut self, values: &Values, range: Range<usize>) {
        match (self, values) {
            (Self::Float(out), Values::Float(v)) => out.append_slice(&v[range]),
            (Self::Float(out), Values::Int(v)) => v[range].iter().for_each(|v| out.append_value(*v as f64)),
            (Self::Float(out), Values::Uint(v)) => v[range].iter().for_each(|v| out.append_value(*v as f64)),
            (Self::Float(out), Values::Bool(v)) => {
                v[range].iter().for_each(|v| out.append_value(f64::from(u8::from(*v))));
            }
            (Self::Int(out), Values::Int(v)) => out.append_slice(&v[range]),
            (Self::Uint(out), Values::Uint(v)) => out.append_slice(&v[range]),
            (Self::Bool(out), Values::Bool(v)) => out.append_slice(&v[range]),
            (Self::Text(out), values) => append_texts(out, values, range),
            (_, values) => unreachable!("{} values in a column of a narrower type", values.value_type()),
        }
    }

    pub(crate) fn append_nulls(&mut self, count: usize) {
        match self {
            Self::Float(out) => out.append_nulls(count),
            Self::Int(out) => out.append_nulls(count),
            Self::Uint(out) => out.append_nulls(count),
            Self::Bool(out) => out.append_nulls(count),
            Self::Text(out) => out.append_nulls(count),
        }
    }

    pub(crate) fn finish(self) -> ArrayRef {
        match self {
            Self::Float(mut out) => Arc::new(out.finish()),
            Self::Int(mut out) => Arc::new(out.finish()),
            Self::Uint(mut out) => Arc::new(out.finish()),
            Self::Bool(mut out) => Arc::new(out.finish()),
            Self::Text(mut out) => Arc::new(out.finish()),
        }
    }
}

fn append_texts(out: &mut StringBuilder, values: &Values, range: Range<usize>) {
    match values {
        Values::Text(v) => v[range].iter().for_each(|v| out.append_value(v)),
        Values::Float(v) => v[range].iter().for_each(|v| out.append_value(format!("{v:?}"))),
        Values::Int(v) => v[range].iter().for_each(|v| out.append_value(v.to_string())),
        Values::Uint(v) => v[range].iter().for_each(|v| out.append_value(v.to_string())),
        Values::Bool(v) => v[range].iter().for_each(|v| out.append_value(if *v { "true" } else { "false" })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_widen_to_floats_and_the_rest_to_text() {
        assert_eq!(widen(ValueType::Int, ValueType::Int), ValueType::Int);
        assert_eq!(widen(ValueType::Int, ValueType::Uint), ValueType::Float);
        assert_eq!(widen(ValueType::Bool, ValueType::Float), ValueType::Text);
        assert_eq!(widen(ValueType::Text, ValueType::Int), ValueType::Text);
    }

    #[test]
    fn every_type_widens_into_text() {
        let mut column = ColumnBuilder::new(ValueType::Text, 4);
        column.append(&Values::Float(vec![1.0, 0.1]), 1..2);
        column.append(&Values::Int(vec![-3]), 0..1);
        column.append_nulls(1);
        column.append(&Values::Bool(vec![true]), 0..1);
        let array = column.finish();
        let texts: Vec<_> = arrow::array::AsArray::as_string::<i32>(&array).iter().collect();
        assert_eq!(texts, [Some("0.1"), Some("-3"), None, Some("true")]);
    }
}
