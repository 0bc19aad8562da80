//! One value of an Arrow array as text.

use std::fmt::Write;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// The text of a value, and how a format has to treat it.
pub(super) enum Cell<'a> {
    /// No value.
    Null,
    /// Digits or a truth value, the same in every format.
    Plain(&'a str),
    /// NaN or an infinity.
    NotFinite(&'a str),
    /// Anything else, to be quoted and escaped as the format wants it.
    Text(&'a str),
}

/// Name of a column's type, for people: the names that series have, where there is one.
pub(super) fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Timestamp(..) => "timestamp".into(),
        DataType::Float64 | DataType::Float32 => "float".into(),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => "integer".into(),
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => "unsigned".into(),
        DataType::Boolean => "boolean".into(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".into(),
        other => other.to_string().to_lowercase(),
    }
}

/// Reads `array[row]`; `scratch` holds the text when the array does not.
pub(super) fn cell<'a>(array: &'a ArrayRef, row: usize, scratch: &'a mut String) -> Cell<'a> {
    if array.is_null(row) {
        return Cell::Null;
    }
    scratch.clear();
    let number = |scratch: &mut String, value: &dyn std::fmt::Display| {
        write!(scratch, "{value}").expect("a String takes everything");
    };
    match array.data_type() {
        DataType::Null => return Cell::Null,
        DataType::Float64 => return float(array.as_primitive::<Float64Type>().value(row), scratch),
        DataType::Float32 => return float(array.as_primitive::<Float32Type>().value(row), scratch),
        DataType::Int64 => number(scratch, &array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt64 => number(scratch, &array.as_primitive::<UInt64Type>().value(row)),
        DataType::UInt32 => number(scratch, &array.as_primitive::<UInt32Type>().value(row)),
        DataType::Int32 => number(scratch, &array.as_primitive::<Int32Type>().value(row)),
        DataType::Int16 => number(scratch, &array.as_primitive::<Int16Type>().value(row)),
        DataType::UInt16 => number(scratch, &array.as_primitive::<UInt16Type>().value(row)),
        DataType::Int8 => number(scratch, &array.as_primitive::<Int8Type>().value(row)),
        DataType::UInt8 => number(scratch, &array.as_primitive::<UInt8Type>().value(row)),
        DataType::Boolean => number(scratch, &array.as_boolean().value(row)),
        DataType::Utf8 => return Cell::Text(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => return Cell::Text(array.as_string::<i64>().value(row)),
        DataType::Utf8View => return Cell::Text(array.as_string_view().value(row)),
        DataType::Timestamp(unit, _) => {
            push_time(scratch, timestamp_ns(array, *unit, row));
            return Cell::Text(scratch);
        }
        _ => return other(array, row, scratch),
    }
    Cell::Plain(scratch)
}

/// `{:?}` is the shortest text that reads back the same, with a point or an exponent.
fn float<'a, T: std::fmt::Debug + Into<f64> + Copy>(value: T, scratch: &'a mut String) -> Cell<'a> {
    let wide: f64 = value.into();
    if wide.is_finite() {
        write!(scratch, "{value:?}").expect("a String takes everything");
        return Cell::Plain(scratch);
    }
    Cell::NotFinite(if wide.is_nan() {
        "NaN"
    } else if wide > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    })
}

/// Intervals, lists, decimals, dates and the rest, as the engine shows them.
fn other<'a>(array: &'a ArrayRef, row: usize, scratch: &'a mut String) -> Cell<'a> {
    let options = FormatOptions::new().with_display_error(true);
    match ArrayFormatter::try_new(array, &options) {
        Ok(formatter) => write!(scratch, "{}", formatter.value(row)).expect("a String takes everything"),
        Err(_) => return Cell::Null,
    }
    match array.data_type() {
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            Cell::Plain(scratch)
        }
        _ => Cell::Text(scratch),
    }
}

fn timestamp_ns(array: &ArrayRef, unit: TimeUnit, row: usize) -> i128 {
    let (value, scale) = match unit {
        TimeUnit::Second => (array.as_primitive::<TimestampSecondType>().value(row), 1_000_000_000),
        TimeUnit::Millisecond => (array.as_primitive::<TimestampMillisecondType>().value(row), 1_000_000),
        TimeUnit::Microsecond => (array.as_primitive::<TimestampMicrosecondType>().value(row), 1_000),
        TimeUnit::Nanosecond => (array.as_primitive::<TimestampNanosecondType>().value(row), 1),
    };
    i128::from(value) * scale
}

/// Appends an instant (ns since the Unix epoch) as RFC 3339, UTC.
fn push_time(out: &mut String, ns: i128) {
    let (seconds, fraction) = (ns.div_euclid(1_000_000_000), ns.rem_euclid(1_000_000_000));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}").expect("a String takes everything");
    match fraction {
        0 => Ok(()),
        f if f % 1_000_000 == 0 => write!(out, ".{:03}", f / 1_000_000),
        f if f % 1_000 == 0 => write!(out, ".{:06}", f / 1_000),
        f => write!(out, ".{f:09}"),
    }
    .expect("a String takes everything");
    out.push('Z');
}

/// Year, month and day of a day since the Unix epoch, in the proleptic Gregorian calendar. The year is taken to start in
/// March, so that the leap day is its last (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn civil(days: i128) -> (i128, i128, i128) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + i128::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_rfc_3339_with_as_many_digits_as_needed() {
        let check = |ns: i128, text: &str| {
            let mut out = String::new();
            push_time(&mut out, ns);
            assert_eq!(out, text);
        };
        check(0, "1970-01-01T00:00:00Z");
        check(1_795_435_200_123_456_789, "2026-11-23T12:00:00.123456789Z");
        check(1_795_435_200_120_000_000, "2026-11-23T12:00:00.120Z");
        check(1_795_435_200_000_001_000, "2026-11-23T12:00:00.000001Z");
        check(951_782_400_000_000_000, "2000-02-29T00:00:00Z");
        check(-1, "1969-12-31T23:59:59.999999999Z");
        check(i128::from(i64::MIN), "1677-09-21T00:12:43.145224192Z");
    }
}
