//! Heartbeats: time passes in the journal although nobody writes, so that watermarks and staleness move on.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use tidemill_journal::{Assignment, Env, Journal, TOPIC_DATA, TopicPartition};
use tidemill_model::payload::Heartbeat;
use tidemill_model::{NewRecord, RecordKind};
use tokio::sync::watch;

use crate::stop::stopped;

/// How often.
const EVERY: Duration = Duration::from_secs(1);

/// Appends a heartbeat to every partition of this node's share each second until `stop` turns true. A partition that takes long
/// costs only its own.
pub(crate) async fn run(
    journal: Arc<dyn Journal>,
    share: watch::Receiver<Assignment>,
    env: Arc<dyn Env>,
    mut stop: watch::Receiver<bool>,
) {
    let (mut under_way, mut busy) = (FuturesUnordered::new(), HashSet::new());
    let mut next = env.sleep(EVERY);
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            Some((partition, result)) = under_way.next() => {
                busy.remove(&partition);
                if let Err(error) = result {
                    tracing::warn!(partition, %error, "heartbeat was not written");
                }
            }
            () = &mut next => {
                next = env.sleep(EVERY);
                for partition in share.borrow().partitions.iter().copied() {
                    if busy.insert(partition) {
                        let payload = Heartbeat { time: env.now() }.to_payload();
                        let record = NewRecord::anonymous(RecordKind::Heartbeat, payload);
                        let append = journal.append(&TopicPartition::new(TOPIC_DATA, partition), vec![record]);
                        under_way.push(async move { (partition, append.await.map(drop)) });
                    }
                }
            }
        }
    }
}
