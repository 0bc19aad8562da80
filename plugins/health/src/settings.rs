//! Ports and parameters.

use crate::switch::Limit;
use tidemill_sdk::{Params, Problem, Time};

/// Input ports, in the order of `ABOUT.inputs`.
pub(crate) const FLOW: u32 = 0;
pub(crate) const HEAD: u32 = 1;
pub(crate) const POWER: u32 = 2;
pub(crate) const BEARING_TEMPERATURE: u32 = 3;
pub(crate) const VIBRATION: u32 = 4;
/// How many there are.
pub(crate) const INPUTS: usize = 5;

/// Output ports, in the order of `ABOUT.outputs`.
pub(crate) const EFFICIENCY: u32 = 0;
pub(crate) const ALARM: u32 = 1;

const NANOS_PER_SECOND: f64 = 1e9;

/// The parameters, ready for use.
#[derive(Default)]
pub(crate) struct Settings {
    /// kg/m³.
    pub(crate) density: f64,
    /// m/s².
    pub(crate) gravity: f64,
    /// What one unit of the input `power` is, in kW.
    pub(crate) power_unit_kw: f64,
    pub(crate) hydraulic_kw_min: f64,
    /// Each with the input it watches: bearing warning and alarm, vibration warning and alarm.
    pub(crate) limits: [(u32, Limit); 4],
    silent_ns: i64,
}

impl Settings {
    /// Takes all parameters.
    pub(crate) fn from_params(params: &mut Params) -> Result<Settings, Problem> {
        let delay_ns = seconds(params, "delay_s", 5.0)?;
        let bearing =
            Names { warning: "bearing_warning_c", alarm: "bearing_alarm_c", hysteresis: "bearing_hysteresis_c" };
        let vibration = Names {
            warning: "vibration_warning_mm_s",
            alarm: "vibration_alarm_mm_s",
            hysteresis: "vibration_hysteresis_mm_s",
        };
        let [bearing_warning, bearing_alarm] = bearing.limits(params, [70.0, 85.0, 2.0], delay_ns)?;
        let [vibration_warning, vibration_alarm] = vibration.limits(params, [4.5, 7.1, 0.3], delay_ns)?;
        Ok(Settings {
            density: params.non_negative_or("density", 1025.0)?,
            gravity: params.non_negative_or("gravity", 9.80665)?,
            power_unit_kw: params.non_negative_or("power_unit_kw", 1.0)?,
            hydraulic_kw_min: params.non_negative_or("hydraulic_min_kw", 10.0)?,
            limits: [
                (BEARING_TEMPERATURE, bearing_warning),
                (BEARING_TEMPERATURE, bearing_alarm),
                (VIBRATION, vibration_warning),
                (VIBRATION, vibration_alarm),
            ],
            silent_ns: seconds(params, "silent_s", 60.0)?,
        })
    }

    /// When an input whose newest sample is from `last` begins to count as silent.
    pub(crate) fn silent_at(&self, last: Time) -> Time {
        last.plus_nanos(self.silent_ns)
    }
}

/// Names of the parameters of one watched input.
struct Names {
    warning: &'static str,
    alarm: &'static str,
    hysteresis: &'static str,
}

impl Names {
    /// Warning and alarm limit; `defaults` are warning, alarm and hysteresis.
    fn limits(&self, params: &mut Params, defaults: [f64; 3], delay_ns: i64) -> Result<[Limit; 2], Problem> {
        let warning = params.number_or(self.warning, defaults[0])?;
        let alarm = params.number_or(self.alarm, defaults[1])?;
        let hysteresis = params.non_negative_or(self.hysteresis, defaults[2])?;
        if alarm < warning {
            return Err(Problem::parameter(
                self.alarm,
                &format!("is {alarm}, but must not be below `{}`, {warning}", self.warning),
            ));
        }
        Ok([warning, alarm].map(|threshold| Limit { threshold, hysteresis, delay_ns }))
    }
}

fn seconds(params: &mut Params, name: &'static str, default: f64) -> Result<i64, Problem> {
    Ok((params.non_negative_or(name, default)? * NANOS_PER_SECOND) as i64)
}
