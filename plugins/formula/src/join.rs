//! Rows of several inputs of one group, brought together by time.
//!
//! The rows of every input since the watermark, less the age at which a value is too old, are kept. The result for a
//! time is a function of these rows alone: of each input the newest row not after that time and not more than
//! `max_age_ns` before it. A row that comes late or is written again only changes which times have to be computed
//! again. So neither the order of the inputs nor the cuts of batches matter for what stands in the journal in the end.
//!
//! Invariant: the rows of an input are ordered by time and no time is there twice.

use std::collections::VecDeque;

use tidemill_sdk::{Quality, Row, Time};

/// Rows of one input that are kept at most (24 bytes each), whatever the watermark does.
const ROWS_MAX: usize = 16_384;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) time: Time,
    pub(crate) value: f64,
    pub(crate) quality: Quality,
}

/// State of one group.
#[derive(Default)]
pub(crate) struct Joined {
    inputs: Vec<VecDeque<Sample>>,
}

impl Joined {
    /// Takes a row of input `input` of `count` inputs, and adds to `times` those whose result may have changed.
    pub(crate) fn take(&mut self, count: usize, input: usize, row: &Row, max_age_ns: i64, times: &mut Vec<Time>) {
        self.inputs.resize_with(count, VecDeque::new);
        let samples = &mut self.inputs[input];
        let sample = Sample { time: row.time, value: row.value, quality: row.quality };
        let place = samples.partition_point(|known| known.time < row.time);
        match samples.get_mut(place) {
            Some(known) if known.time == row.time => *known = sample,
            _ => samples.insert(place, sample),
        }
        times.push(row.time);
        // Later times that used the row before this one now use this one.
        let last = row.time.plus_nanos(max_age_ns);
        let next = samples.get(place + 1).map_or(last, |next| next.time.plus_nanos(-1).min(last));
        for others in self.inputs.iter().enumerate().filter(|(other, _)| *other != input).map(|(_, samples)| samples) {
            let first = others.partition_point(|other| other.time <= row.time);
            times.extend(others.range(first..).map(|other| other.time).take_while(|time| *time <= next));
        }
    }

    /// The sample of `input` that holds at `time`.
    pub(crate) fn at(&self, input: usize, time: Time, max_age_ns: i64) -> Option<Sample> {
        let samples = self.inputs.get(input)?;
        let place = samples.partition_point(|sample| sample.time <= time).checked_sub(1)?;
        samples.get(place).copied().filter(|sample| time - sample.time <= max_age_ns)
    }

    /// Forgets rows that no time from `time` on can use.
    pub(crate) fn forget_before(&mut self, time: Time) {
        for samples in &mut self.inputs {
            let old = samples.partition_point(|sample| sample.time < time);
            samples.drain(..old);
        }
    }

    /// Forgets the oldest rows where there are too many.
    pub(crate) fn limit(&mut self) {
        for samples in &mut self.inputs {
            let surplus = samples.len().saturating_sub(ROWS_MAX);
            samples.drain(..surplus);
        }
    }
}
