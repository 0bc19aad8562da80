//! `oee`: overall equipment effectiveness of a machine per interval, from its state and its counters.
//!
//! Deploy it grouped by the label that names the machine, so that its three inputs form one group.
//!
//! | input    | is                                                    |
//! |----------|-------------------------------------------------------|
//! | `state`  | a text series: the state that holds from a row on     |
//! | `count`  | items produced, good or not                           |
//! | `reject` | items among them that are not good                    |
//!
//! With the elements and key performance indicators of ISO 22400-2:2014, per interval:
//!
//! ```text
//! APT  actual production time: the state is one of `running`
//! PBT  planned busy time: the state is known and none of `not_planned`
//! PQ   produced quantity = increase of `count`          GQ  good quantity = PQ − increase of `reject`
//! PRI  planned run time per item = `ideal_cycle_s`
//!
//! availability = APT / PBT                               quality (there: quality ratio) = GQ / PQ
//! performance (there: effectiveness) = PRI · PQ / APT
//! oee = availability · performance · quality = GQ · PRI / PBT
//! ```
//!
//! Further outputs: `busy` PBT in s, `production` APT in s, `produced` PQ, `rejected` PQ − GQ. Intervals are
//! [`offset_s` + k · `every_s`, `offset_s` + (k+1) · `every_s`) since the Unix epoch; results carry the begin of their
//! interval.
//!
//! | parameter       | unit | default          | meaning                                                                 |
//! |-----------------|------|------------------|-------------------------------------------------------------------------|
//! | `running`       |      |                  | states in which it produces, as in `running;slow`                       |
//! | `not_planned`   |      |                  | states that are no planned busy time, as in `no shift;maintenance`      |
//! | `ideal_cycle_s` | s    |                  | planned run time per item, above 0                                      |
//! | `counters`      |      | true             | true: `count` and `reject` grow; false: every row is a number of items  |
//! | `every_s`       | s    |                  | length of an interval                                                   |
//! | `offset_s`      | s    | 0                | moves the intervals, 0 or more and below `every_s`                      |
//! | `max_age_s`     | s    | 1000 · `every_s` | how long a state holds without a further row; not above the default     |
//!
//! Decided:
//! - Nothing orders the inputs, so rows wait until the watermark has passed them, and are then taken by time. Intervals
//!   come out when the watermark has reached their end. Rows below the watermark are left out; of counters nothing is
//!   lost, as the next row catches up. More than 16,384 waiting rows of a group are not waited for: the oldest are
//!   taken as if the watermark had passed.
//! - A row of the same input and time takes the place of the first while it waits.
//! - The first row of a counter counts nothing. A counter that falls has begun anew at 0: its value counts.
//! - What is counted between two rows is counted at the later one.
//! - A row of bad quality or NaN: makes the state unknown; is left out of a counter; is missing where rows are numbers
//!   of items.
//! - A ratio without a denominator (no planned time, no production, no items) is not emitted. `oee` is GQ · PRI / PBT
//!   wherever PBT > 0. An interval in which nothing was known and nothing counted is not emitted.
//! - Quality: the worst of the rows that took part; at best uncertain (UncertainDataSubNormal) with unknown time or
//!   missing items; a ratio outside of 0 … 1 is at best uncertain (UncertainEngineeringUnitsExceeded): the ideal cycle
//!   is too long, or counters do not agree.

mod interval;
mod machine;
mod settings;

use machine::{Event, Machine};
use settings::Settings;
use tidemill_sdk::prelude::*;

const STATE: u32 = 0;
const COUNT: u32 = 1;
const REJECT: u32 = 2;

/// `advance` stops after the machine that reaches this many rows: well below the limit on what a call may emit.
const ROWS_PER_ADVANCE: usize = 65_536;

/// The calculation: one machine per group.
#[derive(Default)]
pub struct Oee {
    settings: Settings,
    machines: Groups<Machine>,
}

impl Calculation for Oee {
    const ABOUT: About = About {
        name: "oee",
        version: env!("CARGO_PKG_VERSION"),
        inputs: &[Port::text("state"), Port::number("count"), Port::number("reject")],
        outputs: &[
            Port::number("availability"),
            Port::number("performance"),
            Port::number("quality"),
            Port::number("oee"),
            Port::number("busy"),
            Port::number("production"),
            Port::number("produced"),
            Port::number("rejected"),
        ],
    };

    fn configure(&mut self, params: &mut Params) -> Result<(), Problem> {
        self.settings = Settings::from_params(params)?;
        Ok(())
    }

    fn process(&mut self, input: &Batch, output: &mut Output) -> Result<(), Problem> {
        for run in input.runs() {
            let machine = self.machines.of(run.group);
            for (index, row) in run.rows().enumerate() {
                let event = match run.port {
                    STATE => Event::of_state(&row, run.text(index).map(|text| self.settings.kind(text))),
                    _ => Event::of_number(&row),
                };
                machine.wait(event);
            }
            machine.limit(&self.settings, &mut |interval| interval.emit(&self.settings, run.group, output));
        }
        Ok(())
    }

    fn advance(&mut self, watermark: Time, output: &mut Output) -> Result<(), Problem> {
        for (group, machine) in self.machines.iter_mut() {
            if output.len() >= ROWS_PER_ADVANCE {
                break;
            }
            machine.pass(&self.settings, watermark, &mut |interval| interval.emit(&self.settings, group, output));
        }
        Ok(())
    }
}

tidemill_sdk::calculation!(Oee);

#[cfg(test)]
mod tests;
