//! What the sensors of the plant report: one line per unit, per gate, for the station and for the weather.
//!
//! Every value is rounded to its sensor's resolution. Texts are reported when they change and once a minute.
//!
//! | measurement | labels | fields |
//! |---|---|---|
//! | `turbine` | `station`, `unit` | `flow` m³/s (towards the sea), `head` m, `power` MW, `reactive_power` Mvar, `speed` rpm, `guide_vane` %, `blade_angle` °, `bearing_temperature` °C, `stator_temperature` °C, `oil_temperature` °C, `oil_pressure` bar, `seal_leakage` l/min, `vibration` mm/s, `voltage` kV, `current` A, `energy` kWh, `starts`, `running`, `state` |
//! | `sluice` | `station`, `gate` | `position` %, `flow` m³/s, `head` m, `motor_current` A |
//! | `station` | `station` | `sea_level` m, `basin_level` m, `head` m, `basin_volume` Mm³, `river_flow` m³/s, `flow` m³/s, `power` MW, `energy` kWh, `units_running`, `grid_frequency` Hz, `grid_voltage` kV, `mode` |
//! | `weather` | `station` | `air_temperature` °C, `water_temperature` °C, `pressure` hPa, `humidity` %, `wind_speed` m/s, `wind_direction` °, `rain` mm/h, `wave_height` m |
//!
//! A unit's hydraulic efficiency is `power·1e6 / (1025 · 9.81 · flow · head)`.

use super::incidents::{FailedSensor, Sensor};
use super::noise::Noise;
use super::plant::{Gate, Mode, Plant};
use super::unit::{State, Unit};
use crate::line::{Line, push_label};

/// Fields of each kind of line, for counting series.
pub(crate) const TURBINE_FIELDS: usize = 19;
pub(crate) const SLUICE_FIELDS: usize = 4;
pub(crate) const STATION_FIELDS: usize = 12;
pub(crate) const WEATHER_FIELDS: usize = 8;

/// OPC UA BadSensorFailure.
const BAD_SENSOR_FAILURE: u32 = 0x808C_0000;
/// Rated line voltage of a unit, kV.
const UNIT_KV: f64 = 3.5;

/// Measurement and labels of every line, written once.
#[derive(Debug)]
pub(crate) struct Heads {
    pub(crate) turbines: Vec<Vec<u8>>,
    pub(crate) gates: Vec<Vec<u8>>,
    pub(crate) station: Vec<u8>,
    pub(crate) weather: Vec<u8>,
}

impl Heads {
    pub(crate) fn new(station: &str, units: usize, gates: usize) -> Self {
        let numbered = |measurement: &str, label: &str, letter: char, count: usize| {
            let one = |number| head(measurement, station, Some((label, format!("{letter}{number:02}"))));
            (1..=count).map(one).collect()
        };
        Self {
            turbines: numbered("turbine", "unit", 'T', units),
            gates: numbered("sluice", "gate", 'G', gates),
            station: head("station", station, None),
            weather: head("weather", station, None),
        }
    }
}

fn head(measurement: &str, station: &str, extra: Option<(&str, String)>) -> Vec<u8> {
    let mut bytes = measurement.as_bytes().to_vec();
    push_label(&mut bytes, "station", station);
    if let Some((label, value)) = extra {
        push_label(&mut bytes, label, &value);
    }
    bytes
}

/// When and how a line is reported.
pub(crate) struct Report<'a> {
    pub(crate) head: &'a [u8],
    pub(crate) time_ns: i64,
    /// Texts are due although they did not change.
    pub(crate) with_text: bool,
}

/// Remembers the last reported texts, so that they are reported by exception.
#[derive(Debug)]
pub(crate) struct LastTexts {
    states: Vec<Option<State>>,
    mode: Option<Mode>,
}

impl LastTexts {
    pub(crate) fn new(units: usize) -> Self {
        Self { states: vec![None; units], mode: None }
    }

    pub(crate) fn state_changed(&mut self, unit: usize, state: State) -> bool {
        self.states[unit].replace(state) != Some(state)
    }

    pub(crate) fn mode_changed(&mut self, mode: Mode) -> bool {
        self.mode.replace(mode) != Some(mode)
    }
}

/// Reports a unit; a failed sensor gets a line of its own with its quality, or none. Returns lines and samples.
pub(crate) fn turbine(
    out: &mut Vec<u8>,
    report: &Report<'_>,
    unit: &Unit,
    failed: Option<FailedSensor>,
    noise: &mut Noise,
) -> (u32, u32) {
    let failed_sensor = failed.map(|failed| failed.sensor);
    let turning = unit.speed_rpm / super::hydraulics::RATED_SPEED_RPM;
    let mut line = Line::begin(out, report.head);
    line.float("flow", unit.flow * (1.0 + 0.002 * noise.bell()), 1);
    line.float("head", unit.head_m + 0.006 * noise.bell(), 2);
    line.float("power", unit.power_mw, 3);
    line.float("reactive_power", 0.18 * unit.power_mw + 0.01 * noise.bell() * unit.power_mw, 2);
    line.float("speed", unit.speed_rpm + 0.02 * noise.bell() * turning, 2);
    line.float("guide_vane", 100.0 * unit.opening, 1);
    line.float("blade_angle", unit.blade_angle_deg(), 1);
    line.float("bearing_temperature", unit.bearing_c + 0.06 * noise.bell(), 1);
    line.float("oil_temperature", unit.oil_c + 0.06 * noise.bell(), 1);
    line.float("seal_leakage", 4.0 + 0.8 * unit.head_m.abs() + 0.2 * noise.bell(), 1);
    for (sensor, name, value, decimals) in fallible(unit, noise) {
        if failed_sensor != Some(sensor) {
            line.float(name, value, decimals);
        }
    }
    let voltage_kv = if unit.is_running() { UNIT_KV + 0.01 * noise.bell() } else { 0.0 };
    line.float("voltage", voltage_kv, 3);
    line.float("current", if unit.is_running() { unit.power_mw * 1000.0 / (1.705 * voltage_kv) } else { 0.0 }, 0);
    line.float("energy", unit.energy_kwh, 1);
    line.integer("starts", unit.starts);
    line.flag("running", unit.is_running());
    if report.with_text {
        line.text("state", unit.state.name());
    }
    let samples = line.end(report.time_ns);
    match failed {
        Some(failed) if !failed.is_silent => (2, samples + bad_sensor(out, report, failed.sensor)),
        _ => (1, samples),
    }
}

/// The sensors that may fail: name, value, decimals.
fn fallible(unit: &Unit, noise: &mut Noise) -> [(Sensor, &'static str, f64, usize); 3] {
    let vibration = unit.vibration_mm_s * (1.0 + 0.08 * noise.bell());
    let oil_bar = 42.0 + 0.15 * noise.bell() - 0.02 * (unit.oil_c - 18.0);
    let stator_c = unit.stator_c + 0.08 * noise.bell();
    [
        (Sensor::Vibration, "vibration", vibration, 2),
        (Sensor::OilPressure, "oil_pressure", oil_bar, 2),
        (Sensor::StatorTemperature, "stator_temperature", stator_c, 1),
    ]
}

/// A broken sensor reports the end of its range.
fn bad_sensor(out: &mut Vec<u8>, report: &Report<'_>, sensor: Sensor) -> u32 {
    let mut line = Line::begin(out, report.head);
    match sensor {
        Sensor::Vibration => line.float("vibration", 0.0, 2),
        Sensor::OilPressure => line.float("oil_pressure", 0.0, 2),
        Sensor::StatorTemperature => line.float("stator_temperature", 200.0, 1),
    }
    line.quality(BAD_SENSOR_FAILURE);
    line.end(report.time_ns)
}

/// Reports a gate.
pub(crate) fn gate(out: &mut Vec<u8>, report: &Report<'_>, gate: &Gate, head_m: f64, noise: &mut Noise) -> (u32, u32) {
    let mut line = Line::begin(out, report.head);
    line.float("position", 100.0 * gate.position, 1);
    line.float("flow", gate.flow * (1.0 + 0.002 * noise.bell()), 1);
    line.float("head", head_m + 0.008 * noise.bell(), 2);
    line.float("motor_current", if gate.is_moving { 38.0 + 1.5 * noise.bell() } else { 0.0 }, 1);
    (1, line.end(report.time_ns))
}

/// Reports the station's totals.
pub(crate) fn station(out: &mut Vec<u8>, report: &Report<'_>, plant: &Plant, noise: &mut Noise) -> (u32, u32) {
    let mut line = Line::begin(out, report.head);
    line.float("sea_level", plant.sea_m + 0.008 * noise.bell(), 3);
    line.float("basin_level", plant.basin_m + 0.004 * noise.bell(), 3);
    line.float("head", plant.head_m() + 0.008 * noise.bell(), 3);
    line.float("basin_volume", plant.volume_m3 / 1e6, 4);
    line.float("river_flow", plant.river_m3_s + 0.1 * noise.bell(), 1);
    line.float("flow", plant.flow(), 1);
    line.float("power", plant.power_mw(), 3);
    line.float("energy", plant.units.iter().map(|unit| unit.energy_kwh).sum(), 0);
    line.integer("units_running", plant.units.iter().filter(|unit| unit.is_running()).count() as i64);
    line.float("grid_frequency", plant.grid_hz, 3);
    line.float("grid_voltage", plant.grid_kv, 2);
    if report.with_text {
        line.text("mode", plant.mode.name());
    }
    (1, line.end(report.time_ns))
}

/// Reports the weather mast.
pub(crate) fn weather(out: &mut Vec<u8>, report: &Report<'_>, plant: &Plant, noise: &mut Noise) -> (u32, u32) {
    let weather = &plant.weather;
    let mut line = Line::begin(out, report.head);
    line.float("air_temperature", weather.air_c + 0.05 * noise.bell(), 1);
    line.float("water_temperature", weather.water_c, 1);
    line.float("pressure", weather.pressure_hpa, 1);
    line.float("humidity", weather.humidity_percent + 0.5 * noise.bell(), 0);
    line.float("wind_speed", weather.wind_m_s, 1);
    line.float("wind_direction", weather.wind_from_deg + 4.0 * noise.bell(), 0);
    line.float("rain", weather.rain_mm_h, 1);
    line.float("wave_height", weather.wave_m, 2);
    (1, line.end(report.time_ns))
}
