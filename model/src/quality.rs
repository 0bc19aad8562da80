//! Quality of a sample: the raw OPC UA StatusCode, so that nothing a device said about a value is lost.
//!
//! The two top bits are the severity (OPC UA Part 4, 7.39 StatusCode).

use std::fmt;

/// A raw OPC UA StatusCode; 0 is good.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Quality(pub u32);

impl Quality {
    /// Good, without more to say.
    pub const GOOD: Quality = Quality(0);
    /// Uncertain, without more to say.
    pub const UNCERTAIN: Quality = Quality(0x4000_0000);
    /// Bad, without more to say.
    pub const BAD: Quality = Quality(0x8000_0000);
    /// Bad: the sensor itself has failed (BadSensorFailure).
    pub const BAD_SENSOR_FAILURE: Quality = Quality(0x808C_0000);
    /// Uncertain: the last value is shown because the device is silent (UncertainLastUsableValue).
    pub const UNCERTAIN_LAST_USABLE: Quality = Quality(0x4090_0000);

    /// Severity bits are 00.
    pub fn is_good(self) -> bool {
        self.0 >> 30 == 0
    }

    /// Severity bits are 10 or 11.
    pub fn is_bad(self) -> bool {
        self.0 >> 31 == 1
    }

    /// `good`, `uncertain` or `bad`.
    pub fn severity(self) -> &'static str {
        match self.0 >> 30 {
            0 => "good",
            1 => "uncertain",
            _ => "bad",
        }
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({:#010x})", self.severity(), self.0)
    }
}
