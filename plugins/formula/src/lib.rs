//! `formula`: an expression over up to eight inputs, with units.
//!
//! Deploy it grouped by the label that names the thing, so that its inputs form one group.
//!
//! ```text
//! expression  "pressure * flow / 0.85"      names "a=pressure;b=flow"      units "a=bar;b=m3/h"      unit "kW"
//! ```
//!
//! - **Expressions**: `+ - * / ^`, `< <= > >= == !=` (1 or 0), `if(condition, then, else)`, `min`, `max`, `abs`,
//!   `sqrt`, `exp`, `ln`, `clamp(x, low, high)`, `pi`, and numbers, which may carry a unit: `9.80665[m/s2]`. See
//!   `parse.rs`.
//! - **Units**: every input is converted to SI base units, the expression is computed there, and the result converted
//!   to `unit`. When the operator is deployed, dimensions are checked: bar and m³/h multiply to kW, but do not add. See
//!   `units.rs` and `known.rs`.
//! - **Time**: a result has the time of the row that caused it. Of every input the expression reads, the newest row not
//!   after that time takes part; if one is missing or more than `max_age_s` older, there is no result. With `max_age_s`
//!   0, rows of the same time meet. See `join.rs`.
//!
//! | parameter    | unit | default | meaning                                                                      |
//! |--------------|------|---------|------------------------------------------------------------------------------|
//! | `expression` |      |         | what to compute                                                              |
//! | `names`      |      |         | names for inputs: `a=pressure;b=flow`; without one, an input is called by its port |
//! | `units`      |      |         | units of inputs by port or name: `a=bar;b=m3/h`; without one, an input is a plain number |
//! | `unit`       |      | 1       | unit of the result                                                           |
//! | `max_age_s`  | s    | 0       | how old a value of another input may be                                      |
//!
//! Decided:
//! - A late row, or one written again, makes the results that depend on it be computed and emitted again, as far back
//!   as rows are kept: `max_age_s` before the watermark, and 16,384 rows of an input.
//! - The quality of a result is the worst of the rows it is computed from. A result that is NaN or infinite (a division
//!   by 0, a root of a negative number, an input that is NaN) is emitted as NaN of bad quality, so that it replaces
//!   what may have been there.
//! - NaN is never lost: a comparison with NaN is neither true nor false, but NaN.

mod check;
mod join;
mod known;
mod parse;
mod program;
mod settings;
mod units;

use join::Joined;
use settings::{PORTS, Settings};
use tidemill_sdk::prelude::*;

/// The calculation.
#[derive(Default)]
pub struct Formula {
    settings: Settings,
    groups: Groups<Joined>,
    times: Vec<Time>,
    stack: Vec<f64>,
}

impl Calculation for Formula {
    const ABOUT: About = About {
        name: "formula",
        version: env!("CARGO_PKG_VERSION"),
        inputs: &[
            Port::number(PORTS[0]),
            Port::number(PORTS[1]),
            Port::number(PORTS[2]),
            Port::number(PORTS[3]),
            Port::number(PORTS[4]),
            Port::number(PORTS[5]),
            Port::number(PORTS[6]),
            Port::number(PORTS[7]),
        ],
        outputs: &[Port::number("value")],
    };

    fn configure(&mut self, params: &mut Params) -> Result<(), Problem> {
        self.settings = Settings::from_params(params)?;
        Ok(())
    }

    fn process(&mut self, input: &Batch, output: &mut Output) -> Result<(), Problem> {
        for rows in input.rows_by_time().chunk_by(|left, right| left.group == right.group) {
            self.process_group(rows, output);
        }
        Ok(())
    }

    fn advance(&mut self, watermark: Time, _output: &mut Output) -> Result<(), Problem> {
        let oldest = watermark.plus_nanos(-self.settings.max_age_ns);
        self.groups.iter_mut().for_each(|(_, joined)| joined.forget_before(oldest));
        Ok(())
    }
}

tidemill_sdk::calculation!(Formula);

impl Formula {
    /// Takes all rows of one group and computes every time they touch once.
    fn process_group(&mut self, rows: &[Row], output: &mut Output) {
        let (settings, group) = (&self.settings, rows[0].group);
        let joined = self.groups.of(group);
        self.times.clear();
        for row in rows {
            if let Ok(input) = settings.used.binary_search(&(row.port as usize)) {
                joined.take(settings.used.len(), input, row, settings.max_age_ns, &mut self.times);
            }
        }
        self.times.sort_unstable();
        self.times.dedup();
        for time in &self.times {
            if let Some((value, quality)) = settings.compute(joined, *time, &mut self.stack) {
                output.push(group, 0, *time, value, quality);
            }
        }
        joined.limit();
    }
}

impl Settings {
    /// The result for `time`, if every input has a value there.
    fn compute(&self, joined: &Joined, time: Time, stack: &mut Vec<f64>) -> Option<(f64, Quality)> {
        let (mut values, mut quality) = ([0.0; PORTS.len()], Quality::GOOD);
        for (input, port) in self.used.iter().enumerate() {
            let sample = joined.at(input, time, self.max_age_ns)?;
            values[*port] = self.units[*port].to_si(sample.value);
            quality = quality.worst(sample.quality);
        }
        let value = self.unit.value_of_si(self.program.run(&values, stack));
        Some(if value.is_finite() { (value, quality) } else { (f64::NAN, quality.worst(Quality::BAD)) })
    }
}

#[cfg(test)]
mod tests;
