//! `state-duration`: how long a thing was in which state, per interval of time, and how often it changed.
//!
//! The input is a text series: a row says that its state holds from its time on. Intervals are [`offset_s` + k ·
//! `every_s`, `offset_s` + (k+1) · `every_s`) since the Unix epoch; results carry the begin of their interval.
//!
//! | output             | unit | is                                                                                   |
//! |--------------------|------|--------------------------------------------------------------------------------------|
//! | `state1`…`state8`  | s    | time in the first … eighth state of `states`; only as many as are named              |
//! | `other`            | s    | time in states that are not named                                                    |
//! | `unknown`          | s    | time before the first row, after a bad row, and when the newest row is too old       |
//! | `transitions`      |      | rows whose state differs from the last state known                                   |
//!
//! The times of an interval add up to `every_s` to the nanosecond.
//!
//! | parameter   | unit | default          | meaning                                                                    |
//! |-------------|------|------------------|----------------------------------------------------------------------------|
//! | `states`    |      |                  | one to eight states: `running;idle;fault`, as they are written in the series |
//! | `every_s`   | s    |                  | length of an interval, above 0                                             |
//! | `offset_s`  | s    | 0                | moves the intervals, 0 or more and below `every_s`: shifts that begin at six |
//! | `max_age_s` | s    | 1000 · `every_s` | how long a state holds without a further row; not above the default        |
//!
//! Decided, for the rows of one series:
//! - An interval is emitted when a row at or after its end comes, or the watermark reaches it: then on the assumption
//!   that the state holds. A row that comes behind the watermark revises it. So the results in the end are a function
//!   of the rows alone. A call of `advance` emits about 65,536 rows; what is left follows with the next.
//! - A row older than the newest is left out. One of the same time takes its place.
//! - A row of bad quality makes the state unknown. The quality of an interval is the worst of the rows that held in it;
//!   with unknown time it is at best uncertain (UncertainDataSubNormal), with nothing else it is bad. An interval that
//!   begins after the newest row has become too old is not emitted.
//!
//! Deploy it so that a group is one series: the rows of a group count as those of one thing.

mod interval;
mod series;
mod settings;

use series::{Row, Series};
use settings::Settings;
use tidemill_sdk::prelude::{About, Batch, Calculation, Groups, Output, Params, Port, Problem, Time};

/// `advance` stops after the series that reaches this many rows: well below the limit on what a call may emit.
const ROWS_PER_ADVANCE: usize = 65_536;

/// The calculation.
#[derive(Default)]
pub struct StateDuration {
    settings: Settings,
    groups: Groups<Series>,
}

impl Calculation for StateDuration {
    const ABOUT: About = About {
        name: "state-duration",
        version: env!("CARGO_PKG_VERSION"),
        inputs: &[Port::text("state")],
        outputs: &[
            Port::number("state1"),
            Port::number("state2"),
            Port::number("state3"),
            Port::number("state4"),
            Port::number("state5"),
            Port::number("state6"),
            Port::number("state7"),
            Port::number("state8"),
            Port::number("other"),
            Port::number("unknown"),
            Port::number("transitions"),
        ],
    };

    fn configure(&mut self, params: &mut Params) -> Result<(), Problem> {
        self.settings = Settings::from_params(params)?;
        Ok(())
    }

    fn process(&mut self, input: &Batch, output: &mut Output) -> Result<(), Problem> {
        for run in input.runs() {
            let series = self.groups.of(run.group);
            for index in 0..run.values().len() {
                let quality = run.quality(index);
                let state = run.text(index).filter(|_| !quality.is_bad()).map(|text| self.settings.state(text));
                let row = Row { time: run.time(index), state, quality };
                series.take(&self.settings, row, &mut |interval| interval.emit(&self.settings, run.group, output));
            }
        }
        Ok(())
    }

    fn advance(&mut self, watermark: Time, output: &mut Output) -> Result<(), Problem> {
        for (group, series) in self.groups.iter_mut() {
            if output.len() >= ROWS_PER_ADVANCE {
                break;
            }
            series.pass(&self.settings, watermark, &mut |interval| interval.emit(&self.settings, group, output));
        }
        Ok(())
    }
}

tidemill_sdk::calculation!(StateDuration);

#[cfg(test)]
mod tests;
