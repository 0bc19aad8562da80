//! Parameters.
//!
//! Invariant: a setpoint that is not given is infinite, so that no value is beyond it.

use tidemill_sdk::{Params, Problem};

const NANOS_PER_SECOND: f64 = 1e9;

/// What holds for all groups.
#[derive(Default)]
pub(crate) struct Settings {
    pub(crate) high: f64,
    pub(crate) low: f64,
    pub(crate) deadband: f64,
    pub(crate) delays: Delays,
}

/// How long a change must last before it counts; 0 or more.
#[derive(Clone, Copy, Default)]
pub(crate) struct Delays {
    pub(crate) on_ns: i64,
    pub(crate) off_ns: i64,
}

impl Settings {
    /// Takes all parameters.
    pub(crate) fn from_params(params: &mut Params) -> Result<Settings, Problem> {
        let high = params.number_or("high", f64::INFINITY)?;
        let low = params.number_or("low", f64::NEG_INFINITY)?;
        let deadband = params.non_negative_or("deadband", 0.0)?;
        let delays = Delays { on_ns: nanos(params, "on_delay_s")?, off_ns: nanos(params, "off_delay_s")? };
        if high.is_infinite() && low.is_infinite() {
            return Err(Problem::parameter("high", "or `low` is needed; give a setpoint"));
        }
        if low >= high {
            return Err(Problem::parameter("low", &format!("is {low}, but must be below `high`, {high}")));
        }
        if deadband >= high - low {
            let reason = format!("is {deadband}, but must be below `high` - `low`, {}", high - low);
            return Err(Problem::parameter("deadband", &reason));
        }
        Ok(Settings { high, low, deadband, delays })
    }
}

fn nanos(params: &mut Params, name: &'static str) -> Result<i64, Problem> {
    Ok((params.non_negative_or(name, 0.0)? * NANOS_PER_SECOND) as i64)
}
