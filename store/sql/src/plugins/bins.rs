//! Bins of time: what `date_bin` and `date_trunc` in a `GROUP BY` say about the windows of its groups.
//!
//! Only bins of a fixed length are known: months, quarters and years are not.

use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::ScalarFunction;

const SECOND_NS: i64 = 1_000_000_000;
const DAY_NS: i64 = 86_400 * SECOND_NS;
/// The first Monday behind the Unix epoch, where weeks begin.
const MONDAY_NS: i64 = 4 * DAY_NS;

/// Bins `[origin + n · length, origin + (n + 1) · length)`, ns.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Bins {
    origin: i64,
    /// Positive.
    length: i64,
}

impl Bins {
    /// The bins that an expression sorts `time` into, if that is what it does.
    pub(crate) fn of(expr: &Expr, time: &Expr) -> Option<Self> {
        match expr {
            Expr::Alias(alias) => Self::of(&alias.expr, time),
            Expr::ScalarFunction(call) if call.args.get(1) == Some(time) => Self::of_call(call),
            _ => None,
        }
    }

    fn of_call(call: &ScalarFunction) -> Option<Self> {
        let first = constant(&call.args[0])?;
        match (call.func.name(), &call.args[2..]) {
            ("date_bin", rest) => {
                let origin = match rest {
                    [] => 0,
                    [origin] => instant(&constant(origin)?)?,
                    _ => return None,
                };
                Some(Self { origin, length: length(&first)? })
            }
            ("date_trunc", []) => {
                let (origin, length) = match first.try_as_str()??.to_ascii_lowercase().as_str() {
                    "microsecond" => (0, 1_000),
                    "millisecond" => (0, 1_000_000),
                    "second" => (0, SECOND_NS),
                    "minute" => (0, 60 * SECOND_NS),
                    "hour" => (0, 3600 * SECOND_NS),
                    "day" => (0, DAY_NS),
                    "week" => (MONDAY_NS, 7 * DAY_NS),
                    _ => return None,
                };
                Some(Self { origin, length })
            }
            _ => None,
        }
    }

    /// The shortest of bins that all hold.
    pub(crate) fn shortest(all: impl Iterator<Item = Self>) -> Option<Self> {
        all.min_by_key(|bins| bins.length)
    }

    /// Start and end of the bin that `time` lies in.
    pub(crate) fn bin_of(self, time: i64) -> (i64, i64) {
        let after = (i128::from(time) - i128::from(self.origin)).rem_euclid(i128::from(self.length));
        // Less than `length`, so it fits.
        let start = time.saturating_sub(after as i64);
        (start, start.saturating_add(self.length))
    }
}

/// The value of a constant, through casts.
fn constant(expr: &Expr) -> Option<ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value.clone()),
        Expr::Cast(cast) => constant(&cast.expr)?.cast_to(cast.field.data_type()).ok(),
        _ => None,
    }
}

fn length(interval: &ScalarValue) -> Option<i64> {
    let ScalarValue::IntervalMonthDayNano(Some(interval)) =
        interval.cast_to(&DataType::Interval(IntervalUnit::MonthDayNano)).ok()?
    else {
        return None;
    };
    let length = i64::from(interval.days).checked_mul(DAY_NS)?.checked_add(interval.nanoseconds)?;
    (interval.months == 0 && length > 0).then_some(length)
}

fn instant(origin: &ScalarValue) -> Option<i64> {
    match origin.cast_to(&DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))).ok()? {
        ScalarValue::TimestampNanosecond(ns, _) => ns,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bin_holds_its_start_and_not_its_end() {
        let bins = Bins { origin: 3, length: 10 };
        for (time, bin) in [(3, (3, 13)), (12, (3, 13)), (13, (13, 23)), (2, (-7, 3)), (-7, (-7, 3)), (-8, (-17, -7))] {
            assert_eq!(bins.bin_of(time), bin, "{time}");
        }
        let week = Bins { origin: MONDAY_NS, length: 7 * DAY_NS };
        assert_eq!(week.bin_of(i64::MIN).0, i64::MIN, "a bin is cut off at the end of time");
    }

    #[test]
    fn months_have_no_fixed_length() {
        let interval = |text: &str| length(&ScalarValue::from(text));
        assert_eq!(interval("1 minute"), Some(60 * SECOND_NS));
        assert_eq!(interval("1 day 1 second"), Some(DAY_NS + SECOND_NS));
        assert_eq!(interval("1 month"), None);
        assert_eq!(interval("nonsense"), None);
    }
}
