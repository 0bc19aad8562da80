//! Series, edits, plugins, operators and replicas.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use tidemill_journal::{TOPIC_DATA, TopicPartition};
use tidemill_model::payload::{DeleteRange, OperatorState};
use tidemill_model::selector::SelectorError;
use tidemill_model::{NewRecord, Position, RecordKind, Selector};
use tidemill_runtime::{DeployError, DeployRequest, InstallError};
use tokio::sync::oneshot;

use super::POSITION;
use super::operators::to_the_end;
use crate::ApiError;
use crate::app::App;
use crate::error::{done, json_ok};
use crate::ingest::body::receive;
use crate::live::json_of;
use crate::planner::Wish;
use crate::replicas::ReplicaState;

/// Largest plugin file; the runtime has a limit of its own.
const PLUGIN_BYTES_MAX: usize = 64 << 20;
/// How long a plugin waits for those that came before it: as long as two of them may be compiled.
const INSTALL_PATIENCE: Duration = Duration::from_secs(600);
/// Largest JSON body.
const JSON_BYTES_MAX: usize = 1 << 20;
/// Series per delete record, so that one stays far below the limit of a payload.
const DELETE_SERIES: usize = 100_000;

fn selector(text: &str) -> Result<Selector, ApiError> {
    text.parse().map_err(|error: SelectorError| ApiError::invalid(error.to_string()))
}

pub(super) async fn json_body<T: serde::de::DeserializeOwned>(
    app: &App,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, ApiError> {
    let body = receive(body, headers, JSON_BYTES_MAX, &*app.env).await?;
    serde_json::from_slice(&body).map_err(|error| ApiError::invalid(format!("the body is not as expected: {error}")))
}

/// Which series to list.
#[derive(Debug, Deserialize)]
pub(crate) struct SeriesParameters {
    select: Option<String>,
    limit: Option<usize>,
    at_least: Option<String>,
}

/// `GET /api/v1/series`.
pub(crate) async fn series(
    State(app): State<Arc<App>>,
    Query(parameters): Query<SeriesParameters>,
) -> Result<Response, ApiError> {
    let selector = selector(parameters.select.as_deref().unwrap_or("*"))?;
    let at_least = parameters.at_least.as_deref().map(|text| app.planner.position(text)).transpose()?;
    let choice = app.planner.choose(&Wish { at_least, ..Wish::default() }).await?;
    let snapshot = choice.open.replica.snapshot();
    let selected = snapshot.select(&selector);
    let listed = selected.iter().take(parameters.limit.unwrap_or(1000)).map(|series| {
        let last = snapshot.last(series.id).map(|last| {
            json!({"time": last.time.to_string(), "value": json_of(&last.value), "quality": last.quality.0})
        });
        json!({
            "series": series.key.to_string(), "id": series.id.to_string(), "type": series.value_type.name(), "last": last,
        })
    });
    let listed: Vec<_> = listed.collect();
    Ok(json_ok(&json!({"series": listed, "count": selected.len(), "position": snapshot.position().to_string()})))
}

/// What to delete: samples of the selected series in `start..end`, ns.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Deletion {
    select: String,
    start: Value,
    end: Value,
}

/// Nanoseconds as a number, or as text, for languages whose numbers cannot hold them.
pub(super) fn nanoseconds(value: &Value, name: &str) -> Result<i64, ApiError> {
    let time = value.as_i64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    time.ok_or_else(|| ApiError::invalid(format!("{name} is {value}: write nanoseconds since 1970 as an integer")))
}

/// `POST /api/v1/delete`.
pub(crate) async fn delete_range(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let request: Deletion = json_body(&app, &headers, body).await?;
    let selector = selector(&request.select)?;
    let (start, end) = (nanoseconds(&request.start, "start")?, nanoseconds(&request.end, "end")?);
    if end <= start {
        return Err(ApiError::invalid("end is not after start: nothing would be deleted"));
    }
    app.catalog.refresh().await?;
    let partitions = app.ledger.partitions();
    let mut by_partition: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for series in app.catalog.series_since(0).iter().filter(|series| selector.matches(&series.key)) {
        let partition = (series.key.partition_hash() % u64::from(partitions)) as u32;
        by_partition.entry(partition).or_default().push(series.id.0);
    }
    let count: usize = by_partition.values().map(Vec::len).sum();
    let mut position = Position::start(app.journal.identity(), partitions as usize);
    for (partition, series) in by_partition {
        let record = |ids: &[u64]| {
            let range = DeleteRange { series: ids.to_vec(), start, end };
            NewRecord::anonymous(RecordKind::DeleteRange, range.to_payload())
        };
        let records = series.chunks(DELETE_SERIES).map(record).collect();
        let receipt = app.journal.append(&TopicPartition::new(TOPIC_DATA, partition), records).await?;
        position.offsets[partition as usize] = receipt.end;
    }
    let position = position.to_string();
    let mut response = json_ok(&json!({"series": count, "position": position}));
    response.headers_mut().insert(POSITION, position.parse().expect("a position is printable"));
    Ok(response)
}

/// `GET /api/v1/plugins`.
pub(crate) async fn plugins(State(app): State<Arc<App>>) -> Response {
    json_ok(&json!({"plugins": app.runtime.plugins()}))
}

/// `POST /api/v1/plugins`: installs the Wasm file in the body.
pub(crate) async fn install(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let turn = tokio::select! {
        turn = app.installs.clone().acquire_owned() => turn.expect("turns are never closed"),
        () = app.env.sleep(INSTALL_PATIENCE) => {
            return Err(ApiError::unavailable("other plugins are being compiled: try again later", 30));
        }
    };
    let wasm = receive(body, &headers, PLUGIN_BYTES_MAX, &*app.env).await?;
    let (answer, answered) = oneshot::channel();
    let runtime = app.runtime.clone();
    // Compiling takes long: it has a thread of its own.
    let install = async move {
        let _turn = turn;
        drop(answer.send(runtime.install(wasm.into()).await));
    };
    app.env.spawn_thread("install", Box::pin(install));
    let installed = answered.await.map_err(|_| ApiError::internal("the plugin could not be installed: see the log"))?;
    match installed {
        Ok(plugin) => Ok(json_ok(&json!(plugin))),
        Err(error @ InstallError::TooLarge { .. }) => Err(ApiError::too_large(error.to_string())),
        Err(error @ InstallError::Storage(_)) => Err(ApiError::unavailable(error.to_string(), 5)),
        Err(error) => Err(ApiError::invalid(error.to_string())),
    }
}

/// `DELETE /api/v1/plugins/{name or hash}`.
pub(crate) async fn uninstall(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let runtime = app.runtime.clone();
    Ok(json_ok(&json!(to_the_end(&app, async move { runtime.uninstall(&name).await }).await?)))
}

pub(super) fn deploy_error(error: DeployError) -> ApiError {
    let message = error.to_string();
    match error {
        DeployError::NotFound { .. } => ApiError::not_found(message),
        DeployError::Journal(error) => error.into(),
        _ => ApiError::invalid(message),
    }
}

/// `GET /api/v1/operators`.
pub(crate) async fn operators(State(app): State<Arc<App>>) -> Response {
    json_ok(&json!({"operators": app.runtime.operators()}))
}

/// `POST /api/v1/operators`.
pub(crate) async fn deploy(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let request: DeployRequest = json_body(&app, &headers, body).await?;
    let runtime = app.runtime.clone();
    Ok(json_ok(&json!(to_the_end(&app, async move { runtime.deploy(request).await }).await?)))
}

async fn set_state(app: &App, name: &str, state: OperatorState) -> Result<Response, ApiError> {
    app.runtime.set_state(name, state).await.map_err(deploy_error)?;
    Ok(done())
}

/// `POST /api/v1/operators/{name}/pause`.
pub(crate) async fn pause(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Response, ApiError> {
    set_state(&app, &name, OperatorState::Paused).await
}

/// `POST /api/v1/operators/{name}/resume`.
pub(crate) async fn resume(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Response, ApiError> {
    set_state(&app, &name, OperatorState::Running).await
}

/// `DELETE /api/v1/operators/{name}`.
pub(crate) async fn remove(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Response, ApiError> {
    set_state(&app, &name, OperatorState::Removed).await
}

/// How many log lines.
#[derive(Debug, Deserialize)]
pub(crate) struct LogParameters {
    limit: Option<usize>,
    /// Only lines behind the one of this sequence.
    after: Option<u64>,
}

/// `GET /api/v1/operators/{name}/logs`.
pub(crate) async fn logs(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(parameters): Query<LogParameters>,
) -> Result<Response, ApiError> {
    let lines = app.runtime.logs(&name, parameters.after.unwrap_or(0), parameters.limit.unwrap_or(100));
    let lines = lines.ok_or_else(|| ApiError::not_found(format!("there is no operator {name:?}")))?;
    Ok(json_ok(&json!({"lines": lines})))
}

/// `POST /api/v1/replicas/{name}/rebuild`.
pub(crate) async fn rebuild(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let slot = app.replicas.find(&name).ok_or_else(|| ApiError::not_found(format!("there is no replica {name:?}")))?;
    let others = app.replicas.slots().iter().filter(|other| other.name != name);
    let is_alone = !others.into_iter().any(|other| other.state() == ReplicaState::Serving);
    slot.rebuild();
    let note = if is_alone { "no other replica is serving: queries fail until this one has caught up" } else { "" };
    Ok(json_ok(&json!({"replica": name, "state": "catching-up", "note": note})))
}
