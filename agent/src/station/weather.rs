//! Weather over the barrage: slow wanders around a mild maritime climate.

use std::f64::consts::TAU;

use super::noise::{Noise, Wander};

/// What the weather mast reports.
#[derive(Debug, Clone)]
pub(crate) struct Weather {
    pub(crate) air_c: f64,
    pub(crate) water_c: f64,
    pub(crate) pressure_hpa: f64,
    pub(crate) humidity_percent: f64,
    pub(crate) wind_m_s: f64,
    pub(crate) wind_from_deg: f64,
    pub(crate) rain_mm_h: f64,
    pub(crate) wave_m: f64,
    noise: Noise,
    front: Wander,
    gust: Wander,
    turn: Wander,
}

impl Weather {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            air_c: 12.0,
            water_c: 14.0,
            pressure_hpa: 1015.0,
            humidity_percent: 80.0,
            wind_m_s: 6.0,
            wind_from_deg: 270.0,
            rain_mm_h: 0.0,
            wave_m: 0.8,
            noise: Noise::new(seed, 2),
            front: Wander::new(1.0, 40_000.0),
            gust: Wander::new(1.0, 20.0),
            turn: Wander::new(25.0, 7_200.0),
        }
    }

    /// Moves on by `dt_s` to `t_s`, seconds since the start of some day.
    pub(crate) fn step(&mut self, t_s: f64, dt_s: f64) {
        let front = self.front.step(&mut self.noise, dt_s);
        let gust = self.gust.step(&mut self.noise, dt_s);
        let sun = -(TAU * t_s / 86_400.0 + 0.6).cos();
        self.air_c = 12.5 + 3.5 * sun + 1.5 * front;
        self.water_c = 14.2 + 0.2 * sun;
        self.pressure_hpa = 1014.0 - 9.0 * front;
        self.humidity_percent = (78.0 - 9.0 * sun + 9.0 * front).clamp(30.0, 100.0);
        let mean_wind = 6.5 + 3.0 * front.max(-1.5);
        self.wind_m_s = (mean_wind * (1.0 + 0.15 * gust)).max(0.0);
        self.wind_from_deg = (255.0 + self.turn.step(&mut self.noise, dt_s)).rem_euclid(360.0);
        self.rain_mm_h = (6.0 * (front - 1.0)).max(0.0);
        self.wave_m = 0.3 + 0.011 * mean_wind * mean_wind;
    }
}
