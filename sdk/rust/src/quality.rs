//! Quality of a sample: the raw OPC UA StatusCode (OPC UA Part 4, 7.39), as the host stores it.

/// A raw OPC UA StatusCode; 0 is good. The two top bits are the severity.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Quality(pub u32);

impl Quality {
    /// Good, without more to say.
    pub const GOOD: Quality = Quality(0);
    /// Uncertain, without more to say.
    pub const UNCERTAIN: Quality = Quality(0x4000_0000);
    /// Uncertain: the source is silent and its last value is used (UncertainLastUsableValue).
    pub const UNCERTAIN_LAST_USABLE: Quality = Quality(0x4090_0000);
    /// Uncertain: the value is outside of what is physically plausible (UncertainEngineeringUnitsExceeded).
    pub const UNCERTAIN_OUT_OF_RANGE: Quality = Quality(0x4094_0000);
    /// Bad, without more to say.
    pub const BAD: Quality = Quality(0x8000_0000);

    /// Severity bits are 00.
    pub const fn is_good(self) -> bool {
        self.0 >> 30 == 0
    }

    /// Severity bits are 01.
    pub const fn is_uncertain(self) -> bool {
        self.0 >> 30 == 1
    }

    /// Severity bits are 10 or 11.
    pub const fn is_bad(self) -> bool {
        self.0 >> 31 == 1
    }

    /// The one with the worse severity; `self` when they are equally severe.
    pub const fn worst(self, other: Quality) -> Quality {
        if severity(other) > severity(self) { other } else { self }
    }
}

const fn severity(quality: Quality) -> u32 {
    let bits = quality.0 >> 30;
    if bits == 3 { 2 } else { bits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_two_is_decided_by_severity_alone() {
        assert_eq!(Quality::GOOD.worst(Quality::BAD), Quality::BAD);
        assert_eq!(Quality::BAD.worst(Quality::UNCERTAIN), Quality::BAD);
        let good_with_details = Quality(0x0096_0000);
        assert_eq!(good_with_details.worst(Quality::GOOD), good_with_details);
        assert_eq!(Quality(0xC000_0001).worst(Quality(0x8000_0002)), Quality(0xC000_0001));
        assert_eq!(Quality(0x8000_0002).worst(Quality(0xC000_0001)), Quality(0x8000_0002));
    }
}
