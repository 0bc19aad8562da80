//! `time-weighted`: mean and integral of a signal over a window, in which every value counts for as long as it lasted.
//!
//! The rows of a window say what the signal X is at some times; `between` and `edges` say what it is at the others:
//!
//! | `between`          | X from one usable row to the next |
//! |--------------------|-----------------------------------|
//! | `linear` (default) | the line between them             |
//! | `last`             | the earlier one's value           |
//!
//! | `edges`            | X before the first row            | X after the last row |
//! |--------------------|-----------------------------------|----------------------|
//! | `extend` (default) | its value                         | its value            |
//! | `hold`             | unknown                           | its value            |
//! | `inside`           | unknown                           | unknown              |
//!
//! Over the time C ⊆ [start, end) at which X is known, of length |C|:
//!
//! | output     | is                          | unit            |
//! |------------|-----------------------------|-----------------|
//! | `mean`     | (1/|C|) ∫_C X dt            | of the series   |
//! | `integral` | ∫_C X dt                    | of the series × s |
//! | `covered`  | |C| / (end − start), 0 to 1 | 1               |
//!
//! - A row is usable unless its quality is bad or its value is no finite number. From a row that is not usable until
//!   the next one, X is unknown; a usable row's value holds up to one that is not.
//! - With `gap_s`, X is unknown over any longer interval without rows, at the edges too.
//! - Where nothing is covered there is no mean and no integral.
//! - A window knows nothing of the rows before it and after it: at its edges X is what `edges` says, not what other
//!   rows would say.
//!
//! These are the time average and the total of OPC UA (OPC 10000-13, 5.4.3.6 to 5.4.3.9) with sloped or stepped
//! interpolation, but for the bounds, which there come from rows outside of the interval.
//!
//! Lines are integrated as trapezoids, exactly but for rounding, and the areas are added with their rounding errors
//! carried along (Ogita, Rump, Oishi: Accurate Sum and Dot Product, SIAM J. Sci. Comput. 26(6), 2005, `Sum2`), in order
//! of time.
//!
//! | parameter | unit | default  | meaning                                                      |
//! |-----------|------|----------|--------------------------------------------------------------|
//! | `between` |      | `linear` | what is assumed between rows                                 |
//! | `edges`   |      | `extend` | what is assumed before the first row and after the last      |
//! | `gap_s`   | s    | 0        | longest interval over which it is assumed; 0 = any           |

mod area;

use area::Area;
use tidemill_sdk::prelude::*;

/// Places of the outputs.
const MEAN: usize = 0;
const INTEGRAL: usize = 1;
const COVERED: usize = 2;

const NANOS_PER_SECOND: f64 = 1e9;

/// The aggregation.
#[derive(Default)]
pub struct TimeWeighted {
    is_stepped: bool,
    extends_back: bool,
    extends_on: bool,
    gap_ns: Option<i64>,
}

impl Aggregation for TimeWeighted {
    const ABOUT: About = About {
        name: "time-weighted",
        version: env!("CARGO_PKG_VERSION"),
        inputs: &[Port::number("value")],
        outputs: &[Port::number("mean"), Port::number("integral"), Port::number("covered")],
    };

    fn configure(&mut self, params: &mut Params) -> Result<(), Problem> {
        self.is_stepped = match params.text_or("between", "linear")?.as_str() {
            "linear" => false,
            "last" => true,
            other => return Err(choice("between", other, "\"linear\" or \"last\"")),
        };
        (self.extends_back, self.extends_on) = match params.text_or("edges", "extend")?.as_str() {
            "extend" => (true, true),
            "hold" => (false, true),
            "inside" => (false, false),
            other => return Err(choice("edges", other, "\"extend\", \"hold\" or \"inside\"")),
        };
        let gap_s = params.non_negative_or("gap_s", 0.0)?;
        self.gap_ns = (gap_s > 0.0).then_some((gap_s * NANOS_PER_SECOND) as i64);
        Ok(())
    }

    fn aggregate(&mut self, window: &Window<'_>, out: &mut [f64]) {
        let area = self.area(window);
        let covered_ns = area.covered_ns() as f64;
        out[COVERED] = covered_ns / (window.end - window.start) as f64;
        if area.covered_ns() > 0 {
            out[MEAN] = area.sum() / covered_ns;
            out[INTEGRAL] = area.sum() / NANOS_PER_SECOND;
        }
    }
}

tidemill_sdk::aggregation!(TimeWeighted);

impl TimeWeighted {
    fn area(&self, window: &Window<'_>) -> Area {
        let mut area = Area::default();
        let mut before: Option<WindowRow> = None;
        for row in window.rows() {
            match before {
                None if self.extends_back && is_usable(&row) => {
                    self.add(&mut area, (window.start, row.value), (row.time, row.value));
                }
                Some(before) if is_usable(&before) => {
                    let is_held = self.is_stepped || !is_usable(&row);
                    let reached = if is_held { before.value } else { row.value };
                    self.add(&mut area, (before.time, before.value), (row.time, reached));
                }
                _ => (),
            }
            before = Some(row);
        }
        if let Some(last) = before.filter(|last| self.extends_on && is_usable(last)) {
            self.add(&mut area, (last.time, last.value), (window.end, last.value));
        }
        area
    }

    fn add(&self, area: &mut Area, from: (Time, f64), to: (Time, f64)) {
        let dt_ns = to.0 - from.0;
        if self.gap_ns.is_none_or(|gap_ns| dt_ns <= gap_ns) {
            area.add(dt_ns, from.1, to.1);
        }
    }
}

fn is_usable(row: &WindowRow) -> bool {
    !row.quality.is_bad() && row.value.is_finite()
}

fn choice(name: &str, given: &str, choices: &str) -> Problem {
    Problem::parameter(name, &format!("is \"{given}\", but must be {choices}"))
}

#[cfg(test)]
mod tests;
