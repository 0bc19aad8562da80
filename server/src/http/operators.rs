//! Versions of operators, and running them again.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use tidemill_model::{SeriesKey, TimeRange};
use tidemill_runtime::{DeployError, RecalcRequest, ShadowRequest, Start};
use tokio::sync::oneshot;

use super::admin::{deploy_error, json_body, nanoseconds};
use crate::ApiError;
use crate::app::App;
use crate::error::{done, json_ok};

/// Runs a verb to its end although nobody may wait for the answer any more: half of one would leave operators paused.
pub(super) async fn to_the_end<T: Send + 'static>(
    app: &App,
    verb: impl Future<Output = Result<T, DeployError>> + Send + 'static,
) -> Result<T, ApiError> {
    let (answer, answered) = oneshot::channel();
    drop(app.env.spawn("operator", Box::pin(async move { drop(answer.send(verb.await)) })));
    let ended = answered.await.map_err(|_| ApiError::internal("the node is stopping: see the operator's status"))?;
    ended.map_err(deploy_error)
}

/// A new version; absent: as in the present one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewVersion {
    plugin: Option<String>,
    params: Option<serde_json::Map<String, Value>>,
    start: Option<Start>,
}

/// `POST /api/v1/operators/{name}/shadow`.
pub(super) async fn shadow(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let NewVersion { plugin, params, start } = json_body(&app, &headers, body).await?;
    let (runtime, request) = (app.runtime.clone(), ShadowRequest { name, plugin, params, start });
    let status = to_the_end(&app, async move { runtime.shadow(request).await }).await?;
    Ok(json_ok(&json!(status)))
}

/// `DELETE /api/v1/operators/{name}/shadow`.
pub(super) async fn discard(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Response, ApiError> {
    app.runtime.discard_shadow(&name).await.map_err(deploy_error)?;
    Ok(done())
}

/// `POST /api/v1/operators/{name}/promote`.
pub(super) async fn promote(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let runtime = app.runtime.clone();
    Ok(json_ok(&json!(to_the_end(&app, async move { runtime.promote(&name).await }).await?)))
}

/// `POST /api/v1/operators/{name}/rollback`.
pub(super) async fn roll_back(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let runtime = app.runtime.clone();
    Ok(json_ok(&json!(to_the_end(&app, async move { runtime.roll_back(&name).await }).await?)))
}

/// Where to go on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rewind {
    start: Start,
}

/// `POST /api/v1/operators/{name}/rewind`.
pub(super) async fn rewind(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let Rewind { start } = json_body(&app, &headers, body).await?;
    Ok(json_ok(&json!(app.runtime.rewind(&name, start).await.map_err(deploy_error)?)))
}

/// A range of source time, ns; everything by default.
#[derive(Debug, Deserialize)]
pub(super) struct Range {
    start: Option<String>,
    end: Option<String>,
}

impl Range {
    fn times(&self) -> Result<TimeRange, ApiError> {
        let time = |text: &Option<String>, name, default| match text {
            None => Ok(default),
            Some(text) => nanoseconds(&Value::from(text.as_str()), name),
        };
        range(time(&self.start, "start", i64::MIN)?, time(&self.end, "end", i64::MAX)?)
    }
}

fn range(start: i64, end: i64) -> Result<TimeRange, ApiError> {
    if end <= start {
        return Err(ApiError::invalid("end is not after start: the range is empty"));
    }
    Ok(TimeRange::new(start, end))
}

/// `GET /api/v1/operators/{name}/diff`.
pub(super) async fn diff(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(asked): Query<Range>,
) -> Result<Response, ApiError> {
    Ok(json_ok(&json!(app.runtime.diff(&name, asked.times()?).await.map_err(deploy_error)?)))
}

/// `POST /api/v1/operators/{name}/verify`.
pub(super) async fn verify(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(asked): Query<Range>,
) -> Result<Response, ApiError> {
    Ok(json_ok(&json!(app.runtime.verify(&name, asked.times()?).await.map_err(deploy_error)?)))
}

/// What to calculate anew.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recalculation {
    start: Value,
    end: Value,
    /// Inputs are read from so long before `start`, ns.
    warm_up: Option<Value>,
    #[serde(default)]
    preview: bool,
    #[serde(default)]
    cascade: bool,
}

/// `POST /api/v1/operators/{name}/recalc`.
pub(super) async fn recalc(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let Recalculation { start, end, warm_up, preview, cascade } = json_body(&app, &headers, body).await?;
    let range = range(nanoseconds(&start, "start")?, nanoseconds(&end, "end")?)?;
    let warm_up_ns = warm_up.map_or(Ok(0), |value| nanoseconds(&value, "warm_up"))?.max(0);
    let request = RecalcRequest { range, warm_up_ns, preview, cascade };
    let runtime = app.runtime.clone();
    let reports = to_the_end(&app, async move { runtime.recalc(&name, request).await }).await?;
    Ok(json_ok(&json!({ "operators": reports })))
}

/// A derived sample.
#[derive(Debug, Deserialize)]
pub(super) struct Sample {
    series: String,
    time: String,
}

/// `GET /api/v1/lineage`.
pub(super) async fn lineage(State(app): State<Arc<App>>, Query(sample): Query<Sample>) -> Result<Response, ApiError> {
    let key: SeriesKey = sample.series.parse().map_err(|error| ApiError::invalid(format!("series: {error}")))?;
    let time = nanoseconds(&Value::from(sample.time), "time")?;
    Ok(json_ok(&json!(app.runtime.lineage(&key, time).await.map_err(deploy_error)?)))
}
