//! Calendar windows: hours, days, weeks, months, quarters and years of a time zone.
//!
//! A boundary is the first instant of a local hour or date. Invariants: windows cover all time without holes and without
//! overlap; a day has as many hours as the clock on the wall showed, so 23 or 25 when it was changed; an hour is never
//! longer than 3,600 s, and a change of the clock ends it. The rules of the zones are compiled in and never read from the
//! machine, so that every node draws the same boundaries.

use chrono::{
    DateTime, Datelike, Days, MappedLocalTime, Months, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone,
};
use chrono_tz::Tz;
use tidemill_model::time::SECOND_NS;

use super::shape::Span;

const HOUR_S: i64 = 3600;

/// What a calendar window lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unit {
    Hour,
    Day,
    /// Weeks start on Monday.
    Week,
    Month,
    Quarter,
    Year,
}

impl Unit {
    /// The unit of this name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "hour" => Unit::Hour,
            "day" => Unit::Day,
            "week" => Unit::Week,
            "month" => Unit::Month,
            "quarter" => Unit::Quarter,
            "year" => Unit::Year,
            _ => return None,
        })
    }
}

/// A unit in a zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Calendar {
    pub(crate) unit: Unit,
    pub(crate) zone: Tz,
}

impl Calendar {
    /// The window that `time` lies in.
    pub(crate) fn window_of(&self, time: i64) -> Span {
        if self.unit == Unit::Hour {
            return self.hour_of(time);
        }
        let first = self.first_date(self.local(time.div_euclid(SECOND_NS)).date());
        let window = self.window_from(first);
        // Where clocks went back over a midnight, the hour before it comes again when the next day has begun.
        match first.filter(|_| time >= window.end) {
            Some(date) => self.window_from(self.next_date(date)),
            None => window,
        }
    }

    /// The window that begins with a date; before all dates if there is none.
    fn window_from(&self, first: Option<NaiveDate>) -> Span {
        let start = first.map_or(i64::MIN, |date| self.begin_of(date));
        let end = first.and_then(|date| self.next_date(date)).map_or(i64::MAX, |date| self.begin_of(date));
        Span::new(start, end)
    }

    fn offset_s(&self, second: i64) -> i64 {
        self.zone.offset_from_utc_datetime(&utc(second)).fix().local_minus_utc().into()
    }

    fn local(&self, second: i64) -> NaiveDateTime {
        utc(second.saturating_add(self.offset_s(second)))
    }

    /// The first date of the unit that `date` lies in.
    fn first_date(&self, date: NaiveDate) -> Option<NaiveDate> {
        match self.unit {
            Unit::Hour | Unit::Day => Some(date),
            Unit::Week => date.checked_sub_days(Days::new(date.weekday().num_days_from_monday().into())),
            Unit::Month => date.with_day(1),
            Unit::Quarter => NaiveDate::from_ymd_opt(date.year(), date.month0() / 3 * 3 + 1, 1),
            Unit::Year => NaiveDate::from_ymd_opt(date.year(), 1, 1),
        }
    }

    fn next_date(&self, first: NaiveDate) -> Option<NaiveDate> {
        match self.unit {
            Unit::Hour | Unit::Day => first.succ_opt(),
            Unit::Week => first.checked_add_days(Days::new(7)),
            Unit::Month => first.checked_add_months(Months::new(1)),
            Unit::Quarter => first.checked_add_months(Months::new(3)),
            Unit::Year => first.checked_add_months(Months::new(12)),
        }
    }

    /// The first instant of a local date. Where the clock skipped midnight it is the instant of the skip.
    fn begin_of(&self, date: NaiveDate) -> i64 {
        let midnight = date.and_time(NaiveTime::MIN);
        let second = match self.zone.offset_from_local_datetime(&midnight) {
            MappedLocalTime::Single(offset) | MappedLocalTime::Ambiguous(offset, _) => {
                seconds(midnight) - i64::from(offset.fix().local_minus_utc())
            }
            MappedLocalTime::None => seconds(midnight) - self.offset_s(seconds(midnight) - 24 * HOUR_S),
        };
        nanos(second)
    }

    fn hour_of(&self, time: i64) -> Span {
        let second = time.div_euclid(SECOND_NS);
        let offset = self.offset_s(second);
        let floor = second - (second + offset).rem_euclid(HOUR_S);
        let start = if self.offset_s(floor) == offset { floor } else { self.change_between(floor, second) };
        let last = floor + HOUR_S - 1;
        let end = if self.offset_s(last) == offset { last + 1 } else { self.change_between(second, last) };
        Span::new(nanos(start), nanos(end))
    }

    /// The first second in `(before, after]` at which the clock is as it is at `after`.
    fn change_between(&self, before: i64, after: i64) -> i64 {
        let (mut before, mut after) = (before, after);
        let offset = self.offset_s(after);
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            if self.offset_s(middle) == offset { after = middle } else { before = middle }
        }
        after
    }
}

/// Times of i64 nanoseconds always have a date.
fn utc(second: i64) -> NaiveDateTime {
    DateTime::from_timestamp(second, 0).unwrap_or_default().naive_utc()
}

fn seconds(time: NaiveDateTime) -> i64 {
    time.and_utc().timestamp()
}

fn nanos(second: i64) -> i64 {
    second.saturating_mul(SECOND_NS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Unit, zone, an instant, and the bounds of its window, all in seconds; made with Python's `zoneinfo`.
    const EXPECTED: &[(&str, &str, i64, i64, i64)] = &[
        ("hour", "Europe/Berlin", 1_774_778_400, 1_774_778_400, 1_774_782_000),
        ("hour", "Europe/Berlin", 1_792_926_000, 1_792_926_000, 1_792_929_600),
        ("hour", "America/New_York", 1_709_269_140, 1_709_265_600, 1_709_269_200),
        ("day", "Europe/Berlin", 1_774_778_400, 1_774_738_800, 1_774_821_600),
        ("day", "Europe/Berlin", 1_792_926_000, 1_792_879_200, 1_792_969_200),
        ("day", "America/New_York", 1_709_269_140, 1_709_182_800, 1_709_269_200),
        ("week", "Europe/Berlin", 1_774_778_400, 1_774_220_400, 1_774_821_600),
        ("week", "Europe/Berlin", 1_792_926_000, 1_792_360_800, 1_792_969_200),
        ("week", "America/New_York", 1_709_269_140, 1_708_923_600, 1_709_528_400),
        ("month", "Europe/Berlin", 1_774_778_400, 1_772_319_600, 1_774_994_400),
        ("month", "Europe/Berlin", 1_792_926_000, 1_790_805_600, 1_793_487_600),
        ("month", "America/New_York", 1_709_269_140, 1_706_763_600, 1_709_269_200),
        ("quarter", "Europe/Berlin", 1_774_778_400, 1_767_222_000, 1_774_994_400),
        ("quarter", "Europe/Berlin", 1_792_926_000, 1_790_805_600, 1_798_758_000),
        ("quarter", "America/New_York", 1_709_269_140, 1_704_085_200, 1_711_944_000),
        ("year", "Europe/Berlin", 1_774_778_400, 1_767_222_000, 1_798_758_000),
        ("year", "Europe/Berlin", 1_792_926_000, 1_767_222_000, 1_798_758_000),
        ("year", "America/New_York", 1_709_269_140, 1_704_085_200, 1_735_707_600),
        ("hour", "Europe/Berlin", 1_792_888_200, 1_792_886_400, 1_792_890_000),
        ("hour", "Europe/Berlin", 1_792_891_800, 1_792_890_000, 1_792_893_600),
        ("hour", "Europe/Berlin", 1_774_744_200, 1_774_742_400, 1_774_746_000),
        ("hour", "Europe/Berlin", 1_774_747_800, 1_774_746_000, 1_774_749_600),
        ("hour", "Asia/Kolkata", 1_767_225_600, 1_767_223_800, 1_767_227_400),
        ("day", "Asia/Kathmandu", 1_767_225_600, 1_767_204_900, 1_767_291_300),
        ("hour", "Australia/Lord_Howe", 1_775_313_600, 1_775_311_200, 1_775_314_800),
        ("hour", "Australia/Lord_Howe", 1_775_315_400, 1_775_314_800, 1_775_316_600),
        ("hour", "Australia/Lord_Howe", 1_791_042_000, 1_791_041_400, 1_791_043_200),
        ("day", "America/Sao_Paulo", 1_541_332_800, 1_541_300_400, 1_541_383_200),
        ("day", "America/Sao_Paulo", 1_518_897_600, 1_518_832_800, 1_518_922_800),
        ("day", "America/Havana", 1_730_635_200, 1_730_606_400, 1_730_696_400),
        ("day", "America/Havana", 1_710_072_000, 1_710_046_800, 1_710_129_600),
        ("day", "Pacific/Apia", 1_325_221_200, 1_325_152_800, 1_325_239_200),
        ("day", "Pacific/Apia", 1_325_257_200, 1_325_239_200, 1_325_325_600),
        ("day", "UTC", -14_182_980, -14_256_000, -14_169_600),
        ("year", "Asia/Tokyo", 0, -32_400, 31_503_600),
        ("week", "Europe/London", 1_767_182_400, 1_766_966_400, 1_767_571_200),
        ("month", "Australia/Sydney", 1_775_088_000, 1_774_962_000, 1_777_557_600),
        // The clock goes from 00:01 back to 23:01 of the day before.
        ("day", "America/St_Johns", 1_162_090_800, 1_162_089_000, 1_162_179_000),
        ("quarter", "America/St_Johns", 1_793_577_600, 1_790_821_800, 1_798_774_200),
    ];

    #[test]
    fn boundaries_are_those_of_an_independent_implementation() {
        for (unit, zone, at, start, end) in EXPECTED {
            let calendar = Calendar { unit: Unit::parse(unit).unwrap(), zone: zone.parse().unwrap() };
            let expected = Span::new(start * SECOND_NS, end * SECOND_NS);
            for time in [at * SECOND_NS, start * SECOND_NS, end * SECOND_NS - 1] {
                assert_eq!(calendar.window_of(time), expected, "{unit} in {zone} at {time}");
            }
        }
    }

    #[test]
    fn windows_follow_each_other_without_holes() {
        for zone in ["Europe/Berlin", "Australia/Lord_Howe", "America/Havana", "Pacific/Apia", "America/St_Johns"] {
            for unit in ["hour", "day", "week", "month", "quarter", "year"] {
                let calendar = Calendar { unit: Unit::parse(unit).unwrap(), zone: zone.parse().unwrap() };
                let mut window = calendar.window_of(1_300_000_000 * SECOND_NS);
                for _ in 0..10_000 {
                    let next = calendar.window_of(window.end);
                    assert_eq!(next.start, window.end, "{unit} in {zone}");
                    assert!(next.end > next.start, "{unit} in {zone} at {}", next.start);
                    if next.end > 2_000_000_000 * SECOND_NS {
                        break;
                    }
                    window = next;
                }
            }
        }
    }

    #[test]
    fn the_ends_of_time_are_in_windows() {
        for unit in ["hour", "day", "week", "month", "quarter", "year"] {
            let calendar = Calendar { unit: Unit::parse(unit).unwrap(), zone: chrono_tz::Europe::Berlin };
            for time in [i64::MIN, i64::MAX - 1] {
                let window = calendar.window_of(time);
                assert!(window.start <= time && time < window.end, "{unit}: {window:?}");
            }
        }
    }
}
