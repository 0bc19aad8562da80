//! The plant as a whole: tide, basin, gates, units and how they are operated.
//!
//! Ebb generation, as a cycle of four modes:
//! 1. *filling*: the sea is higher; gates and idle units let it in,
//! 2. *holding*: high water is past; everything is shut until the sea has fallen by [`START_HEAD_M`],
//! 3. *generating*: units start one after the other and run until less than [`STOP_HEAD_M`] is left,
//! 4. *waiting*: everything is shut until the rising sea meets the basin.
//!
//! Invariant: the basin's volume changes by exactly what flows through gates, units and river in each step.

use super::hydraulics::{Basin, best_opening, gate_flow};
use super::noise::{Noise, Wander};
use super::tide;
use super::unit::{Order, Surroundings, Unit, approach};
use super::weather::Weather;

/// Generation begins at this head…
pub(crate) const START_HEAD_M: f64 = 3.5;
/// …and ends at this one.
pub(crate) const STOP_HEAD_M: f64 = 1.6;
/// Units take their turns at this distance, so that the grid sees a ramp.
const STAGGER_S: f64 = 6.0;
/// Gates move by this share of their travel per second.
const GATE_RATE_PER_S: f64 = 0.005;
/// The river Rance brings little.
const RIVER_M3_S: f64 = 8.0;

/// What the station is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Filling,
    Holding,
    Generating,
    Waiting,
}

impl Mode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Mode::Filling => "filling",
            Mode::Holding => "holding",
            Mode::Generating => "generating",
            Mode::Waiting => "waiting",
        }
    }
}

/// One sluice gate.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate {
    /// 0 shut … 1 open.
    pub(crate) position: f64,
    pub(crate) flow: f64,
    pub(crate) is_moving: bool,
}

/// A bearing that goes bad.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct BearingFault {
    pub(crate) unit: usize,
    /// 0 healthy … 1 fully developed.
    pub(crate) severity: f64,
}

/// The true state of everything.
#[derive(Debug, Clone)]
pub(crate) struct Plant {
    pub(crate) t_s: f64,
    pub(crate) mode: Mode,
    pub(crate) sea_m: f64,
    pub(crate) basin_m: f64,
    pub(crate) volume_m3: f64,
    pub(crate) river_m3_s: f64,
    pub(crate) grid_hz: f64,
    pub(crate) grid_kv: f64,
    pub(crate) units: Vec<Unit>,
    pub(crate) gates: Vec<Gate>,
    pub(crate) weather: Weather,
    basin: Basin,
    mode_age_s: f64,
    cycle: usize,
    noise: Noise,
    frequency: Wander,
    voltage: Wander,
}

impl Plant {
    /// A plant at rest, its basin level with the sea, at `t_s` of the tide's calendar.
    pub(crate) fn new(seed: u64, units: usize, t_s: f64) -> Self {
        let basin = Basin::for_units(units);
        let sea_m = tide::level_m(t_s);
        Self {
            t_s,
            mode: Mode::Filling,
            sea_m,
            basin_m: sea_m,
            volume_m3: basin.volume(sea_m),
            river_m3_s: RIVER_M3_S,
            grid_hz: 50.0,
            grid_kv: 225.0,
            units: (0..units).map(|index| Unit::new(seed, index)).collect(),
            gates: vec![Gate::default(); units.div_ceil(4)],
            weather: Weather::new(seed),
            basin,
            mode_age_s: 0.0,
            cycle: 0,
            noise: Noise::new(seed, 1),
            frequency: Wander::new(0.02, 60.0),
            voltage: Wander::new(0.8, 300.0),
        }
    }

    /// Basin minus sea, m.
    pub(crate) fn head_m(&self) -> f64 {
        self.basin_m - self.sea_m
    }

    /// Through all gates and units, m³/s towards the sea.
    pub(crate) fn flow(&self) -> f64 {
        self.units.iter().map(|unit| unit.flow).sum::<f64>() + self.gates.iter().map(|gate| gate.flow).sum::<f64>()
    }

    /// All units together, MW.
    pub(crate) fn power_mw(&self) -> f64 {
        self.units.iter().map(|unit| unit.power_mw).sum()
    }

    /// Moves on by `dt_s`.
    pub(crate) fn step(&mut self, dt_s: f64, fault: BearingFault) {
        self.t_s += dt_s;
        self.sea_m = tide::level_m(self.t_s);
        self.weather.step(self.t_s, dt_s);
        self.grid_hz = 50.0 + self.frequency.step(&mut self.noise, dt_s);
        self.grid_kv = 225.0 + self.voltage.step(&mut self.noise, dt_s);
        self.operate(dt_s);
        self.move_gates(dt_s);
        self.move_units(dt_s, fault);
        self.volume_m3 = (self.volume_m3 + (self.river_m3_s - self.flow()) * dt_s).max(0.0);
        self.basin_m = self.basin.level(self.volume_m3);
    }

    fn operate(&mut self, dt_s: f64) {
        let head = self.head_m();
        let next = match self.mode {
            Mode::Filling if head > 0.0 => Mode::Holding,
            Mode::Holding if head >= START_HEAD_M => Mode::Generating,
            Mode::Holding | Mode::Waiting if head < 0.0 => Mode::Filling,
            Mode::Generating if head <= STOP_HEAD_M => Mode::Waiting,
            mode => mode,
        };
        self.mode_age_s += dt_s;
        if next != self.mode {
            (self.mode, self.mode_age_s) = (next, 0.0);
            self.cycle += 1;
        }
    }

    fn move_gates(&mut self, dt_s: f64) {
        let (target, head) = (f64::from(u8::from(self.mode == Mode::Filling)), self.head_m());
        for gate in &mut self.gates {
            let position = approach(gate.position, target, GATE_RATE_PER_S * dt_s);
            gate.is_moving = position != gate.position;
            gate.position = position;
            gate.flow = gate_flow(position, head);
        }
    }

    fn move_units(&mut self, dt_s: f64, fault: BearingFault) {
        let head_m = self.head_m();
        let (best_opening, water_c) = (best_opening(head_m), self.weather.water_c);
        let count = self.units.len();
        // A station of any size takes as long to start as one of 24 units.
        let stagger_s = STAGGER_S * 24.0 / count as f64;
        for (index, unit) in self.units.iter_mut().enumerate() {
            let turn = (index + self.cycle * 7) % count;
            let is_due = self.mode_age_s >= turn as f64 * stagger_s;
            let order = match self.mode {
                Mode::Generating if is_due => Order::Generate,
                Mode::Filling if is_due => Order::Sluice,
                Mode::Waiting if !is_due && unit.is_running() => Order::Generate,
                _ => Order::Rest,
            };
            let bearing_fault = if index == fault.unit { fault.severity } else { 0.0 };
            unit.step(&Surroundings { order, head_m, best_opening, water_c, bearing_fault, dt_s });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mass_balance_holds() {
        let mut plant = Plant::new(7, 24, 0.0);
        for _ in 0..200_000 {
            let before = plant.volume_m3;
            plant.step(1.0, BearingFault::default());
            let change = plant.volume_m3 - before;
            assert!((change - (RIVER_M3_S - plant.flow())).abs() < 1e-6 * plant.volume_m3.max(1.0) * 1e-3);
            assert!((plant.basin.volume(plant.basin_m) - plant.volume_m3).abs() < 1.0);
        }
    }

    #[test]
    fn every_mode_comes_in_its_turn_and_power_needs_falling_water() {
        let mut plant = Plant::new(7, 24, 0.0);
        let mut modes = vec![plant.mode];
        let mut peak = 0.0f64;
        for _ in 0..3 * 86_400 {
            plant.step(1.0, BearingFault::default());
            if modes.last() != Some(&plant.mode) {
                modes.push(plant.mode);
            }
            assert!(plant.power_mw() == 0.0 || plant.head_m() > 0.0);
            assert!((0.0..14.0).contains(&plant.basin_m), "basin at {} m", plant.basin_m);
            peak = peak.max(plant.power_mw());
        }
        assert!(modes.windows(4).any(|w| w == [Mode::Filling, Mode::Holding, Mode::Generating, Mode::Waiting]));
        assert!((60.0..=245.0).contains(&peak), "peak {peak} MW");
    }

    #[test]
    fn a_bad_bearing_warms_and_shakes() {
        let fault = BearingFault { unit: 3, severity: 1.0 };
        let mut plant = Plant::new(7, 24, 0.0);
        while plant.power_mw() < 40.0 {
            plant.step(1.0, fault);
        }
        for _ in 0..5_400 {
            plant.step(1.0, fault);
        }
        let healthy = &plant.units[4];
        assert!(plant.units[3].bearing_c > healthy.bearing_c + 20.0);
        assert!(plant.units[3].vibration_mm_s > 2.0 * healthy.vibration_mm_s);
    }
}
