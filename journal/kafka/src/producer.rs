//! The producer: appends go to librdkafka in the order of the calls, and resolve when the broker has answered for every
//! record.
//!
//! Invariants
//! - The records of one append are handed over in one piece, under one lock: no other append comes between them.
//! - What waits for the broker is bounded, in records and in bytes. An append beyond that is refused as a whole.
//! - An append is not given up alone. When one has waited too long, or librdkafka has met an error it cannot recover
//!   from, a new producer takes over and *everything* that waits in the old one is withdrawn in one step. A later record
//!   can therefore not be written where an earlier one was given up. Of what was withdrawn it is known, record by
//!   record, whether it was never sent or may have arrived.
//! - librdkafka's `flush` is not relied on: it returns successfully when records expire unwritten.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use parking_lot::Mutex;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext, PurgeConfig};
use rdkafka::{ClientContext, Message, Statistics};
use tidemill_journal::{Env, JournalError, TopicPartition};
use tokio::sync::watch;

use crate::codec::Outgoing;
use crate::config::KafkaConfig;
use crate::counters::Counters;
use crate::failure::{Trouble, log, misconfigured};
use crate::native::{Fate, fate};
use crate::pending::{Answer, Pending};

/// Bytes that may wait for acknowledgements. A single append may be larger, when nothing else waits.
const WAITING_BYTES_MAX: u64 = 128 << 20;
/// Records that may wait for acknowledgements.
const WAITING_RECORDS_MAX: u64 = 1 << 20;
/// With no broker connected, an append is given up after this long.
const UNREACHABLE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the thread serves answers before it looks around.
const LOOK_AROUND: Duration = Duration::from_millis(100);
/// How long a withdrawn producer is served until it has reported everything.
const WITHDRAWAL_TIMEOUT: Duration = Duration::from_secs(5);

type Client = BaseProducer<Reports>;

/// Appends to topics of Kafka's.
pub(crate) struct Producer {
    shared: Arc<Shared>,
}

struct Shared {
    config: KafkaConfig,
    env: Arc<dyn Env>,
    counters: Arc<Counters>,
    trouble: Arc<Trouble>,
    place: String,
    state: Mutex<State>,
    ended: watch::Sender<bool>,
}

struct State {
    client: Arc<Client>,
    /// Appends that have not resolved, and some that have, by age.
    pending: VecDeque<Arc<Pending>>,
    is_closing: bool,
}

impl Producer {
    /// A producer whose thread runs until it is closed or dropped.
    ///
    /// # Errors
    /// [`JournalError::Invalid`] for properties that librdkafka does not take.
    pub(crate) fn new(config: KafkaConfig, env: Arc<dyn Env>, counters: Arc<Counters>) -> Result<Self, JournalError> {
        let trouble = Arc::new(Trouble::default());
        let client = client(&config, &trouble, &counters)?;
        let place = format!("kafka at {}", config.brokers);
        let state = Mutex::new(State { client, pending: VecDeque::new(), is_closing: false });
        let ended = watch::Sender::new(false);
        let shared = Arc::new(Shared { config, env: env.clone(), counters, trouble, place, state, ended });
        let thread = shared.clone();
        env.spawn_thread("kafka-produce", Box::pin(async move { thread.serve() }));
        Ok(Self { shared })
    }

    /// Hands `records` over now; the future resolves when each of them is acknowledged, or given up. `at` names the
    /// partition in errors, `topic` is Kafka's name of its topic.
    pub(crate) fn append(&self, at: &TopicPartition, topic: &str, records: &[Outgoing]) -> BoxFuture<'static, Answer> {
        let bytes = records.iter().map(|record| record.size_bytes() as u64).sum();
        let size = (records.len() as u64, bytes);
        let shared = &self.shared;
        let (pending, answer) =
            Pending::new(at.clone(), &shared.place, shared.env.monotonic(), size, shared.counters.clone());
        let mut state = shared.state.lock();
        if let Err(refused) = shared.admit(&state, size) {
            return ready(Err(refused)).boxed();
        }
        state.pending.push_back(pending.clone());
        for (i, record) in records.iter().enumerate() {
            let mut outgoing = BaseRecord::<[u8], [u8], _>::with_opaque_to(topic, pending.clone());
            outgoing.partition = Some(at.partition as i32);
            outgoing.key = record.key.as_deref();
            outgoing.payload = record.value.as_deref();
            outgoing.headers = record.headers();
            if let Err((error, _)) = state.client.send(outgoing) {
                let left = (records.len() - i) as u64;
                pending.failed(left, Fate::NotWritten, error.rdkafka_error_code(), &error.to_string());
                break;
            }
        }
        drop(state);
        async move { answer.await.unwrap_or(Err(JournalError::Closed)) }.boxed()
    }

    /// Refuses appends from now on and returns when those before have resolved.
    pub(crate) async fn close(&self) {
        self.shared.state.lock().is_closing = true;
        let mut ended = self.shared.ended.subscribe();
        // The sender is in `self`: it cannot be gone.
        let _ = ended.wait_for(|ended| *ended).await;
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.shared.state.lock().is_closing = true;
    }
}

impl Shared {
    /// Makes room for an append of so many records and bytes, or says why not.
    fn admit(&self, state: &State, (records, bytes): (u64, u64)) -> Result<(), JournalError> {
        if state.is_closing {
            return Err(JournalError::Closed);
        }
        let (there, there_bytes) = (self.counters.waiting_records.get(), self.counters.waiting_bytes.get());
        if there > 0 && (there + records > WAITING_RECORDS_MAX || there_bytes + bytes > WAITING_BYTES_MAX) {
            self.counters.refused_appends.add(1);
            let reason = format!("{there} records, {there_bytes} bytes, wait for {} to acknowledge them", self.place);
            return Err(JournalError::Full { reason });
        }
        self.counters.waiting_records.set(there + records);
        self.counters.waiting_bytes.set(there_bytes + bytes);
        Ok(())
    }

    /// What the thread does: serves answers, and looks around in between.
    fn serve(&self) {
        loop {
            let client = self.state.lock().client.clone();
            client.poll(LOOK_AROUND);
            let fatal = client.client().fatal_error();
            let oldest = self.tidy();
            let waited = oldest.map_or(Duration::ZERO, |since| self.env.monotonic().saturating_sub(since));
            let is_unreachable = waited >= UNREACHABLE_TIMEOUT && self.counters.brokers_up.get() == 0;
            if let Some((_, reason)) = fatal {
                self.replace(&client, &format!("the producer met an error from which it cannot recover: {reason}"));
            } else if waited >= self.config.delivery_timeout || is_unreachable {
                self.replace(&client, &format!("no acknowledgement for {:.0} s", waited.as_secs_f64()));
            } else if oldest.is_none() && self.state.lock().is_closing {
                break;
            }
        }
        self.ended.send_replace(true);
    }

    /// Forgets what has resolved. Returns when the oldest append that waits was made.
    fn tidy(&self) -> Option<Duration> {
        let mut state = self.state.lock();
        state.pending.retain(|pending| !pending.is_done());
        let waiting = |size: fn(&Pending) -> u64| state.pending.iter().map(|pending| size(pending)).sum::<u64>();
        self.counters.waiting_records.set(waiting(|pending| pending.records));
        self.counters.waiting_bytes.set(waiting(|pending| pending.bytes));
        state.pending.front().map(|pending| pending.since)
    }

    /// Puts a new producer in the place of `old` and withdraws everything that waits in that one.
    fn replace(&self, old: &Arc<Client>, why: &str) {
        let error = self.trouble.unavailable(&self.place, why);
        let new = match client(&self.config, &self.trouble, &self.counters) {
            Ok(new) => new,
            Err(error) => {
                tracing::error!(%error, "no new producer can be made; the old one goes on");
                return;
            }
        };
        // From here on nothing is added to the old one: whoever appends holds the lock while it hands over its records.
        let withdrawn = {
            let mut state = self.state.lock();
            state.client = new;
            std::mem::take(&mut state.pending)
        };
        tracing::warn!(%error, appends = withdrawn.len(), "kafka producer replaced");
        let reason = match error {
            JournalError::Unavailable { reason, .. } => reason,
            other => other.to_string(),
        };
        *old.context().withdrawn.lock() = Some(reason.clone());
        old.purge(PurgeConfig::default().queue().inflight());
        let started = self.env.monotonic();
        while old.in_flight_count() > 0 && self.env.monotonic().saturating_sub(started) < WITHDRAWAL_TIMEOUT {
            old.poll(LOOK_AROUND);
        }
        withdrawn.iter().for_each(|pending| pending.abandon(&reason));
    }
}

fn client(config: &KafkaConfig, trouble: &Arc<Trouble>, counters: &Arc<Counters>) -> Result<Arc<Client>, JournalError> {
    let reports = Reports { trouble: trouble.clone(), counters: counters.clone(), withdrawn: Mutex::new(None) };
    counters.producers.add(1);
    Ok(Arc::new(config.producer().create_with_context(reports).map_err(misconfigured)?))
}

/// Receives what librdkafka reports about records and about itself.
pub(crate) struct Reports {
    trouble: Arc<Trouble>,
    counters: Arc<Counters>,
    /// Why this producer was given up.
    withdrawn: Mutex<Option<String>>,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.trouble.note(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        let is_up = |broker: &&rdkafka::statistics::Broker| broker.state == "UP";
        let up = || statistics.brokers.values().filter(is_up);
        self.counters.brokers_up.set(up().count() as u64);
        let slowest = up().filter_map(|broker| broker.rtt.as_ref()).map(|rtt| rtt.avg).max();
        self.counters.round_trip_us.set(slowest.and_then(|us| u64::try_from(us).ok()).unwrap_or(0));
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Arc<Pending>;

    fn delivery(&self, report: &DeliveryResult<'_>, pending: Arc<Pending>) {
        match report {
            Ok(message) => pending.written(u64::try_from(message.offset()).ok()),
            Err((error, message)) => {
                let code = error.rdkafka_error_code();
                let withdrawn = self.withdrawn.lock();
                let reason = withdrawn.as_ref().map_or_else(|| error.to_string(), Clone::clone);
                pending.failed(1, fate(message), code, &reason);
            }
        }
    }
}
