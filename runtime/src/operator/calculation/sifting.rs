//! Handing over a record without the rows that the guest fails on.

use std::ops::Range;
use std::sync::Arc;

use tidemill_journal::ApplyError;
use tidemill_model::Record;
use tidemill_model::payload::SamplesView;

use super::{Applied, Calculation, fill, in_reach};
use crate::guest::{BatchColumns, CallError, Logs, OutputBounds, OutputRows};
use crate::operator::inputs::{Inputs, Target};
use crate::operator::refused::take_out;
use crate::operator::sift::{Attempts, sift};
use crate::operator::spec::OnError;

/// Rows `rows` of a batch with absolute times.
fn part(whole: &BatchColumns, rows: Range<usize>) -> BatchColumns {
    let mut runs = Vec::new();
    let mut first = 0;
    for [group, port, count] in &whole.runs {
        let run = first..first + *count as usize;
        first = run.end;
        let inside = run.start.max(rows.start)..run.end.min(rows.end);
        if !inside.is_empty() {
            runs.push([*group, *port, inside.len() as u32]);
        }
    }
    let of = |qualities: &Vec<u32>| if qualities.is_empty() { Vec::new() } else { qualities[rows.clone()].to_vec() };
    BatchColumns {
        runs,
        dt: whole.dt[rows.clone()].to_vec(),
        values: whole.values[rows.clone()].to_vec(),
        qualities: of(&whole.qualities),
        texts: whole.texts.clone(),
    }
}

struct Sieve<'a> {
    calculation: &'a mut Calculation,
    whole: &'a BatchColumns,
    groups: u32,
    rows: &'a mut OutputRows,
}

impl Sieve<'_> {
    fn hand_over(&mut self, range: Range<usize>) -> Result<(), CallError> {
        let Calculation { factory, instance, .. } = &mut *self.calculation;
        let bounds = OutputBounds { groups: self.groups, ports: &factory.spec.output_kinds };
        in_reach(&mut part(self.whole, range), |t0, batch| instance.process(t0, batch, bounds, self.rows))
    }
}

impl Attempts for Sieve<'_> {
    fn try_rows(&mut self, rows: Range<usize>) -> Result<(), String> {
        self.hand_over(rows).map_err(|error| error.to_string())
    }

    fn back_to(&mut self, taken: &[Range<usize>]) -> Result<(), String> {
        self.rows.clear();
        self.calculation.back_to_rebuilt(Arc::new(Logs::default()))?;
        taken.iter().try_for_each(|range| self.hand_over(range.clone())).map_err(|error| error.to_string())?;
        self.calculation.instance.log_to(self.calculation.factory.logs.clone());
        Ok(())
    }
}

impl Calculation {
    /// Applies a record on which `process` has failed, after the state before it has been rebuilt.
    pub(super) fn apply_sifted(
        &mut self,
        record: &Record,
        (view, targets): (&SamplesView<'_>, &[Target]),
        inputs: &Inputs,
        reason: String,
        rows: &mut OutputRows,
    ) -> Result<Applied, ApplyError> {
        let mut whole = BatchColumns::default();
        fill(&mut whole, view, targets);
        let groups = inputs.groups().len() as u32;
        let mut sieve = Sieve { calculation: self, whole: &whole, groups, rows };
        let sifted = sift(whole.dt.len(), reason, &mut sieve).map_err(halt)?;
        let refused = take_out(view, targets, sifted.refused);
        if self.factory.spec.on_error == OnError::Halt {
            rows.clear();
            self.back_to_rebuilt(self.factory.logs.clone()).map_err(halt)?;
            let what = refused.first().map_or_else(String::new, |refused| refused.describe(inputs.catalog()));
            return Err(self.refuse(format!("record at {}: {what}", record.offset)));
        }
        let newest = sifted.taken.iter().flat_map(|range| &whole.dt[range.clone()]).copied().max();
        if let Err(error) = self.end_of_rows(newest, groups, rows) {
            rows.clear();
            self.back_to_rebuilt(self.factory.logs.clone()).map_err(halt)?;
            return Err(self.refuse(error.to_string()));
        }
        let rows_in = sifted.taken.iter().map(|range| range.len() as u64).sum();
        self.remember(record, Some(sifted.taken));
        Ok(Applied { rows_in, newest, refused })
    }

    /// Repeats what [`Calculation::apply_sifted`] has done with a record.
    pub(super) fn repeat_sifted(
        &mut self,
        (view, targets): (&SamplesView<'_>, &[Target]),
        groups: u32,
        taken: &[Range<usize>],
        rows: &mut OutputRows,
    ) -> Result<(), CallError> {
        let mut whole = BatchColumns::default();
        fill(&mut whole, view, targets);
        let mut sieve = Sieve { calculation: self, whole: &whole, groups, rows };
        taken.iter().try_for_each(|range| sieve.hand_over(range.clone()))?;
        let newest = taken.iter().flat_map(|range| &whole.dt[range.clone()]).copied().max();
        self.end_of_rows(newest, groups, rows)
    }

    /// Moves the clock behind the rows that were handed over, if there were any.
    fn end_of_rows(&mut self, newest: Option<i64>, groups: u32, rows: &mut OutputRows) -> Result<(), CallError> {
        match newest {
            None => Ok(()),
            Some(newest) => {
                self.note_rows(newest);
                self.tell_time(groups, rows)
            }
        }
    }
}

fn halt(reason: String) -> ApplyError {
    ApplyError::Halt(format!("cannot restore its state: {reason}"))
}
