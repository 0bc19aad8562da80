//! A simulated tidal power station, modelled on La Rance: 24 bulb units, six gates, 500 series at any rate.
//!
//! The generator is pure: [`Station::next_tick`] moves the plant on by one step and appends line protocol to a buffer.
//! Whoever drives it decides whether a tick happens every second or as fast as possible. The same configuration gives
//! the same bytes on the same machine.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tidemill_agent::station::{Station, StationConfig};
//! let mut station = Station::new(StationConfig { start_ns: 1_700_000_000_000_000_000, ..Default::default() })?;
//! let mut lines = Vec::new();
//! let tick = station.next_tick(&mut lines);
//! assert_eq!(tick.samples as usize, station.series_count());
//! # Ok(())
//! # }
//! ```
//!
//! What it shows: a tide from published constants ([`tide`]), a basin by mass balance, turbines on an efficiency hill,
//! a bearing that goes bad over hours, a sensor that fails, a network that goes away and comes back with a backlog
//! ([`Incidents`]). The first tick falls just before generation begins, so that something happens at once.
//!
//! What it leaves out: pumping and generation on the flood, waves in the basin, electrical transients.

mod backlog;
mod hydraulics;
mod incidents;
mod noise;
mod plant;
mod telemetry;
pub mod tide;
mod unit;
mod weather;

#[cfg(test)]
mod tests;

use std::time::Duration;

use backlog::{Backlog, Delivered};
use incidents::Schedule;
pub use incidents::{DevelopingFault, Incidents, Recurring, UNITS_PER_SWITCH};
use noise::Noise;
use plant::{BearingFault, Mode, Plant};
use telemetry::{Heads, LastTexts, Report};

/// Most units of one station: their names have a fixed width in dashboards.
pub const UNITS_MAX: usize = 10_000;
/// Late entries that a switch delivers per tick; an entry is one unit's report, so a backlog shrinks nine units' worth.
const LATE_ENTRIES_PER_TICK: usize = 10 * UNITS_PER_SWITCH;
/// Devices stamp their reports up to this much after the tick, in whole milliseconds.
const JITTER_MAX: Duration = Duration::from_millis(40);
/// Texts are repeated this often.
const TEXT_EVERY: Duration = Duration::from_secs(60);
/// The plant's largest step, for stability; a longer step is divided.
const PLANT_STEP_MAX_S: f64 = 10.0;
/// The plant runs this long unseen, to be in its rhythm.
const WARM_UP_S: f64 = 36.0 * 3600.0;

/// What to simulate.
#[derive(Debug, Clone, PartialEq)]
pub struct StationConfig {
    /// Chooses noise, incidents and the machines' characters.
    pub seed: u64,
    /// Source time of the first tick, ns since the Unix epoch.
    pub start_ns: i64,
    /// From tick to tick.
    pub step: Duration,
    /// Bulb units, 1 to [`UNITS_MAX`]; basin and gates grow with them. 24 units give 500 series.
    pub units: usize,
    /// The label `station`.
    pub name: String,
    /// Plant seconds per telemetry second: 60 shows a tide in twelve minutes.
    pub speed: f64,
    /// What goes wrong.
    pub incidents: Incidents,
}

impl Default for StationConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            start_ns: 0,
            step: Duration::from_secs(1),
            units: 24,
            name: "rance".to_owned(),
            speed: 1.0,
            incidents: Incidents::standard(),
        }
    }
}

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// Too few or too many units.
    #[error("a station has 1 to {UNITS_MAX} units, not {0}")]
    Units(usize),
    /// The step is empty or longer than an hour.
    #[error("the step between ticks is {0:?}, choose one between 1 µs and 1 h")]
    Step(Duration),
    /// The speed is not a sensible number.
    #[error("the speed is {0} plant seconds per second, choose one between 0.001 and 3600")]
    Speed(f64),
    /// A recurring incident would overlap itself.
    #[error("a recurring incident lasts {lasts:?} and comes every {every:?}: let it come at most half the time")]
    Recurring {
        /// How long it lasts.
        lasts: Duration,
        /// How often it comes.
        every: Duration,
    },
}

/// What one tick wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// Source time of the tick; lines that are not late lie at most 40 ms after it.
    pub time_ns: i64,
    /// Lines written, late ones included.
    pub lines: u32,
    /// Samples in them.
    pub samples: u32,
    /// Samples that come from a backlog.
    pub late_samples: u32,
}

/// The simulator. See the module's documentation.
#[derive(Debug)]
pub struct Station {
    config: StationConfig,
    plant: Plant,
    schedule: Schedule,
    heads: Heads,
    texts: LastTexts,
    backlogs: Vec<Backlog>,
    noise: Noise,
    tick: u64,
}

impl Station {
    /// Makes a station and lets it run in unseen until generation begins.
    ///
    /// # Errors
    /// When the configuration makes no sense; the message says what to change.
    pub fn new(config: StationConfig) -> Result<Self, ConfigError> {
        check(&config)?;
        let plant = warmed_up(&config);
        Ok(Self {
            schedule: Schedule::new(config.incidents, config.seed, config.units),
            heads: Heads::new(&config.name, config.units, plant.gates.len()),
            texts: LastTexts::new(config.units),
            backlogs: (0..config.units.div_ceil(UNITS_PER_SWITCH)).map(|_| Backlog::default()).collect(),
            noise: Noise::new(config.seed, 3),
            tick: 0,
            plant,
            config,
        })
    }

    /// Distinct series this station reports.
    pub fn series_count(&self) -> usize {
        self.plant.units.len() * telemetry::TURBINE_FIELDS
            + self.plant.gates.len() * telemetry::SLUICE_FIELDS
            + telemetry::STATION_FIELDS
            + telemetry::WEATHER_FIELDS
    }

    /// Source time of the next tick.
    pub fn next_time_ns(&self) -> i64 {
        self.config.start_ns.saturating_add_unsigned(self.elapsed().as_nanos() as u64)
    }

    /// Moves the plant on by one step and appends its lines to `out`, late ones first.
    pub fn next_tick(&mut self, out: &mut Vec<u8>) -> Tick {
        let (time_ns, at) = (self.next_time_ns(), self.elapsed());
        self.move_plant(at);
        let late = self.backlogs.iter_mut().enumerate();
        let down = self.schedule.network(at);
        let late = late
            .filter(|(switch, _)| Some(*switch) != down)
            .map(|(_, backlog)| backlog.deliver(out, LATE_ENTRIES_PER_TICK))
            .fold(Delivered::default(), add);
        let live = add(self.report_units(out, time_ns, at, down), self.report_rest(out, time_ns));
        self.tick += 1;
        let total = add(late, live);
        Tick { time_ns, lines: total.lines, samples: total.samples, late_samples: late.samples }
    }

    fn elapsed(&self) -> Duration {
        let nanos = u128::from(self.tick) * self.config.step.as_nanos();
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn move_plant(&mut self, at: Duration) {
        let step_s = self.config.step.as_secs_f64() * self.config.speed;
        let parts = (step_s / PLANT_STEP_MAX_S).ceil().max(1.0);
        let fault = self.schedule.bearing(at);
        for _ in 0..parts as u32 {
            self.plant.step(step_s / parts, fault);
        }
    }

    fn report_units(&mut self, out: &mut Vec<u8>, time_ns: i64, at: Duration, down: Option<usize>) -> Delivered {
        let failed = self.schedule.sensor(at);
        let mut live = Delivered::default();
        for index in 0..self.plant.units.len() {
            let time_ns = time_ns + self.jitter_ns();
            let unit = &self.plant.units[index];
            let with_text = self.texts.state_changed(index, unit.state) || self.is_text_due(index as u64);
            let report = Report { head: &self.heads.turbines[index], time_ns, with_text };
            let failed = failed.filter(|failed| failed.unit == index);
            let from = out.len();
            let (lines, samples) = telemetry::turbine(out, &report, unit, failed, &mut self.noise);
            let switch = index / UNITS_PER_SWITCH;
            if down == Some(switch) || !self.backlogs[switch].is_empty() {
                self.backlogs[switch].hold(out, from, Delivered { lines, samples });
            } else {
                live = add(live, Delivered { lines, samples });
            }
        }
        live
    }

    fn report_rest(&mut self, out: &mut Vec<u8>, time_ns: i64) -> Delivered {
        let mut total = Delivered::default();
        let mut count = |(lines, samples)| total = add(total, Delivered { lines, samples });
        let head_m = self.plant.head_m();
        for index in 0..self.plant.gates.len() {
            let time_ns = time_ns + self.jitter_ns();
            let report = Report { head: &self.heads.gates[index], time_ns, with_text: false };
            count(telemetry::gate(out, &report, &self.plant.gates[index], head_m, &mut self.noise));
        }
        let with_text = self.texts.mode_changed(self.plant.mode) || self.is_text_due(0);
        let (station_ns, weather_ns) = (time_ns + self.jitter_ns(), time_ns + self.jitter_ns());
        let report = Report { head: &self.heads.station, time_ns: station_ns, with_text };
        count(telemetry::station(out, &report, &self.plant, &mut self.noise));
        let report = Report { head: &self.heads.weather, time_ns: weather_ns, with_text: false };
        count(telemetry::weather(out, &report, &self.plant, &mut self.noise));
        total
    }

    /// Whole milliseconds, less than a quarter of a step, so that source times of a series keep rising.
    fn jitter_ns(&mut self) -> i64 {
        let most_ms = JITTER_MAX.min(self.config.step / 4).as_millis() as u64;
        (self.noise.bits() % (most_ms + 1)) as i64 * 1_000_000
    }

    /// Units repeat their texts at different ticks.
    fn is_text_due(&self, who: u64) -> bool {
        let every = (TEXT_EVERY.as_nanos() / self.config.step.as_nanos()).max(1) as u64;
        (self.tick + who).is_multiple_of(every)
    }
}

fn add(a: Delivered, b: Delivered) -> Delivered {
    Delivered { lines: a.lines + b.lines, samples: a.samples + b.samples }
}

fn check(config: &StationConfig) -> Result<(), ConfigError> {
    if !(1..=UNITS_MAX).contains(&config.units) {
        return Err(ConfigError::Units(config.units));
    }
    if !(Duration::from_micros(1)..=Duration::from_secs(3600)).contains(&config.step) {
        return Err(ConfigError::Step(config.step));
    }
    if !(0.001..=3600.0).contains(&config.speed) {
        return Err(ConfigError::Speed(config.speed));
    }
    for recurring in [config.incidents.sensor, config.incidents.network].into_iter().flatten() {
        if !recurring.is_valid() {
            return Err(ConfigError::Recurring { lasts: recurring.lasts, every: recurring.every });
        }
    }
    Ok(())
}

/// Runs the plant through some tides, until units are about to start.
fn warmed_up(config: &StationConfig) -> Plant {
    let origin_s = (Noise::new(config.seed, 4).bits() % (29 * 86_400)) as f64;
    let mut plant = Plant::new(config.seed, config.units, origin_s);
    while plant.t_s < origin_s + WARM_UP_S
        || plant.mode != Mode::Holding
        || plant.head_m() < plant::START_HEAD_M - 0.015
    {
        plant.step(PLANT_STEP_MAX_S, BearingFault::default());
    }
    plant
}
