//! Windows as users write them, checked and parsed.
//!
//! ```text
//! "60s"                                            tumbling
//! {"length": "1h", "offset": "15m"}                tumbling, from a quarter past
//! {"length": "5m", "every": "1m"}                  hopping
//! {"sliding": "5m"}                                sliding
//! {"gap": "30s", "max": "1h"}                      session
//! {"calendar": "day", "zone": "Europe/Berlin"}     calendar
//! ```

use serde::{Deserialize, Serialize};
use tidemill_model::time::SECOND_NS;

use super::calendar::{Calendar, Unit};
use super::shape::Kind;
use crate::error::DeployError;
use crate::operator::spec::duration;

/// Windows that a time lies in at most: each of them is computed when a late row comes.
const OVERLAP_MAX: i64 = 2_000;
/// Longest sliding window: every row costs one of it.
const SLIDING_NS_MAX: i64 = 7 * 86_400 * SECOND_NS;
/// How long a session lasts at most unless the operator says otherwise.
const DEFAULT_SESSION_MAX: &str = "1d";

/// The windows of an aggregation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "a window is a length such as \"60s\", or {length, every, offset}, {sliding}, {gap, max} or {calendar, zone}"
)]
pub enum WindowRequest {
    /// Tumbling windows of this length.
    Length(String),
    /// Any kind.
    Parts(WindowParts),
}

/// What makes a window; which of them are there says the kind. Durations are texts such as `60s`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WindowParts {
    /// Length of tumbling and hopping windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<String>,
    /// How often a hopping window starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
    /// How long after the epoch a tumbling or hopping window starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<String>,
    /// Length of sliding windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sliding: Option<String>,
    /// How long no row comes before a session ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap: Option<String>,
    /// Multiples of this end a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
    /// `hour`, `day`, `week`, `month`, `quarter` or `year`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calendar: Option<String>,
    /// The calendar's time zone, such as `Europe/Berlin`; absent: UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

impl WindowRequest {
    /// The kind that is asked for.
    pub(crate) fn kind(&self) -> Result<Kind, DeployError> {
        match self {
            WindowRequest::Length(length) => fixed(length, None, None),
            WindowRequest::Parts(parts) => parts.kind(),
        }
    }
}

impl WindowParts {
    fn kind(&self) -> Result<Kind, DeployError> {
        let Self { length, every, offset, sliding, gap, max, calendar, zone } = self;
        let is_fixed = length.is_some() || every.is_some() || offset.is_some();
        let is_session = gap.is_some() || max.is_some();
        let is_calendar = calendar.is_some() || zone.is_some();
        match (is_fixed, sliding, is_session, is_calendar) {
            (true, None, false, false) => {
                let length = length.as_deref().ok_or_else(|| DeployError::invalid("window needs a length"))?;
                fixed(length, every.as_deref(), offset.as_deref())
            }
            (false, Some(length), false, false) => sliding_of(length),
            (false, None, true, false) => session(gap.as_deref(), max.as_deref().unwrap_or(DEFAULT_SESSION_MAX)),
            (false, None, false, true) => calendar_of(calendar.as_deref(), zone.as_deref().unwrap_or("UTC")),
            _ => Err(DeployError::invalid(
                "window must be one of {length, every, offset}, {sliding}, {gap, max} and {calendar, zone}",
            )),
        }
    }
}

/// A duration of more than nothing.
fn positive(what: &str, text: &str) -> Result<i64, DeployError> {
    match duration(what, text)? {
        0 => Err(DeployError::invalid(format!("{what} must be longer than nothing"))),
        length => Ok(length),
    }
}

fn fixed(length: &str, every: Option<&str>, offset: Option<&str>) -> Result<Kind, DeployError> {
    let length = positive("window", length)?;
    let every = every.map_or(Ok(length), |every| positive("every", every))?;
    if every > length {
        return Err(DeployError::invalid(
            "every must not be longer than length: rows between two windows would be lost",
        ));
    }
    if length / every > OVERLAP_MAX {
        let reason = format!("a time would lie in more than {OVERLAP_MAX} windows: take a longer every");
        return Err(DeployError::invalid(reason));
    }
    let offset = duration("offset", offset.unwrap_or("0s"))?.rem_euclid(every);
    Ok(Kind::Fixed { length, every, offset })
}

fn sliding_of(length: &str) -> Result<Kind, DeployError> {
    let length = positive("sliding", length)?;
    if length > SLIDING_NS_MAX {
        return Err(DeployError::invalid("a sliding window lasts at most 7d: take a hopping one, {length, every}"));
    }
    Ok(Kind::Sliding { length })
}

fn session(gap: Option<&str>, max: &str) -> Result<Kind, DeployError> {
    let gap = gap.ok_or_else(|| DeployError::invalid("a session needs a gap, such as \"30s\""))?;
    let (gap, max) = (positive("gap", gap)?, positive("max", max)?);
    if gap >= max {
        return Err(DeployError::invalid("max of a session must be longer than its gap"));
    }
    Ok(Kind::Session { gap, max })
}

fn calendar_of(unit: Option<&str>, zone: &str) -> Result<Kind, DeployError> {
    let name = unit.ok_or_else(|| DeployError::invalid("a zone needs a calendar, such as \"day\""))?;
    let unit = Unit::parse(name).ok_or_else(|| {
        DeployError::invalid(format!("calendar {name:?} must be hour, day, week, month, quarter or year"))
    })?;
    let zone = zone.parse().map_err(|_| {
        DeployError::invalid(format!(
            "there is no time zone {zone:?}: take a name such as \"Europe/Berlin\" or \"UTC\""
        ))
    })?;
    Ok(Kind::Calendar(Calendar { unit, zone }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(json: &str) -> Result<Kind, String> {
        let request: WindowRequest = serde_json::from_str(json).map_err(|error| error.to_string())?;
        request.kind().map_err(|error| error.to_string())
    }

    #[test]
    fn every_form_is_a_kind() {
        const MINUTE: i64 = 60 * SECOND_NS;
        let fixed = |length, every, offset| Ok(Kind::Fixed { length, every, offset });
        assert_eq!(kind(r#""60s""#), fixed(MINUTE, MINUTE, 0));
        assert_eq!(kind(r#"{"length":"5m","every":"1m"}"#), fixed(5 * MINUTE, MINUTE, 0));
        assert_eq!(kind(r#"{"length":"5m","every":"1m","offset":"90s"}"#), fixed(5 * MINUTE, MINUTE, MINUTE / 2));
        assert_eq!(kind(r#"{"sliding":"5m"}"#), Ok(Kind::Sliding { length: 5 * MINUTE }));
        assert_eq!(kind(r#"{"gap":"1m","max":"60m"}"#), Ok(Kind::Session { gap: MINUTE, max: 60 * MINUTE }));
        let calendar = Calendar { unit: Unit::Day, zone: chrono_tz::Europe::Berlin };
        assert_eq!(kind(r#"{"calendar":"day","zone":"Europe/Berlin"}"#), Ok(Kind::Calendar(calendar)));
    }

    #[test]
    fn a_wrong_window_is_refused_with_the_remedy() {
        let check = |json: &str, needle: &str| {
            let reason = kind(json).unwrap_err();
            assert!(reason.contains(needle), "{json}: {reason}");
        };
        check(r#"{"length":"1m","every":"5m"}"#, "longer than length");
        check(r#"{"length":"1d","every":"1s"}"#, "more than 2000 windows");
        check(r#"{"every":"1m"}"#, "needs a length");
        check(r#"{"length":"1m","sliding":"1m"}"#, "must be one of");
        check(r#"{"gap":"0s"}"#, "longer than nothing");
        check(r#"{"gap":"1h","max":"1m"}"#, "longer than its gap");
        check(r#"{"max":"1h"}"#, "needs a gap");
        check(r#"{"sliding":"8d"}"#, "hopping");
        check(r#"{"calendar":"fortnight"}"#, "hour, day");
        check(r#"{"calendar":"day","zone":"Berlin"}"#, "no time zone");
        check(r#"{"zone":"UTC"}"#, "needs a calendar");
        check(r#"{"size":"1m"}"#, "{calendar, zone}");
        check("60", "a length such as");
    }
}
