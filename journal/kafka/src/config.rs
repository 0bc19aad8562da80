//! What a Kafka journal is opened with: an address and librdkafka properties.
//!
//! ```text
//! kafka://host:port[,host:port…]/PREFIX?librdkafka.property=value&replication=N&open=existing
//! ```
//!
//! Properties come from the address or, so that secrets stay off the command line, from a list of settings; where both
//! name one, the setting wins. A property that would break a promise of the journal is refused by name. Values are
//! percent-decoded. No message that this file makes contains the value of a property.

use std::fmt;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use tidemill_journal::JournalError;
use tidemill_model::record::PAYLOAD_BYTES_MAX;

/// Prefix of the topics' names where the address has none.
const DEFAULT_PREFIX: &str = "tidemill";
/// Longest prefix: with a dot and the longest topic name it stays under Kafka's 249 characters.
const PREFIX_CHARS_MAX: usize = 100;
/// Largest batch that a topic takes and a client sends: the largest record with its key, its header and Kafka's own
/// framing.
pub(crate) const MESSAGE_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + (1 << 20);
/// How long an append may wait for its acknowledgement unless `message.timeout.ms` says otherwise. Longer than a broker
/// takes to notice that another one died and to elect a new leader (about 10 s).
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);
const DELIVERY_TIMEOUT_MS: std::ops::RangeInclusive<u64> = 1_000..=900_000;

/// Properties that the journal sets itself, and what would break if they were others.
const REFUSED: &[(&str, &str)] = &[
    ("bootstrap.servers", "brokers belong before the path: kafka://host:port,host:port/PREFIX"),
    ("metadata.broker.list", "brokers belong before the path: kafka://host:port,host:port/PREFIX"),
    ("acks", "an append is acknowledged by all replicas in sync"),
    ("request.required.acks", "an append is acknowledged by all replicas in sync"),
    ("enable.idempotence", "a retry must not write twice or out of order"),
    ("enable.gapless.guarantee", "the journal keeps the order of a failed append itself"),
    ("max.in.flight.requests.per.connection", "more than five would lose the order"),
    ("max.in.flight", "more than five would lose the order"),
    ("retries", "how long an append is tried is set by message.timeout.ms"),
    ("message.send.max.retries", "how long an append is tried is set by message.timeout.ms"),
    ("transactional.id", "the journal writes without transactions"),
    ("delivery.report.only.error", "every record is counted when it is delivered"),
    ("queue.buffering.max.messages", "the journal limits what waits itself"),
    ("queue.buffering.max.kbytes", "the journal limits what waits itself"),
    ("message.max.bytes", "records of 16 MiB must pass"),
    ("auto.offset.reset", "a missing offset must be told, not skipped"),
    ("enable.auto.commit", "followers keep their offsets with their data"),
    ("enable.auto.offset.store", "followers keep their offsets with their data"),
    ("enable.partition.eof", "reads need to know where a partition ends"),
    ("check.crcs", "damage must be found"),
    ("isolation.level", "only committed records are shown"),
    ("group.id", "readers are placed by hand"),
    ("group.instance.id", "a group has several members in one process"),
    ("group.protocol", "shares of work need the classic group protocol"),
    ("partition.assignment.strategy", "shares of work are moved as a whole"),
    ("allow.auto.create.topics", "topics are made with their settings"),
    ("log.queue", "the journal collects the messages itself"),
    ("statistics.interval.ms", "the journal takes the statistics itself"),
    ("test.mock.num.brokers", "it would write to nowhere"),
];

/// A Kafka journal's address and settings, checked as far as that is possible without a broker.
#[derive(Clone)]
pub(crate) struct KafkaConfig {
    /// `host:port`, comma-separated.
    pub(crate) brokers: String,
    /// The names of its topics start with this and a dot.
    pub(crate) prefix: String,
    /// Copies of a partition that a topic is made with; `None`: the broker's default.
    pub(crate) replication: Option<u16>,
    /// Whether a journal is made where there is none.
    pub(crate) may_create: bool,
    /// How long an append waits for its acknowledgement.
    pub(crate) delivery_timeout: Duration,
    properties: Vec<(String, String)>,
}

impl fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kafka://{}/{}", self.brokers, self.prefix)
    }
}

impl KafkaConfig {
    /// Parses an address and adds settings.
    ///
    /// # Errors
    /// [`JournalError::Invalid`], naming the part that is wrong.
    pub(crate) fn parse(url: &str, settings: Vec<(String, String)>) -> Result<Self, JournalError> {
        let rest = url.strip_prefix("kafka://").ok_or_else(|| invalid("it does not start with kafka://".into()))?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (brokers, prefix) = place.split_once('/').unwrap_or((place, ""));
        check_brokers(brokers)?;
        let prefix = if prefix.is_empty() { DEFAULT_PREFIX } else { prefix };
        check_prefix(prefix)?;
        let mut config = Self {
            brokers: brokers.to_owned(),
            prefix: prefix.to_owned(),
            replication: None,
            may_create: true,
            delivery_timeout: DELIVERY_TIMEOUT,
            properties: Vec::new(),
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let Some((name, value)) = pair.split_once('=') else {
                return Err(invalid(format!("{pair:?} is not property=value")));
            };
            config.set(&decode(name)?, decode(value)?)?;
        }
        for (name, value) in settings {
            config.set(name.trim(), value)?;
        }
        Ok(config)
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), JournalError> {
        if let Some((_, reason)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
            return Err(invalid(format!("property {name} is not for the user to set: {reason}")));
        }
        match name {
            "replication" => {
                let copies = value.parse().ok().filter(|copies| (1..=100).contains(copies));
                let copies =
                    copies.ok_or_else(|| invalid(format!("replication={value} is not a number from 1 to 100")))?;
                self.replication = Some(copies);
            }
            "open" => {
                self.may_create = match value.as_str() {
                    "create" => true,
                    "existing" | "read" => false,
                    _ => return Err(invalid(format!("open is create, existing or read, not {value:?}"))),
                };
            }
            "message.timeout.ms" | "delivery.timeout.ms" => {
                let ms = value.parse().ok().filter(|ms| DELIVERY_TIMEOUT_MS.contains(ms));
                let ms = ms.ok_or_else(|| invalid(format!("{name}={value} is not a number from 1000 to 900000")))?;
                self.delivery_timeout = Duration::from_millis(ms);
            }
            _ => {
                self.properties.retain(|(there, _)| there != name);
                self.properties.push((name.to_owned(), value));
            }
        }
        Ok(())
    }

    /// Kafka's name of a topic of ours.
    pub(crate) fn kafka_topic(&self, topic: &str) -> String {
        format!("{}.{topic}", self.prefix)
    }

    /// A client with the user's properties over ours, except for what is the same for all.
    fn client(&self, defaults: &[(&str, &str)]) -> ClientConfig {
        let mut client = ClientConfig::new();
        client
            .set("client.id", "tidemill")
            .set("socket.nagle.disable", "true")
            .set("socket.keepalive.enable", "true")
            // A broker that is back is noticed within a second, not after ten.
            .set("reconnect.backoff.max.ms", "1000")
            .set_log_level(RDKafkaLogLevel::Info);
        for (name, value) in defaults {
            client.set(*name, *value);
        }
        for (name, value) in &self.properties {
            client.set(name, value);
        }
        client.set("bootstrap.servers", &self.brokers).set("message.max.bytes", MESSAGE_BYTES_MAX.to_string());
        client
    }

    /// A client that changes topics.
    pub(crate) fn admin(&self) -> ClientConfig {
        self.client(&[])
    }

    /// The client that appends.
    pub(crate) fn producer(&self) -> ClientConfig {
        let defaults = [("linger.ms", "1"), ("compression.codec", "lz4"), ("batch.size", "1000000")];
        let mut producer = self.client(&defaults);
        producer
            .set("acks", "all")
            .set("enable.idempotence", "true")
            // The journal ends what waits too long itself, all of it in one step: librdkafka would let an earlier record
            // expire and still write a later one.
            .set("message.timeout.ms", "0")
            .set("queue.buffering.max.messages", "0")
            .set("queue.buffering.max.kbytes", "2147483647")
            .set("statistics.interval.ms", "1000");
        producer
    }

    /// A client that reads, placed by hand.
    pub(crate) fn consumer(&self) -> ClientConfig {
        let mut consumer = self.client(&[
            ("queued.max.messages.kbytes", "8192"),
            ("fetch.message.max.bytes", "2097152"),
            // A partition whose queue was full is asked again at once, not after a second.
            ("fetch.queue.backoff.ms", "2"),
        ]);
        consumer
            // librdkafka does not read without a group, even where none is joined.
            .set("group.id", format!("{}.reader", self.prefix))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("check.crcs", "true")
            .set("enable.partition.eof", "true")
            .set("allow.auto.create.topics", "false");
        consumer
    }

    /// A client that joins a group to be given a share of a topic's partitions, and reads nothing.
    pub(crate) fn member(&self, group: &str) -> ClientConfig {
        let mut member = self.consumer();
        member
            .set("group.id", format!("{}.{group}", self.prefix))
            .set("enable.partition.eof", "false")
            .set("partition.assignment.strategy", "range");
        member
    }
}

fn invalid(reason: String) -> JournalError {
    JournalError::Invalid { reason: format!("kafka journal's address or settings: {reason}") }
}

fn check_brokers(brokers: &str) -> Result<(), JournalError> {
    for broker in brokers.split(',') {
        let is_good = broker.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && !host.contains('@') && port.parse::<u16>().is_ok_and(|p| p > 0)
        });
        if broker.contains('@') {
            return Err(invalid(
                "user and password do not belong before the host: set sasl.username and sasl.password".into(),
            ));
        }
        if !is_good {
            return Err(invalid(format!("broker {broker:?} is not host:port")));
        }
    }
    Ok(())
}

fn check_prefix(prefix: &str) -> Result<(), JournalError> {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if prefix.len() > PREFIX_CHARS_MAX || !prefix.bytes().all(is_allowed) {
        let limits = format!("1 to {PREFIX_CHARS_MAX} characters out of A-Z a-z 0-9 . - _");
        return Err(invalid(format!("topic prefix {prefix:?} is not {limits}")));
    }
    Ok(())
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Result<String, JournalError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|b| char::from(b).to_digit(16));
        match (digit(rest.next()), digit(rest.next())) {
            (Some(high), Some(low)) => bytes.push((high * 16 + low) as u8),
            _ => {
                return Err(invalid(
                    "a % in the query is not followed by two hexadecimal digits (write %25 for %)".into(),
                ));
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| invalid("the query is not UTF-8 after percent-decoding".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<KafkaConfig, String> {
        KafkaConfig::parse(url, Vec::new()).map_err(|error| error.to_string())
    }

    #[test]
    fn brokers_prefix_replication_and_properties_are_taken_from_the_address() {
        let config =
            parse("kafka://a:9092,b:9093/plant.1?replication=3&sasl.password=a%26b%25&message.timeout.ms=5000");
        let config = config.unwrap();
        assert_eq!((config.brokers.as_str(), config.prefix.as_str()), ("a:9092,b:9093", "plant.1"));
        assert_eq!((config.replication, config.delivery_timeout), (Some(3), Duration::from_secs(5)));
        assert!(config.properties.contains(&("sasl.password".to_owned(), "a&b%".to_owned())));
        assert_eq!(config.producer().get("message.timeout.ms"), Some("0"), "the journal keeps the time itself");
        assert_eq!(parse("kafka://a:1").unwrap().prefix, "tidemill");
        assert_eq!(parse("kafka://[::1]:1/").unwrap().kafka_topic("data"), "tidemill.data");
    }

    #[test]
    fn settings_win_over_the_address_and_users_win_over_defaults() {
        let settings = vec![("linger.ms".to_owned(), "20".to_owned()), ("sasl.username".to_owned(), "b".to_owned())];
        let config = KafkaConfig::parse("kafka://a:1?sasl.username=a&fetch.queue.backoff.ms=9", settings).unwrap();
        assert_eq!(config.producer().get("linger.ms"), Some("20"));
        assert_eq!(config.producer().get("sasl.username"), Some("b"));
        assert_eq!(config.consumer().get("fetch.queue.backoff.ms"), Some("9"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let bad = [
            ("http://a:1", "kafka://"),
            ("kafka://", "broker \"\""),
            ("kafka://host", "broker \"host\""),
            ("kafka://a:1,b", "broker \"b\""),
            ("kafka://a:0", "broker \"a:0\""),
            ("kafka://a:99999", "broker \"a:99999\""),
            ("kafka://me:secret@a:1", "sasl.username"),
            ("kafka://a:1/b/c", "prefix \"b/c\""),
            ("kafka://a:1/p?x", "\"x\" is not property=value"),
            ("kafka://a:1/p?replication=0", "replication=0"),
            ("kafka://a:1/p?message.timeout.ms=1", "message.timeout.ms=1"),
            ("kafka://a:1/p?x=%zz", "%25"),
        ];
        for (url, part) in bad {
            let error = parse(url).unwrap_err();
            assert!(error.contains(part), "{url}: {error}");
        }
        assert!(!parse("kafka://me:secret@a:1").unwrap_err().contains("secret"));
    }

    #[test]
    fn properties_that_break_promises_are_refused_by_name() {
        for (name, reason) in REFUSED {
            let error = parse(&format!("kafka://a:1/p?{name}=1")).unwrap_err();
            assert!(error.contains(name) && error.contains(reason), "{error}");
            let settings = vec![((*name).to_owned(), "1".to_owned())];
            KafkaConfig::parse("kafka://a:1/p", settings).expect_err("settings are checked, too");
        }
    }
}
