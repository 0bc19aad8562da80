//! A low-pass filter for noisy measurements, which also says when one has gone silent.
//!
//! It is a calculation: rows come in with their group, rows go out. A group is one series, or all series with the same
//! labels, as the deployment says. Results depend on the parameters and on the rows alone: there is no clock.

use tidemill_sdk::prelude::*;

#[cfg(test)]
mod tests;

// Output ports are numbered by their place in `ABOUT`.
const VALUE: u32 = 0;
const STATE: u32 = 1;

/// All there is to remember. It is never written anywhere: the host saves the memory of the plugin, and puts it back
/// after a crash together with the place in the journal.
#[derive(Default)]
pub struct Plugin {
    alpha: f64,
    stale_ns: i64,
    series: Groups<Series>,
}

/// What is remembered of a group.
#[derive(Default)]
struct Series {
    seen: bool,
    stale: bool,
    level: f64,
    newest: Time,
}

impl Calculation for Plugin {
    const ABOUT: About = About {
        name: "smooth",
        version: env!("CARGO_PKG_VERSION"),
        inputs: &[Port::number("value")],
        outputs: &[Port::number("value"), Port::text("state")],
    };

    /// Takes the parameters by name. One that is missing, of the wrong type or unknown is refused without a word here.
    fn configure(&mut self, params: &mut Params) -> Result<(), Problem> {
        self.alpha = params.number("alpha")?;
        if !(self.alpha > 0.0 && self.alpha <= 1.0) {
            return Err(Problem::parameter("alpha", "must lie above 0 and be at most 1"));
        }
        self.stale_ns = (params.non_negative_or("stale_s", 0.0)? * 1e9) as i64;
        Ok(())
    }

    /// New rows, in the order they arrived.
    fn process(&mut self, input: &Batch, output: &mut Output) -> Result<(), Problem> {
        for row in input.rows() {
            let series = self.series.of(row.group);
            let is_late = series.seen && row.time < series.newest;
            if row.quality.is_bad() || row.value.is_nan() || is_late {
                continue;
            }
            series.level = match series.seen {
                true => series.level + self.alpha * (row.value - series.level),
                false => row.value,
            };
            series.newest = row.time;
            if !series.seen || series.stale {
                output.push_text(row.group, STATE, row.time, "fresh", Quality::GOOD);
            }
            (series.seen, series.stale) = (true, false);
            output.push(row.group, VALUE, row.time, series.level, row.quality);
        }
        Ok(())
    }

    /// Rows before the watermark are not expected any more. The result gets the time at which the series went stale, not
    /// the watermark's: then it does not depend on when the watermark moved.
    fn advance(&mut self, watermark: Time, output: &mut Output) -> Result<(), Problem> {
        if self.stale_ns == 0 {
            return Ok(());
        }
        for (group, series) in self.series.iter_mut() {
            if series.seen && !series.stale && watermark.0.saturating_sub(series.newest.0) >= self.stale_ns {
                series.stale = true;
                output.push_text(group, STATE, Time(series.newest.0 + self.stale_ns), "stale", Quality::GOOD);
            }
        }
        Ok(())
    }
}

tidemill_sdk::calculation!(Plugin);
