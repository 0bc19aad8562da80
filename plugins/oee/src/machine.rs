//! One machine: rows that wait for the watermark, the state that holds, the counters, and the interval that is not full
//! yet.
//!
//! Invariants:
//! - `waiting` is ordered by time, then port, and has no pair of them twice; none of it is before `clock`.
//! - `interval` has everything up to `clock`, and is the interval that `clock` lies in.
//! - What is taken is taken in the order of `waiting`, whenever the watermark moves, so neither cuts nor the order of
//!   inputs matter.

use crate::interval::Interval;
use crate::settings::{Kind, Settings};
use crate::{COUNT, REJECT};
use tidemill_sdk::{Quality, Row, Time};

/// Rows that wait at most (40 bytes each), whatever the watermark does.
const WAITING_MAX: usize = 16_384;

/// A row of any input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    time: Time,
    port: u32,
    what: What,
    quality: Quality,
}

#[derive(Clone, Copy, Debug)]
enum What {
    State(Option<Kind>),
    /// `None` when it is bad or no number.
    Number(Option<f64>),
}

impl Event {
    pub(crate) fn of_state(row: &Row, kind: Option<Kind>) -> Event {
        let kind = kind.filter(|_| !row.quality.is_bad());
        Event { time: row.time, port: row.port, what: What::State(kind), quality: row.quality }
    }

    pub(crate) fn of_number(row: &Row) -> Event {
        let number = Some(row.value).filter(|value| value.is_finite() && !row.quality.is_bad());
        Event { time: row.time, port: row.port, what: What::Number(number), quality: row.quality }
    }

    fn key(&self) -> (Time, u32) {
        (self.time, self.port)
    }
}

/// The state that holds.
#[derive(Clone, Copy)]
struct Holding {
    since: Time,
    kind: Option<Kind>,
    quality: Quality,
}

/// State of one group.
#[derive(Default)]
pub(crate) struct Machine {
    waiting: Vec<Event>,
    /// Everything before it is taken. None before the first row is.
    clock: Option<Time>,
    holding: Option<Holding>,
    interval: Interval,
    count: Option<f64>,
    reject: Option<f64>,
}

impl Machine {
    /// Keeps a row until the watermark has passed it; not one that the clock has passed already.
    pub(crate) fn wait(&mut self, event: Event) {
        if self.clock.is_some_and(|clock| event.time < clock) {
            return;
        }
        match self.waiting.binary_search_by_key(&event.key(), Event::key) {
            Ok(place) => self.waiting[place] = event,
            Err(place) => self.waiting.insert(place, event),
        }
    }

    /// Takes the oldest rows where too many wait.
    pub(crate) fn limit(&mut self, settings: &Settings, emit: &mut impl FnMut(&Interval)) {
        if self.waiting.len() > WAITING_MAX {
            let first_kept = self.waiting[self.waiting.len() - WAITING_MAX].time;
            self.pass(settings, first_kept, emit);
        }
    }

    /// Takes all rows before `end`, and the time up to it.
    pub(crate) fn pass(&mut self, settings: &Settings, end: Time, emit: &mut impl FnMut(&Interval)) {
        let ready = self.waiting.partition_point(|event| event.time < end);
        for index in 0..ready {
            let event = self.waiting[index];
            self.move_clock(settings, event.time, emit);
            self.take(settings, &event);
        }
        self.waiting.drain(..ready);
        if self.clock.is_some_and(|clock| clock < end) {
            self.move_clock(settings, end, emit);
        }
    }

    fn take(&mut self, settings: &Settings, event: &Event) {
        match event.what {
            What::State(kind) => self.holding = Some(Holding { since: event.time, kind, quality: event.quality }),
            What::Number(None) if settings.is_counter => {}
            What::Number(None) => self.interval.miss(),
            What::Number(Some(number)) => {
                let known = match event.port {
                    COUNT => &mut self.count,
                    REJECT => &mut self.reject,
                    _ => return,
                };
                let items = if settings.is_counter { increase(known, number) } else { Some(number) };
                match items {
                    Some(items) if event.port == COUNT => self.interval.produce(items, event.quality),
                    Some(items) => self.interval.reject(items, event.quality),
                    None => {}
                }
            }
        }
    }

    /// Lets time pass up to `to`, interval by interval.
    fn move_clock(&mut self, settings: &Settings, to: Time, emit: &mut impl FnMut(&Interval)) {
        let mut clock = self.clock.unwrap_or_else(|| {
            self.interval = Interval::new(settings.interval_of(to));
            settings.start(self.interval.number)
        });
        while clock < to {
            let end = settings.start(self.interval.number.saturating_add(1));
            let stop = end.min(to);
            self.hold(settings, clock, stop);
            clock = stop;
            if stop == end {
                if !self.interval.is_empty() {
                    emit(&self.interval);
                }
                clock = self.next_interval(settings, end, to);
            }
        }
        self.clock = Some(to);
    }

    /// Adds the time from `from` to `to`, which lie in the same interval, to the state that holds.
    fn hold(&mut self, settings: &Settings, from: Time, to: Time) {
        let Some(holding) = self.holding else {
            return self.interval.add(None, to - from, Quality::GOOD);
        };
        let too_old = holding.since.plus_nanos(settings.max_age_ns).clamp(from, to);
        self.interval.add(holding.kind, too_old - from, holding.quality);
        self.interval.add(None, to - too_old, holding.quality);
    }

    /// Begins the interval after `end`, or, where nothing is known any more, the one of `to`. Returns its start.
    fn next_interval(&mut self, settings: &Settings, end: Time, to: Time) -> Time {
        let is_known = self
            .holding
            .is_some_and(|holding| holding.kind.is_some() && holding.since.plus_nanos(settings.max_age_ns) > end);
        let next = settings.interval_of(if is_known { end } else { to });
        self.interval = Interval::new(next);
        settings.start(next)
    }
}

/// By how much a counter has grown. One that falls has begun anew at 0.
fn increase(known: &mut Option<f64>, value: f64) -> Option<f64> {
    let before = known.replace(value)?;
    Some(if value < before { value } else { value - before })
}
