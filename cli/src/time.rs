//! Times as people write them: calendar dates, RFC 3339, numbers since the epoch, and durations.
//!
//! Calendar arithmetic is the proleptic Gregorian calendar in UTC, by Howard Hinnant's `days_from_civil` and
//! `civil_from_days` ("chrono-Compatible Low-Level Date Algorithms"). A text without a zone is UTC.

use std::time::Duration;

use tidemill_model::time::SECOND_NS;

const DAY_S: i64 = 86_400;

/// A point in time from `2026-11-23`, `2026-11-23 12:30[:15[.5]]` or RFC 3339 with a zone, as ns since the epoch.
pub fn parse_date_time(text: &str) -> Option<i64> {
    let text = text.trim();
    let (date, rest) = text.split_at_checked(10)?;
    let days = parse_date(date)?;
    if rest.is_empty() {
        return seconds_to_ns(days * DAY_S, 0);
    }
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, zone_s) = split_zone(rest.trim_start())?;
    let (clock, fraction) = clock.split_once(['.', ',']).unwrap_or((clock, ""));
    let seconds = parse_clock(clock)?;
    seconds_to_ns(days * DAY_S + seconds - zone_s, parse_fraction(fraction)?)
}

fn seconds_to_ns(seconds: i64, ns: i64) -> Option<i64> {
    i64::try_from(i128::from(seconds) * i128::from(SECOND_NS) + i128::from(ns)).ok()
}

fn parse_date(text: &str) -> Option<i64> {
    let mut parts = text.split(['-', '/']);
    let (year, month, day) = (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let is_valid = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    is_valid.then(|| days_from_civil(year, month, day))
}

fn parse_clock(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let second = parts.next().map_or(Some(0), |part| digits(part, 2))?;
    // 60 is a leap second, which Unix time does not have: it becomes the next minute's first.
    let is_valid = hour < 24 && minute < 60 && second <= 60 && parts.next().is_none();
    is_valid.then_some(hour * 3600 + minute * 60 + second)
}

fn parse_fraction(text: &str) -> Option<i64> {
    if text.len() > 9 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    format!("{text:0<9}").parse().ok()
}

/// Splits `12:00:00+02:00` into the clock and the zone's seconds east of UTC.
fn split_zone(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock.trim_end(), 0));
    }
    let Some(at) = text.find(['+', '-']) else {
        return Some((text.strip_suffix(" UTC").unwrap_or(text), 0));
    };
    let (clock, zone) = text.split_at(at);
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let zone = zone[1..].replace(':', "");
    let (hours, minutes) = zone.split_at_checked(2)?;
    let minutes = if minutes.is_empty() { 0 } else { digits(minutes, 2)? };
    Some((clock.trim_end(), sign * (digits(hours, 2)? * 3600 + minutes * 60)))
}

fn digits(text: &str, width: usize) -> Option<i64> {
    let well_formed = text.len() == width && text.bytes().all(|b| b.is_ascii_digit());
    well_formed.then(|| text.parse().ok()).flatten()
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// RFC 3339 in UTC, with as many decimals as are needed in steps of three.
pub fn format_time(ns: i64) -> String {
    let (seconds, fraction) = (ns.div_euclid(SECOND_NS), ns.rem_euclid(SECOND_NS));
    let (year, month, day) = civil_from_days(seconds.div_euclid(DAY_S));
    let clock = seconds.rem_euclid(DAY_S);
    let decimals = match fraction {
        0 => String::new(),
        f if f % 1_000_000 == 0 => format!(".{:03}", f / 1_000_000),
        f if f % 1000 == 0 => format!(".{:06}", f / 1000),
        f => format!(".{f:09}"),
    };
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}{decimals}Z", clock / 3600, clock / 60 % 60, clock % 60)
}

/// A point in time as a command takes it: a date, RFC 3339, ns since the epoch, `now`, or a duration ago as `-15m`.
///
/// # Errors
/// When the text is none of these; the message says what is.
pub fn parse_instant(text: &str, now_ns: i64) -> Result<i64, String> {
    if text == "now" {
        return Ok(now_ns);
    }
    if let Some(ago) = text.strip_prefix('-').and_then(|rest| parse_duration(rest).ok()) {
        return Ok(now_ns.saturating_sub(i64::try_from(ago.as_nanos()).unwrap_or(i64::MAX)));
    }
    parse_date_time(text).or_else(|| text.parse().ok()).ok_or_else(|| {
        format!("{text:?} is not a time: use 2026-11-23T12:00:00Z, 2026-11-23, -15m, now, or ns since 1970")
    })
}

/// A duration such as `250ms`, `10s`, `5m`, `2h` or `7d`.
///
/// # Errors
/// When the text is none; the message says what is.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let unit_s = match &text[at..] {
        "ns" => 1e-9,
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => f64::NAN,
    };
    let seconds = text[..at].parse::<f64>().unwrap_or(f64::NAN) * unit_s;
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| format!("{text:?} is not a duration: use a number with ms, s, m, h or d, such as 10s"))
}

/// A number of bytes such as `512`, `64KiB`, `10MB` or `2GiB`.
///
/// # Errors
/// When the text is none; the message says what is.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit: Option<u64> = match text[at..].trim() {
        "" | "B" => Some(1),
        "kB" | "KB" => Some(1000),
        "MB" => Some(1_000_000),
        "GB" => Some(1_000_000_000),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    let number = text[..at].parse::<u64>().ok();
    number
        .zip(unit)
        .and_then(|(number, unit)| number.checked_mul(unit))
        .ok_or_else(|| format!("{text:?} is not a size: use a number with MB, MiB, GB or GiB, such as 10GiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_parse_in_every_form() {
        let noon = 1_795_435_200 * SECOND_NS;
        for text in [
            "2026-11-23T12:00:00Z",
            "2026-11-23 12:00:00",
            "2026-11-23 12:00",
            "2026-11-23t14:00:00+02:00",
            "2026-11-23T07:00:00.000-0500",
            "2026/11/23 12:00:00.0 UTC",
        ] {
            assert_eq!(parse_date_time(text), Some(noon), "{text}");
        }
        assert_eq!(parse_date_time("2026-11-23"), Some(noon - 12 * 3600 * SECOND_NS));
        assert_eq!(parse_date_time("1969-12-31T23:59:59.5Z"), Some(-SECOND_NS / 2));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in
            ["", "2026-13-01", "2026-02-30", "2026-11-23T25:00", "2026-11-23T12:00:00.0000000001Z", "12", "é026-11-23"]
        {
            assert_eq!(parse_date_time(text), None, "{text}");
        }
        assert_eq!(parse_date_time("9999-12-31"), None, "beyond what 64 bits of nanoseconds hold");
    }

    #[test]
    fn formatting_and_parsing_agree() {
        for ns in [0, -1, 1, 951_782_400 * SECOND_NS, 1_795_435_200_123_000_000, i64::MAX, i64::MIN] {
            assert_eq!(parse_date_time(&format_time(ns)), Some(ns), "{}", format_time(ns));
        }
    }

    #[test]
    fn instants_may_be_relative() {
        assert_eq!(parse_instant("-15m", 1000 * SECOND_NS), Ok(100 * SECOND_NS));
        assert_eq!(parse_instant("now", 7), Ok(7));
        assert_eq!(parse_instant("-5", 7), Ok(-5));
        assert!(parse_instant("yesterday", 7).is_err());
    }

    #[test]
    fn durations_and_sizes_have_units() {
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_bytes("2GiB"), Ok(2 << 30));
        assert!(parse_duration("10").is_err());
        assert!(parse_bytes("2 parsecs").is_err());
    }
}
