//! Which journal this is: the first record of a topic of its own, `PREFIX.journal`, kept for ever.
//!
//! The record is the text `tidemill-journal/1 ` and the identity. Whoever finds the topic empty writes one with random
//! numbers and reads the first one back: of several that do so at once, the first writer wins.

use tidemill_journal::{Env, JournalError, ReadLimits, Retention, TopicPartition};
use tidemill_model::JournalIdentity;

use crate::codec::Outgoing;
use crate::config::KafkaConfig;
use crate::control::{ANSWER_TIMEOUT, Control};
use crate::producer::Producer;
use crate::readers::{ReadError, Readers};
use crate::topics::{IDENTITY_TOPIC, Topics, settings_of};

const HEAD: &str = "tidemill-journal/1 ";

/// Reads the identity; writes one first if there is none.
///
/// # Errors
/// When the brokers do not answer, or the record is not one.
pub(crate) async fn establish(
    config: &KafkaConfig,
    env: &dyn Env,
    control: &Control,
    topics: &Topics,
    producer: &Producer,
    readers: &Readers,
) -> Result<JournalIdentity, JournalError> {
    let name = config.kafka_topic(IDENTITY_TOPIC);
    let question = name.clone();
    let is_there = control.ask(move |asker| asker.topic(&question)).await?.is_some();
    if !is_there && !config.may_create {
        return Err(JournalError::NoJournal { place: format!("{config:?}") });
    }
    if !is_there {
        topics.make(&name, 1, &settings_of(&Retention::default(), config.replication)).await?;
    }
    let question = name.clone();
    let ends = control.ask(move |asker| asker.watermarks(&question, 0)).await?;
    if ends.is_none_or(|(_, end)| end == 0) {
        let mine = JournalIdentity { id: env.random(), generation: 1 };
        let at = TopicPartition::new(IDENTITY_TOPIC, 0);
        producer.append(&at, &name, &[Outgoing::plain(format!("{HEAD}{mine}"))]).await?;
    }
    let limits = ReadLimits { bytes: 1, wait: ANSWER_TIMEOUT };
    let batch = readers.read(&name, 0, 0, limits).await.map_err(|error| match error {
        ReadError::Journal(JournalError::Trimmed { .. }) => corrupt(&name, "its first record was deleted"),
        ReadError::Journal(error) => error,
        ReadError::Missing => JournalError::NoSuchPartition { topic: IDENTITY_TOPIC.to_owned(), partition: 0 },
    })?;
    let record = batch.records.first().ok_or_else(|| corrupt(&name, "its first record is gone"))?;
    parse(&record.payload).ok_or_else(|| corrupt(&name, "its first record is not a journal's identity"))
}

fn parse(payload: &[u8]) -> Option<JournalIdentity> {
    let digits = std::str::from_utf8(payload).ok()?.strip_prefix(HEAD)?;
    let is_well_formed = digits.len() == 24 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let (id, generation) = is_well_formed.then(|| digits.split_at(16))?;
    let id = u64::from_str_radix(id, 16).ok()?;
    Some(JournalIdentity { id, generation: u32::from_str_radix(generation, 16).ok()? })
}

fn corrupt(topic: &str, reason: &str) -> JournalError {
    JournalError::Corrupt {
        file: format!("kafka topic {topic}, partition 0"),
        at: 0,
        reason: reason.to_owned(),
        remedy: "another program uses the prefix, or the topic was tampered with: choose another prefix".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_round_trips_and_nothing_else_is_an_identity() {
        let identity = JournalIdentity { id: 0xfedc_ba98_7654_3210, generation: 7 };
        assert_eq!(parse(format!("{HEAD}{identity}").as_bytes()), Some(identity));
        let good = format!("{HEAD}{identity}");
        for bad in ["", HEAD, &good[..good.len() - 1], &good.to_uppercase(), &format!("{good}0"), &good[1..]] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(parse(&[0xff, 0xfe]), None);
    }
}
