//! A write: from a body to durable records and the position that covers them.
//!
//! A request with a producer and a sequence can be repeated until it is answered: what is in the journal already is not
//! written again. Such requests of one producer are served one after another, each until the ledger has seen its
//! records, so that the ledger's word about repetitions is always the last one.

use std::time::Duration;

use tidemill_journal::{Receipt, TOPIC_DATA, TopicPartition};
use tidemill_model::{NewRecord, Position};

use super::collect::{Collected, Identity};
use super::line_protocol::LineError;
use super::precision::Precision;
use crate::ApiError;
use crate::app::App;

/// Locks over all producers: two producers share one now and then, and wait for each other then.
pub(crate) const PRODUCER_LOCKS: usize = 64;

/// When a write is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Ack {
    /// When it is durable in the journal.
    #[default]
    Durable,
    /// When so many replicas have applied it.
    Applied(usize),
}

/// How a body is to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    /// What its timestamps count.
    pub precision: Precision,
    /// Who sends it, if repetitions are to be recognised.
    pub identity: Option<Identity>,
    /// When to answer.
    pub ack: Ack,
    /// How long to wait for replicas.
    pub ack_timeout: Duration,
}

/// What became of a body.
#[derive(Debug)]
pub(crate) struct Written {
    /// Covers everything that was stored.
    pub position: Position,
    /// Accepted lines.
    pub lines: u64,
    /// Refused lines.
    pub rejected: u64,
    /// The first of them.
    pub errors: Vec<LineError>,
    /// Whether all of it had been written before.
    pub is_repetition: bool,
}

/// Writes a body.
///
/// # Errors
/// 400 when the request contradicts itself; 409 when a later epoch of its producer has written; 503 when the journal cannot
/// take it, or when it is durable but not applied in time.
pub(crate) async fn write(app: &App, body: &[u8], request: Request) -> Result<Written, ApiError> {
    if let Ack::Applied(count) = request.ack {
        let replicas = app.replicas.slots().len();
        if count > replicas {
            return Err(ApiError::invalid(format!(
                "applied:{count} cannot be reached: this node has {replicas} replicas"
            )));
        }
    }
    let written = match request.identity {
        None => store(app, body, request).await?,
        Some(identity) => {
            let _turn = app.producers[identity.producer.0 as usize % PRODUCER_LOCKS].lock().await;
            check_identity(app, identity)?;
            store(app, body, request).await?
        }
    };
    if let Ack::Applied(count) = request.ack
        && !app.replicas.wait_applied(&written.position, count, request.ack_timeout).await
    {
        let message = format!("the write is durable, but {count} replicas have not applied it in time");
        return Err(ApiError::unavailable(message, 1).header(crate::http::POSITION, &written.position.to_string()));
    }
    Ok(written)
}

fn check_identity(app: &App, identity: Identity) -> Result<(), ApiError> {
    if !app.ledger.is_ready() {
        return Err(ApiError::unavailable("the node is still reading which producers have written; try again soon", 1));
    }
    match app.ledger.epoch_of(identity.producer) {
        Some(epoch) if epoch > identity.epoch => Err(ApiError::conflict(format!(
            "epoch {} of this producer has been taken over by epoch {epoch}: stop this one",
            identity.epoch
        ))),
        _ => Ok(()),
    }
}

async fn store(app: &App, body: &[u8], request: Request) -> Result<Written, ApiError> {
    let mut collected = app.resolver.read(body, request.precision, app.env.now()).await?;
    count(app, &collected, body.len());
    let (lines, rejected) = (collected.lines, collected.rejected);
    let errors = std::mem::take(&mut collected.errors);
    let (position, is_repetition) = append(app, collected.into_records(request.identity), request.identity).await?;
    Ok(Written { position, lines, rejected, errors, is_repetition })
}

fn count(app: &App, collected: &Collected, bytes: usize) {
    let metrics = &app.metrics;
    metrics.writes.inc();
    metrics.lines.inc_by(collected.lines);
    metrics.samples.inc_by(collected.samples);
    metrics.rejected_lines.inc_by(collected.rejected);
    metrics.body_bytes.inc_by(bytes as u64);
}

/// Appends what is not in the journal yet; returns the position that covers all of it, and whether all of it was there.
async fn append(
    app: &App,
    parts: Vec<(u32, Vec<NewRecord>)>,
    identity: Option<Identity>,
) -> Result<(Position, bool), ApiError> {
    let mut position = Position::start(app.journal.identity(), app.ledger.partitions() as usize);
    let touched = parts.len();
    let mut appends = Vec::with_capacity(touched);
    for (partition, records) in parts {
        if is_repetition(app, partition, identity) {
            position.offsets[partition as usize] = app.ledger.position().offsets[partition as usize];
        } else {
            // The place in the order is taken here, not when the future is polled.
            let append = app.journal.append(&TopicPartition::new(TOPIC_DATA, partition), records);
            appends.push(async move { append.await.map(|receipt| (partition, receipt)) });
        }
    }
    let is_repetition = touched > 0 && appends.is_empty();
    let receipts: Vec<(u32, Receipt)> = futures::future::try_join_all(appends).await?;
    for (partition, receipt) in receipts {
        position.offsets[partition as usize] = receipt.end;
        if identity.is_some() {
            app.ledger.reach(partition, receipt.end).await;
        }
    }
    if is_repetition {
        app.metrics.repeated_writes.inc();
    }
    Ok((position, is_repetition))
}

fn is_repetition(app: &App, partition: u32, identity: Option<Identity>) -> bool {
    identity.is_some_and(|identity| {
        app.ledger.has_seen(partition, identity.producer, identity.epoch, identity.last_sequence())
    })
}
