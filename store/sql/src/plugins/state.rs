//! The rows of groups as the engine moves them between the stages of a query: a list of times, of values and of qualities
//! per group. They never leave the process.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, ListArray, UInt32Array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type, UInt32Type};

use super::rows::{Columns, Rows};

/// Names and types of the columns of elements.
const COLUMNS: [(&str, DataType); 3] =
    [("times", DataType::Int64), ("values", DataType::Float64), ("qualities", DataType::UInt32)];

/// The columns of the state of a call called `name`.
pub(crate) fn fields(name: &str) -> Vec<FieldRef> {
    let field = |(column, element): (&str, DataType)| {
        Arc::new(Field::new(format!("{name}[{column}]"), DataType::List(element_field(element)), false))
    };
    COLUMNS.into_iter().map(field).collect()
}

fn element_field(element: DataType) -> FieldRef {
    Arc::new(Field::new_list_field(element, false))
}

/// The rows of the groups below `groups`.
pub(crate) fn encode(rows: &Rows, groups: usize) -> Vec<ArrayRef> {
    let (mut times, mut values, mut qualities, mut lengths) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let encoded = rows.for_each_group(groups, |_, rows| {
        times.extend(rows.iter().map(|row| row.time));
        values.extend(rows.iter().map(|row| row.value));
        qualities.extend(rows.iter().map(|row| row.quality));
        lengths.push(rows.len());
        Ok::<_, std::convert::Infallible>(())
    });
    let Ok(()) = encoded;
    let offsets = OffsetBuffer::from_lengths(lengths);
    let list = |column: ArrayRef| -> ArrayRef {
        Arc::new(ListArray::new(element_field(column.data_type().clone()), offsets.clone(), column, None))
    };
    vec![
        list(Arc::new(Int64Array::from(times))),
        list(Arc::new(Float64Array::from(values))),
        list(Arc::new(UInt32Array::from(qualities))),
    ]
}

/// Adds the rows of such columns; `groups` names the group of each list.
pub(crate) fn decode(state: &[ArrayRef], groups: &[usize], rows: &mut Rows) {
    let [times, values, qualities] = [0, 1, 2].map(|column: usize| state[column].as_list::<i32>());
    for (list, group) in groups.iter().enumerate() {
        let (times, values, qualities) = (times.value(list), values.value(list), qualities.value(list));
        let columns = Columns {
            times: times.as_primitive::<Int64Type>().values(),
            values: values.as_primitive::<Float64Type>().values(),
            qualities: Some(qualities.as_primitive::<UInt32Type>().values()),
        };
        rows.append(columns, &vec![*group; times.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::rows::Row;

    #[test]
    fn rows_survive_two_stages() {
        let row = |time| Row { time, value: time as f64 / 2.0, quality: (time % 3) as u32 };
        let mut whole = Rows::default();
        let mut halves = [Rows::default(), Rows::default()];
        for time in 0..50 {
            whole.push(time as usize % 7, row(time));
            halves[usize::from(time >= 30)].push(time as usize % 7, row(time));
        }
        let mut merged = Rows::default();
        for half in &halves {
            let state = encode(half, 8);
            let types: Vec<_> = state.iter().map(|column| column.data_type().clone()).collect();
            let wanted: Vec<_> = fields("f").iter().map(|field| field.data_type().clone()).collect();
            assert_eq!(types, wanted);
            decode(&state, &[0, 1, 2, 3, 4, 5, 6, 7], &mut merged);
        }
        assert_eq!(encode(&merged, 8), encode(&whole, 8));
    }
}
