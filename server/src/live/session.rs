//! One subscription: snapshot, then tail.
//!
//! A session never runs ahead of the ledger, which knows the repetitions to be skipped. Its position moves with every
//! record, whether or not there is something in it for the client; a heartbeat tells it when nothing else does.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tidemill_journal::{ErrorKind, JournalError};
use tidemill_model::{Offset, Position};
use tidemill_store::Snapshot;

use super::channel::Channel;
use super::encode;
use super::outbox::{End, Outbox};
use crate::app::App;
use crate::ledger::Entry;
use crate::stop::stopped;

/// Series per snapshot event.
const SNAPSHOT_SERIES: usize = 500;
/// Bytes per read of the journal.
const READ_BYTES: usize = 1 << 20;
/// A position is told at least so often.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);

/// Where a session begins.
pub(super) enum Beginning {
    /// With the last values in this snapshot.
    Snapshot(Box<Snapshot>),
    /// With the record at this position.
    At(Position),
}

/// See the module.
pub(super) struct Session {
    app: Arc<App>,
    channel: Arc<Channel>,
    outbox: Outbox,
    position: Position,
    told_at: Duration,
}

impl Session {
    pub(super) fn new(app: Arc<App>, channel: Arc<Channel>, outbox: Outbox) -> Self {
        app.metrics.subscribers.inc();
        let position = Position::start(app.journal.identity(), app.ledger.partitions() as usize);
        let told_at = app.env.monotonic();
        Self { app, channel, outbox, position, told_at }
    }

    pub(super) async fn run(mut self, beginning: Beginning) {
        let mut stop = self.app.stop.clone();
        let app = self.app.clone();
        let ended = tokio::select! {
            () = stopped(&mut stop) => End::Gone,
            ended = self.follow(beginning) => ended.err().unwrap_or(End::Gone),
        };
        app.metrics.subscribers.dec();
        if ended == End::Slow {
            app.metrics.cut_subscribers.inc();
            let reason = json!({"reason": "the client did not keep up; resume from the last id"});
            self.outbox.put_last(format!("event: slow\ndata: {reason}\n\n").into());
        }
    }

    async fn follow(&mut self, beginning: Beginning) -> Result<(), End> {
        self.outbox.put("retry: 1000\n\n".into()).await?;
        match beginning {
            Beginning::Snapshot(snapshot) => self.snapshot(&snapshot).await?,
            Beginning::At(position) => self.position = position,
        }
        loop {
            let mut news = self.app.ledger.watch();
            news.borrow_and_update();
            if self.catch_up().await? {
                continue;
            }
            if self.app.env.monotonic().saturating_sub(self.told_at) >= HEARTBEAT_EVERY {
                let time = format!("\"time\":\"{}\"", self.app.env.now());
                self.tell("heartbeat", time.as_bytes()).await?;
            }
            tokio::select! {
                _ = news.changed() => {}
                () = self.app.env.sleep(HEARTBEAT_EVERY) => {}
                () = self.outbox.closed() => return Err(End::Gone),
            }
        }
    }

    /// Tells the last values of all selected series; only the last event can be resumed from.
    async fn snapshot(&mut self, snapshot: &Snapshot) -> Result<(), End> {
        self.position = snapshot.position().clone();
        let series = snapshot.select(&self.channel.selector);
        let mut chunks = series.chunks(SNAPSHOT_SERIES).peekable();
        loop {
            let chunk = chunks.next().unwrap_or_default();
            let last = |series: &Arc<tidemill_model::Series>| Some((series.id, snapshot.last(series.id)?));
            let values: Vec<_> = chunk.iter().filter_map(last).collect();
            let members = encode::last_values(&self.channel, &values);
            let is_last = chunks.peek().is_none();
            self.put(encode::event("snapshot", &self.position, &members, is_last)).await?;
            if is_last {
                return Ok(());
            }
        }
    }

    /// Tells what is new in every partition; `false` when nothing is.
    async fn catch_up(&mut self) -> Result<bool, End> {
        let mut is_news = false;
        for partition in 0..self.app.ledger.partitions() {
            let from = self.position.offsets[partition as usize];
            match self.app.ledger.read(partition, from, READ_BYTES).await {
                Ok(entries) => {
                    is_news |= !entries.is_empty();
                    for entry in entries {
                        self.entry(partition, &entry).await?;
                    }
                }
                Err(JournalError::Trimmed { start, .. }) => {
                    self.gap(partition, from, start, "the journal no longer has these records").await?;
                    is_news = true;
                }
                Err(error) if error.kind() == ErrorKind::Retry => self.app.env.sleep(HEARTBEAT_EVERY).await,
                Err(error) => {
                    tracing::warn!(partition, %error, "a subscription ends");
                    return Err(End::Gone);
                }
            }
        }
        Ok(is_news)
    }

    async fn entry(&mut self, partition: u32, entry: &Entry) -> Result<(), End> {
        self.position.offsets[partition as usize] = entry.after;
        if entry.is_duplicate {
            return Ok(());
        }
        match entry.encoded(self.channel.number, |record| encode::record(&self.channel, record)) {
            Some(members) => self.tell(encode::event_of(&entry.record), &members).await,
            None => Ok(()),
        }
    }

    async fn gap(&mut self, partition: u32, from: Offset, to: Offset, reason: &str) -> Result<(), End> {
        self.position.offsets[partition as usize] = to;
        let members = format!("\"partition\":{partition},\"from\":\"{from}\",\"to\":\"{to}\",\"reason\":\"{reason}\"");
        self.tell("gap", members.as_bytes()).await
    }

    async fn tell(&mut self, name: &str, members: &[u8]) -> Result<(), End> {
        self.put(encode::event(name, &self.position, members, true)).await
    }

    async fn put(&mut self, event: bytes::Bytes) -> Result<(), End> {
        self.outbox.put(event).await?;
        self.app.metrics.events.inc();
        self.told_at = self.app.env.monotonic();
        Ok(())
    }
}
