//! Live subscriptions: a snapshot at a position, then everything after exactly that position, as server-sent events.
//!
//! A subscriber is a follower whose state is its cursor, and the cursor is the client's: every event carries it as its
//! id. So the node keeps nothing for a client that is away, a client that comes back misses nothing and sees nothing
//! twice, and a client that is too slow is cut off instead of being buffered for.

mod channel;
mod encode;
mod outbox;
mod session;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use serde::Deserialize;
use tidemill_journal::{TOPIC_DATA, TopicPartition};
use tidemill_model::{Position, Selector};

pub(crate) use channel::Channels;
pub(crate) use encode::json as json_of;

use crate::ApiError;
use crate::app::App;
use crate::planner::Wish;
use session::{Beginning, Session};

/// What a subscription may say.
#[derive(Debug, Deserialize)]
pub(crate) struct Parameters {
    series: Option<String>,
    from: Option<String>,
    at_least: Option<String>,
}

/// `GET /api/v1/live`.
pub(crate) async fn live(
    State(app): State<Arc<App>>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let selector: Selector = parameters
        .series
        .as_deref()
        .unwrap_or("*")
        .parse()
        .map_err(|error: tidemill_model::selector::SelectorError| ApiError::invalid(error.to_string()))?;
    if app.metrics.subscribers.get() >= app.config.subscribers_max as i64 {
        let message = format!("{} clients are subscribed already, which is the limit", app.config.subscribers_max);
        return Err(ApiError::unavailable(message, 5));
    }
    let beginning = beginning(&app, &parameters, &headers).await?;
    let (outbox, events) = outbox::outbox(app.env.clone());
    let channel = app.channels.of(&selector);
    let session = Session::new(app.clone(), channel, outbox);
    app.env.spawn("live", Box::pin(session.run(beginning)));
    Response::builder()
        .header(header::CONTENT_TYPE, "text/event-stream")
        .header(header::CACHE_CONTROL, "no-store")
        .header("x-accel-buffering", "no")
        .body(Body::from_stream(events))
        .map_err(|error| ApiError::internal(error.to_string()))
}

/// Where the subscription begins. A client that reconnects says by `Last-Event-ID` what it has seen, whatever its first
/// request said.
async fn beginning(app: &App, parameters: &Parameters, headers: &HeaderMap) -> Result<Beginning, ApiError> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());
    match last.or(parameters.from.as_deref()).unwrap_or("snapshot") {
        "snapshot" => {
            let at_least = parameters.at_least.as_deref().map(|text| app.planner.position(text)).transpose()?;
            let choice = app.planner.choose(&Wish { at_least, ..Wish::default() }).await?;
            Ok(Beginning::Snapshot(Box::new(choice.open.replica.snapshot())))
        }
        "earliest" => Ok(Beginning::At(bound(app, |bounds| bounds.start).await?)),
        "latest" => Ok(Beginning::At(bound(app, |bounds| bounds.durable).await?)),
        text => {
            let position = app.planner.position(text)?;
            let tail = bound(app, |bounds| bounds.tail).await?;
            if !tail.covers(&position) {
                return Err(ApiError::conflict(format!(
                    "position {position} lies beyond the journal's end {tail}: start over without it"
                )));
            }
            Ok(Beginning::At(position))
        }
    }
}

async fn bound(
    app: &App,
    side: impl Fn(tidemill_journal::Bounds) -> tidemill_model::Offset,
) -> Result<Position, ApiError> {
    let mut offsets = Vec::new();
    for partition in 0..app.ledger.partitions() {
        offsets.push(side(app.journal.bounds(&TopicPartition::new(TOPIC_DATA, partition)).await?));
    }
    Ok(Position { journal: app.journal.identity(), offsets })
}
