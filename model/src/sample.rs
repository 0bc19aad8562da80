//! Samples: their value types, single values, and columns of them.

use std::fmt;

use crate::quality::Quality;

/// The type of every value of a series. The numbers are persisted: never change them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum ValueType {
    /// IEEE 754 double.
    Float = 1,
    /// Signed 64-bit integer.
    Int = 2,
    /// Unsigned 64-bit integer.
    Uint = 3,
    /// Boolean.
    Bool = 4,
    /// UTF-8 text.
    Text = 5,
}

impl ValueType {
    /// All types, by their number.
    pub const ALL: [ValueType; 5] =
        [ValueType::Float, ValueType::Int, ValueType::Uint, ValueType::Bool, ValueType::Text];

    /// The type with this persisted number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|t| *t as u8 == number)
    }

    /// The name users see: `float`, `integer`, `unsigned`, `boolean` or `string`.
    pub fn name(self) -> &'static str {
        match self {
            ValueType::Float => "float",
            ValueType::Int => "integer",
            ValueType::Uint => "unsigned",
            ValueType::Bool => "boolean",
            ValueType::Text => "string",
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One value.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// See [`ValueType::Float`].
    Float(f64),
    /// See [`ValueType::Int`].
    Int(i64),
    /// See [`ValueType::Uint`].
    Uint(u64),
    /// See [`ValueType::Bool`].
    Bool(bool),
    /// See [`ValueType::Text`].
    Text(String),
}

impl Value {
    /// Its type.
    pub fn value_type(&self) -> ValueType {
        match self {
            Value::Float(_) => ValueType::Float,
            Value::Int(_) => ValueType::Int,
            Value::Uint(_) => ValueType::Uint,
            Value::Bool(_) => ValueType::Bool,
            Value::Text(_) => ValueType::Text,
        }
    }

    /// As a double, where that has a meaning: booleans are 0 and 1, text is none.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Float(v) => Some(*v),
            Value::Int(v) => Some(*v as f64),
            Value::Uint(v) => Some(*v as f64),
            Value::Bool(v) => Some(f64::from(u8::from(*v))),
            Value::Text(_) => None,
        }
    }
}

/// One sample of a series.
#[derive(Clone, PartialEq, Debug)]
pub struct Sample {
    /// Source time, ns since the Unix epoch.
    pub time: i64,
    /// The value.
    pub value: Value,
    /// The quality.
    pub quality: Quality,
}

/// A column of values of one type.
#[derive(Clone, PartialEq, Debug)]
pub enum Values {
    /// See [`ValueType::Float`].
    Float(Vec<f64>),
    /// See [`ValueType::Int`].
    Int(Vec<i64>),
    /// See [`ValueType::Uint`].
    Uint(Vec<u64>),
    /// See [`ValueType::Bool`].
    Bool(Vec<bool>),
    /// See [`ValueType::Text`].
    Text(Vec<String>),
}

impl Values {
    /// An empty column.
    pub fn new(value_type: ValueType) -> Self {
        match value_type {
            ValueType::Float => Values::Float(Vec::new()),
            ValueType::Int => Values::Int(Vec::new()),
            ValueType::Uint => Values::Uint(Vec::new()),
            ValueType::Bool => Values::Bool(Vec::new()),
            ValueType::Text => Values::Text(Vec::new()),
        }
    }

    /// Its type.
    pub fn value_type(&self) -> ValueType {
        match self {
            Values::Float(_) => ValueType::Float,
            Values::Int(_) => ValueType::Int,
            Values::Uint(_) => ValueType::Uint,
            Values::Bool(_) => ValueType::Bool,
            Values::Text(_) => ValueType::Text,
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Values::Float(v) => v.len(),
            Values::Int(v) => v.len(),
            Values::Uint(v) => v.len(),
            Values::Bool(v) => v.len(),
            Values::Text(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at `index`.
    pub fn get(&self, index: usize) -> Option<Value> {
        match self {
            Values::Float(v) => v.get(index).map(|v| Value::Float(*v)),
            Values::Int(v) => v.get(index).map(|v| Value::Int(*v)),
            Values::Uint(v) => v.get(index).map(|v| Value::Uint(*v)),
            Values::Bool(v) => v.get(index).map(|v| Value::Bool(*v)),
            Values::Text(v) => v.get(index).map(|v| Value::Text(v.clone())),
        }
    }
}

/// Samples of one series, in strictly ascending source time.
///
/// Invariants: `times` and `values` have the same length; `qualities` has it too, or is empty when all are good.
#[derive(Clone, PartialEq, Debug)]
pub struct SampleColumn {
    /// Source times, ns.
    pub times: Vec<i64>,
    /// The values.
    pub values: Values,
    /// Raw qualities; empty when every sample is good.
    pub qualities: Vec<u32>,
}

impl SampleColumn {
    /// No samples.
    pub fn empty(value_type: ValueType) -> Self {
        Self { times: Vec::new(), values: Values::new(value_type), qualities: Vec::new() }
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// The quality at `index`.
    pub fn quality(&self, index: usize) -> Quality {
        Quality(self.qualities.get(index).copied().unwrap_or(0))
    }

    /// The sample at `index`.
    pub fn get(&self, index: usize) -> Option<Sample> {
        let value = self.values.get(index)?;
        Some(Sample { time: *self.times.get(index)?, value, quality: self.quality(index) })
    }
}
