//! The first plugin of the examples, installed, deployed and fed as its article says.

use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::json;
use tidemill_tests::node::wait_for;
use tidemill_tests::{Node, NodeOptions, binary};

#[test]
fn the_first_plugin_smooths_what_is_written() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let node = Node::start(directory.path(), NodeOptions::default())?;
    let request = json!({"name": "smooth", "inputs": {"value": "boiler:temperature"}, "params": {"tau_s": 10}});
    node.deploy("first-plugin", request)?;
    let line = |i: i64| format!("boiler,site=north temperature={} {}\n", i % 2 * 10, 1_767_225_600 + i);
    let lines: String = (0..100).map(line).collect();
    node.client().post("/api/v2/write?precision=s", &[], lines.as_bytes())?.ok()?;
    wait_for("every row to be smoothed", || {
        let query = "SELECT count(*) AS n, max(temperature) < 10 AS smooth FROM boiler_smooth WHERE time > '2026-01-01T00:00:50Z'";
        let answer = node.client().sql(query, &[])?;
        Ok(answer.status == 200 && answer.body.lines().nth(1) == Some("49,true"))
    })?;
    let server = node.client().base().to_owned();
    let uninstall = || {
        let arguments = ["plugin", "uninstall", "smooth", "--server", &server];
        let output = Command::new(binary()?).args(arguments).output()?;
        Ok::<_, anyhow::Error>((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
    };
    let (is_done, said) = uninstall()?;
    ensure!(!is_done && said.contains("operator smooth runs it"), "{said}");
    let gone = node.client().delete("/api/v1/operators/smooth")?;
    ensure!(gone.status < 300, "status {}: {}", gone.status, gone.body);
    wait_for("the operator to be gone", || {
        Ok(node.client().status()?["operators"].as_array().is_some_and(|all| all.is_empty()))
    })?;
    let (is_done, said) = uninstall()?;
    ensure!(is_done && said.contains("is removed"), "{said}");
    let plugins = node.client().get("/api/v1/plugins")?.ok()?.body;
    ensure!(!plugins.contains("smooth"), "{plugins}");
    Ok(())
}
