//! A value at a time, as it comes in and as it goes out.

use tidemill_sdk::{Quality, Time};

#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Sample {
    pub(crate) time: Time,
    pub(crate) value: f64,
    pub(crate) quality: Quality,
}

impl Sample {
    /// The same, but a NaN is bad: nobody should take it for a value.
    pub(crate) fn honest(self) -> Sample {
        if self.value.is_nan() { Sample { quality: self.quality.worst(Quality::BAD), ..self } } else { self }
    }
}
