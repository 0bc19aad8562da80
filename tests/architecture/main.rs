//! Dependencies point one way: this test reads the workspace's manifests and fails on an edge that the design forbids.
//!
//! `model` ← `journal` ← backends. `store` and `runtime` see the journal's seam and never a backend, nor each other. The
//! SDK depends on nothing of ours and plugins on nothing else. Nobody imports the server or the command. A foreign
//! library with a large interface is wrapped by one crate. Dev-dependencies are free, except that they may not turn the
//! arrows around.

mod graph;
mod rules;

use graph::{Edge, Kind, edges_of};
use rules::violations;

/// The workspace's own edges, from `cargo metadata`.
fn workspace_edges() -> Vec<Edge> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let output = std::process::Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--no-deps", "--manifest-path", manifest])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    edges_of(&serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON"))
}

#[test]
fn the_workspace_keeps_to_the_architecture() {
    let edges = workspace_edges();
    assert!(edges.iter().any(|e| e.from == "tidemill-journal" && e.to == "tidemill-model"), "the graph was not read");
    let found = violations(&edges);
    assert!(found.is_empty(), "forbidden dependencies:\n  {}", found.join("\n  "));
}

fn edge(from: &str, to: &str) -> Edge {
    Edge { from: from.to_owned(), to: to.to_owned(), kind: Kind::Normal }
}

fn check(from: &str, to: &str, kind: Kind, allowed: bool) {
    let found = violations(&[Edge { kind, ..edge(from, to) }]);
    assert_eq!(found.is_empty(), allowed, "{from} -> {to} ({kind:?}): {found:?}");
}

#[test]
fn forbidden_edges_are_found() {
    for (from, to) in [
        ("tidemill-model", "tidemill-journal"),
        ("tidemill-journal", "tidemill-journal-embedded"),
        ("tidemill-store", "tidemill-journal-embedded"),
        ("tidemill-store", "tidemill-runtime"),
        ("tidemill-runtime", "tidemill-store"),
        ("tidemill-runtime", "tidemill-journal-embedded"),
        ("tidemill-sdk", "tidemill-model"),
        ("tidemill-plugin-rollup", "tidemill-model"),
        ("tidemill-agent", "tidemill-server"),
        ("tidemill-server", "tidemill-cli"),
        ("tidemill-server", "wasmtime"),
        ("tidemill-server", "datafusion"),
        ("tidemill-store", "arrow"),
        ("tidemill-store", "anyhow"),
        ("tidemill-brand-new", "tidemill-model"),
    ] {
        check(from, to, Kind::Normal, false);
    }
}

#[test]
fn allowed_edges_pass() {
    for (from, to) in [
        ("tidemill-journal", "tidemill-model"),
        ("tidemill-journal-embedded", "tidemill-journal"),
        ("tidemill-server", "tidemill-journal-embedded"),
        ("tidemill-cli", "tidemill-server"),
        ("tidemill-store-sql", "datafusion"),
        ("tidemill-runtime", "wasmtime"),
        ("tidemill-model", "bytes"),
    ] {
        check(from, to, Kind::Normal, true);
    }
}

#[test]
fn tests_may_name_a_backend_but_not_turn_the_arrows_around() {
    check("tidemill-store", "tidemill-journal-embedded", Kind::Dev, true);
    check("tidemill-store", "tidemill-server", Kind::Dev, false);
    check("tidemill-runtime", "tidemill-cli", Kind::Dev, false);
}
