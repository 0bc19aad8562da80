//! What goes wrong, and when: a bearing, a sensor, the network. All of it follows from the seed and the clock.

use std::time::Duration;

use super::noise::Noise;
use super::plant::BearingFault;

/// Units that share one network switch, and so fall silent together.
pub const UNITS_PER_SWITCH: usize = 4;

/// Something that happens again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recurring {
    /// From the station's start to the first time.
    pub first_after: Duration,
    /// How long it lasts each time.
    pub lasts: Duration,
    /// From one beginning to the next; at least twice `lasts`.
    pub every: Duration,
}

impl Recurring {
    /// Which occurrence is under way `at` after the start, and how long it has been.
    fn under_way(&self, at: Duration) -> Option<(u64, Duration)> {
        let since_first = at.checked_sub(self.first_after)?.as_nanos();
        let (number, age) = (since_first / self.every.as_nanos(), since_first % self.every.as_nanos());
        (age < self.lasts.as_nanos()).then(|| (number as u64, Duration::from_nanos(age as u64)))
    }

    pub(crate) fn is_valid(&self) -> bool {
        !self.every.is_zero() && self.every >= self.lasts * 2
    }
}

/// A bearing that warms and vibrates more and more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DevelopingFault {
    /// From the station's start to the first trace.
    pub first_after: Duration,
    /// From the first trace to the fully developed fault.
    pub grows_over: Duration,
}

/// What goes wrong, in telemetry time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Incidents {
    /// One unit's bearing, chosen by the seed.
    pub bearing: Option<DevelopingFault>,
    /// One sensor of one unit: bad quality for the first third, then silence.
    pub sensor: Option<Recurring>,
    /// One switch: its units are silent, then their backlog arrives late and in order.
    pub network: Option<Recurring>,
}

impl Incidents {
    /// Spread over hours, as in life.
    pub fn standard() -> Self {
        Self {
            bearing: Some(DevelopingFault { first_after: minutes(30), grows_over: minutes(6 * 60) }),
            sensor: Some(Recurring { first_after: minutes(7), lasts: minutes(6), every: minutes(40) }),
            network: Some(Recurring { first_after: minutes(15), lasts: minutes(5), every: minutes(60) }),
        }
    }

    /// Everything happens within minutes, for someone who watches.
    pub fn demo() -> Self {
        let seconds = Duration::from_secs;
        Self {
            bearing: Some(DevelopingFault { first_after: seconds(60), grows_over: minutes(10) }),
            sensor: Some(Recurring { first_after: seconds(90), lasts: seconds(90), every: minutes(5) }),
            network: Some(Recurring { first_after: seconds(150), lasts: seconds(45), every: minutes(4) }),
        }
    }
}

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

/// The sensors that fail in this simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sensor {
    Vibration,
    OilPressure,
    StatorTemperature,
}

/// A sensor that has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FailedSensor {
    pub(crate) unit: usize,
    pub(crate) sensor: Sensor,
    /// It no longer reports at all.
    pub(crate) is_silent: bool,
}

/// Answers what is wrong at a moment.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    incidents: Incidents,
    seed: u64,
    units: usize,
}

impl Schedule {
    pub(crate) fn new(incidents: Incidents, seed: u64, units: usize) -> Self {
        Self { incidents, seed, units }
    }

    fn pick(&self, kind: u64, occurrence: u64) -> Noise {
        Noise::new(self.seed ^ kind << 32, occurrence)
    }

    /// The bearing, `at` after the start.
    pub(crate) fn bearing(&self, at: Duration) -> BearingFault {
        let unit = (self.pick(1, 0).bits() % self.units as u64) as usize;
        let severity = self.incidents.bearing.map_or(0.0, |fault| {
            let age = at.saturating_sub(fault.first_after).as_secs_f64();
            let x = (age / fault.grows_over.as_secs_f64().max(1e-9)).clamp(0.0, 1.0);
            x * x * (3.0 - 2.0 * x)
        });
        BearingFault { unit, severity }
    }

    /// The failed sensor, if any.
    pub(crate) fn sensor(&self, at: Duration) -> Option<FailedSensor> {
        let recurring = self.incidents.sensor?;
        let (occurrence, age) = recurring.under_way(at)?;
        let mut pick = self.pick(2, occurrence);
        let unit = (pick.bits() % self.units as u64) as usize;
        let sensors = [Sensor::Vibration, Sensor::OilPressure, Sensor::StatorTemperature];
        let sensor = sensors[(pick.bits() % sensors.len() as u64) as usize];
        Some(FailedSensor { unit, sensor, is_silent: age >= recurring.lasts / 3 })
    }

    /// The switch that is down, if any: units are grouped by [`UNITS_PER_SWITCH`].
    pub(crate) fn network(&self, at: Duration) -> Option<usize> {
        let (occurrence, _) = self.incidents.network?.under_way(at)?;
        Some((self.pick(3, occurrence).bits() % self.units.div_ceil(UNITS_PER_SWITCH) as u64) as usize)
    }
}
