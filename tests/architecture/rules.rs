//! Who may depend on whom.

use crate::graph::{Edge, Kind};

/// Our crates and what of ours each may use. A crate that is missing here may use nothing of ours.
const ALLOWED: &[(&str, &[&str])] = &[
    ("tidemill-model", &[]),
    ("tidemill-journal", &["tidemill-model"]),
    ("tidemill-journal-embedded", &["tidemill-journal", "tidemill-model"]),
    ("tidemill-journal-kafka", &["tidemill-journal", "tidemill-model"]),
    ("tidemill-journal-object", &["tidemill-journal", "tidemill-model"]),
    ("tidemill-journal-remote", &["tidemill-api", "tidemill-journal", "tidemill-model"]),
    ("tidemill-journal-sim", &["tidemill-journal", "tidemill-journal-embedded", "tidemill-model"]),
    ("tidemill-store-block", &["tidemill-model"]),
    ("tidemill-store", &["tidemill-journal", "tidemill-model", "tidemill-store-block"]),
    ("tidemill-store-sql", &["tidemill-features", "tidemill-model", "tidemill-store"]),
    ("tidemill-runtime", &["tidemill-features", "tidemill-journal", "tidemill-model"]),
    ("tidemill-agent", &["tidemill-journal", "tidemill-model"]),
    (
        "tidemill-server",
        &[
            "tidemill-api",
            "tidemill-journal",
            "tidemill-journal-embedded",
            "tidemill-journal-kafka",
            "tidemill-journal-object",
            "tidemill-journal-remote",
            "tidemill-model",
            "tidemill-runtime",
            "tidemill-store",
            "tidemill-store-sql",
        ],
    ),
    (
        "tidemill-cli",
        &[
            "tidemill-agent",
            "tidemill-journal",
            "tidemill-journal-embedded",
            "tidemill-model",
            "tidemill-runtime",
            "tidemill-server",
        ],
    ),
    ("tidemill-sdk", &[]),
];

/// Foreign libraries with large interfaces, and the crates that wrap them.
const WRAPPED: &[(&str, &[&str])] = &[
    ("wasmtime", &["tidemill-runtime"]),
    ("wasmparser", &["tidemill-runtime"]),
    ("datafusion", &["tidemill-store-sql"]),
    ("arrow", &["tidemill-store-sql"]),
    ("pco", &["tidemill-store-block"]),
    ("roaring", &["tidemill-store"]),
    ("prost", &["tidemill-api", "tidemill-model"]),
    ("rdkafka", &["tidemill-journal-kafka", "tidemill-bench"]),
    ("object_store", &["tidemill-journal-object", "tidemill-features"]),
    ("blake3", &["tidemill-journal-embedded", "tidemill-journal-object"]),
    ("tonic", &["tidemill-api", "tidemill-journal-remote", "tidemill-server"]),
    ("axum", &["tidemill-server"]),
    ("prometheus-client", &["tidemill-server"]),
    ("clap", &["tidemill-cli", "tidemill-bench"]),
    ("indicatif", &["tidemill-cli"]),
    ("csv", &["tidemill-cli"]),
    ("anyhow", &["tidemill-cli", "tidemill-bench", "tidemill-features", "tidemill-tests"]),
];

/// Where the arrows end: only these may use the server or the command.
const OUTERMOST: &[&str] = &["tidemill-cli", "tidemill-bench", "tidemill-tests"];

/// Packages that look at everything from outside and may use whatever they like of ours.
const OBSERVERS: &[&str] = &["tidemill-bench", "tidemill-tests"];

/// One line per edge that the design forbids.
pub(crate) fn violations(edges: &[Edge]) -> Vec<String> {
    let line = |edge: &Edge| Some(format!("{} -> {}: {}", edge.from, edge.to, objection(edge)?));
    edges.iter().filter_map(line).collect()
}

fn objection(edge: &Edge) -> Option<&'static str> {
    let (from, to) = (edge.from.as_str(), edge.to.as_str());
    if matches!(to, "tidemill-server" | "tidemill-cli") && !OUTERMOST.contains(&from) {
        return Some("nobody imports the server or the command");
    }
    if edge.kind == Kind::Dev {
        return None;
    }
    if let Some((_, owners)) = WRAPPED.iter().find(|(library, _)| *library == to) {
        return (!owners.contains(&from)).then_some("this library is wrapped by another crate");
    }
    let is_ours = to.starts_with("tidemill-");
    (is_ours && !OBSERVERS.contains(&from) && !allowed(from).contains(&to)).then_some("the arrow points the wrong way")
}

/// What of ours `from` may use. Guests have no entry of their own: they use the SDK.
fn allowed(from: &str) -> &'static [&'static str] {
    match ALLOWED.iter().find(|(name, _)| *name == from) {
        Some((_, allowed)) => allowed,
        None if is_guest(from) => &["tidemill-sdk"],
        None => &[],
    }
}

fn is_guest(name: &str) -> bool {
    name.starts_with("tidemill-plugin-") || name == "first-plugin"
}
