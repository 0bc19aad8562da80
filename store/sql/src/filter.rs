//! What the scan can decide by itself about a `WHERE` clause: times by range, labels and names before any sample is read.
//!
//! Invariant: whatever is recognised here is decided *exactly*, so that the engine does not look at it again; everything else is left to it.

use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use datafusion::scalar::ScalarValue;
use tidemill_model::TimeRange;

/// Name of the time column of every table with samples.
pub(crate) const TIME: &str = "time";

/// One conjunct of a `WHERE` clause, as far as a scan understands it.
pub(crate) enum Conjunct {
    /// Exactly the rows with a time inside.
    Time(TimeRange),
    /// A condition on constant columns only: the same for all rows of a label set.
    Constant,
    /// Anything else.
    Unknown,
}

/// Says what a conjunct asks for, given which columns are constant within a label set.
pub(crate) fn classify(conjunct: &Expr, is_constant: impl Fn(&str) -> bool) -> Conjunct {
    if let Some(range) = time_range(conjunct) {
        return Conjunct::Time(range);
    }
    let columns = conjunct.column_refs();
    let constant = !columns.is_empty() && columns.iter().all(|column| is_constant(&column.name));
    if constant && !conjunct.is_volatile() { Conjunct::Constant } else { Conjunct::Unknown }
}

/// The times for which the condition holds, if it is a condition on time against literals.
fn time_range(condition: &Expr) -> Option<TimeRange> {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            Some(intersect(time_range(left)?, time_range(right)?))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (&**left, &**right) {
            (Expr::Column(column), literal) if column.name == TIME => compare(*op, nanoseconds(literal)?),
            (literal, Expr::Column(column)) if column.name == TIME => compare(op.swap()?, nanoseconds(literal)?),
            _ => None,
        },
        Expr::Between(between) if !between.negated && is_time(&between.expr) => {
            let (low, high) = (nanoseconds(&between.low)?, nanoseconds(&between.high)?);
            Some(intersect(compare(Operator::GtEq, low)?, compare(Operator::LtEq, high)?))
        }
        _ => None,
    }
}

fn is_time(expression: &Expr) -> bool {
    matches!(expression, Expr::Column(column) if column.name == TIME)
}

/// The engine has made every literal that is compared with `time` a timestamp in nanoseconds before it asks us.
fn nanoseconds(expression: &Expr) -> Option<i64> {
    match expression {
        Expr::Literal(ScalarValue::TimestampNanosecond(value, _), _) => *value,
        _ => None,
    }
}

/// The times `t` with `t op bound`. No sample has the time `i64::MAX`, so saturation loses none.
fn compare(op: Operator, bound: i64) -> Option<TimeRange> {
    let next = bound.saturating_add(1);
    Some(match op {
        Operator::Eq => TimeRange::new(bound, next),
        Operator::Lt => TimeRange::new(i64::MIN, bound),
        Operator::LtEq => TimeRange::new(i64::MIN, next),
        Operator::Gt => TimeRange::new(next, i64::MAX),
        Operator::GtEq => TimeRange::new(bound, i64::MAX),
        _ => return None,
    })
}

/// The times in both ranges.
pub(crate) fn intersect(a: TimeRange, b: TimeRange) -> TimeRange {
    TimeRange::new(a.start.max(b.start), a.end.min(b.end))
}

/// A column and the only texts it may have, if the condition says just that: `=`, `IN`, or an `OR` of these.
pub(crate) fn allowed_texts(condition: &Expr) -> Option<(&str, Vec<&str>)> {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let ((a, mut texts), (b, more)) = (allowed_texts(left)?, allowed_texts(right)?);
            texts.extend(more);
            (a == b).then_some((a, texts))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => match (&**left, &**right) {
            (Expr::Column(column), literal) | (literal, Expr::Column(column)) => {
                Some((&column.name, vec![text(literal)?]))
            }
            _ => None,
        },
        Expr::InList(list) if !list.negated => match &*list.expr {
            Expr::Column(column) => Some((&column.name, list.list.iter().map(text).collect::<Option<_>>()?)),
            _ => None,
        },
        _ => None,
    }
}

fn text(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{col, lit};

    use super::*;

    fn at(ns: i64) -> Expr {
        lit(ScalarValue::TimestampNanosecond(Some(ns), Some("UTC".into())))
    }

    #[test]
    fn comparisons_with_time_become_half_open_ranges() {
        let check = |condition: Expr, start, end| {
            assert_eq!(time_range(&condition), Some(TimeRange::new(start, end)), "{condition}");
        };
        check(col("time").eq(at(5)), 5, 6);
        check(col("time").gt(at(5)), 6, i64::MAX);
        check(at(5).gt(col("time")), i64::MIN, 5);
        check(col("time").lt_eq(at(5)), i64::MIN, 6);
        check(col("time").lt_eq(at(i64::MAX)), i64::MIN, i64::MAX);
        check(col("time").between(at(2), at(5)), 2, 6);
        check(col("time").gt_eq(at(2)).and(col("time").lt(at(4))), 2, 4);
    }

    #[test]
    fn other_conditions_are_left_to_the_engine() {
        for condition in [
            col("time").not_eq(at(5)),
            col("power").gt(at(5)),
            col("time").gt(lit(ScalarValue::TimestampNanosecond(None, None))),
            col("time").gt(at(1)).or(col("time").lt(at(0))),
            col("time").not_between(at(2), at(5)),
        ] {
            assert_eq!(time_range(&condition), None, "{condition}");
        }
    }

    #[test]
    fn equalities_and_lists_of_texts_are_understood() {
        let either = col("unit").eq(lit("T1")).or(lit("T2").eq(col("unit")));
        assert_eq!(allowed_texts(&either), Some(("unit", vec!["T1", "T2"])));
        assert_eq!(allowed_texts(&col("unit").in_list(vec![lit("a")], false)), Some(("unit", vec!["a"])));
        assert_eq!(allowed_texts(&col("unit").in_list(vec![lit("a")], true)), None);
        assert_eq!(allowed_texts(&col("unit").eq(lit("a")).or(col("site").eq(lit("b")))), None);
        assert_eq!(allowed_texts(&col("unit").eq(col("site"))), None);
    }
}
