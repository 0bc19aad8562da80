//! Series: their keys, the one text form of a key, and the id that is hashed from it.
//!
//! The text form is `measurement:field{label=value,label=value}`. Labels are sorted by name, the field `value` and an
//! empty label set are left out, and `\` escapes the characters `\ : { } , =` inside names and values. Two keys are
//! equal exactly when their text forms are, so the text form is what ids are hashed from.

use std::fmt;
use std::str::FromStr;

use xxhash_rust::xxh3::xxh3_64;

use crate::sample::ValueType;

/// The field name that the text form leaves out.
pub const DEFAULT_FIELD: &str = "value";
/// Longest measurement, field, label name or label value, in bytes.
pub const NAME_BYTES_MAX: usize = 4096;
/// Most labels on one series.
pub const LABELS_MAX: usize = 64;

/// Identifies a series everywhere: the XXH3-64 hash of its key's text form.
///
/// The catalog refuses a key whose id is already taken by another key, so equal ids mean equal keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SeriesId(pub u64);

impl fmt::Display for SeriesId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Measurement, labels and field: the full name of one value column.
///
/// Invariants: labels are sorted by name with no name twice; no name is empty or longer than [`NAME_BYTES_MAX`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SeriesKey {
    measurement: String,
    field: String,
    labels: Vec<(String, String)>,
}

/// Why a series key is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SeriesKeyError {
    /// A name is empty.
    #[error("{part} is empty in series key")]
    Empty {
        /// Which part: measurement, field, label name or label value.
        part: &'static str,
    },
    /// A name is too long.
    #[error("{part} has {bytes} bytes, at most {NAME_BYTES_MAX} are allowed")]
    TooLong {
        /// Which part.
        part: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// The same label twice.
    #[error("label {label:?} appears twice in series key")]
    DuplicateLabel {
        /// The label's name.
        label: String,
    },
    /// More than [`LABELS_MAX`] labels.
    #[error("series key has {count} labels, at most {LABELS_MAX} are allowed")]
    TooManyLabels {
        /// How many there were.
        count: usize,
    },
    /// The text form does not parse.
    #[error("series key {text:?} is not of the form measurement:field{{label=value}}: {reason} at byte {at}")]
    Syntax {
        /// The whole text.
        text: String,
        /// What is wrong.
        reason: &'static str,
        /// Byte offset in `text`.
        at: usize,
    },
}

impl SeriesKey {
    /// Makes a key; sorts the labels.
    ///
    /// # Errors
    /// When a name is empty or too long, a label comes twice, or there are too many.
    pub fn new(
        measurement: impl Into<String>,
        field: impl Into<String>,
        mut labels: Vec<(String, String)>,
    ) -> Result<Self, SeriesKeyError> {
        let (measurement, field) = (measurement.into(), field.into());
        check_name("measurement", &measurement)?;
        check_name("field", &field)?;
        if labels.len() > LABELS_MAX {
            return Err(SeriesKeyError::TooManyLabels { count: labels.len() });
        }
        for (name, value) in &labels {
            check_name("label name", name)?;
            check_name("label value", value)?;
        }
        labels.sort();
        if let Some(pair) = labels.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(SeriesKeyError::DuplicateLabel { label: pair[0].0.clone() });
        }
        Ok(Self { measurement, field, labels })
    }

    /// The measurement.
    pub fn measurement(&self) -> &str {
        &self.measurement
    }

    /// The field.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The labels, sorted by name.
    pub fn labels(&self) -> &[(String, String)] {
        &self.labels
    }

    /// The value of one label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The id: a hash of the text form.
    pub fn id(&self) -> SeriesId {
        SeriesId(xxh3_64(self.to_string().as_bytes()))
    }

    /// The hash that chooses a partition. All fields of one thing share it: it covers measurement and labels only.
    pub fn partition_hash(&self) -> u64 {
        let mut text = String::new();
        push_escaped(&mut text, &self.measurement);
        push_labels(&mut text, &self.labels);
        xxh3_64(text.as_bytes())
    }
}

fn check_name(part: &'static str, name: &str) -> Result<(), SeriesKeyError> {
    if name.is_empty() {
        return Err(SeriesKeyError::Empty { part });
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(SeriesKeyError::TooLong { part, bytes: name.len() });
    }
    Ok(())
}

fn is_special(c: char) -> bool {
    matches!(c, '\\' | ':' | '{' | '}' | ',' | '=')
}

fn push_escaped(out: &mut String, name: &str) {
    for c in name.chars() {
        if is_special(c) {
            out.push('\\');
        }
        out.push(c);
    }
}

fn push_labels(out: &mut String, labels: &[(String, String)]) {
    for (i, (name, value)) in labels.iter().enumerate() {
        out.push(if i == 0 { '{' } else { ',' });
        push_escaped(out, name);
        out.push('=');
        push_escaped(out, value);
    }
    if !labels.is_empty() {
        out.push('}');
    }
}

impl fmt::Display for SeriesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(self.measurement.len() + self.field.len() + 32 * self.labels.len());
        push_escaped(&mut text, &self.measurement);
        if self.field != DEFAULT_FIELD {
            text.push(':');
            push_escaped(&mut text, &self.field);
        }
        push_labels(&mut text, &self.labels);
        f.write_str(&text)
    }
}

impl FromStr for SeriesKey {
    type Err = SeriesKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut scanner = Scanner { text, at: 0 };
        let measurement = scanner.name();
        let field = if scanner.eat(':') { scanner.name() } else { DEFAULT_FIELD.to_owned() };
        let mut labels = Vec::new();
        if scanner.eat('{') {
            loop {
                let name = scanner.name();
                if !scanner.eat('=') {
                    return Err(scanner.error("expected = after the label name"));
                }
                labels.push((name, scanner.name()));
                if scanner.eat('}') {
                    break;
                }
                if !scanner.eat(',') {
                    return Err(scanner.error("expected , or } after the label value"));
                }
            }
        }
        if scanner.at != text.len() {
            return Err(scanner.error("unexpected character"));
        }
        Self::new(measurement, field, labels)
    }
}

/// Reads escaped names and single characters of the text form.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl Scanner<'_> {
    fn name(&mut self) -> String {
        let mut name = String::new();
        let mut chars = self.text[self.at..].char_indices();
        while let Some((i, c)) = chars.next() {
            if c == '\\'
                && let Some((_, escaped)) = chars.next()
            {
                name.push(escaped);
                continue;
            }
            if is_special(c) {
                self.at += i;
                return name;
            }
            name.push(c);
        }
        self.at = self.text.len();
        name
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.text[self.at..].starts_with(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    fn error(&self, reason: &'static str) -> SeriesKeyError {
        SeriesKeyError::Syntax { text: self.text.to_owned(), reason, at: self.at }
    }
}

/// A registered series: its id, its key and the one type its values have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Series {
    /// The id.
    pub id: SeriesId,
    /// The key.
    pub key: SeriesKey,
    /// The type of every value of this series; the first registration fixed it.
    pub value_type: ValueType,
}

impl Series {
    /// A series with the id that belongs to its key.
    pub fn new(key: SeriesKey, value_type: ValueType) -> Self {
        Self { id: key.id(), key, value_type }
    }
}

/// Writes `name` the way the text form does, for tools that print parts of keys.
pub fn escape_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    push_escaped(&mut out, name);
    out
}

/// Appends `{label=value,…}` for a label set without a measurement; empty when there are none.
pub fn labels_text(labels: &[(String, String)]) -> String {
    let mut out = String::new();
    push_labels(&mut out, labels);
    out
}
