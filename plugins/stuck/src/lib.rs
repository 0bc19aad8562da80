//! `stuck`: tells a value that does not move, and samples that do not come.
//!
//! | `state`  | while                                                                                            |
//! |----------|--------------------------------------------------------------------------------------------------|
//! | `normal` | neither of the others holds                                                                      |
//! | `stuck`  | no value has been further than `tolerance` from the first one of the run for `hold_s`             |
//! | `gap`    | no row has come for `gap_s`                                                                      |
//!
//! - A **run** begins with a value x₀ at t₀ and lasts while |x − x₀| ≤ `tolerance`; the first value further away begins
//!   the next. It is stuck from t₀ + `hold_s` on. A slow drift therefore ends a run as soon as it has left the
//!   tolerance, however small its steps are.
//! - A **gap** begins `gap_s` after the newest row, if no row has come by then, that very time included. It ends with
//!   the next row of any quality, and what was before it does not belong to the run after it. A gap that begins when a
//!   run gets stuck is a gap.
//! - Both begin at their own time, told by the next row or by the watermark. Without `gap_s` a silent series becomes
//!   stuck: for a source that only reports changes, silence says that nothing has changed.
//!
//! The output `state` is a text. It is emitted with the first row of a group, and whenever state or quality change.
//!
//! - Rows of bad quality or NaN show that samples come, but neither begin nor end a run. The state's quality is that of
//!   the newest row, bad for a NaN.
//! - A row older than the newest is left out. Rows of one time are taken in the order they come.
//! - Results never go back in time: a row that comes after the watermark has passed it, and shows that a gap was none,
//!   ends it when it began.
//!
//! | parameter   | unit               | default | meaning                                            |
//! |-------------|--------------------|---------|----------------------------------------------------|
//! | `tolerance` | unit of the series | 0       | largest distance that counts as no change          |
//! | `hold_s`    | s                  | 0       | how long without a change is stuck; 0 = never      |
//! | `gap_s`     | s                  | 0       | how long without a row is a gap; 0 = never         |
//!
//! At least one of `hold_s` and `gap_s` is given.

mod watch;

use tidemill_sdk::prelude::*;
use watch::{Change, Settings, Watch};

/// The calculation: one watch per group.
#[derive(Default)]
pub struct Stuck {
    settings: Settings,
    watches: Groups<Watch>,
}

impl Calculation for Stuck {
    const ABOUT: About = About {
        name: "stuck",
        version: env!("CARGO_PKG_VERSION"),
        inputs: &[Port::number("value")],
        outputs: &[Port::text("state")],
    };

    fn configure(&mut self, params: &mut Params) -> Result<(), Problem> {
        self.settings = Settings {
            tolerance: params.non_negative_or("tolerance", 0.0)?,
            hold_ns: nanos(params, "hold_s")?,
            gap_ns: nanos(params, "gap_s")?,
        };
        if self.settings.hold_ns.is_none() && self.settings.gap_ns.is_none() {
            return Err(Problem::parameter("hold_s", "or `gap_s` must be more than 0"));
        }
        Ok(())
    }

    fn process(&mut self, input: &Batch, output: &mut Output) -> Result<(), Problem> {
        for run in input.runs() {
            let watch = self.watches.of(run.group);
            for row in run.rows() {
                watch.take(&self.settings, &row, &mut |change| emit(output, run.group, change));
            }
        }
        Ok(())
    }

    fn advance(&mut self, watermark: Time, output: &mut Output) -> Result<(), Problem> {
        for (group, watch) in self.watches.iter_mut() {
            // Rows of the watermark's own time may still come.
            watch.pass(&self.settings, watermark.plus_nanos(-1), &mut |change| emit(output, group, change));
        }
        Ok(())
    }
}

tidemill_sdk::calculation!(Stuck);

fn emit(output: &mut Output, group: u32, change: Change) {
    output.push_text(group, 0, change.time, change.state.name(), change.quality);
}

/// Seconds as nanoseconds; 0 is none.
fn nanos(params: &mut Params, name: &'static str) -> Result<Option<i64>, Problem> {
    let seconds = params.non_negative_or(name, 0.0)?;
    Ok((seconds > 0.0).then_some((seconds * 1e9) as i64))
}

#[cfg(test)]
mod tests;
