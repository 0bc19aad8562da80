//! Accumulators: they keep all rows, and ask the plugin at the end.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, StructArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{Float64Type, TimestampNanosecondType, UInt32Type};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::call::{Answers, Caller};
use super::function::outputs_type;
use super::rows::{Columns, Row, Rows};
use super::state;

/// All groups of a `GROUP BY`.
#[derive(Debug)]
pub(crate) struct Groups {
    rows: Rows,
    count: usize,
    caller: Caller,
}

/// The one group of a query without `GROUP BY`.
#[derive(Debug)]
pub(crate) struct Single(Groups);

/// Adds the rows of a batch of arguments.
fn append(rows: &mut Rows, arguments: &[ArrayRef], groups: &[usize], filter: Option<&BooleanArray>) {
    let times = arguments[0].as_primitive::<TimestampNanosecondType>();
    let values = arguments[1].as_primitive::<Float64Type>();
    let qualities = arguments.get(2).and_then(|argument| argument.as_primitive_opt::<UInt32Type>());
    let has_nulls = times.null_count() + values.null_count() + qualities.map_or(0, Array::null_count) > 0;
    if filter.is_none() && !has_nulls {
        let qualities = qualities.map(|qualities| &qualities.values()[..]);
        return rows.append(Columns { times: times.values(), values: values.values(), qualities }, groups);
    }
    for (row, group) in groups.iter().enumerate() {
        let is_wanted = filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
        if is_wanted && times.is_valid(row) && values.is_valid(row) {
            // An unknown quality is a good one, as everywhere.
            let quality = qualities.filter(|qualities| qualities.is_valid(row)).map_or(0, |all| all.value(row));
            rows.push(*group, Row { time: times.value(row), value: values.value(row), quality });
        }
    }
}

impl Groups {
    pub(crate) fn new(caller: Caller) -> Self {
        Self { rows: Rows::default(), count: 0, caller }
    }

    fn wanted(&self, emit_to: EmitTo) -> usize {
        match emit_to {
            EmitTo::All => self.count,
            EmitTo::First(groups) => groups,
        }
    }

    fn forget(&mut self, groups: usize) {
        self.rows.drop_first(groups);
        self.count -= groups;
    }

    /// The answers as a column of numbers, or of structs of all outputs.
    fn column(&self, answers: &Answers) -> ArrayRef {
        let plugin = &self.caller.function.plugin;
        let port = |port: usize| -> ArrayRef {
            let values = answers.values.iter().skip(port).step_by(plugin.outputs.len());
            Arc::new(values.map(|value| (!value.is_nan()).then_some(*value)).collect::<Float64Array>())
        };
        match self.caller.function.output {
            Some(output) => port(output),
            None => {
                let ports = (0..plugin.outputs.len()).map(port).collect();
                let nulls = NullBuffer::from(answers.has_rows.as_slice());
                Arc::new(StructArray::new(outputs_type(plugin), ports, Some(nulls)))
            }
        }
    }
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        arguments: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        count: usize,
    ) -> Result<()> {
        self.count = count;
        append(&mut self.rows, arguments, groups, filter);
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let groups = self.wanted(emit_to);
        let answers = self.caller.answers(&self.rows, groups)?;
        self.forget(groups);
        Ok(self.column(&answers))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let groups = self.wanted(emit_to);
        let state = state::encode(&self.rows, groups);
        self.forget(groups);
        Ok(state)
    }

    fn merge_batch(&mut self, state: &[ArrayRef], groups: &[usize], count: usize) -> Result<()> {
        self.count = count;
        state::decode(state, groups, &mut self.rows);
        Ok(())
    }

    fn convert_to_state(&self, arguments: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let groups: Vec<usize> = (0..arguments[0].len()).collect();
        let mut rows = Rows::default();
        append(&mut rows, arguments, &groups, filter);
        Ok(state::encode(&rows, groups.len()))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.rows.size_bytes()
    }
}

impl Single {
    pub(crate) fn new(caller: Caller) -> Self {
        Self(Groups { count: 1, ..Groups::new(caller) })
    }
}

impl Accumulator for Single {
    fn update_batch(&mut self, arguments: &[ArrayRef]) -> Result<()> {
        let groups = vec![0; arguments[0].len()];
        self.0.update_batch(arguments, &groups, None, 1)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let answers = self.0.caller.answers(&self.0.rows, 1)?;
        ScalarValue::try_from_array(&self.0.column(&answers), 0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let state = state::encode(&self.0.rows, 1);
        state.iter().map(|column| ScalarValue::try_from_array(column, 0)).collect()
    }

    fn merge_batch(&mut self, state: &[ArrayRef]) -> Result<()> {
        let groups = vec![0; state[0].len()];
        self.0.merge_batch(state, &groups, 1)
    }

    fn size(&self) -> usize {
        GroupsAccumulator::size(&self.0)
    }
}
