//! What a counter counted from one reading to the next.

use tidemill_sdk::{Params, Problem, Row};

const NANOS_PER_SECOND: f64 = 1e9;

/// What holds for all groups. 0 in a field stands for what is not given, as in the parameters.
#[derive(Default)]
pub(crate) struct Settings {
    pub(crate) modulus: f64,
    pub(crate) rate_max: f64,
    pub(crate) tolerance: f64,
    pub(crate) gap_ns: i64,
    pub(crate) scale: f64,
}

/// An increase of 0 or more.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Increase {
    pub(crate) units: f64,
    /// The reading that the next step starts from.
    pub(crate) reading: f64,
    pub(crate) is_certain: bool,
}

impl Settings {
    pub(crate) fn from_params(params: &mut Params) -> Result<Settings, Problem> {
        let settings = Settings {
            modulus: params.non_negative_or("modulus", 0.0)?,
            rate_max: params.non_negative_or("rate_max", 0.0)?,
            tolerance: params.non_negative_or("tolerance", 0.0)?,
            gap_ns: (params.non_negative_or("gap_s", 0.0)? * NANOS_PER_SECOND) as i64,
            scale: params.number_or("scale", 1.0)?,
        };
        if settings.scale == 0.0 {
            return Err(Problem::parameter("scale", "must not be 0"));
        }
        if settings.modulus > 0.0 && settings.tolerance >= settings.modulus {
            return Err(Problem::parameter("tolerance", "must be below `modulus`"));
        }
        Ok(settings)
    }

    /// Whether a row is a reading such a counter can show.
    pub(crate) fn is_usable(&self, row: &Row) -> bool {
        let is_shown = row.value >= 0.0 && row.value < if self.modulus > 0.0 { self.modulus } else { f64::INFINITY };
        is_shown && !row.quality.is_bad()
    }

    /// The increase from reading `from` to reading `to`, `dt_s` seconds later; none if `to` is a spike.
    pub(crate) fn increase(&self, from: f64, to: f64, dt_s: f64) -> Option<Increase> {
        let may_be = |units: f64| self.rate_max == 0.0 || units / dt_s <= self.rate_max;
        let certain = |units| Increase { units, reading: to, is_certain: true };
        if to >= from {
            return may_be(to - from).then(|| certain(to - from));
        }
        if from - to <= self.tolerance {
            return Some(Increase { units: 0.0, reading: from, is_certain: true });
        }
        let around = (self.modulus - from) + to;
        if self.modulus > 0.0 && may_be(around) {
            return Some(certain(around));
        }
        let units = if may_be(to) { to } else { 0.0 };
        Some(Increase { units, reading: to, is_certain: false })
    }

    pub(crate) fn is_gap(&self, dt_ns: i64) -> bool {
        self.gap_ns > 0 && dt_ns > self.gap_ns
    }
}
