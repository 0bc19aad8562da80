//! `/api/v1/sql`: a query, the replica that answers it, and rows as they come.
//!
//! A query runs on a thread of its own, so that a long one delays neither writes nor subscriptions; a bounded number
//! runs at once. The status is decided when the first rows are there: what fails later cuts the answer off, which
//! clients of chunked HTTP notice.

use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{AcqRel, Acquire, Release},
};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use serde::Deserialize;
use tidemill_store_sql::{SqlError, SqlErrorKind, SqlStream, write_csv, write_json, write_ndjson};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::{POSITION, REPLICA};
use crate::ApiError;
use crate::app::App;
use crate::ingest::body::receive;
use crate::planner::{Choice, Wish, duration};

/// Longest query text.
const QUERY_BYTES_MAX: usize = 1 << 20;

/// What a query may say.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Parameters {
    #[serde(default)]
    q: String,
    format: Option<String>,
    at_least: Option<String>,
    max_staleness: Option<String>,
    replica: Option<String>,
    wait: Option<String>,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Csv,
    Ndjson,
}

impl Format {
    fn from_name(name: &str) -> Result<Self, ApiError> {
        match name {
            "json" => Ok(Format::Json),
            "csv" => Ok(Format::Csv),
            "ndjson" => Ok(Format::Ndjson),
            other => Err(ApiError::invalid(format!("format {other:?} is not known: use json, csv or ndjson"))),
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Csv => "text/csv; charset=utf-8",
            Format::Ndjson => "application/x-ndjson",
        }
    }

    fn write(self, rows: SqlStream) -> BoxStream<'static, Result<Bytes, SqlError>> {
        match self {
            Format::Json => write_json(rows).boxed(),
            Format::Csv => write_csv(rows).boxed(),
            Format::Ndjson => write_ndjson(rows).boxed(),
        }
    }
}

/// `GET /api/v1/sql`.
pub(crate) async fn get_sql(
    State(app): State<Arc<App>>,
    Query(parameters): Query<Parameters>,
) -> Result<Response, ApiError> {
    answer(app, parameters).await
}

/// `POST /api/v1/sql`: parameters as a form or as JSON, or the query itself with the other parameters in the address.
pub(crate) async fn post_sql(
    State(app): State<Arc<App>>,
    Query(address): Query<Parameters>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let body = receive(body, &headers, QUERY_BYTES_MAX, &*app.env).await?;
    let content = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let invalid = |error: &dyn std::fmt::Display| ApiError::invalid(format!("the body cannot be read: {error}"));
    let parameters = if content.starts_with("application/x-www-form-urlencoded") {
        let form = axum::http::Uri::builder().path_and_query(format!("/?{}", String::from_utf8_lossy(&body)));
        let form = form.build().map_err(|error| invalid(&error))?;
        Query::<Parameters>::try_from_uri(&form).map_err(|error| invalid(&error))?.0
    } else if content.starts_with("application/json") {
        serde_json::from_slice(&body).map_err(|error| invalid(&error))?
    } else {
        Parameters { q: String::from_utf8(body).map_err(|error| invalid(&error))?, ..address }
    };
    answer(app, parameters).await
}

async fn answer(app: Arc<App>, parameters: Parameters) -> Result<Response, ApiError> {
    if parameters.q.trim().is_empty() {
        return Err(ApiError::invalid("there is no query: send it as q"));
    }
    let format = Format::from_name(parameters.format.as_deref().unwrap_or("json"))?;
    let wish = Wish {
        at_least: parameters.at_least.as_deref().map(|text| app.planner.position(text)).transpose()?,
        max_staleness: parameters.max_staleness.as_deref().map(duration).transpose()?,
        replica: parameters.replica,
        wait: parameters.wait.as_deref().map(duration).transpose()?.unwrap_or_default().min(app.config.query_timeout),
    };
    app.metrics.queries.inc();
    let choice = app.planner.choose(&wish).await?;
    let (name, snapshot) = (choice.name.clone(), choice.open.replica.snapshot());
    let position = snapshot.position().to_string();
    // A thread only for who has a turn.
    let limit = app.config.query_timeout;
    let until = app.env.monotonic() + limit;
    let turn = tokio::select! {
        turn = app.queries.clone().acquire_owned() => turn.expect("turns are never closed"),
        () = app.env.sleep(limit) => return Err(refusal(QueryError::Timeout(limit))),
    };
    let (sender, mut rows) = mpsc::channel(4);
    let is_whole = Arc::new(AtomicBool::new(false));
    let query = Started { choice, snapshot, sql: parameters.q, format, until, is_whole: is_whole.clone() };
    app.env.spawn_thread("query", Box::pin(run(app.clone(), turn, query, sender)));
    // The first piece is often only the head; an error of the query itself comes with the second.
    let mut first = Vec::new();
    while first.len() < 2 {
        match rows.recv().await {
            Some(Ok(piece)) => first.push(Ok(piece)),
            Some(Err(error)) => {
                app.metrics.failed_queries.inc();
                return Err(refusal(error));
            }
            None => break,
        }
    }
    if first.is_empty() && !is_whole.load(Acquire) {
        return Err(ApiError::internal("the query has failed: see the node's log"));
    }
    // An answer that is cut off must not end as if it were whole.
    let cut_off = move || Err(QueryError::Timeout(limit));
    let rest = futures::stream::unfold((rows, is_whole), move |(mut rows, is_whole)| async move {
        match rows.recv().await {
            Some(piece) => Some((piece, (rows, is_whole))),
            None => (!is_whole.swap(true, AcqRel)).then(|| (cut_off(), (rows, is_whole))),
        }
    });
    Response::builder()
        .header(header::CONTENT_TYPE, format.content_type())
        .header(header::CACHE_CONTROL, "no-store")
        .header(POSITION, position)
        .header(REPLICA, name)
        .body(Body::from_stream(futures::stream::iter(first).chain(rest)))
        .map_err(|error| ApiError::internal(error.to_string()))
}

/// Why a query has no complete answer.
#[derive(Debug, thiserror::Error)]
enum QueryError {
    #[error(transparent)]
    Sql(#[from] SqlError),
    #[error("the query takes longer than {} s: ask for less, or for a shorter time range", .0.as_secs())]
    Timeout(Duration),
}

fn refusal(error: QueryError) -> ApiError {
    let message = error.to_string();
    match error {
        QueryError::Timeout(_) => ApiError::unavailable(message, 1),
        QueryError::Sql(error) if error.kind() == SqlErrorKind::Internal => ApiError::internal(message),
        QueryError::Sql(_) => ApiError::invalid(message),
    }
}

/// A query that is about to run.
struct Started {
    choice: Choice,
    snapshot: tidemill_store::Snapshot,
    sql: String,
    format: Format,
    /// When it must be over, on the monotonic clock.
    until: Duration,
    /// Set once all of its answer has been handed over.
    is_whole: Arc<AtomicBool>,
}

/// Runs a query to its end, its time limit, or until nobody reads any more.
async fn run(app: Arc<App>, turn: OwnedSemaphorePermit, query: Started, rows: mpsc::Sender<Result<Bytes, QueryError>>) {
    let Started { choice, snapshot, sql, format, until, is_whole } = query;
    let limit = app.config.query_timeout;
    // What a poll cannot be torn away from: calls into plugins.
    let (env, reader) = (app.env.clone(), rows.clone());
    let interrupt = Arc::new(move || reader.is_closed() || env.monotonic() >= until);
    let query = async {
        let failed = |error: SqlError| match error {
            SqlError::Stopped => QueryError::Timeout(limit),
            error => QueryError::Sql(error),
        };
        let answer = match app.sql.query_until(snapshot, &sql, interrupt).await {
            Ok(answer) => answer,
            Err(error) => return drop(rows.send(Err(failed(error))).await),
        };
        let mut pieces = format.write(answer);
        while let Some(piece) = pieces.next().await {
            if rows.send(piece.map_err(failed)).await.is_err() {
                return;
            }
        }
        is_whole.store(true, Release);
    };
    tokio::select! {
        () = query => {}
        () = app.env.sleep(until.saturating_sub(app.env.monotonic())) => drop(rows.try_send(Err(QueryError::Timeout(limit)))),
    }
    drop((choice.lease, turn));
}
