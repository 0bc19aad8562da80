//! A follower and the journal's retention: the hold that it places, and when it would fall off.
//!
//! ```text
//!   dropped │ kept                         │ not written
//! ──────────┼───────────●──────────────────┼──────────▶ ingest time
//!       kept since   applied              now
//!           └─ bytes ───┘
//!                       └ age, from here on ──▶ falls off
//! ```
//!
//! By age, the record after the newest applied one goes when it is older than the topic keeps. By size, the edge of what
//! is kept is taken to go on as fast as time does, so what lies between it and the newest applied record is the margin.

use std::time::Duration;

use tidemill_model::Offset;

use crate::{Journal, Retention, TopicPartition};

/// How often a hold is renewed. More often only costs calls.
const HOLD_EVERY: Duration = Duration::from_secs(1);
/// How often the follower asks what its topic's retention is.
const ASK_EVERY: Duration = Duration::from_secs(10);
/// A follower that never falls off.
pub(crate) const NEVER: i64 = i64::MAX;

/// What a follower knows of the retention that works behind it.
pub(crate) struct Margin {
    /// The name of its holds.
    pub(crate) holder: String,
    held: Option<Duration>,
    asked: Option<Duration>,
    retention: Retention,
    /// Per partition: ingest time of the record at hand or, if there is none, of the newest applied one.
    at_hand: Vec<Option<i64>>,
}

impl Margin {
    pub(crate) fn new(holder: &str, partitions: usize) -> Self {
        let (retention, at_hand) = (Retention::default(), vec![None; partitions]);
        Self { holder: holder.to_owned(), held: None, asked: None, retention, at_hand }
    }

    /// The follower has this record at hand.
    pub(crate) fn meet(&mut self, index: usize, ingest_time: i64) {
        self.at_hand[index] = Some(ingest_time);
    }

    /// Asks for the topic's retention, if the last answer is old. An answer that does not come changes nothing.
    pub(crate) async fn ask(&mut self, journal: &dyn Journal, topic: &str, clock: Duration) {
        if self.asked.is_some_and(|asked| clock.saturating_sub(asked) < ASK_EVERY) {
            return;
        }
        self.asked = Some(clock);
        if let Ok(topics) = journal.topics().await
            && let Some(found) = topics.into_iter().find(|found| found.name == topic)
        {
            self.retention = found.retention;
        }
    }

    /// When the follower falls off in a partition, if it applies nothing more from `now` on: ns since the Unix epoch.
    /// [`NEVER`] if nothing is dropped, or if that is not known.
    pub(crate) fn falls_off_at(&self, index: usize, is_at_end: bool, kept_since: Option<i64>, now: i64) -> i64 {
        let Some(applied) = self.at_hand[index].filter(|_| !is_at_end).or(is_at_end.then_some(now)) else {
            return NEVER;
        };
        let age = |age: Duration| applied.saturating_add(i64::try_from(age.as_nanos()).unwrap_or(NEVER));
        let by_age = self.retention.age.map_or(NEVER, age);
        let bytes = |since: i64| now.saturating_add(applied.saturating_sub(since).max(0));
        let by_bytes = self.retention.bytes.and(kept_since).map_or(NEVER, bytes);
        by_age.min(by_bytes)
    }

    /// Places the holds, if they are old.
    pub(crate) fn hold<'a>(
        &mut self,
        journal: &dyn Journal,
        clock: Duration,
        needed: impl FnOnce() -> Option<Vec<Offset>>,
        places: impl Iterator<Item = (&'a str, u32)>,
    ) {
        if self.held.is_some_and(|held| clock.saturating_sub(held) < HOLD_EVERY) {
            return;
        }
        let Some(needed) = needed() else { return };
        self.held = Some(clock);
        for ((topic, partition), from) in places.zip(needed) {
            journal.hold(&TopicPartition::new(topic, partition), &self.holder, Some(from));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_counts_from_the_record_at_hand_and_bytes_from_the_edge_of_what_is_kept() {
        let mut margin = Margin::new("r1", 1);
        assert_eq!(margin.falls_off_at(0, true, Some(5), 1_000), NEVER, "everything is kept");
        margin.retention = Retention { age: Some(Duration::from_nanos(100)), bytes: None, compacted: false };
        assert_eq!(margin.falls_off_at(0, false, None, 1_000), NEVER, "nothing was met yet");
        margin.meet(0, 950);
        assert_eq!(margin.falls_off_at(0, false, None, 1_000), 1_050);
        assert_eq!(margin.falls_off_at(0, true, None, 1_000), 1_100, "at the end, a record of now would be next");
        margin.retention.bytes = Some(1);
        assert_eq!(margin.falls_off_at(0, false, None, 1_000), 1_050, "nothing was dropped for its size yet");
        assert_eq!(margin.falls_off_at(0, false, Some(930), 1_000), 1_020);
        assert_eq!(margin.falls_off_at(0, false, Some(990), 1_000), 1_000, "it has fallen off already");
    }
}
