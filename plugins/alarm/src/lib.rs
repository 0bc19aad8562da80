//! `alarm`: a high and a low alarm with deadband, on-delay and off-delay.
//!
//! ```text
//! value      setpoint ─ ─ ─ ─ ─ ─┬──────────╮
//!          − deadband ─ ─ ─ ─ ─ ─│─ ─ ─ ─ ─ ╰──┬─────────
//! active                      ───┘on-delay▔▔▔▔▔└off-delay▁▁
//! ```
//!
//! The words are those of ISA-18.2 (ANSI/ISA-18.2-2016, IEC 62682; definitions in clause 3):
//!
//! - The **high** alarm is raised when the value has been above `high` for the whole on-delay, and cleared when it has
//!   been at or below `high` − `deadband` for the whole off-delay. The **low** alarm is its mirror image. In the
//!   deadband an alarm stays as it is.
//! - Between rows the value is that of the newest row. So delays end without rows: at their own time, told by the next
//!   row or by the watermark. What a row at that very time says still counts.
//!
//! | output   | kind   | is                                                                             |
//! |----------|--------|--------------------------------------------------------------------------------|
//! | `active` | number | 1 while an alarm is raised, else 0                                             |
//! | `state`  | text   | `normal`, `high` or `low`; while both are raised, the one raised later         |
//!
//! Both are emitted with the first row of a group, and whenever state or quality change. Acknowledging, shelving and
//! suppressing are things that people do: they are not here.
//!
//! - Rows of bad quality or NaN do not move the alarm, and delays go on: the last usable value is held. But the quality
//!   of the outputs is that of the newest row, bad for a NaN.
//! - A row older than the newest is left out. Rows of one time are taken in the order they come.
//! - Results never go back in time: a row that comes after the watermark has passed it, and ends an alarm that was
//!   raised meanwhile, ends it at the time it was raised.
//!
//! | parameter     | unit               | default | meaning                                                     |
//! |---------------|--------------------|---------|-------------------------------------------------------------|
//! | `high`, `low` | unit of the series | none    | alarm setpoints, at least one; `low` + `deadband` < `high`  |
//! | `deadband`    | unit of the series | 0       | how far back from the setpoint an alarm ends                |
//! | `on_delay_s`  | s                  | 0       | how long it must last before it is raised                   |
//! | `off_delay_s` | s                  | 0       | how long it must be over before it is cleared               |

mod point;
mod settings;
mod switch;

use point::{Change, Point};
use settings::Settings;
use tidemill_sdk::prelude::*;

/// Places of the outputs.
const ACTIVE: u32 = 0;
const STATE: u32 = 1;

/// The calculation: one alarm point per group.
#[derive(Default)]
pub struct Alarm {
    settings: Settings,
    points: Groups<Point>,
}

impl Calculation for Alarm {
    const ABOUT: About = About {
        name: "alarm",
        version: env!("CARGO_PKG_VERSION"),
        inputs: &[Port::number("value")],
        outputs: &[Port::number("active"), Port::text("state")],
    };

    fn configure(&mut self, params: &mut Params) -> Result<(), Problem> {
        self.settings = Settings::from_params(params)?;
        Ok(())
    }

    fn process(&mut self, input: &Batch, output: &mut Output) -> Result<(), Problem> {
        for run in input.runs() {
            let point = self.points.of(run.group);
            for row in run.rows() {
                point.take(&self.settings, &row, &mut |change| emit(output, run.group, change));
            }
        }
        Ok(())
    }

    fn advance(&mut self, watermark: Time, output: &mut Output) -> Result<(), Problem> {
        for (group, point) in self.points.iter_mut() {
            // Rows of the watermark's own time may still come.
            point.pass(&self.settings, watermark.plus_nanos(-1), &mut |change| emit(output, group, change));
        }
        Ok(())
    }
}

tidemill_sdk::calculation!(Alarm);

fn emit(output: &mut Output, group: u32, change: Change) {
    output.push(group, ACTIVE, change.time, f64::from(u8::from(change.state.is_active())), change.quality);
    output.push_text(group, STATE, change.time, change.state.name(), change.quality);
}

#[cfg(test)]
mod tests;
