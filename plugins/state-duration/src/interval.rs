//! What is said about one interval.

use crate::series::State;
use crate::settings::{STATES_MAX, Settings};
use tidemill_sdk::{Output, Quality};

const OTHER: usize = STATES_MAX;
const UNKNOWN: usize = STATES_MAX + 1;
const TRANSITIONS: u32 = STATES_MAX as u32 + 2;

/// UncertainDataSubNormal: computed from fewer good values than there should be (OPC UA Part 8, Part 13).
const SUBNORMAL: Quality = Quality(0x40A4_0000);

/// Times in states, in nanoseconds, by output port.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Interval {
    pub(crate) number: i64,
    nanos: [i64; STATES_MAX + 2],
    pub(crate) transitions: u32,
    quality: Quality,
}

impl Interval {
    pub(crate) fn new(number: i64) -> Interval {
        Interval { number, ..Interval::default() }
    }

    /// Adds time in a state; `None` is unknown. Time below 0 is none.
    pub(crate) fn add(&mut self, state: Option<&State>, nanos: i64, quality: Quality) {
        if nanos <= 0 {
            return;
        }
        match state {
            Some(State::Named(place)) => self.nanos[*place] += nanos,
            Some(State::Other(_)) => self.nanos[OTHER] += nanos,
            None => self.nanos[UNKNOWN] += nanos,
        }
        if state.is_some() {
            self.quality = self.quality.worst(quality);
        }
    }

    pub(crate) fn emit(&self, settings: &Settings, group: u32, output: &mut Output) {
        let (time, quality) = (settings.start(self.number), self.quality());
        for port in (0..settings.states.len()).chain([OTHER, UNKNOWN]) {
            output.push(group, port as u32, time, self.nanos[port] as f64 / 1e9, quality);
        }
        output.push(group, TRANSITIONS, time, f64::from(self.transitions), quality);
    }

    fn quality(&self) -> Quality {
        let known: i64 = self.nanos[..UNKNOWN].iter().sum();
        match (known, self.nanos[UNKNOWN]) {
            (0, _) => self.quality.worst(Quality::BAD),
            (_, 0) => self.quality,
            _ => self.quality.worst(SUBNORMAL),
        }
    }
}
