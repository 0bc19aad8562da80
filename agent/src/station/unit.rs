//! One bulb unit: its sequence of states, what its governor does, and what its sensors would feel.
//!
//! Invariants: a unit carries load only at synchronous speed; counters never fall; temperatures follow their targets
//! with first-order lags, exactly, whatever the step.

use super::hydraulics::{
    OPENING_MAX, RATED_POWER_MW, RATED_SPEED_RPM, blade_angle_deg, idle_flow, turbine_flow, turbine_power_mw,
};
use super::noise::{Noise, Wander};

/// Guide vanes move by this share of their travel per second.
const VANE_RATE_PER_S: f64 = 0.02;
/// Run-up to synchronous speed, and coasting down, rpm per second.
const RUN_UP_RPM_PER_S: f64 = 1.6;
const COAST_RPM_PER_S: f64 = 0.8;
/// Time constants of the bearing, the stator and the oil, s.
const BEARING_LAG_S: f64 = 900.0;
const STATOR_LAG_S: f64 = 1_500.0;
const OIL_LAG_S: f64 = 2_400.0;
/// What a fully developed bearing fault adds.
const FAULT_BEARING_K: f64 = 34.0;
const FAULT_VIBRATION_MM_S: f64 = 6.5;

/// What the station wants of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Rest,
    Generate,
    Sluice,
}

/// Where a unit is in its sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Standby,
    Starting,
    Generating,
    Stopping,
    Sluicing,
}

impl State {
    /// The text that the unit reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::Standby => "standby",
            State::Starting => "starting",
            State::Generating => "generating",
            State::Stopping => "stopping",
            State::Sluicing => "sluicing",
        }
    }
}

/// What a unit finds around it in one step.
pub(crate) struct Surroundings {
    pub(crate) order: Order,
    pub(crate) head_m: f64,
    /// The opening that serves this head best.
    pub(crate) best_opening: f64,
    pub(crate) water_c: f64,
    /// 0 healthy … 1 fully developed.
    pub(crate) bearing_fault: f64,
    pub(crate) dt_s: f64,
}

/// The true state of one unit; sensors add their noise when they report.
#[derive(Debug, Clone)]
pub(crate) struct Unit {
    pub(crate) state: State,
    pub(crate) opening: f64,
    pub(crate) speed_rpm: f64,
    pub(crate) flow: f64,
    pub(crate) head_m: f64,
    pub(crate) power_mw: f64,
    pub(crate) bearing_c: f64,
    pub(crate) stator_c: f64,
    pub(crate) oil_c: f64,
    pub(crate) vibration_mm_s: f64,
    pub(crate) starts: i64,
    pub(crate) energy_kwh: f64,
    swirl: Wander,
    /// This machine is a little better or worse than its sisters.
    quality_of_build: f64,
    noise: Noise,
}

impl Unit {
    pub(crate) fn new(seed: u64, index: usize) -> Self {
        let mut noise = Noise::new(seed, 1_000 + index as u64);
        let quality_of_build = noise.bell();
        Self {
            state: State::Standby,
            opening: 0.0,
            speed_rpm: 0.0,
            flow: 0.0,
            head_m: 0.0,
            power_mw: 0.0,
            bearing_c: 16.0,
            stator_c: 16.0,
            oil_c: 18.0,
            vibration_mm_s: 0.0,
            starts: 20_000 + (noise.bits() % 9_000) as i64,
            energy_kwh: 1.2e9 + noise.uniform() * 1e8,
            swirl: Wander::new(0.02, 8.0),
            quality_of_build,
            noise,
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.state == State::Generating
    }

    /// Blades follow the guide vanes.
    pub(crate) fn blade_angle_deg(&self) -> f64 {
        blade_angle_deg(self.opening)
    }

    /// Moves on by one step.
    pub(crate) fn step(&mut self, around: &Surroundings) {
        let swirl = self.swirl.step(&mut self.noise, around.dt_s);
        self.head_m = around.head_m + 0.5 * swirl;
        self.advance_state(around);
        self.pass_water(around, swirl);
        self.feel(around);
    }

    fn advance_state(&mut self, around: &Surroundings) {
        self.state = match (self.state, around.order) {
            (State::Standby | State::Stopping, Order::Generate) if self.opening == 0.0 => {
                self.starts += 1;
                State::Starting
            }
            (State::Sluicing, Order::Generate | Order::Rest) | (State::Starting, Order::Rest | Order::Sluice) => {
                State::Stopping
            }
            (State::Starting, Order::Generate) if self.speed_rpm >= RATED_SPEED_RPM => State::Generating,
            (State::Generating, Order::Rest | Order::Sluice) => State::Stopping,
            (State::Stopping, Order::Sluice) if self.opening == 0.0 => State::Sluicing,
            (State::Stopping, _) if self.opening == 0.0 && self.speed_rpm == 0.0 => State::Standby,
            (State::Standby, Order::Sluice) => State::Sluicing,
            (state, _) => state,
        };
    }

    fn pass_water(&mut self, around: &Surroundings, swirl: f64) {
        let dt = around.dt_s;
        let (opening, speed) = match self.state {
            State::Standby => (0.0, 0.0),
            State::Starting => (0.12, RATED_SPEED_RPM),
            State::Generating => (around.best_opening, RATED_SPEED_RPM),
            State::Stopping => (0.0, 0.0),
            State::Sluicing => (1.0, 28.0 * (around.head_m.abs() / 2.0).sqrt().min(1.0)),
        };
        self.opening = approach(self.opening, opening, VANE_RATE_PER_S * dt);
        let rate = if speed > self.speed_rpm { RUN_UP_RPM_PER_S } else { COAST_RPM_PER_S };
        self.speed_rpm = approach(self.speed_rpm, speed, rate * dt);
        let stir = 1.0 + 0.4 * swirl;
        if self.state == State::Generating {
            let wear = 1.0 + 0.01 * self.quality_of_build - 0.03 * around.bearing_fault;
            self.flow = turbine_flow(self.opening, around.head_m) * stir;
            let power = turbine_power_mw(self.opening.min(OPENING_MAX), around.head_m);
            self.power_mw = (power * wear * stir).min(1.02 * RATED_POWER_MW);
        } else {
            self.flow = idle_flow(self.opening, around.head_m) * stir;
            self.power_mw = 0.0;
        }
        self.energy_kwh += self.power_mw * 1000.0 * dt / 3600.0;
    }

    fn feel(&mut self, around: &Surroundings) {
        let turning = self.speed_rpm / RATED_SPEED_RPM;
        let load = self.power_mw / RATED_POWER_MW;
        let fault = around.bearing_fault;
        let bearing = around.water_c + turning * (9.0 + 16.0 * load + self.quality_of_build + FAULT_BEARING_K * fault);
        let stator = around.water_c + 3.0 * turning + 48.0 * load * load;
        let oil = around.water_c + 4.0 + 14.0 * turning + 6.0 * fault * turning;
        self.bearing_c += (bearing - self.bearing_c) * share(around.dt_s, BEARING_LAG_S);
        self.stator_c += (stator - self.stator_c) * share(around.dt_s, STATOR_LAG_S);
        self.oil_c += (oil - self.oil_c) * share(around.dt_s, OIL_LAG_S);
        // Rough running away from the best opening, smooth at it; the fault is felt with the square of its growth.
        let rough = 1.4 * (self.opening - 0.6).abs() * turning;
        let unbalance = (0.7 + 0.25 * self.quality_of_build) * turning * turning;
        self.vibration_mm_s = 0.05 + unbalance + rough + FAULT_VIBRATION_MM_S * fault * fault * turning;
    }
}

/// Moves `from` towards `to` by at most `most`.
pub(crate) fn approach(from: f64, to: f64, most: f64) -> f64 {
    from + (to - from).clamp(-most, most)
}

/// The share of a first-order lag's way that is covered in one step.
fn share(dt_s: f64, time_constant_s: f64) -> f64 {
    1.0 - (-dt_s / time_constant_s).exp()
}
