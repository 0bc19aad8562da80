//! `smooth`: exponential smoothing with a time constant τ, for series sampled at any rate.
//!
//! y ← y + (1 − e^(−Δt/τ)) · (x − y), where Δt is the source time since the last row: after a step, 63 % of it is reached after τ.

use tidemill_sdk::prelude::*;

/// The smoothed value of every group, and when it was.
#[derive(Default)]
pub struct Smooth {
    tau_s: f64,
    last: Groups<Option<(Time, f64)>>,
}

impl Calculation for Smooth {
    const ABOUT: About = About {
        name: "smooth",
        version: env!("CARGO_PKG_VERSION"),
        inputs: &[Port::number("value")],
        outputs: &[Port::number("value")],
    };

    fn configure(&mut self, params: &mut Params) -> Result<(), Problem> {
        self.tau_s = params.non_negative_or("tau_s", 60.0)?;
        Ok(())
    }

    fn process(&mut self, input: &Batch, output: &mut Output) -> Result<(), Problem> {
        for row in input.rows().filter(|row| !row.quality.is_bad() && !row.value.is_nan()) {
            let last = self.last.of(row.group);
            let smoothed = match *last {
                None => row.value,
                Some((time, _)) if row.time <= time => continue, // late: its moment has passed
                Some((time, y)) => y + (1.0 - (-row.time.seconds_since(time) / self.tau_s).exp()) * (row.value - y),
            };
            *last = Some((row.time, smoothed));
            output.push(row.group, 0, row.time, smoothed, row.quality);
        }
        Ok(())
    }
}

tidemill_sdk::calculation!(Smooth);

#[cfg(test)]
mod tests {
    use super::*;
    use tidemill_sdk::testing::Harness;

    #[test]
    fn a_step_reaches_63_percent_after_tau_at_any_sampling_rate() {
        for step_s in [1, 5, 10] {
            let seconds = (0..=10).step_by(step_s);
            let rows: Vec<Row> = seconds.map(|s| Row::good(0, 0, Time::from_seconds(s), f64::from(s > 0))).collect();
            let mut smooth = Harness::<Smooth>::new(r#"{"tau_s": 10}"#).expect("valid parameters");
            let smoothed = smooth.process(&rows).expect("no problem");
            assert!((smoothed.last().expect("one row per row").value - 0.632_120_558).abs() < 1e-9);
        }
    }
}
