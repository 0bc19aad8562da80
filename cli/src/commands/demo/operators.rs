//! The demo's operators.

use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::client::Client;
use crate::commands::plugin::items;
use crate::output::say;

/// What is deployed: the plugin's file and the request without its `plugin`.
fn requests() -> [(&'static str, Value); 3] {
    let turbine = |field: &str| format!("turbine:{field}");
    [
        (
            "rollup",
            json!({ "name": "rollup_1m", "inputs": { "value": turbine("power") }, "window": "60s", "start": "earliest" }),
        ),
        (
            "deadband",
            json!({
                "name": "deadband", "inputs": { "value": turbine("bearing_temperature") }, "start": "earliest",
                "params": { "width": 0.5, "max_interval_s": 60 },
            }),
        ),
        (
            "health",
            json!({
                "name": "health", "group_by": ["station", "unit"], "start": "earliest",
                "inputs": {
                    "flow": turbine("flow"), "head": turbine("head"), "power": turbine("power"),
                    "bearing_temperature": turbine("bearing_temperature"), "vibration": turbine("vibration"),
                },
                "params": { "power_unit_kw": 1000 },
            }),
        ),
    ]
}

/// Installs and deploys what is not deployed yet, or in another version; returns how many there are. A missing file is said
/// and left out.
///
/// # Errors
/// When the node refuses a plugin.
pub(super) fn deploy_all(client: &Client, plugins: &Path) -> anyhow::Result<usize> {
    let running = items(&client.get_json("/api/v1/operators", &[])?, "operators");
    let mut count = 0;
    for (plugin, request) in requests() {
        let file = plugins.join(format!("{plugin}.wasm"));
        if !file.is_file() {
            say(format_args!("there is no {}: run `make plugins`; the demo goes on without it", file.display()));
            continue;
        }
        let wasm = std::fs::read(&file).with_context(|| format!("read {}", file.display()))?;
        deploy(client, &running, &wasm, request).with_context(|| format!("deploy {}", file.display()))?;
        count += 1;
    }
    Ok(count)
}

fn deploy(client: &Client, running: &[Value], wasm: &[u8], mut request: Value) -> anyhow::Result<()> {
    let headers = [("content-type", "application/wasm")];
    let installed = client.post("/api/v1/plugins", &[], &headers, wasm)?.json()?;
    let is_same = |operator: &Value| operator["name"] == request["name"] && operator["hash"] == installed["hash"];
    if running.iter().any(is_same) {
        return Ok(());
    }
    request["plugin"] = installed["hash"].clone();
    client.post_json("/api/v1/operators", &request)?;
    Ok(())
}
