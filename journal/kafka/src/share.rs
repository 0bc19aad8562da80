//! Sharing work: a member of a consumer group that is given partitions and reads none of them.
//!
//! The group decides who owns what; where an owner goes on is kept with its results, never in the group. The member
//! acknowledges every assignment with an empty one of its own, so that librdkafka fetches nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, TopicPartitionList};
use tidemill_journal::{Assignment, Env, JournalError, Share};
use tokio::sync::watch;

use crate::config::KafkaConfig;
use crate::failure::{Trouble, log, misconfigured};
use crate::native;

/// How long the member serves the group before it looks whether it is to leave.
const LOOK_AROUND: Duration = Duration::from_millis(100);

/// Joins a group over a topic of Kafka's.
///
/// # Errors
/// [`JournalError::Invalid`] for properties that librdkafka does not take.
pub(crate) fn join(config: &KafkaConfig, env: &Arc<dyn Env>, topic: &str, group: &str) -> Result<Share, JournalError> {
    let (assigned, assignments) = watch::channel(Assignment::default());
    let context = Member { assigned, trouble: Trouble::default() };
    let consumer: BaseConsumer<Member> = config.member(group).create_with_context(context).map_err(misconfigured)?;
    consumer.subscribe(&[topic]).map_err(|error| JournalError::Unavailable {
        place: format!("kafka group {group}"),
        reason: error.to_string(),
    })?;
    let leaving = Arc::new(AtomicBool::new(false));
    let leave = Leave(leaving.clone());
    let serve = async move {
        while !leaving.load(SeqCst) {
            // Nothing is assigned here: there are no messages, and errors have been noted.
            let _ = consumer.poll(LOOK_AROUND);
        }
        consumer.context().publish(Assignment::default());
        // Dropping it leaves the group at once.
        drop(consumer);
    };
    env.spawn_thread("kafka-share", Box::pin(serve));
    Ok(Share::changing(assignments, leave))
}

/// Leaves the group when it is dropped.
struct Leave(Arc<AtomicBool>);

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// Hears of assignments.
struct Member {
    assigned: watch::Sender<Assignment>,
    trouble: Trouble,
}

impl Member {
    fn publish(&self, assignment: Assignment) {
        tracing::info!(?assignment, "share of the work changed");
        self.assigned.send_replace(assignment);
    }
}

impl ClientContext for Member {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.trouble.note(&error, reason);
    }
}

impl ConsumerContext for Member {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, given: &mut TopicPartitionList) {
        let is_given = event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let mut partitions: Vec<u32> = Vec::new();
        if is_given {
            partitions.extend(given.elements().iter().filter_map(|p| u32::try_from(p.partition()).ok()));
            partitions.sort_unstable();
        }
        let before = self.assigned.borrow().generation;
        let generation = native::group_generation(consumer).unwrap_or(before);
        // What is taken away is given up before the group hears of it.
        if !is_given {
            self.publish(Assignment { generation, partitions: Vec::new() });
        }
        let acknowledged = if is_given { consumer.assign(&TopicPartitionList::new()) } else { consumer.unassign() };
        if let Err(error) = acknowledged {
            tracing::warn!(%error, "cannot acknowledge a share of the work");
        }
        if is_given {
            self.publish(Assignment { generation, partitions });
        }
    }
}
