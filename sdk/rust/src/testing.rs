//! Drive a plugin from a test, natively: rows in, rows out, no server.

use crate::abi::guest::{aggregate_all, combine_all, configured};
use crate::batch::Texts;
use crate::window::{WindowHead, Windows};
use crate::{Aggregation, Batch, Calculation, Combining, Output, Problem, Row, Time};

/// Rows as a batch, in the runs they come in.
pub fn batch(rows: &[Row]) -> Batch {
    let mut batch = Batch::default();
    rows.iter().for_each(|row| batch.push(*row));
    batch
}

/// Rows of texts as a batch.
pub fn text_batch(rows: &[(Row, &str)]) -> Batch {
    let mut batch = Batch::default();
    rows.iter().for_each(|(row, text)| batch.push_text(*row, text));
    batch
}

/// Rows of numbers and of texts as a batch: a row with a text is of a text port.
pub fn mixed_batch<'a>(rows: impl IntoIterator<Item = (Row, Option<&'a str>)>) -> Batch {
    let mut batch = Batch::default();
    for (row, text) in rows {
        match text {
            Some(text) => batch.push_text(row, text),
            None => batch.push(row),
        }
    }
    batch
}

/// Drives a calculation.
pub struct Harness<C> {
    calculation: C,
    output: Output,
}

impl<C: Calculation> Harness<C> {
    /// A calculation with its parameters, a JSON object as in a deployment.
    ///
    /// # Errors
    /// The parameters are refused.
    pub fn new(params: &str) -> Result<Self, Problem> {
        let calculation = configured(params, C::configure)?;
        Ok(Harness { calculation, output: Output::new(C::ABOUT.outputs) })
    }

    /// Passes rows in one batch and returns what was emitted, in the order it was emitted.
    ///
    /// # Errors
    /// What the calculation says.
    pub fn process(&mut self, rows: &[Row]) -> Result<Vec<Row>, Problem> {
        self.process_to_rows(&batch(rows))
    }

    /// Passes a batch and returns what was emitted, in the order it was emitted.
    ///
    /// # Errors
    /// What the calculation says.
    pub fn process_to_rows(&mut self, input: &Batch) -> Result<Vec<Row>, Problem> {
        self.process_batch(input)?;
        Ok(self.output.batch.rows().collect())
    }

    /// The text that an emitted row of a text port stands for, until the next call.
    pub fn text(&self, row: &Row) -> Option<&str> {
        self.output.batch.text(row)
    }

    /// Passes a batch and returns the number of rows emitted. Copies nothing, which is what a benchmark wants.
    ///
    /// # Errors
    /// What the calculation says.
    pub fn process_batch(&mut self, input: &Batch) -> Result<usize, Problem> {
        self.output.batch.clear();
        self.calculation.process(input, &mut self.output)?;
        Ok(self.output.len())
    }

    /// Moves the watermark.
    ///
    /// # Errors
    /// What the calculation says.
    pub fn advance(&mut self, watermark: Time) -> Result<Vec<Row>, Problem> {
        self.output.batch.clear();
        self.calculation.advance(watermark, &mut self.output)?;
        Ok(self.output.batch.rows().collect())
    }
}

/// Drives an aggregation.
pub struct AggregationHarness<A> {
    aggregation: A,
}

impl<A: Aggregation> AggregationHarness<A> {
    /// An aggregation with its parameters, a JSON object as in a deployment.
    ///
    /// # Errors
    /// The parameters are refused.
    pub fn new(params: &str) -> Result<Self, Problem> {
        Ok(AggregationHarness { aggregation: configured(params, A::configure)? })
    }

    /// Passes one window, `[start, end)`, and returns one value per output port. Group and port of the rows are not looked at.
    ///
    /// # Panics
    /// A row lies outside of the window, or the rows are not ordered by time: a host never does that.
    pub fn window(&mut self, start: Time, end: Time, rows: &[Row]) -> Vec<f64> {
        assert!(rows.iter().all(|row| (start..end).contains(&row.time)), "every row lies in the window");
        assert!(
            rows.windows(2).all(|pair| pair[0].time < pair[1].time),
            "rows are ordered by time and no time repeats"
        );
        let all_good = rows.iter().all(|row| row.quality.0 == 0);
        let windows = Windows {
            heads: vec![WindowHead { group: 0, rows: rows.len() as u32, start: start.0, end: end.0 }],
            dt: rows.iter().map(|row| row.time - start).collect(),
            values: rows.iter().map(|row| row.value).collect(),
            qualities: if all_good { Vec::new() } else { rows.iter().map(|row| row.quality.0).collect() },
            texts: Texts::default(),
        };
        let mut output = Vec::new();
        aggregate_all(&mut self.aggregation, &windows, &mut output);
        output
    }
}

impl<A: Combining> AggregationHarness<A> {
    /// Passes the outputs of the parts of one window, and returns one value per output port.
    ///
    /// # Panics
    /// A part has another number of outputs than the plugin.
    pub fn combine(&mut self, parts: &[Vec<f64>]) -> Vec<f64> {
        let outputs = A::ABOUT.outputs.len();
        assert!(parts.iter().all(|part| part.len() == outputs), "a part has one value per output port");
        let mut output = Vec::new();
        let done = combine_all(&mut self.aggregation, &[parts.len() as u32], &parts.concat(), &mut output);
        done.expect("the parts are whole");
        output
    }
}
