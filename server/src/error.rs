//! Errors: why a node does not start, and the one shape in which requests are refused.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use tidemill_journal::{ErrorKind, JournalError};

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The journal cannot be opened or read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The settings of the journal are wrong.
    #[error(transparent)]
    Settings(#[from] crate::journals::SettingsError),
    /// The runtime of the operators cannot be opened.
    #[error(transparent)]
    Runtime(#[from] tidemill_runtime::RuntimeError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {reason}; stop what listens there or choose another address with --http")]
    Bind {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system says.
        reason: String,
    },
    /// A file or directory of the node cannot be used.
    #[error("cannot {action} {path}: {reason}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: String,
        /// What the system says.
        reason: String,
    },
    /// The configuration contradicts itself or the journal.
    #[error("{0}")]
    Config(String),
}

/// A refused request: a status and the JSON object `{"code","message",…}`.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    body: Map<String, Value>,
    headers: HeaderMap,
}

impl ApiError {
    fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let mut body = Map::new();
        body.insert("code".into(), code.into());
        body.insert("message".into(), message.into().into());
        Self { status, body, headers: HeaderMap::new() }
    }

    /// 400: the request is wrong and will stay wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", message)
    }

    /// 404.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not found", message)
    }

    /// 409: right in itself, but not in the present state.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// 413.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too large", message)
    }

    /// 408: the client is too slow.
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "timeout", message)
    }

    /// 500: a fault of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    /// 503: try again after `retry_after_s` seconds.
    pub fn unavailable(message: impl Into<String>, retry_after_s: u64) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
            .header(header::RETRY_AFTER, &retry_after_s.max(1).to_string())
    }

    /// With one more member in the body.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.body.insert(name.into(), value);
        self
    }

    /// With a header; a value that is no header is left out.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// In the shape that clients of InfluxDB 1 understand: `{"error":…}` and `X-Influxdb-Error`.
    #[must_use]
    pub fn for_influx_v1(mut self) -> Self {
        let message = self.body.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.body.insert("error".into(), message.clone().into());
        let printable: String = message.chars().filter(|c| c.is_ascii() && !c.is_ascii_control()).collect();
        self.header(HeaderName::from_static("x-influxdb-error"), &printable)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Body::from(Value::Object(self.body).to_string());
        let mut response = (self.status, body).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.headers_mut().extend(self.headers);
        response
    }
}

impl From<JournalError> for ApiError {
    /// An overloaded, full or stopped journal is never the client's fault: agents keep what a 503 refuses.
    fn from(error: JournalError) -> Self {
        match error.kind() {
            // A repetition with the same producer and sequence is dropped, should the first attempt have been written.
            ErrorKind::Retry | ErrorKind::Unknown => Self::unavailable(error.to_string(), 1),
            ErrorKind::Closed | ErrorKind::Fenced => Self::unavailable(error.to_string(), 5),
            ErrorKind::NotFound => Self::not_found(error.to_string()),
            _ => Self::internal(error.to_string()),
        }
    }
}

/// A 200 with a JSON body.
pub(crate) fn json_ok(value: &Value) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (headers, value.to_string()).into_response()
}

/// A 200 with `{}`.
pub(crate) fn done() -> Response {
    json_ok(&json!({}))
}
