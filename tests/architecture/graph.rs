//! The dependency graph as `cargo metadata` prints it, reduced to edges.

use serde_json::Value;

/// What a dependency is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Part of the product.
    Normal,
    /// Tests, examples and benchmarks only.
    Dev,
    /// Build scripts only.
    Build,
}

/// `from` depends on `to`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Edge {
    /// Name of the depending package.
    pub(crate) from: String,
    /// Name of the package it depends on.
    pub(crate) to: String,
    /// What for.
    pub(crate) kind: Kind,
}

/// All edges that leave the workspace's packages.
pub(crate) fn edges_of(metadata: &Value) -> Vec<Edge> {
    let packages = metadata["packages"].as_array().expect("metadata lists packages");
    packages.iter().flat_map(edges_of_package).collect()
}

fn edges_of_package(package: &Value) -> Vec<Edge> {
    let text = |value: &Value| value.as_str().expect("a package name is a string").to_owned();
    let from = text(&package["name"]);
    let dependencies = package["dependencies"].as_array().expect("a package lists its dependencies");
    let edge = |dependency: &Value| Edge {
        from: from.clone(),
        to: text(&dependency["name"]),
        kind: match dependency["kind"].as_str() {
            None => Kind::Normal,
            Some("dev") => Kind::Dev,
            Some(_) => Kind::Build,
        },
    };
    dependencies.iter().map(edge).collect()
}
