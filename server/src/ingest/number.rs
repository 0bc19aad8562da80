//! Numbers of the line protocol, read straight from the bytes and exactly: every float is the nearest double to its
//! decimal text.
//!
//! At most 15 digits without an exponent take the fast path: such a mantissa and such a power of ten are both exact
//! doubles, so that one division rounds once. Everything else goes through `str::parse`.

use tidemill_model::ValueType;

use super::line_protocol::Problem;

const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
/// Digits that every integer of so many fits an `i64` and a `u64`.
const SAFE_DIGITS: usize = 18;

/// Reads digits from `at` on; returns where they end and their value, which has wrapped if there are more than 19.
#[inline]
fn digits(body: &[u8], mut at: usize, mut value: u64) -> (usize, u64) {
    while let Some(byte) = body.get(at) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    (at, value)
}

/// Reads a float, an integer (`i`) or an unsigned integer (`u`) that starts at `start`: type, bits, and where it ends.
#[inline]
pub(super) fn number(body: &[u8], start: usize) -> Result<(ValueType, u64, usize), Problem> {
    let negative = body.get(start) == Some(&b'-');
    let first = start + usize::from(negative);
    let (whole_end, mantissa) = digits(body, first, 0);
    match body.get(whole_end) {
        Some(b'i') => signed(body, start, whole_end, mantissa).map(|v| (ValueType::Int, v as u64, whole_end + 1)),
        Some(b'u') => unsigned(body, start, whole_end, mantissa).map(|v| (ValueType::Uint, v, whole_end + 1)),
        _ => float(body, start, first, whole_end, mantissa),
    }
}

#[inline]
fn float(
    body: &[u8],
    start: usize,
    first: usize,
    whole_end: usize,
    mantissa: u64,
) -> Result<(ValueType, u64, usize), Problem> {
    let (mut end, mut mantissa, mut count, mut fraction) = (whole_end, mantissa, whole_end - first, 0);
    if body.get(whole_end) == Some(&b'.') {
        (end, mantissa) = digits(body, whole_end + 1, mantissa);
        fraction = end - whole_end - 1;
        count += fraction;
    }
    if count == 0 {
        return Err(Problem::new(start, "a number without digits"));
    }
    if count <= 15 && !matches!(body.get(end), Some(b'e' | b'E')) {
        let magnitude = mantissa as f64 / POWERS[fraction];
        let value = if first > start { -magnitude } else { magnitude };
        return Ok((ValueType::Float, value.to_bits(), end));
    }
    long_float(body, start, end)
}

#[cold]
fn long_float(body: &[u8], start: usize, mut end: usize) -> Result<(ValueType, u64, usize), Problem> {
    if matches!(body.get(end), Some(b'e' | b'E')) {
        end += 1 + usize::from(matches!(body.get(end + 1), Some(b'-' | b'+')));
        let exponent = end;
        end = digits(body, end, 0).0;
        if end == exponent {
            return Err(Problem::new(start, "a number without digits in its exponent"));
        }
    }
    let value = text(body, start, end).parse::<f64>().map_err(|_| Problem::new(start, "not a number"))?;
    if !value.is_finite() {
        return Err(Problem::new(start, "the number is too large for a float"));
    }
    Ok((ValueType::Float, value.to_bits(), end))
}

/// A signed integer whose digits have been read already.
#[inline]
pub(super) fn signed(body: &[u8], start: usize, end: usize, magnitude: u64) -> Result<i64, Problem> {
    let negative = body.get(start) == Some(&b'-');
    match end - start - usize::from(negative) {
        0 => Err(Problem::new(start, "an integer without digits")),
        1..=SAFE_DIGITS if negative => Ok(-(magnitude as i64)),
        1..=SAFE_DIGITS => Ok(magnitude as i64),
        _ => text(body, start, end)
            .parse()
            .map_err(|_| Problem::new(start, "the integer is out of range: it needs more than 64 bits")),
    }
}

#[inline]
fn unsigned(body: &[u8], start: usize, end: usize, magnitude: u64) -> Result<u64, Problem> {
    match end - start {
        0 => Err(Problem::new(start, "an integer without digits")),
        _ if body.get(start) == Some(&b'-') => Err(Problem::new(start, "an unsigned integer may not be negative")),
        1..=SAFE_DIGITS => Ok(magnitude),
        _ => text(body, start, end)
            .parse()
            .map_err(|_| Problem::new(start, "the unsigned integer is out of range: it needs more than 64 bits")),
    }
}

/// A plain integer without a suffix: a timestamp. Returns it and where it ends.
#[inline]
pub(super) fn integer(body: &[u8], start: usize) -> Result<(i64, usize), Problem> {
    let first = start + usize::from(body.get(start) == Some(&b'-'));
    let (end, magnitude) = digits(body, first, 0);
    Ok((signed(body, start, end, magnitude)?, end))
}

/// The digits, dots and signs between `start` and `end` as text: all of them are ASCII.
fn text(body: &[u8], start: usize, end: usize) -> &str {
    body.get(start..end).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
}
