//! The planner: which replica answers a query.
//!
//! A replica may answer when it serves, or has provably applied the position that the query asks for; among those, two
//! are drawn and the one with fewer queries under way is taken. If there is none, the answer is "not yet" at once, with
//! how far the best one is: nobody waits without having asked to.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tidemill_journal::Env;
use tidemill_model::{JournalIdentity, Position};

use crate::ApiError;
use crate::replicas::{Lease, Open, Replicas, Slot};

/// What a query asks of the replica that answers it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    /// Everything in it must be applied.
    pub at_least: Option<Position>,
    /// The newest applied sample must not be older.
    pub max_staleness: Option<Duration>,
    /// This replica and no other.
    pub replica: Option<String>,
    /// How long to wait for a replica that may answer.
    pub wait: Duration,
}

/// A replica that may answer, and the count of its queries.
pub(crate) struct Choice {
    /// The replica.
    pub open: Open,
    /// Its name.
    pub name: String,
    /// Counts this query for as long as it lives.
    pub lease: Lease,
}

/// See the module.
pub(crate) struct Planner {
    replicas: Arc<Replicas>,
    env: Arc<dyn Env>,
    identity: JournalIdentity,
    partitions: usize,
}

impl Planner {
    /// A planner over these replicas.
    pub(crate) fn new(replicas: Arc<Replicas>, env: Arc<dyn Env>, identity: JournalIdentity, partitions: u32) -> Self {
        Self { replicas, env, identity, partitions: partitions as usize }
    }

    /// Reads a position that a client sent.
    ///
    /// # Errors
    /// 400 when it is no position, 409 when it is one of another journal.
    pub(crate) fn position(&self, text: &str) -> Result<Position, ApiError> {
        let position = Position::from_str(text).map_err(|error| ApiError::invalid(error.to_string()))?;
        if position.journal != self.identity {
            return Err(ApiError::conflict(format!(
                "position {position} belongs to journal {}, this one is {}; start over without it",
                position.journal, self.identity
            )));
        }
        if position.offsets.len() != self.partitions {
            return Err(ApiError::invalid(format!(
                "position {position} has {} partitions, this journal has {}",
                position.offsets.len(),
                self.partitions
            )));
        }
        Ok(position)
    }

    /// Chooses a replica.
    ///
    /// # Errors
    /// 404 for an unknown replica; 503 when none may answer yet.
    pub(crate) async fn choose(&self, wish: &Wish) -> Result<Choice, ApiError> {
        if let Some(name) = &wish.replica {
            self.replicas.find(name).ok_or_else(|| {
                let known: Vec<_> = self.replicas.slots().iter().map(|slot| slot.name.as_str()).collect();
                ApiError::not_found(format!("there is no replica {name:?}; the replicas are {}", known.join(", ")))
            })?;
        }
        let until = self.env.monotonic() + wish.wait;
        loop {
            if let Some(choice) = self.try_choose(wish) {
                return Ok(choice);
            }
            if self.env.monotonic() >= until {
                return Err(self.not_ready(wish));
            }
            self.env.sleep(Duration::from_millis(2)).await;
        }
    }

    fn try_choose(&self, wish: &Wish) -> Option<Choice> {
        let may_answer = |slot: &Arc<Slot>| {
            let open = slot.open().filter(|open| self.is_fit(open, wish))?;
            Some((slot.clone(), open))
        };
        let mut fit: Vec<_> = self.asked(wish).filter_map(may_answer).collect();
        if fit.len() > 2 {
            let first = self.env.random() as usize % fit.len();
            fit.swap(0, first);
            let second = 1 + self.env.random() as usize % (fit.len() - 1);
            fit.swap(1, second);
            fit.truncate(2);
        }
        if fit.len() == 2 && self.env.random() & 1 == 0 {
            fit.swap(0, 1);
        }
        let (slot, open) = fit.into_iter().min_by_key(|(slot, _)| slot.in_flight())?;
        Some(Choice { open, name: slot.name.clone(), lease: slot.lease() })
    }

    fn asked<'a>(&'a self, wish: &'a Wish) -> impl Iterator<Item = &'a Arc<Slot>> {
        self.replicas.slots().iter().filter(|slot| wish.replica.as_ref().is_none_or(|name| *name == slot.name))
    }

    fn is_fit(&self, open: &Open, wish: &Wish) -> bool {
        let is_far_enough = match &wish.at_least {
            Some(position) => open.covers(position),
            None => open.is_serving(),
        };
        let staleness = || open.progress.staleness(self.env.now()).unwrap_or(i64::MAX);
        is_far_enough && wish.max_staleness.is_none_or(|max| staleness() as u128 <= max.as_nanos())
    }

    fn not_ready(&self, wish: &Wish) -> ApiError {
        let best = self.asked(wish).filter_map(|slot| Some((slot, slot.open()?)));
        let best = best.min_by_key(|(_, open)| open.progress.lag_records());
        let wanted = match (&wish.at_least, wish.max_staleness) {
            (Some(_), _) => "no replica has applied this position yet",
            (None, Some(_)) => "no replica is fresh enough",
            (None, None) => "no replica is serving",
        };
        let Some((slot, open)) = best else {
            let failure = |slot: &Arc<Slot>| Some(format!("; {}: {}", slot.name, slot.error()?));
            let failures: String = self.asked(wish).filter_map(failure).collect();
            return ApiError::unavailable(format!("{wanted}: none is open{failures}"), 1).with("best", Value::Null);
        };
        let ready_in = open.progress.ready_in();
        let lag = open.progress.lag_records();
        let best = json!({
            "replica": slot.name,
            "lag_records": lag,
            "staleness_ms": open.progress.staleness(self.env.now()).map(|ns| ns / 1_000_000),
            "ready_in_ms": ready_in.map(|d| d.as_millis() as u64),
        });
        let advice = match &wish.at_least {
            Some(_) if lag == 0 => {
                "has applied everything there is: the position lies beyond the journal's end".to_owned()
            }
            _ => format!("lags by {lag} records; try again soon"),
        };
        let message = format!("{wanted}: the best one, {}, {advice}", slot.name);
        ApiError::unavailable(message, ready_in.map_or(1, |d| d.as_secs().clamp(1, 60))).with("best", best)
    }
}

/// Reads a duration such as `500ms`, `5s` or `2m`.
///
/// # Errors
/// 400 when it is none.
pub(crate) fn duration(text: &str) -> Result<Duration, ApiError> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(split);
    let unit_ms = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let duration_ms = count.parse::<u64>().ok().zip(unit_ms).and_then(|(count, unit)| count.checked_mul(unit));
    duration_ms
        .map(Duration::from_millis)
        .ok_or_else(|| ApiError::invalid(format!("{text:?} is not a duration: write for example 500ms, 5s or 2m")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_number_and_a_unit() {
        assert_eq!(duration("500ms").ok(), Some(Duration::from_millis(500)));
        assert_eq!(duration("5s").ok(), Some(Duration::from_secs(5)));
        assert_eq!(duration("2m").ok(), Some(Duration::from_secs(120)));
        for bad in ["", "5", "s", "-5s", "5 s", "99999999999999999999s", "18446744073709551615h"] {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
    }
}
