//! The write endpoints, in the shapes that Telegraf and the InfluxDB clients expect.
//!
//! Agents drop for ever what is refused with a 4xx, and keep what is refused with a 503. So a 4xx is only ever about the
//! request itself, and good lines are stored although bad ones stand beside them.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use tidemill_model::ProducerId;

use super::body::{receive, unpack};
use super::collect::Identity;
use super::precision::Precision;
use super::write::{Ack, Request, Written, write};
use crate::app::App;
use crate::error::json_ok;
use crate::http::{DUPLICATE, POSITION};
use crate::planner::duration;
use crate::{ApiError, VERSION};

/// How long `applied:k` waits unless the request says otherwise.
const ACK_TIMEOUT: Duration = Duration::from_secs(10);

/// What a write may say in its address; bucket, database and the like are accepted and mean nothing.
#[derive(Debug, Deserialize)]
pub(crate) struct Parameters {
    #[serde(default)]
    precision: String,
}

/// `POST /api/v2/write`.
pub(crate) async fn write_v2(
    State(app): State<Arc<App>>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answer(&app, &parameters, &headers, body).await.unwrap_or_else(IntoResponse::into_response)
}

/// `POST /write`: as above, but errors are told the way version 1 told them.
pub(crate) async fn write_v1(
    State(app): State<Arc<App>>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let answer = answer(&app, &parameters, &headers, body).await;
    answer.unwrap_or_else(|error| error.for_influx_v1().into_response())
}

async fn answer(app: &App, parameters: &Parameters, headers: &HeaderMap, body: Body) -> Result<Response, ApiError> {
    let request = request(parameters, headers)?;
    let sent = receive(body, headers, app.config.body_bytes_max, &*app.env).await?;
    let body = unpack(sent, headers, app.config.body_bytes_max)?;
    let written = write(app, &body, request).await?;
    let position = written.position.to_string();
    if written.rejected > 0 {
        return Err(partial(written).header(POSITION, &position));
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(POSITION, position.parse().expect("a position is printable"));
    if written.is_repetition {
        headers.insert(DUPLICATE, "true".parse().expect("a word is printable"));
    }
    Ok(response)
}

fn partial(written: Written) -> ApiError {
    let Written { lines, rejected, errors, .. } = written;
    let first = errors.first().map_or(String::new(), |e| format!("; line {}, byte {}: {}", e.line, e.column, e.reason));
    let stored = if lines == 0 { "none was stored".to_owned() } else { format!("the other {lines} are stored") };
    let message = format!("partial write: lines refused: {rejected}, {stored}{first}");
    ApiError::invalid(message).with("lines", json!(errors)).with("rejected", json!(rejected))
}

fn request(parameters: &Parameters, headers: &HeaderMap) -> Result<Request, ApiError> {
    let precision = Precision::from_name(&parameters.precision).ok_or_else(|| {
        ApiError::invalid(format!("precision {:?} is not known: use ns, us, ms or s", parameters.precision))
    })?;
    let ack = match text(headers, "tidemill-ack")? {
        None | Some("durable") => Ack::Durable,
        Some(wish) => {
            wish.strip_prefix("applied:").and_then(|count| count.parse().ok()).map(Ack::Applied).ok_or_else(|| {
                ApiError::invalid(format!("Tidemill-Ack {wish:?} is not known: use durable or applied:<replicas>"))
            })?
        }
    };
    let ack_timeout = text(headers, "tidemill-ack-timeout")?.map(duration).transpose()?.unwrap_or(ACK_TIMEOUT);
    Ok(Request { precision, identity: identity(headers)?, ack, ack_timeout })
}

fn identity(headers: &HeaderMap) -> Result<Option<Identity>, ApiError> {
    let number = |name: &str, text: &str| {
        text.parse::<u64>().map_err(|_| ApiError::invalid(format!("{name} {text:?} is not a number")))
    };
    match (text(headers, "tidemill-producer")?, text(headers, "tidemill-sequence")?) {
        (None, None) => Ok(None),
        (Some(""), _) => Err(ApiError::invalid("Tidemill-Producer is empty: name who writes")),
        (Some(name), Some(sequence)) => {
            let sequence = number("Tidemill-Sequence", sequence)?;
            if sequence > Identity::SEQUENCE_MAX {
                return Err(ApiError::invalid(format!("Tidemill-Sequence is over {}", Identity::SEQUENCE_MAX)));
            }
            let epoch = text(headers, "tidemill-epoch")?.map_or(Ok(0), |epoch| number("Tidemill-Epoch", epoch))?;
            let epoch =
                u32::try_from(epoch).map_err(|_| ApiError::invalid("Tidemill-Epoch needs more than 32 bits"))?;
            Ok(Some(Identity { producer: ProducerId::from_name(name), epoch, sequence }))
        }
        _ => Err(ApiError::invalid("Tidemill-Producer and Tidemill-Sequence go together: send both or none")),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ApiError> {
    let value = headers.get(name).map(|value| value.to_str());
    value.transpose().map_err(|_| ApiError::invalid(format!("header {name} is not plain text")))
}

/// `GET|POST /query`: what version 1 clients ask before they write. Databases need not be made, so making one succeeds.
pub(crate) async fn query_v1(
    State(app): State<Arc<App>>,
    address: axum::http::Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let form = match receive(body, &headers, 1 << 20, &*app.env).await {
        Ok(body) => String::from_utf8_lossy(&body).into_owned(),
        Err(error) => return error.for_influx_v1().into_response(),
    };
    let asked = format!("{}&{form}", address.query().unwrap_or_default()).to_ascii_uppercase();
    let asked = asked.replace(['+'], " ").replace("%20", " ");
    if asked.contains("Q=CREATE DATABASE") {
        return json_ok(&json!({"results": [{"statement_id": 0}]}));
    }
    let message = "only CREATE DATABASE is understood here: send queries to /api/v1/sql";
    ApiError::invalid(message).for_influx_v1().into_response()
}

/// `GET|HEAD /ping`.
pub(crate) async fn ping() -> Response {
    let version = format!("1.8.10-tidemill-{VERSION}");
    (StatusCode::NO_CONTENT, [(HeaderName::from_static("x-influxdb-version"), version)]).into_response()
}

/// `GET /health`, as InfluxDB 2 answers it.
pub(crate) async fn health() -> Response {
    json_ok(
        &json!({"name": "tidemill", "message": "ready for queries and writes", "status": "pass", "version": VERSION}),
    )
}
