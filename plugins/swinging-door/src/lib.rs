//! `swinging-door`: keeps the corners of a series and drops what lies on the lines between them.
//!
//! ```text
//!   value     upper door
//!    ▲      ╱
//!    │    ╱   C          P  the pivot: the row emitted last
//!    │  P · · · · · r    C  the candidate: the newest row, seen between the doors
//!    │    ╲              r  the next row: is it seen between the doors when C has narrowed them?
//!    │      ╲ lower door
//!    └──────────────► time
//! ```
//!
//! Every dropped row (tᵢ, vᵢ) after the pivot (t₀, v₀) lets lines from the pivot pass it within ± `width` w, whose
//! slope k satisfies
//!
//! (vᵢ − w − v₀) / (tᵢ − t₀) ≤ k ≤ (vᵢ + w − v₀) / (tᵢ − t₀).
//!
//! The doors are the intersection of these ranges. A row whose own slope from the pivot lies within the doors becomes
//! the candidate, and the candidate before it is dropped. Any other row makes the candidate a corner: it is emitted and
//! becomes the pivot, and the doors open.
//!
//! **Guarantee.** For rows that arrive in order, linear interpolation between emitted rows is within ± `width` of every
//! dropped row, to rounding. The doors are those of the swinging door method (Bristol, US patent 4,669,097, 1987;
//! expired). The patent closes a line when the doors open past parallel, which proves that *some* line fits; here the
//! line through the two emitted rows must fit, so the guarantee holds for what is stored.
//!
//! A row is also emitted, and becomes the pivot, when
//!
//! - it is the first row of its group;
//! - its quality differs from the pivot's, or one of the two is no finite number and the other another: the candidate
//!   goes first;
//! - it has the time of the newest row and that one was emitted already. If it was not, the new row takes its place,
//!   and when it cannot be seen through the doors, the row before it becomes the corner.
//!
//! A row that is older than the newest passes as it is and moves no door: interpolation runs through it.
//!
//! With `max_interval_s`, a line is not longer than that while rows come: the candidate is emitted as soon as a row or
//! the watermark tells that more time has passed since the pivot. Without, the last rows are held back for as long as
//! the line goes on.
//!
//! | parameter        | unit                | default | meaning                                              |
//! |------------------|---------------------|---------|------------------------------------------------------|
//! | `width`          | unit of the series  | none    | largest deviation from the line, 0 or more           |
//! | `max_interval_s` | s                   | 0       | longest line; 0 = no longest                         |

mod door;

use door::{Line, Point, Settings};
use tidemill_sdk::prelude::*;

const NANOS_PER_SECOND: f64 = 1e9;

/// The filter: one line per group.
#[derive(Default)]
pub struct SwingingDoor {
    settings: Settings,
    lines: Groups<Option<Line>>,
}

impl Calculation for SwingingDoor {
    const ABOUT: About = About {
        name: "swinging-door",
        version: env!("CARGO_PKG_VERSION"),
        inputs: &[Port::number("value")],
        outputs: &[Port::number("value")],
    };

    fn configure(&mut self, params: &mut Params) -> Result<(), Problem> {
        self.settings.width = params.number("width")?;
        if self.settings.width < 0.0 {
            return Err(Problem::parameter("width", "must be 0 or more"));
        }
        let max_interval_s = params.non_negative_or("max_interval_s", 0.0)?;
        if max_interval_s > 0.0 {
            self.settings.max_interval_ns = (max_interval_s * NANOS_PER_SECOND) as i64;
        }
        Ok(())
    }

    fn process(&mut self, input: &Batch, output: &mut Output) -> Result<(), Problem> {
        for run in input.runs() {
            let line = self.lines.of(run.group);
            let mut emit = |point: Point| output.push(run.group, 0, point.time, point.value, point.quality);
            for row in run.rows() {
                let point = Point { time: row.time, value: row.value, quality: row.quality };
                match line {
                    Some(line) => line.take(&self.settings, point, &mut emit),
                    None => {
                        *line = Some(Line::from(point));
                        emit(point);
                    }
                }
            }
        }
        Ok(())
    }

    fn advance(&mut self, watermark: Time, output: &mut Output) -> Result<(), Problem> {
        for (group, line) in self.lines.iter_mut() {
            if let Some(line) = line {
                line.pass(&self.settings, watermark, &mut |point: Point| {
                    output.push(group, 0, point.time, point.value, point.quality);
                });
            }
        }
        Ok(())
    }
}

tidemill_sdk::calculation!(SwingingDoor);

#[cfg(test)]
mod tests;
