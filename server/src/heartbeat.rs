//! Heartbeats: time passes in the journal although nobody writes, so that watermarks and staleness move on.

use std::sync::Arc;
use std::time::Duration;

use tidemill_journal::{Assignment, Env, Journal, TOPIC_DATA, TopicPartition};
use tidemill_model::payload::Heartbeat;
use tidemill_model::{NewRecord, RecordKind};
use tokio::sync::watch;

use crate::stop::stopped;

/// How often.
const EVERY: Duration = Duration::from_secs(1);

/// Appends a heartbeat to every partition of this node's share each second until `stop` turns true.
pub(crate) async fn run(
    journal: Arc<dyn Journal>,
    share: watch::Receiver<Assignment>,
    env: Arc<dyn Env>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = env.sleep(EVERY) => {}
        }
        let owned = share.borrow().partitions.clone();
        for partition in owned {
            let payload = Heartbeat { time: env.now() }.to_payload();
            let record = NewRecord::anonymous(RecordKind::Heartbeat, payload);
            let at = TopicPartition::new(TOPIC_DATA, partition);
            if let Err(error) = journal.append(&at, vec![record]).await {
                tracing::warn!(partition, %error, "heartbeat was not written");
            }
        }
    }
}
