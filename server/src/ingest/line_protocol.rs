//! InfluxDB line protocol, read in place: `measurement,tag=value field=value,field=value timestamp`.
//!
//! [`Parser`] finds the parts of a line and reads its numbers; it copies nothing and allocates nothing per line. The
//! measurement and its tags stay one slice of raw bytes, which is what the cache of known series is keyed by; only a
//! line that is met for the first time goes through [`series`].
//!
//! Invariants: no bytes make it panic; a bad line costs no other line; lines count from 1, columns are bytes from 1.
//!
//! Rules, where implementations differ: an escape (`\` before `,`, `=`, space or `\`) is taken back, any other `\`
//! stands for itself; a name may not end in `\`; `,` and `=` in a name must be escaped; a tag without a value is an
//! error; infinities and NaN are errors; a line break inside a quoted string belongs to the string.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memchr2, memchr3};
use tidemill_model::{Quality, ValueType};

use super::number::{integer, number};
use super::precision::Precision;

/// The field that carries the quality of the line's other fields: a raw OPC UA status code.
pub const QUALITY_FIELD: &[u8] = b"_quality";
/// Bytes of a refused line that its error repeats.
const TEXT_BYTES_MAX: usize = 512;

/// What is wrong, and at which byte of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Index of the byte.
    pub at: usize,
    /// What is wrong there and what would be right.
    pub reason: Cow<'static, str>,
}

impl Problem {
    #[cold]
    pub(super) fn new(at: usize, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { at, reason: reason.into() }
    }
}

/// Why a line was refused.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LineError {
    /// The line's number, from 1.
    pub line: u64,
    /// The byte in the line, from 1.
    pub column: usize,
    /// What is wrong there.
    pub reason: String,
    /// The line itself, cut to a few hundred bytes.
    pub text: String,
}

/// One field of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Field<'a> {
    /// The key as it was sent, with its escapes.
    pub key: &'a [u8],
    /// The value.
    pub value: FieldValue<'a>,
}

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FieldValue<'a> {
    /// Anything but text, as [`tidemill_model::payload::SamplesBuilder::push_bits`] takes it.
    Bits(ValueType, u64),
    /// What stands between the quotes, with its escapes; see [`unescape_text`].
    Text(&'a [u8]),
}

impl FieldValue<'_> {
    /// The type of series it belongs to.
    pub fn value_type(&self) -> ValueType {
        match self {
            FieldValue::Bits(value_type, _) => *value_type,
            FieldValue::Text(_) => ValueType::Text,
        }
    }
}

/// A line that was read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line<'p, 'a> {
    /// Its number, from 1.
    pub number: u64,
    /// Index of its first byte.
    pub start: usize,
    /// Index after its last byte.
    pub end: usize,
    /// Measurement and tags as they were sent.
    pub series: &'a [u8],
    /// Its fields without the quality; at least one.
    pub fields: &'p [Field<'a>],
    /// Its time, ns; `None`: the time at which it arrives.
    pub time: Option<i64>,
    /// The quality of all its fields.
    pub quality: Quality,
}

/// Reads the lines of a body one after another.
#[derive(Debug)]
pub struct Parser<'a> {
    body: &'a [u8],
    at: usize,
    number: u64,
    precision: Precision,
    fields: Vec<Field<'a>>,
}

/// What a line has behind its fields.
struct Rest {
    end: usize,
    time: Option<i64>,
    quality: Quality,
    inner_breaks: u64,
}

impl<'a> Parser<'a> {
    /// A parser at the beginning of `body`, whose timestamps count `precision`.
    pub fn new(body: &'a [u8], precision: Precision) -> Self {
        Self { body, at: 0, number: 1, precision, fields: Vec::new() }
    }

    /// Where the parser stands; [`Parser::resume`] goes on from there.
    pub fn mark(&self) -> (usize, u64) {
        (self.at, self.number)
    }

    /// Goes back (or on) to a place that [`Parser::mark`] returned.
    pub fn resume(&mut self, (at, number): (usize, u64)) {
        (self.at, self.number) = (at, number);
    }

    /// The next line, or why it is refused; `None` at the end.
    #[inline]
    pub fn next_line(&mut self) -> Option<Result<Line<'_, 'a>, LineError>> {
        self.skip_blank();
        let (start, number) = (self.at, self.number);
        if start >= self.body.len() {
            return None;
        }
        let (series, rest) = match self.line(start) {
            Ok(found) => found,
            Err(problem) => return Some(Err(self.refuse(start, problem))),
        };
        self.at = rest.end;
        self.number += rest.inner_breaks;
        let (fields, time, quality) = (self.fields.as_slice(), rest.time, rest.quality);
        Some(Ok(Line { number, start, end: rest.end, series, fields, time, quality }))
    }

    /// Skips white space, empty lines and comments.
    #[inline]
    fn skip_blank(&mut self) {
        while let Some(byte) = self.body.get(self.at) {
            match byte {
                b'\n' => self.number += 1,
                b' ' | b'\t' | b'\r' => {}
                b'#' => {
                    self.at = end_of_text_line(self.body, self.at);
                    continue;
                }
                _ => return,
            }
            self.at += 1;
        }
    }

    #[inline]
    fn line(&mut self, start: usize) -> Result<(&'a [u8], Rest), Problem> {
        let series_end = series_end(self.body, start)?;
        let first = skip_spaces(self.body, series_end);
        let mut rest = self.fields(first)?;
        rest.time = self.time(&mut rest.end)?;
        if self.fields.is_empty() {
            return Err(Problem::new(first, "a line needs a field besides _quality"));
        }
        Ok((&self.body[start..series_end], rest))
    }

    /// Reads the fields into `self.fields`.
    #[inline]
    fn fields(&mut self, mut at: usize) -> Result<Rest, Problem> {
        let body = self.body;
        let mut rest = Rest { end: 0, time: None, quality: Quality::GOOD, inner_breaks: 0 };
        self.fields.clear();
        loop {
            let key_end = key_end(body, at)?;
            let (key, start) = (&body[at..key_end], key_end + 1);
            let (value, end) = value(body, start)?;
            if let FieldValue::Text(text) = value {
                rest.inner_breaks += memchr_iter(b'\n', text).count() as u64;
            }
            if key == QUALITY_FIELD {
                rest.quality = quality(value, start)?;
            } else {
                self.fields.push(Field { key, value });
            }
            rest.end = end;
            if body.get(end) != Some(&b',') {
                return Ok(rest);
            }
            at = end + 1;
        }
    }

    /// Reads the timestamp, if there is one, and moves `end` to the line's end.
    #[inline]
    fn time(&self, end: &mut usize) -> Result<Option<i64>, Problem> {
        let start = skip_spaces(self.body, *end);
        let mut time = None;
        if start > *end && matches!(self.body.get(start), Some(b'-' | b'0'..=b'9')) {
            let (count, time_end) = integer(self.body, start)?;
            let out_of_range = "the timestamp is out of range at this precision";
            time = Some(self.precision.to_ns(count).ok_or_else(|| Problem::new(start, out_of_range))?);
            *end = skip_spaces(self.body, time_end);
        } else {
            *end = start;
        }
        if self.body.get(*end) == Some(&b'\r') {
            *end += 1;
        }
        match self.body.get(*end) {
            None | Some(b'\n') => Ok(time),
            Some(_) if time.is_some() => Err(Problem::new(*end, "expected the end of the line after the timestamp")),
            Some(_) if start > 0 && self.body.get(start - 1) == Some(&b' ') => {
                Err(Problem::new(*end, "expected an integer timestamp or the end of the line"))
            }
            Some(_) => {
                Err(Problem::new(*end, "expected a comma, a space or the end of the line after the field value"))
            }
        }
    }

    /// Moves behind a bad line and reports it.
    #[cold]
    fn refuse(&mut self, start: usize, problem: Problem) -> LineError {
        let end = end_of_line(self.body, problem.at.clamp(start, self.body.len()));
        let error = line_error(self.body, self.number, start..end, problem);
        self.number += memchr_iter(b'\n', &self.body[start..end]).count() as u64;
        self.at = end;
        error
    }
}

/// The error that reports `problem` in the line that takes up `line` of `body`.
#[cold]
pub fn line_error(body: &[u8], number: u64, line: std::ops::Range<usize>, problem: Problem) -> LineError {
    let column = problem.at.saturating_sub(line.start) + 1;
    let text = body.get(line).unwrap_or_default();
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let shown = String::from_utf8_lossy(&text[..text.len().min(TEXT_BYTES_MAX)]);
    let cut = if text.len() > TEXT_BYTES_MAX { "…" } else { "" };
    LineError { line: number, column, reason: problem.reason.into_owned(), text: format!("{shown}{cut}") }
}

fn end_of_text_line(body: &[u8], from: usize) -> usize {
    memchr(b'\n', &body[from..]).map_or(body.len(), |i| from + i)
}

/// The end of a bad line: line breaks inside a quoted string that is closed do not count.
fn end_of_line(body: &[u8], mut from: usize) -> usize {
    loop {
        let Some(found) = memchr2(b'\n', b'"', &body[from..]).map(|i| from + i) else { return body.len() };
        if body[found] == b'\n' {
            return found;
        }
        let opens = found > 0 && body[found - 1] == b'=';
        from = match closing_quote(body, found + 1) {
            Some(close) if opens => close + 1,
            None if opens => return end_of_text_line(body, found),
            _ => found + 1,
        };
    }
}

#[inline]
fn skip_spaces(body: &[u8], mut at: usize) -> usize {
    while body.get(at) == Some(&b' ') {
        at += 1;
    }
    at
}

/// Where measurement and tags end: at the first space that is not escaped.
#[inline]
fn series_end(body: &[u8], start: usize) -> Result<usize, Problem> {
    let mut from = start;
    loop {
        let found = body.get(from..).and_then(|rest| memchr3(b' ', b'\\', b'\n', rest)).map(|i| from + i);
        match found {
            Some(end) if body[end] == b' ' => return Ok(end),
            Some(escape) if body[escape] == b'\\' && body.get(escape + 1) != Some(&b'\n') => from = escape + 2,
            end => {
                let end = end.unwrap_or(body.len()).min(body.len());
                return Err(Problem::new(end, "the line ends before its fields: expected a space and field=value"));
            }
        }
    }
}

/// 1: ends a field key; 2: escapes the next byte.
const KEY: [u8; 256] = {
    let mut table = [0; 256];
    table[b'=' as usize] = 1;
    table[b',' as usize] = 1;
    table[b' ' as usize] = 1;
    table[b'\t' as usize] = 1;
    table[b'\n' as usize] = 1;
    table[b'\\' as usize] = 2;
    table
};

/// Where a field key ends: at a `=` that is not escaped.
#[inline]
fn key_end(body: &[u8], start: usize) -> Result<usize, Problem> {
    let mut at = start;
    loop {
        match body.get(at).map(|byte| KEY[usize::from(*byte)]) {
            Some(0) => at += 1,
            Some(2) if body.get(at + 1) != Some(&b'\n') => at += 2,
            Some(1) if body[at] == b'=' && at > start => return Ok(at),
            _ if at == start => return Err(Problem::new(start, "expected a field key")),
            _ => return Err(Problem::new(at.min(body.len()), "expected = and a value after the field key")),
        }
    }
}

/// Reads the value that starts at `start`; returns where it ends.
#[inline]
fn value(body: &[u8], start: usize) -> Result<(FieldValue<'_>, usize), Problem> {
    match body.get(start) {
        Some(b'0'..=b'9' | b'-' | b'.') => {
            number(body, start).map(|(value_type, bits, end)| (FieldValue::Bits(value_type, bits), end))
        }
        Some(b'"') => match closing_quote(body, start + 1) {
            Some(close) => Ok((FieldValue::Text(&body[start + 1..close]), close + 1)),
            None => Err(Problem::new(start, "the string is not closed: a \" is missing")),
        },
        _ => boolean(body, start),
    }
}

/// Index of the quote that closes a string whose first byte is at `from`.
fn closing_quote(body: &[u8], mut from: usize) -> Option<usize> {
    loop {
        let found = from + memchr2(b'"', b'\\', body.get(from..)?)?;
        if body[found] == b'"' {
            return Some(found);
        }
        from = found + 2;
    }
}

fn boolean(body: &[u8], start: usize) -> Result<(FieldValue<'_>, usize), Problem> {
    let rest = body.get(start..).unwrap_or_default();
    let length = rest.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(rest.len());
    let truth = match &rest[..length] {
        b"t" | b"T" | b"true" | b"True" | b"TRUE" => true,
        b"f" | b"F" | b"false" | b"False" | b"FALSE" => false,
        b"" => return Err(Problem::new(start, "expected a value: a number, true, false or a string in quotes")),
        word if word[0].eq_ignore_ascii_case(&b'n') || word[0].eq_ignore_ascii_case(&b'i') => {
            return Err(Problem::new(start, "not a finite number: NaN and infinity cannot be stored"));
        }
        _ => return Err(Problem::new(start, "not a number, true, false or a string in quotes")),
    };
    Ok((FieldValue::Bits(ValueType::Bool, u64::from(truth)), start + length))
}

fn quality(value: FieldValue<'_>, at: usize) -> Result<Quality, Problem> {
    match value {
        FieldValue::Bits(ValueType::Uint | ValueType::Int, bits) if u32::try_from(bits).is_ok() => {
            Ok(Quality(bits as u32))
        }
        _ => Err(Problem::new(at, "_quality must be an integer from 0i to 4294967295i: an OPC UA status code")),
    }
}

/// Measurement and tags in the plain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesName {
    /// The measurement.
    pub measurement: String,
    /// The tags as they were sent, in their order.
    pub labels: Vec<(String, String)>,
}

/// Takes `raw` (see [`Line::series`]) apart. Positions in the problem count from the beginning of `raw`.
///
/// # Errors
/// When the measurement or a tag is not well formed, or a tag comes twice.
pub fn series(raw: &[u8]) -> Result<SeriesName, Problem> {
    let mut parts = Parts { raw, at: 0 };
    let measurement = parts.name(b"", b", \\", "measurement")?;
    let mut labels: Vec<(String, String)> = Vec::new();
    while parts.at < raw.len() {
        parts.at += 1;
        let start = parts.at;
        let name = parts.name(b"=", b",= \\", "tag key")?;
        if raw.get(parts.at) != Some(&b'=') {
            return Err(Problem::new(parts.at, "expected = and a value after the tag key"));
        }
        parts.at += 1;
        let value = parts.name(b"", b",= \\", "tag value")?;
        if labels.iter().any(|(other, _)| *other == name) {
            return Err(Problem::new(start, format!("tag {name:?} comes twice")));
        }
        labels.push((name, value));
    }
    Ok(SeriesName { measurement, labels })
}

/// A field key in the plain. Positions in the problem count from the beginning of `raw`.
///
/// # Errors
/// When the key is not well formed.
pub fn field_key(raw: &[u8]) -> Result<String, Problem> {
    Parts { raw, at: 0 }.name(b"", b",= \\", "field key")
}

/// What a string's bytes between its quotes stand for.
///
/// # Errors
/// When that is not UTF-8.
pub fn unescape_text(raw: &[u8]) -> Result<String, Problem> {
    let text = std::str::from_utf8(raw).map_err(|e| Problem::new(e.valid_up_to(), "the string is not valid UTF-8"))?;
    if memchr(b'\\', raw).is_none() {
        return Ok(text.to_owned());
    }
    let (mut out, mut chars) = (String::with_capacity(text.len()), text.chars().peekable());
    while let Some(c) = chars.next() {
        match chars.peek() {
            Some(next @ ('"' | '\\')) if c == '\\' => {
                out.push(*next);
                chars.next();
            }
            _ => out.push(c),
        }
    }
    Ok(out)
}

/// Walks through measurement and tags.
struct Parts<'a> {
    raw: &'a [u8],
    at: usize,
}

impl Parts<'_> {
    /// Reads a name up to a byte that ends it: a comma, or one of `stops`. A measurement may hold `=`.
    fn name(&mut self, stops: &[u8], escapable: &[u8], what: &'static str) -> Result<String, Problem> {
        let start = self.at;
        let mut out = Vec::new();
        while let Some(&byte) = self.raw.get(self.at) {
            match self.raw.get(self.at + 1) {
                Some(next) if byte == b'\\' && escapable.contains(next) => {
                    out.push(*next);
                    self.at += 2;
                    continue;
                }
                _ if byte == b',' || stops.contains(&byte) => break,
                _ if matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0) => {
                    return Err(Problem::new(self.at, format!("white space in a {what} must be escaped or left out")));
                }
                _ if byte == b'=' && escapable.contains(&b'=') => {
                    return Err(Problem::new(self.at, format!("= in a {what} must be escaped")));
                }
                _ => out.push(byte),
            }
            self.at += 1;
        }
        let name = String::from_utf8(out).map_err(|_| Problem::new(start, format!("the {what} is not valid UTF-8")))?;
        match name.as_bytes().last() {
            None => Err(Problem::new(start, format!("the {what} is empty"))),
            Some(b'\\') => Err(Problem::new(start, format!("the {what} may not end with a backslash"))),
            Some(_) => Ok(name),
        }
    }
}
