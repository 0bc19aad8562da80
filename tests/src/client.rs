//! A small HTTP client for tests: every answer is a value, whatever its status.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// An answer: status, headers that tests look at, and the body as text.
#[derive(Debug, Clone)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// `Tidemill-Position`, if there is one.
    pub position: Option<String>,
    /// `Tidemill-Replica`, if there is one.
    pub replica: Option<String>,
    /// `Tidemill-Duplicate`, if there is one.
    pub duplicate: bool,
    /// The body.
    pub body: String,
}

impl Reply {
    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("not JSON: {}", self.body))
    }

    /// This answer if its status is 2xx.
    ///
    /// # Errors
    /// With status and body otherwise.
    pub fn ok(self) -> Result<Self> {
        if !(200..300).contains(&self.status) {
            bail!("status {}: {}", self.status, self.body);
        }
        Ok(self)
    }
}

/// Talks to one node.
#[derive(Clone)]
pub struct Client {
    agent: ureq::Agent,
    base: String,
}

impl Client {
    /// A client of the node at `base`, for example `http://127.0.0.1:7300`.
    pub fn new(base: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build();
        Self { agent: config.into(), base: base.to_owned() }
    }

    /// The node's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// GET.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn get(&self, path: &str) -> Result<Reply> {
        reply(self.agent.get(format!("{}{path}", self.base)).call()?)
    }

    /// DELETE.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn delete(&self, path: &str) -> Result<Reply> {
        reply(self.agent.delete(format!("{}{path}", self.base)).call()?)
    }

    /// POST with extra headers.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Reply> {
        let mut request = self.agent.post(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        reply(request.send(body)?)
    }

    /// Installs a plugin, which may take minutes to compile; returns its hash.
    ///
    /// # Errors
    /// What the node says.
    pub fn install(&self, wasm: &[u8]) -> Result<String> {
        let request = self.agent.post(format!("{}/api/v1/plugins", self.base));
        let request = request.config().timeout_global(Some(Duration::from_secs(600))).build();
        let installed = reply(request.send(wasm)?)?.ok()?.json()?;
        installed["hash"].as_str().map(str::to_owned).context("an installed plugin has a hash")
    }

    /// Writes line protocol with nanosecond times.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn write(&self, lines: &str) -> Result<Reply> {
        self.post("/api/v2/write?precision=ns", &[], lines.as_bytes())
    }

    /// Writes line protocol under a producer's sequence, so that a repetition changes nothing.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn write_as(&self, producer: &str, sequence: u64, lines: &str) -> Result<Reply> {
        let sequence = sequence.to_string();
        let headers = [("Tidemill-Producer", producer), ("Tidemill-Sequence", sequence.as_str())];
        self.post("/api/v2/write?precision=ns", &headers, lines.as_bytes())
    }

    /// Runs SQL and returns the answer as CSV. `options` are further parameters, such as `replica=r1`.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn sql(&self, query: &str, options: &[&str]) -> Result<Reply> {
        let mut form = format!("format=csv&q={}", percent_encoded(query));
        options.iter().for_each(|option| form.extend(["&", option]));
        self.post("/api/v1/sql", &[("Content-Type", "application/x-www-form-urlencoded")], form.as_bytes())
    }

    /// The node's status.
    ///
    /// # Errors
    /// When there is none.
    pub fn status(&self) -> Result<Value> {
        self.get("/api/v1/status")?.ok()?.json()
    }
}

fn reply(mut response: ureq::http::Response<ureq::Body>) -> Result<Reply> {
    let header = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let (position, replica) = (header("tidemill-position"), header("tidemill-replica"));
    let (status, duplicate) = (response.status().as_u16(), header("tidemill-duplicate").is_some());
    let body = response.body_mut().with_config().limit(1 << 30).read_to_string()?;
    Ok(Reply { status, position, replica, duplicate, body })
}

/// `text` as it may stand in a form or a query string.
pub fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte as char),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
