//! Questions to the brokers: which topics there are, where partitions start and end.
//!
//! librdkafka answers them by blocking, so a few threads of our own ask them. Another one takes down clients, which takes
//! a while each: they say good-bye to their brokers.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tidemill_journal::env::Task;
use tidemill_journal::{Env, JournalError};
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use crate::config::KafkaConfig;
use crate::failure::{Context, Trouble, code_of, misconfigured};

/// Threads that ask. A broker answers within a millisecond or so; more would only help where one hangs.
const THREADS: usize = 3;
/// Questions that may wait; whoever asks another one waits for a place.
const WAITING_MAX: usize = 256;
/// How long a question may take before the broker counts as away.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// A question is put again after this long, to see in between why nobody answers.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// How often the log of the client is emptied when nothing is asked.
const TEND_EVERY: Duration = Duration::from_secs(1);

type Job = Box<dyn FnOnce(&Asker) + Send>;
type Discarded = Box<dyn Send>;

/// Asks brokers. Clones ask the same ones; the threads end with the last clone.
#[derive(Clone)]
pub(crate) struct Control {
    jobs: mpsc::Sender<Job>,
    discarded: mpsc::Sender<Discarded>,
    place: String,
    end: watch::Sender<bool>,
    tasks: Arc<parking_lot::Mutex<Vec<Task>>>,
}

impl Control {
    /// Makes the client, which connects when it is first asked.
    ///
    /// # Errors
    /// [`JournalError::Invalid`] for properties that librdkafka does not take.
    pub(crate) fn new(config: &KafkaConfig, env: &Arc<dyn Env>) -> Result<Self, JournalError> {
        let context = Context::default();
        let trouble = context.trouble.clone();
        let consumer = config.consumer().create_with_context(context).map_err(misconfigured)?;
        let place = format!("kafka at {}", config.brokers);
        let asker = Arc::new(Asker { consumer, trouble, place: place.clone(), env: env.clone() });
        let (jobs, waiting) = mpsc::channel(WAITING_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        let (end, ended) = watch::channel(false);
        let spawn = |_| {
            let work = work(asker.clone(), waiting.clone(), ended.clone());
            env.spawn_thread("kafka-control", Box::pin(work))
        };
        let tasks = Arc::new(parking_lot::Mutex::new((0..THREADS).map(spawn).collect()));
        let (discarded, mut taken_down) = mpsc::channel::<Discarded>(WAITING_MAX);
        let take_down = async move {
            while let Some(client) = taken_down.recv().await {
                drop(client);
            }
        };
        env.spawn_thread("kafka-discard", Box::pin(take_down));
        Ok(Self { jobs, discarded, place, end, tasks })
    }

    /// Has `question` answered on one of the threads.
    ///
    /// # Errors
    /// What the question returns.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Asker) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let (done, answer) = oneshot::channel();
        let job: Job = Box::new(move |asker| {
            // Who asked may have gone.
            let _ = done.send(question(asker));
        });
        self.jobs.send(job).await.map_err(|_| JournalError::Closed)?;
        answer.await.map_err(|_| JournalError::Closed)?
    }

    /// Ends the threads; questions after that are refused with [`JournalError::Closed`].
    pub(crate) async fn close(&self) {
        self.end.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock());
        for task in tasks {
            task.join().await;
        }
    }

    /// Drops `client` on a thread where that may block.
    pub(crate) fn discard(&self, client: impl Send + 'static) {
        // When too much waits already, it takes its time here.
        drop(self.discarded.try_send(Box::new(client)));
    }

    /// Where the journal is, for errors.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }
}

async fn work(asker: Arc<Asker>, waiting: Arc<Mutex<mpsc::Receiver<Job>>>, mut ended: watch::Receiver<bool>) {
    loop {
        let next = async { waiting.lock().await.recv().await };
        let job = tokio::select! {
            job = next => job,
            _ = ended.wait_for(|ended| *ended) => return,
            () = asker.env.sleep(TEND_EVERY) => {
                asker.tend();
                continue;
            }
        };
        match job {
            Some(job) => job(&asker),
            None => return,
        }
    }
}

/// What a question is put to.
pub(crate) struct Asker {
    consumer: BaseConsumer<Context>,
    trouble: Arc<Trouble>,
    place: String,
    env: Arc<dyn Env>,
}

impl Asker {
    /// Empties the client's log; what it says about connections becomes known.
    fn tend(&self) {
        // Nothing is assigned to this consumer: there are no messages.
        let _ = self.consumer.poll(Duration::ZERO);
    }

    /// Puts a question until it is answered, refused, or the time is up.
    fn insist<T>(&self, what: &str, question: impl Fn(Duration) -> Result<T, KafkaError>) -> Result<T, KafkaQuestion> {
        let started = self.env.monotonic();
        loop {
            let asked = self.env.monotonic();
            let error = match question(ASK_AGAIN) {
                Ok(answer) => {
                    self.trouble.clear();
                    return Ok(answer);
                }
                Err(error) => error,
            };
            // Each call hands out one line of the log or one error.
            for _ in 0..64 {
                self.tend();
            }
            let code = code_of(&error);
            if !code.is_some_and(is_passing) {
                return Err(KafkaQuestion::Refused(code, error.to_string()));
            }
            if self.trouble.is_refusal() || self.env.monotonic().saturating_sub(started) >= ANSWER_TIMEOUT {
                let what = format!("{what} got no answer for {} s ({error})", ANSWER_TIMEOUT.as_secs());
                return Err(KafkaQuestion::Unanswered(self.trouble.unavailable(&self.place, &what)));
            }
            // Some errors come at once; asking in a tight loop would not help.
            if self.env.monotonic().saturating_sub(asked) < ASK_AGAIN / 20 {
                let _ = self.consumer.poll(ASK_AGAIN / 20);
            }
        }
    }

    /// Kafka's topics with a name that starts with `prefix`, and their number of partitions.
    pub(crate) fn topics(&self, prefix: &str) -> Result<Vec<(String, u32)>, JournalError> {
        let metadata = self.insist("a question for the topics", |wait| self.consumer.fetch_metadata(None, wait));
        let metadata = metadata.map_err(|question| question.error(&self.place))?;
        let ours = metadata.topics().iter().filter(|t| t.name().starts_with(prefix) && t.error().is_none());
        Ok(ours.map(|topic| (topic.name().to_owned(), topic.partitions().len() as u32)).collect())
    }

    /// Number of partitions of one topic of Kafka's, and whether all of them have a leader; `None` if it is not there.
    pub(crate) fn topic(&self, name: &str) -> Result<Option<(u32, bool)>, JournalError> {
        let metadata = self.insist("a question for a topic", |wait| self.consumer.fetch_metadata(Some(name), wait));
        let metadata = metadata.map_err(|question| question.error(&self.place))?;
        let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else { return Ok(None) };
        let partitions = topic.partitions();
        let have_leaders = partitions.iter().all(|p| p.leader() >= 0);
        Ok((!partitions.is_empty()).then_some((partitions.len() as u32, have_leaders)))
    }

    /// First offset that can be read, and the first that is not yet acknowledged by all replicas.
    ///
    /// # Errors
    /// `None` inside `Ok` when the partition is not there.
    pub(crate) fn watermarks(&self, topic: &str, partition: u32) -> Result<Option<(u64, u64)>, JournalError> {
        let Ok(number) = i32::try_from(partition) else { return Ok(None) };
        let ask = |wait| self.consumer.fetch_watermarks(topic, number, wait);
        match self.insist("a question for the ends of a partition", ask) {
            Ok((low, high)) => Ok(Some((low.max(0) as u64, high.max(0) as u64))),
            Err(KafkaQuestion::Refused(Some(code), _)) if is_missing(code) => Ok(None),
            Err(question) => Err(question.error(&self.place)),
        }
    }

    /// The first offset with a time not before `ms`; `None` if there is none.
    pub(crate) fn offset_at(&self, topic: &str, partition: u32, ms: i64) -> Result<Option<u64>, JournalError> {
        let ask = |wait| {
            let mut times = TopicPartitionList::new();
            times.add_partition_offset(topic, partition as i32, rdkafka::Offset::Offset(ms))?;
            self.consumer.offsets_for_times(times, wait)
        };
        let found = self.insist("a question for a time", ask).map_err(|question| question.error(&self.place))?;
        Ok(found.elements().first().and_then(|element| match element.offset() {
            rdkafka::Offset::Offset(offset) => u64::try_from(offset).ok(),
            _ => None,
        }))
    }
}

/// Why a question has no answer.
enum KafkaQuestion {
    Refused(Option<RDKafkaErrorCode>, String),
    Unanswered(JournalError),
}

impl KafkaQuestion {
    fn error(self, place: &str) -> JournalError {
        match self {
            KafkaQuestion::Refused(_, reason) => JournalError::Unavailable { place: place.to_owned(), reason },
            KafkaQuestion::Unanswered(error) => error,
        }
    }
}

/// Whether asking again may help.
fn is_passing(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::OperationTimedOut
            | Code::TimedOutQueue
            | Code::Resolve
            | Code::RequestTimedOut
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::BrokerNotAvailable
            | Code::NetworkException
            | Code::BrokerDestroy
            | Code::DestroyBroker
            | Code::WaitCache
            | Code::Retry
            | Code::Outdated
            | Code::OffsetNotAvailable
            | Code::ReplicaNotAvailable
    )
}

/// Whether the code says that there is no such partition.
pub(crate) fn is_missing(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(code, Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition)
}
