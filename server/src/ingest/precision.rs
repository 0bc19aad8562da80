//! What a timestamp counts: nanoseconds up to hours.

/// The unit of timestamps in a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Precision {
    unit_ns: i64,
}

impl Precision {
    /// Nanoseconds, the default.
    pub const NS: Precision = Precision { unit_ns: 1 };

    /// The unit with this name, as InfluxDB's versions spell it.
    pub fn from_name(name: &str) -> Option<Self> {
        let unit_ns = match name {
            "" | "ns" | "n" | "nanosecond" => 1,
            "us" | "u" | "µ" | "µs" | "microsecond" => 1_000,
            "ms" | "millisecond" => 1_000_000,
            "s" | "second" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        Some(Self { unit_ns })
    }

    /// `count` units in nanoseconds; `None` when that is no valid source time.
    #[inline]
    pub fn to_ns(self, count: i64) -> Option<i64> {
        count.checked_mul(self.unit_ns).filter(|time| *time != i64::MAX)
    }

    /// `time` cut down to whole units.
    pub fn truncate(self, time: i64) -> i64 {
        time - time.rem_euclid(self.unit_ns)
    }
}
