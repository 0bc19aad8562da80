//! Equations of water: the basin's shape, a sluice gate as an orifice, a bulb turbine with its efficiency hill.
//!
//! Sizes are those published for La Rance: 24 bulb units of 10 MW with runners of 5.35 m, six gates, a basin of 22 km².
//! Flows are in m³/s and positive towards the sea; heads are basin minus sea, in metres.

use std::f64::consts::PI;

/// Density of sea water, kg/m³.
pub(crate) const WATER_DENSITY: f64 = 1025.0;
/// Standard gravity, m/s².
pub(crate) const GRAVITY: f64 = 9.81;
/// Rated power of one unit, MW.
pub(crate) const RATED_POWER_MW: f64 = 10.0;
/// Synchronous speed, turns per minute.
pub(crate) const RATED_SPEED_RPM: f64 = 93.75;

/// Area of one runner, m².
const RUNNER_AREA: f64 = PI / 4.0 * 5.35 * 5.35;
/// Above 1 because the draft tube recovers velocity head; gives the published 275 m³/s at 5.65 m fully open.
const RUNNER_DISCHARGE: f64 = 1.16;
/// A unit without load lets water pass like a rough orifice.
const IDLE_DISCHARGE: f64 = 0.75;
/// Opening of one gate, m² (10 m by 15 m).
const GATE_AREA: f64 = 150.0;
const GATE_DISCHARGE: f64 = 0.95;

/// The crown of the hill.
const EFFICIENCY_BEST: f64 = 0.89;
const OPENING_BEST: f64 = 0.60;
const HEAD_BEST_M: f64 = 7.0;
/// Beyond this opening more water gives less power, so the governor stops here.
pub(crate) const OPENING_MAX: f64 = 0.84;

/// Area of the basin at the level of zero and at [`BASIN_FULL_M`], m², of a station with 24 units.
const BASIN_AREA_EMPTY: f64 = 5.3e6;
const BASIN_AREA_FULL: f64 = 22.0e6;
const BASIN_FULL_M: f64 = 13.5;

/// The basin: its area grows linearly with its level, so its volume is quadratic.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Basin {
    scale: f64,
}

impl Basin {
    /// A basin in proportion to the number of units.
    pub(crate) fn for_units(units: usize) -> Self {
        Self { scale: units as f64 / 24.0 }
    }

    /// Volume in m³ at a level in metres.
    pub(crate) fn volume(self, level_m: f64) -> f64 {
        let slope = (BASIN_AREA_FULL - BASIN_AREA_EMPTY) / BASIN_FULL_M;
        self.scale * (BASIN_AREA_EMPTY * level_m + 0.5 * slope * level_m * level_m)
    }

    /// Level in metres at a volume in m³: the inverse of [`Basin::volume`].
    pub(crate) fn level(self, volume: f64) -> f64 {
        let slope = (BASIN_AREA_FULL - BASIN_AREA_EMPTY) / BASIN_FULL_M;
        let volume = (volume / self.scale).max(0.0);
        ((BASIN_AREA_EMPTY * BASIN_AREA_EMPTY + 2.0 * slope * volume).sqrt() - BASIN_AREA_EMPTY) / slope
    }
}

/// Flow through an orifice of `area` m².
fn orifice(area: f64, discharge: f64, head_m: f64) -> f64 {
    discharge * area * (2.0 * GRAVITY * head_m.abs()).sqrt().copysign(head_m)
}

/// Flow through one gate, `position` 0..1 open.
pub(crate) fn gate_flow(position: f64, head_m: f64) -> f64 {
    orifice(GATE_AREA * position, GATE_DISCHARGE, head_m)
}

/// Flow through a unit without load, in either direction.
pub(crate) fn idle_flow(opening: f64, head_m: f64) -> f64 {
    orifice(RUNNER_AREA * opening, IDLE_DISCHARGE, head_m)
}

/// Flow through a loaded unit; none against the sea.
pub(crate) fn turbine_flow(opening: f64, head_m: f64) -> f64 {
    orifice(RUNNER_AREA * opening, RUNNER_DISCHARGE, head_m.max(0.0))
}

/// Share of the water's power that reaches the terminals.
pub(crate) fn efficiency(opening: f64, head_m: f64) -> f64 {
    let (by_opening, by_head) = (opening - OPENING_BEST, (head_m - HEAD_BEST_M) / HEAD_BEST_M);
    (EFFICIENCY_BEST - 1.2 * by_opening * by_opening - 0.10 * by_head * by_head).max(0.0)
}

/// Electric power of a loaded unit, MW.
pub(crate) fn turbine_power_mw(opening: f64, head_m: f64) -> f64 {
    let flow = turbine_flow(opening, head_m);
    WATER_DENSITY * GRAVITY * flow * head_m.max(0.0) * efficiency(opening, head_m) / 1e6
}

/// The opening at which a unit gives as much power as it can, up to its rating.
pub(crate) fn best_opening(head_m: f64) -> f64 {
    let (mut low, mut high) = (0.0, OPENING_MAX);
    if turbine_power_mw(high, head_m) <= RATED_POWER_MW {
        return high;
    }
    for _ in 0..24 {
        let middle = 0.5 * (low + high);
        if turbine_power_mw(middle, head_m) > RATED_POWER_MW { high = middle } else { low = middle }
    }
    low
}

/// Angle of the runner blades that belongs to an opening (a double-regulated unit), degrees.
pub(crate) fn blade_angle_deg(opening: f64) -> f64 {
    -5.0 + 40.0 * opening
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_is_the_inverse_of_volume() {
        let basin = Basin::for_units(24);
        for level in [0.0, 0.5, 6.8, 13.5] {
            assert!((basin.level(basin.volume(level)) - level).abs() < 1e-9);
        }
    }

    #[test]
    fn a_unit_gives_its_rating_where_la_rance_does() {
        assert!((turbine_flow(1.0, 5.65) - 275.0).abs() < 2.0);
        assert!((turbine_power_mw(best_opening(5.65), 5.65) - 10.0).abs() < 0.5);
        assert!((turbine_power_mw(best_opening(9.0), 9.0) - 10.0).abs() < 1e-3);
        assert!(turbine_power_mw(best_opening(3.0), 3.0) < 5.0);
    }

    #[test]
    fn power_never_exceeds_the_water() {
        for head in [0.5, 2.0, 5.0, 9.0, 12.0] {
            for percent in 1..=84 {
                let opening = f64::from(percent) / 100.0;
                let water = WATER_DENSITY * GRAVITY * turbine_flow(opening, head) * head / 1e6;
                assert!(turbine_power_mw(opening, head) < water);
            }
        }
    }

    #[test]
    fn water_flows_downhill() {
        assert!(gate_flow(1.0, -0.5) < 0.0 && gate_flow(1.0, 0.5) > 0.0);
        assert!(idle_flow(1.0, -0.5) < 0.0);
        assert_eq!(turbine_flow(1.0, -0.5), 0.0);
    }
}
