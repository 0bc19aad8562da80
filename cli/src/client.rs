//! Talks HTTP to a node. Errors say what was asked, why it failed and what to do next.
//!
//! Blocking on purpose: a command does one thing at a time.

use std::io::Read;
use std::time::Duration;

use serde_json::Value;

use crate::exit::Exit;

/// Largest answer that is read into memory, in bytes. Query results are streamed instead.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// How long a connection may take before the node counts as away.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A node, by its URL.
#[derive(Clone, Debug)]
pub struct Client {
    base: String,
    agent: ureq::Agent,
}

/// Name and value pairs: query parameters or headers.
pub type Pairs<'a> = &'a [(&'a str, &'a str)];

/// Why a request did not succeed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientError {
    /// Nothing answered: the request may be repeated if it names a producer.
    #[error("no node answers at {url}: {reason}\n  start one with `tidemill serve`, or name another with --server URL")]
    Away {
        /// The node's URL.
        url: String,
        /// The system's message.
        reason: String,
    },
    /// The node cannot do it now: repeat later.
    #[error("{message}")]
    Busy {
        /// What the node says.
        message: String,
        /// When to try again.
        retry_after: Duration,
        /// The node's whole answer.
        body: Value,
    },
    /// The node says no.
    #[error("{message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What the node says.
        message: String,
        /// The node's whole answer.
        body: Value,
        /// `Tidemill-Position`, if part of the request was done.
        position: Option<String>,
    },
}

impl ClientError {
    /// The exit code it asks for.
    pub fn exit(&self) -> Exit {
        match self {
            ClientError::Busy { .. } | ClientError::Refused { status: 401 | 403 | 409, .. } => Exit::Refused,
            ClientError::Refused { status: 404, .. } => Exit::NotFound,
            ClientError::Away { .. } | ClientError::Refused { .. } => Exit::Failure,
        }
    }

    /// Whether the same request may succeed later.
    pub fn is_passing(&self) -> bool {
        match self {
            ClientError::Away { .. } | ClientError::Busy { .. } => true,
            ClientError::Refused { status, .. } => *status >= 500,
        }
    }
}

/// A successful answer whose body has not been read.
pub struct Answer {
    response: ureq::http::Response<ureq::Body>,
    url: String,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({} {})", self.response.status(), self.url)
    }
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The position the answer speaks of.
    pub fn position(&self) -> Option<String> {
        self.header("Tidemill-Position").map(str::to_owned)
    }

    /// The body, as it comes.
    pub fn reader(self) -> impl Read + Send + 'static {
        self.response.into_body().into_with_config().limit(u64::MAX).reader()
    }

    /// The whole body as JSON; null when it is empty.
    ///
    /// # Errors
    /// When the node goes away in the middle, or the answer is not JSON.
    pub fn json(mut self) -> Result<Value, ClientError> {
        let body = self.response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let body = body.map_err(|e| away(&self.url, e))?;
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body).map_err(|e| ClientError::Away {
            url: self.url,
            reason: format!("the answer is not JSON ({e}); is this a Tidemill node?"),
        })
    }
}

impl Client {
    /// A client of the node at `url`, for example `http://127.0.0.1:7300`.
    pub fn new(url: &str) -> Self {
        let base = url.trim_end_matches('/');
        let base = if base.contains("://") { base.to_owned() } else { format!("http://{base}") };
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .user_agent(concat!("tidemill/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { base, agent: config.into() }
    }

    /// The node's URL.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// `GET path?query`.
    ///
    /// # Errors
    /// See [`ClientError`]; so for the other methods.
    pub fn get(&self, path: &str, query: Pairs<'_>, headers: Pairs<'_>) -> Result<Answer, ClientError> {
        let mut request = self.agent.get(self.address(path));
        for (name, value) in query {
            request = request.query(name, value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.answer(request.call())
    }

    /// `POST path?query` with a body.
    pub fn post(&self, path: &str, query: Pairs<'_>, headers: Pairs<'_>, body: &[u8]) -> Result<Answer, ClientError> {
        let mut request = self.agent.post(self.address(path));
        for (name, value) in query {
            request = request.query(name, value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.answer(request.send(body))
    }

    /// `POST path` with a JSON body.
    pub fn post_json(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        let headers = [("content-type", "application/json")];
        self.post(path, &[], &headers, body.to_string().as_bytes())?.json()
    }

    /// `DELETE path`.
    pub fn delete(&self, path: &str) -> Result<Value, ClientError> {
        self.answer(self.agent.delete(self.address(path)).call())?.json()
    }

    /// `GET path?query` as JSON.
    pub fn get_json(&self, path: &str, query: Pairs<'_>) -> Result<Value, ClientError> {
        self.get(path, query, &[])?.json()
    }

    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn answer(&self, result: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Answer, ClientError> {
        let response = result.map_err(|e| away(&self.base, e))?;
        if response.status().is_success() {
            return Ok(Answer { response, url: self.base.clone() });
        }
        Err(refusal(response))
    }
}

fn away(url: &str, error: ureq::Error) -> ClientError {
    let reason = match error {
        ureq::Error::Io(error) => error.kind().to_string(),
        other => other.to_string(),
    };
    ClientError::Away { url: url.to_owned(), reason }
}

fn refusal(mut response: ureq::http::Response<ureq::Body>) -> ClientError {
    let status = response.status().as_u16();
    let header = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let seconds = header("Retry-After").and_then(|text| text.parse().ok()).unwrap_or(1);
    let position = header("Tidemill-Position");
    let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).lossy_utf8(true).read_to_string();
    let text = text.unwrap_or_default();
    let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    let message = match body["message"].as_str().or(body["error"].as_str()) {
        Some(message) => message.to_owned(),
        None if text.trim().is_empty() => format!("the node answered with HTTP status {status}"),
        None => format!("the node answered with HTTP status {status}: {}", text.trim()),
    };
    match status {
        429 | 502 | 503 | 504 => ClientError::Busy { message, retry_after: Duration::from_secs(seconds), body },
        _ => ClientError::Refused { status, message, body, position },
    }
}

/// Percent-encodes a name for use as one part of a path.
pub fn path_part(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte as char),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}
