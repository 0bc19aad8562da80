//! Times and quantities of one interval, and the ratios made of them.

use crate::settings::{Kind, Settings};
use tidemill_sdk::{Output, Quality};

const AVAILABILITY: u32 = 0;
const PERFORMANCE: u32 = 1;
const QUALITY: u32 = 2;
const OEE: u32 = 3;
const BUSY: u32 = 4;
const PRODUCTION: u32 = 5;
const PRODUCED: u32 = 6;
const REJECTED: u32 = 7;

/// UncertainDataSubNormal: computed from fewer good values than there should be (OPC UA Part 8, Part 13).
const SUBNORMAL: Quality = Quality(0x40A4_0000);

#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Interval {
    pub(crate) number: i64,
    running_ns: i64,
    idle_ns: i64,
    not_planned_ns: i64,
    unknown_ns: i64,
    produced: f64,
    rejected: f64,
    has_items: bool,
    misses_items: bool,
    quality: Quality,
}

impl Interval {
    pub(crate) fn new(number: i64) -> Interval {
        Interval { number, ..Interval::default() }
    }

    /// Adds time in a state; `None` is unknown. Time of 0 or less is none.
    pub(crate) fn add(&mut self, kind: Option<Kind>, nanos: i64, quality: Quality) {
        if nanos <= 0 {
            return;
        }
        match kind {
            Some(Kind::Running) => self.running_ns += nanos,
            Some(Kind::Idle) => self.idle_ns += nanos,
            Some(Kind::NotPlanned) => self.not_planned_ns += nanos,
            None => self.unknown_ns += nanos,
        }
        if kind.is_some() {
            self.quality = self.quality.worst(quality);
        }
    }

    pub(crate) fn produce(&mut self, items: f64, quality: Quality) {
        self.produced += items;
        self.has_items = true;
        self.quality = self.quality.worst(quality);
    }

    pub(crate) fn reject(&mut self, items: f64, quality: Quality) {
        self.rejected += items;
        self.has_items = true;
        self.quality = self.quality.worst(quality);
    }

    /// Items were not told.
    pub(crate) fn miss(&mut self) {
        self.misses_items = true;
    }

    /// Nothing was known and nothing counted.
    pub(crate) fn is_empty(&self) -> bool {
        self.running_ns + self.idle_ns + self.not_planned_ns == 0 && !self.has_items && !self.misses_items
    }

    pub(crate) fn emit(&self, settings: &Settings, group: u32, output: &mut Output) {
        let time = settings.start(self.number);
        let is_whole = self.unknown_ns == 0 && !self.misses_items;
        let quality = if is_whole { self.quality } else { self.quality.worst(SUBNORMAL) };
        let production_s = self.running_ns as f64 / 1e9;
        let busy_s = (self.running_ns + self.idle_ns) as f64 / 1e9;
        let good = self.produced - self.rejected;
        for (port, part, whole) in [
            (AVAILABILITY, production_s, busy_s),
            (PERFORMANCE, settings.ideal_cycle_s * self.produced, production_s),
            (QUALITY, good, self.produced),
            (OEE, good * settings.ideal_cycle_s, busy_s),
        ] {
            let ratio = part / whole;
            if whole > 0.0 {
                let is_plausible = (0.0..=1.0).contains(&ratio);
                let of_ratio = if is_plausible { quality } else { quality.worst(Quality::UNCERTAIN_OUT_OF_RANGE) };
                output.push(group, port, time, ratio, of_ratio);
            }
        }
        for (port, value) in
            [(BUSY, busy_s), (PRODUCTION, production_s), (PRODUCED, self.produced), (REJECTED, self.rejected)]
        {
            output.push(group, port, time, value, quality);
        }
    }
}
