//! What the node knows of itself: status, probes, metrics.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tidemill_journal::{Journal, JournalError, Retention, TopicPartition};
use tidemill_model::Position;

use crate::app::App;
use crate::error::{done, json_ok};
use crate::metrics::State as Gauges;
use crate::replicas::{ReplicaState, Slot};
use crate::{ApiError, VERSION};

/// `GET /livez`: the process answers.
pub(crate) async fn livez() -> Response {
    done()
}

/// `GET /readyz`: writes and queries are served.
pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let slots = app.replicas.slots();
    if !app.ledger.is_ready() {
        return Err(ApiError::unavailable("the ledger is still reading the journal", 1));
    }
    if !slots.is_empty() && !slots.iter().any(|slot| slot.state() == ReplicaState::Serving) {
        return Err(ApiError::unavailable("no replica is serving yet", 1));
    }
    Ok(done())
}

/// `GET /api/v1/status`.
pub(crate) async fn status(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let Looked { topics, partitions, tail } = journal(&app).await?;
    let now = app.env.now();
    let replicas: Vec<_> = app.replicas.slots().iter().map(|slot| replica(slot, &tail, now)).collect();
    Ok(json_ok(&json!({
        "version": VERSION,
        "now_ns": now.to_string(),
        "uptime_s": app.env.monotonic().saturating_sub(app.started).as_secs(),
        "journal": {
            "id": app.journal.identity().to_string(),
            "place": app.place,
            "position": tail.to_string(),
            "topics": topics,
            "partitions": partitions,
        },
        "replicas": replicas,
        "operators": app.runtime.operators(),
        "live": {"subscribers": app.metrics.subscribers.get(), "cut": app.metrics.cut_subscribers.get()},
        "ingest": {
            "lines": app.metrics.lines.get(),
            "samples": app.metrics.samples.get(),
            "rejected_lines": app.metrics.rejected_lines.get(),
        },
    })))
}

/// A journal at a glance.
struct Looked {
    topics: Vec<Value>,
    /// The bounds of every partition.
    partitions: Vec<Value>,
    /// The durable end of `data`.
    tail: Position,
}

async fn journal(app: &App) -> Result<Looked, JournalError> {
    let (mut topics, mut partitions) = (Vec::new(), Vec::new());
    let mut tail = Position { journal: app.journal.identity(), offsets: Vec::new() };
    for topic in app.journal.topics().await? {
        let Retention { age, bytes, compacted } = topic.retention;
        topics.push(json!({
            "topic": topic.name, "partitions": topic.partitions, "retention_age_s": age.map(|age| age.as_secs_f64()),
            "retention_bytes": bytes, "compacted": compacted,
        }));
        for partition in 0..topic.partitions {
            let bounds = app.journal.bounds(&TopicPartition::new(&topic.name, partition)).await?;
            if topic.name == tidemill_journal::TOPIC_DATA {
                tail.offsets.push(bounds.durable);
            }
            partitions.push(json!({
                "topic": topic.name, "partition": partition, "start": bounds.start.0, "durable": bounds.durable.0,
                "tail": bounds.tail.0, "records": bounds.records,
                "kept_since_ns": bounds.kept_since.map(|ns| ns.to_string()),
            }));
        }
    }
    Ok(Looked { topics, partitions, tail })
}

fn replica(slot: &Slot, tail: &Position, now: i64) -> Value {
    let mut out =
        json!({"name": slot.name, "state": slot.state().name(), "error": slot.error(), "rebuilds": slot.rebuilds()});
    let Some(open) = slot.open() else { return out };
    let (stats, digest, progress) = (open.replica.stats(), open.replica.digest(), &open.progress);
    // The follower looks at the tail only now and then: what it has not looked at yet is lag all the same.
    let lag = if open.covers(tail) { 0 } else { progress.lag_records().max(1) };
    let more = json!({
        "position": open.replica.position().to_string(),
        "lag_records": lag,
        "staleness_ms": progress.staleness(now).map(|ns| ns / 1_000_000),
        "ready_in_ms": if lag == 0 { Some(0) } else { progress.ready_in().map(|d| d.as_millis() as u64) },
        "samples": stats.samples,
        "series": stats.series,
        "blocks": stats.blocks,
        "bytes": stats.bytes_on_disk,
        "digest": format!("{:016x}", digest.value),
        "digest_position": digest.position.to_string(),
        "falls_off_in_ms": progress.falls_off_in(now).map(|d| d.as_millis() as u64),
        "quarantined": progress.quarantined(),
        "gaps": progress.gaps(),
    });
    if let (Some(out), Value::Object(more)) = (out.as_object_mut(), more) {
        out.extend(more);
    }
    out
}

/// `GET /metrics`.
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let tail = journal(&app).await?.tail;
    let now = app.env.now();
    let mut gauges = Gauges::default();
    let replicas: Vec<_> = app.replicas.slots().iter().map(|s| (s.name.clone(), replica(s, &tail, now))).collect();
    let of_replicas = |key: &'static str| {
        replicas.iter().filter_map(move |(name, status)| Some((name.clone(), status[key].as_i64()?)))
    };
    gauges.gauge(
        "tidemill_replica_lag_records",
        "durable records that are not applied",
        "replica",
        of_replicas("lag_records"),
    );
    gauges.gauge(
        "tidemill_replica_staleness_milliseconds",
        "age of the newest sample",
        "replica",
        of_replicas("staleness_ms"),
    );
    gauges.gauge(
        "tidemill_replica_falls_off_milliseconds",
        "time until retention drops records that are not applied",
        "replica",
        of_replicas("falls_off_in_ms"),
    );
    gauges.gauge("tidemill_replica_stored_samples", "live samples", "replica", of_replicas("samples"));
    gauges.gauge("tidemill_replica_disk_bytes", "bytes of all blocks", "replica", of_replicas("bytes"));
    let serving = replicas.iter().map(|(name, status)| (name.clone(), i64::from(status["state"] == "serving")));
    gauges.gauge("tidemill_replica_serving_state", "1 while it answers queries", "replica", serving);
    let operators = app.runtime.operators();
    let lag = operators.iter().map(|o| (o.name.clone(), i64::try_from(o.lag_records).unwrap_or(i64::MAX)));
    gauges.gauge("tidemill_operator_lag_records", "durable records that are not read", "operator", lag);
    let errors = operators.iter().map(|o| (o.name.clone(), i64::try_from(o.errors).unwrap_or(i64::MAX)));
    gauges.gauge("tidemill_operator_failed_records", "records that the plugin failed on", "operator", errors);
    let falls_off = operators.iter().filter_map(|o| Some((o.name.clone(), o.falls_off_in_ms?)));
    gauges.gauge(
        "tidemill_operator_falls_off_milliseconds",
        "time until retention drops records that are not read",
        "operator",
        falls_off,
    );
    gauges.journal(&app.meters.metrics());
    gauges.meters(app.meters.meters());
    let content = [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    Ok((content, app.metrics.text(&gauges)).into_response())
}
