//! One machine: its inputs, its switches, its clock.
//!
//! Invariants:
//! - The clock never goes back. It is the largest source time the machine knows has passed: of a row, or of the watermark.
//! - Timers (a delay ends, an input has been silent too long) take effect at their own time, in order, whenever the clock passes
//!   them. So alarms carry the same times however the rows were cut into batches.
//! - The alarm is emitted when it changes, at a time that never goes back.

use crate::settings::{BEARING_TEMPERATURE, FLOW, HEAD, INPUTS, POWER, Settings, VIBRATION};
use crate::switch::Switch;
use tidemill_sdk::{Quality, Row, Time};

/// The newest sample of an input.
#[derive(Clone, Copy)]
struct Latest {
    time: Time,
    value: f64,
    quality: Quality,
}

/// An alarm level that begins at `time`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Alarm {
    pub(crate) time: Time,
    pub(crate) level: u8,
    pub(crate) quality: Quality,
}

/// An efficiency at `time`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Efficiency {
    pub(crate) time: Time,
    pub(crate) ratio: f64,
    pub(crate) quality: Quality,
}

/// State of one machine.
pub(crate) struct Machine {
    latest: [Option<Latest>; INPUTS],
    /// Parallel to [`Settings::limits`].
    switches: [Switch; 4],
    clock: Time,
    shown: Option<(u8, Quality)>,
}

impl Default for Machine {
    fn default() -> Self {
        Machine { latest: [None; INPUTS], switches: [Switch::default(); 4], clock: Time::MIN, shown: None }
    }
}

impl Machine {
    /// Takes all rows of one time; alarms that begin before or with them go to `emit`.
    pub(crate) fn observe(
        &mut self,
        settings: &Settings,
        rows: &[Row],
        emit: &mut impl FnMut(Alarm),
    ) -> Option<Efficiency> {
        let time = rows.first()?.time;
        self.pass(settings, time.plus_nanos(-1), emit);
        let mut has_hydraulics = false;
        for row in rows {
            has_hydraulics |= self.take(settings, row) && matches!(row.port, FLOW | HEAD | POWER);
        }
        self.clock = self.clock.max(time);
        self.settle_switches(settings);
        self.show(settings, emit);
        if has_hydraulics { self.efficiency(settings) } else { None }
    }

    /// Moves the clock to `to`, timer by timer.
    pub(crate) fn pass(&mut self, settings: &Settings, to: Time, emit: &mut impl FnMut(Alarm)) {
        while let Some(due) = self.next_timer(settings).filter(|due| *due <= to) {
            self.clock = self.clock.max(due);
            self.settle_switches(settings);
            self.show(settings, emit);
        }
        self.clock = self.clock.max(to);
    }

    /// Takes a row unless a newer one of its input is known.
    fn take(&mut self, settings: &Settings, row: &Row) -> bool {
        let Some(latest) = self.latest.get_mut(row.port as usize) else { return false };
        if latest.is_some_and(|newest| row.time < newest.time) {
            return false;
        }
        *latest = Some(Latest { time: row.time, value: row.value, quality: row.quality });
        if !row.quality.is_bad() && !row.value.is_nan() {
            for ((_, limit), switch) in
                settings.limits.iter().zip(&mut self.switches).filter(|((port, _), _)| *port == row.port)
            {
                switch.observe(limit, row.time, row.value);
            }
        }
        true
    }

    fn settle_switches(&mut self, settings: &Settings) {
        for ((_, limit), switch) in settings.limits.iter().zip(&mut self.switches) {
            switch.settle(limit, self.clock);
        }
    }

    fn next_timer(&self, settings: &Settings) -> Option<Time> {
        let delays = settings.limits.iter().zip(&self.switches).filter_map(|((_, limit), switch)| switch.due(limit));
        let silences = self.latest.iter().flatten().map(|latest| settings.silent_at(latest.time));
        delays.chain(silences.filter(|at| *at > self.clock)).min()
    }

    fn show(&mut self, settings: &Settings, emit: &mut impl FnMut(Alarm)) {
        let (level, quality) = self.alarm(settings);
        if self.shown != Some((level, quality)) {
            self.shown = Some((level, quality));
            emit(Alarm { time: self.clock, level, quality });
        }
    }

    fn alarm(&self, settings: &Settings) -> (u8, Quality) {
        let [bearing_warning, bearing_alarm, vibration_warning, vibration_alarm] =
            self.switches.map(|switch| switch.is_raised());
        let is_silent = self.latest.iter().flatten().any(|latest| settings.silent_at(latest.time) <= self.clock);
        let level = if bearing_alarm || vibration_alarm {
            2
        } else {
            u8::from(bearing_warning || vibration_warning || is_silent)
        };
        let watched = [BEARING_TEMPERATURE, VIBRATION].map(|port| self.latest[port as usize]);
        let quality = watched.iter().flatten().fold(Quality::GOOD, |worst, latest| worst.worst(latest.quality));
        (level, if is_silent { quality.worst(Quality::UNCERTAIN_LAST_USABLE) } else { quality })
    }

    /// η = P / (ρ g Q H), of inputs that belong together and a machine that runs.
    fn efficiency(&self, settings: &Settings) -> Option<Efficiency> {
        let inputs = [self.latest[FLOW as usize]?, self.latest[HEAD as usize]?, self.latest[POWER as usize]?];
        let [flow, head, power] = inputs.map(|input| input.value);
        let newest = inputs.iter().map(|input| input.time).max()?;
        let oldest = inputs.iter().map(|input| input.time).min()?;
        let hydraulic_kw = settings.density * settings.gravity * flow * head / 1000.0;
        let ratio = power * settings.power_unit_kw / hydraulic_kw;
        if settings.silent_at(oldest) <= newest || hydraulic_kw < settings.hydraulic_kw_min || !ratio.is_finite() {
            return None;
        }
        let worst = inputs.iter().fold(Quality::GOOD, |worst, input| worst.worst(input.quality));
        let is_plausible = (0.0..=1.0).contains(&ratio);
        let quality = if is_plausible { worst } else { worst.worst(Quality::UNCERTAIN_OUT_OF_RANGE) };
        Some(Efficiency { time: newest, ratio, quality })
    }
}
