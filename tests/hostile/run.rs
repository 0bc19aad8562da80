//! Runs the cases of a class in one node: adds each, deploys what was taken, feeds all of it at once, and looks.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tidemill_tests::node::wait_for;
use tidemill_tests::{Node, Reply};

use crate::case::{Case, Fate};
use crate::neighbours::Town;

/// Operators that run beside each other. More only costs threads.
const AT_ONCE: usize = 48;
/// Seconds of samples that they are given.
const FED_SECONDS: usize = 3;
/// What the log of an operator keeps.
const LOG_LINES_MAX: usize = 1000;

/// Runs cases; every one is tried, and all that went another way are named in the error.
pub(crate) fn run(cases: &[Case]) -> Result<()> {
    run_in(cases, |_| Ok(())).map(drop)
}

/// Runs cases; `ready` is called once the neighbours are at work. Returns the node, still running, and its directory.
pub(crate) fn run_in(cases: &[Case], mut ready: impl FnMut(&Node) -> Result<()>) -> Result<(Town, tempfile::TempDir)> {
    let directory = tempfile::tempdir()?;
    let mut town = Town::found(directory.path())?;
    town.check()?;
    ready(&town.node)?;
    let mut wrong = Vec::new();
    for some in cases.chunks(AT_ONCE) {
        let mut deployed = Vec::new();
        for case in some {
            match begin(&town, case).with_context(|| format!("{}: the node does not answer", case.name))? {
                Ok(Some(name)) => deployed.push((name, case)),
                Ok(None) => {}
                Err(reason) => wrong.push(format!("{}: {reason}", case.name)),
            }
        }
        for _ in 0..FED_SECONDS {
            town.write()?;
        }
        wrong.extend(look(&town, &deployed)?);
        town.check().context("after hostile operators")?;
        for (name, _) in &deployed {
            town.client.delete(&format!("/api/v1/operators/{name}"))?.ok()?;
        }
    }
    ensure!(wrong.is_empty(), "{} of {} went another way:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    Ok((town, directory))
}

/// Adds a module and deploys it if it is to be deployed. Returns the operator's name, or what is wrong.
fn begin(town: &Town, case: &Case) -> Result<Result<Option<String>, String>> {
    let added = town.client.post("/api/v1/plugins", &[], &case.wasm)?;
    town.client.get("/readyz")?.ok()?;
    if let Fate::Refused(words) = &case.fate {
        return Ok(is_refusal(&added, words).map(|()| None));
    }
    if added.status >= 300 {
        return Ok(Err(format!("it was not taken: {}", added.body)));
    }
    let hash = added.json()?["hash"].as_str().unwrap_or_default().to_owned();
    let name = format!("h{hash}");
    let mut request = json!({
        "name": name, "plugin": hash, "inputs": {"value": "load"},
        "limits": {"fuel_per_call": 3_000_000, "memory_bytes": 2 << 20, "state_bytes": 1 << 20, "output_rows": 1000,
            "output_bytes": 1 << 16},
    });
    if case.is_aggregation {
        (request["window"], request["lateness"]) = (json!("1s"), json!("0s"));
    }
    if case.is_combining {
        (request["two_stage"], request["group_by"]) = (json!(true), json!(["id"]));
    }
    let json = [("Content-Type", "application/json")];
    let deployed = town.client.post("/api/v1/operators", &json, request.to_string().as_bytes())?;
    if let Fate::NotDeployed(words) = &case.fate {
        return Ok(is_refusal(&deployed, words).map(|()| None));
    }
    if deployed.status >= 300 {
        return Ok(Err(format!("it was not deployed: {}", deployed.body)));
    }
    Ok(Ok(Some(name)))
}

fn is_refusal(reply: &Reply, words: &str) -> Result<(), String> {
    match reply.status {
        400..500 if reply.body.contains(words) => Ok(()),
        status => Err(format!("wanted {words:?}, got status {status}: {}", reply.body)),
    }
}

/// Waits for the fate of every operator; returns what is wrong.
fn look(town: &Town, deployed: &[(String, &Case)]) -> Result<Vec<String>> {
    let mut open = Vec::new();
    let waited = wait_for("every operator to meet its fate", || {
        let operators = town.operators()?;
        let find = |name: &str| operators.iter().find(|one| one["name"] == name).unwrap_or(&Value::Null);
        let is_open = |(name, case): &(String, &Case)| {
            let operator = find(name);
            (!has_met(&case.fate, operator)).then(|| format!("{}: wanted {:?}, it is {operator}", case.name, case.fate))
        };
        open = deployed.iter().filter_map(is_open).collect();
        // One that has failed, or is wanted to work and has errors, will not change any more.
        let hopeless = open.iter().filter(|text| text.contains("\"errors\":") && !text.contains("\"errors\":0,"));
        Ok(open.is_empty() || hopeless.count() == open.len())
    });
    if waited.is_err() && open.is_empty() {
        bail!("no operator was seen");
    }
    for (name, case) in deployed {
        let logs = town.client.get(&format!("/api/v1/operators/{name}/logs?limit=100000"))?.ok()?.json()?;
        let lines = logs["lines"].as_array().map_or(0, Vec::len);
        ensure!(lines <= LOG_LINES_MAX, "{} has {lines} lines in its log", case.name);
    }
    Ok(open)
}

fn has_met(fate: &Fate, operator: &Value) -> bool {
    let errors = operator["errors"].as_u64().unwrap_or(0);
    let last_error = operator["last_error"].as_str().unwrap_or_default();
    match fate {
        Fate::Fails(words) => (errors > 0 || operator["state"] == "failed") && last_error.contains(words.as_str()),
        Fate::Works => {
            let has_output = operator["rows_out"].as_u64().is_some_and(|rows| rows > 0);
            errors == 0 && has_output && operator["state"] == "running"
        }
        Fate::Refused(_) | Fate::NotDeployed(_) => false,
    }
}
