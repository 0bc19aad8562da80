//! A node in a directory of its own, and a client of it.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tidemill_journal::SystemEnv;
use tidemill_server::{Node, NodeConfig, Sync};

/// A node, its runtime and its address.
pub(crate) struct World {
    runtime: tokio::runtime::Runtime,
    node: Option<Node>,
    base: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) position: Option<String>,
    pub(crate) is_duplicate: bool,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    pub(crate) fn position(&self) -> &str {
        self.position.as_deref().unwrap_or_else(|| panic!("no position: {self:?}"))
    }
}

impl World {
    pub(crate) fn start(dir: &Path) -> Self {
        Self::with(NodeConfig::new(dir))
    }

    pub(crate) fn with(config: NodeConfig) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let config = NodeConfig { http: "127.0.0.1:0".parse().unwrap(), sync: Sync::Never, ..config };
        let node = runtime.block_on(async { Node::start(config, SystemEnv::new()).await }).unwrap();
        let base = format!("http://{}", node.address());
        Self { runtime, node: Some(node), base }
    }

    pub(crate) fn stop(mut self) {
        let node = self.node.take().unwrap();
        self.runtime.block_on(node.shutdown());
    }

    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(30)));
        let agent: ureq::Agent = config.build().into();
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = agent.run(request.body(body).unwrap()).unwrap();
        let header = |name: &str| response.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
        let (position, is_duplicate) = (header("tidemill-position"), header("tidemill-duplicate").is_some());
        let status = response.status().as_u16();
        Reply { status, position, is_duplicate, body: response.body_mut().read_to_string().unwrap() }
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.request("GET", path, &[], b"")
    }

    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        self.request("POST", path, headers, body)
    }

    pub(crate) fn write(&self, lines: &str) -> Reply {
        self.post("/api/v2/write", &[], lines.as_bytes())
    }

    /// Number of samples that a replica has once it has applied `position`.
    pub(crate) fn count(&self, position: &str, replica: &str) -> u64 {
        let query = format!(
            "/api/v1/sql?q=SELECT%20count(*)%20AS%20n%20FROM%20samples&format=csv&wait=20s&at_least={position}&replica={replica}"
        );
        let reply = self.get(&query);
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body.lines().nth(1).unwrap().parse().unwrap()
    }

    /// Asks until `is_so`; panics after a while.
    pub(crate) fn wait_for(&self, what: &str, mut is_so: impl FnMut(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..30_000 {
            last = self.get("/api/v1/status").json();
            if is_so(&last) {
                return last;
            }
            std::thread::yield_now();
        }
        panic!("waited in vain for {what}: {last}");
    }

    /// The digest on which both replicas agree, once they have applied everything.
    pub(crate) fn settled_digest(&self) -> String {
        let status = self.wait_for("the replicas to settle", |status| {
            let replicas = status["replicas"].as_array().unwrap();
            replicas.iter().all(|r| r["state"] == "serving" && r["lag_records"] == 0)
                && replicas.iter().all(|r| r["digest_position"] == replicas[0]["digest_position"])
        });
        assert_eq!(status["replicas"][0]["digest"], status["replicas"][1]["digest"], "{status}");
        status["replicas"][0]["digest"].as_str().unwrap().to_owned()
    }

    pub(crate) fn live(&self, query: &str, headers: &[(&str, &str)]) -> Events {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().timeout_recv_body(Some(Duration::from_secs(30))).build().into();
        let mut request = agent.get(format!("{}/api/v1/live?{query}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Events { lines: BufReader::new(Box::new(request.call().unwrap().into_body().into_reader())) }
    }
}

/// A live event.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
}

/// The events of a subscription.
pub(crate) struct Events {
    lines: BufReader<Box<dyn Read>>,
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let mut event = Event { name: String::new(), id: None, data: Value::Null };
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("event", name)) => event.name = name.to_owned(),
                Some(("id", id)) => event.id = Some(id.to_owned()),
                Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
                _ if !event.name.is_empty() => return Some(event),
                _ => {}
            }
        }
    }
}
