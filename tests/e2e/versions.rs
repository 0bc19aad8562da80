//! New versions of operators: in the shadow, promoted at one offset, rolled back; history calculated anew and proved.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tidemill_tests::node::{plugin_file, wait_for};
use tidemill_tests::{Node, NodeOptions};

use crate::{post, write};

const START_S: i64 = 1_767_225_600;

/// A boiler whose temperature rises by one every second.
fn boiler(seconds: std::ops::Range<i64>) -> String {
    seconds.map(|s| format!("boiler,site=north temperature={s} {}\n", START_S + s)).collect()
}

/// The values of a query with one column.
fn column(node: &Node, query: &str) -> Result<Vec<String>> {
    let answer = node.client().sql(query, &[])?;
    // Before the first output there is no such table.
    let lines = if answer.status == 200 { answer.body } else { String::new() };
    Ok(lines.lines().skip(1).map(str::to_owned).collect())
}

fn differences(samples: &Value) -> u64 {
    ["different", "only_first", "only_second"].iter().filter_map(|name| samples[*name].as_u64()).sum()
}

const OUTPUTS: &str = "SELECT temperature FROM boiler_d ORDER BY time";

#[test]
fn a_new_version_runs_in_the_shadow_takes_over_at_one_offset_and_can_be_rolled_back() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let node = Node::start(directory.path(), NodeOptions::default())?;
    let request = json!({
        "name": "d", "inputs": {"value": "boiler:temperature"}, "params": {"width": 9.5}, "start": "earliest",
    });
    node.deploy("deadband", request)?;
    write(&node, &boiler(0..100))?;
    wait_for("every tenth to pass", || Ok(column(&node, OUTPUTS)?.len() == 10))?;

    let no_shadow = node.client().post("/api/v1/operators/d/promote", &[], b"")?;
    ensure!(no_shadow.status == 404, "{}", no_shadow.body);
    let shadow = post(&node, "/api/v1/operators/d/shadow", &json!({"params": {"width": 4.5}}))?;
    ensure!(shadow["shadow_of"] == "d", "{shadow}");
    node.wait_until_settled()?;
    ensure!(column(&node, OUTPUTS)?.len() == 10, "a shadow's outputs are nowhere to be seen");
    let mut report = Value::Null;
    wait_for("the shadow's outputs to be compared", || {
        report = node.client().get("/api/v1/operators/d/diff")?.ok()?.json()?;
        Ok(report["samples"]["only_second"] == 10)
    })
    .with_context(|| report.to_string())?;
    ensure!(report["samples"]["same"] == 10 && report["samples"]["only_first"] == 0, "{report}");

    let promoted = post(&node, "/api/v1/operators/d/promote", &json!({}))?;
    ensure!(promoted["can_roll_back"] == true && promoted["versions"] == 1, "{promoted}");
    write(&node, &boiler(100..200))?;
    wait_for("the outputs of the new version", || Ok(column(&node, OUTPUTS)?.len() == 10 + 20))?;
    node.wait_until_settled()?;
    let proof = post(&node, "/api/v1/operators/d/verify", &json!({}))?;
    ensure!(differences(&proof["samples"]) == 0 && proof["samples"]["same"] == 20, "{proof}");

    // The old version goes on at the cut, and writes every tenth of the hundred that the new one has written.
    post(&node, "/api/v1/operators/d/rollback", &json!({}))?;
    write(&node, &boiler(200..300))?;
    wait_for("the outputs of the old version", || Ok(column(&node, OUTPUTS)?.len() == 10 + 20 + 10))?;
    node.wait_until_settled()?;
    let proof = post(&node, "/api/v1/operators/d/verify", &json!({}))?;
    ensure!(differences(&proof["samples"]) == 0 && proof["samples"]["same"] == 30, "{proof}");
    Ok(())
}

#[test]
fn a_version_can_start_with_the_state_of_the_one_before() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let node = Node::start(directory.path(), NodeOptions::default())?;
    let request = json!({"name": "c", "inputs": {"value": "boiler:temperature"}, "start": "earliest"});
    node.deploy("counter", request)?;
    write(&node, &boiler(0..50))?;
    node.wait_until_settled()?;
    // Twice as much for every step from here on; what was counted stays.
    post(&node, "/api/v1/operators/c/shadow", &json!({"params": {"rate_max": 1000}, "start": "state"}))?;
    node.wait_until_settled()?;
    post(&node, "/api/v1/operators/c/promote", &json!({}))?;
    write(&node, &boiler(50..60))?;
    let total = "SELECT max(temperature_total) FROM boiler_c";
    wait_for("the total to go on", || Ok(column(&node, total)? == ["59.0"]))
        .with_context(|| format!("{:?}", column(&node, total)))?;

    node.deploy("deadband", json!({"name": "d", "inputs": {"value": "boiler:temperature"}, "params": {"width": 1}}))?;
    let json = [("Content-Type", "application/json")];
    let refused = node.client().post("/api/v1/operators/d/shadow", &json, br#"{"start": "state"}"#)?;
    ensure!(refused.status == 400 && refused.body.contains("does not export save and load"), "{}", refused.body);
    Ok(())
}

#[test]
fn history_is_calculated_anew_with_a_preview_and_for_dependents() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let node = Node::start(directory.path(), NodeOptions::default())?;
    write(&node, &boiler(0..600))?;
    // Names of the shape of the operator's outputs, and none of them.
    let foreign = boiler(120..480).replace("boiler", "field_d");
    write(&node, &foreign)?;
    let request = json!({
        "name": "d", "inputs": {"value": "boiler:temperature"}, "params": {"width": 9.5}, "start": "latest",
    });
    node.deploy("deadband", request)?;
    node.deploy("rollup", json!({"name": "r", "inputs": {"value": "boiler_d:*"}, "window": "60s"}))?;
    // A calculation behind it: what it makes of the corrections as they come, late, is corrected by the cascade.
    let wide = json!({"name": "w", "inputs": {"value": "boiler_d:*"}, "params": {"width": 45}});
    node.deploy("deadband", wide)?;
    write(&node, &boiler(600..601))?;
    node.wait_until_settled()?;
    let in_range = |table: &str| {
        let end = START_S + 500;
        column(
            &node,
            &format!("SELECT temperature FROM {table} WHERE time < to_timestamp_seconds({end}) ORDER BY time"),
        )
    };
    ensure!(in_range("boiler_d")?.is_empty(), "it was deployed behind everything");

    let range = |preview: bool| {
        let time = |seconds: i64| ((START_S + seconds) * 1_000_000_000).to_string();
        json!({"start": time(120), "end": time(480), "warm_up": "120000000000", "preview": preview, "cascade": true})
    };
    let preview = post(&node, "/api/v1/operators/d/recalc", &range(true))?;
    ensure!(preview["operators"][0]["samples"]["only_second"] == 36, "{preview}");
    ensure!(preview["operators"][0]["is_written"] == false && in_range("boiler_d")?.is_empty(), "{preview}");

    let done = post(&node, "/api/v1/operators/d/recalc", &range(false))?;
    ensure!(done["operators"][0]["is_written"] == true && done["operators"][1]["operator"] == "r", "{done}");
    node.wait_until_settled()?;
    ensure!(in_range("boiler_d")?.len() == 36, "{:?}", in_range("boiler_d")?);
    let end = START_S + 480;
    let counts =
        format!("SELECT temperature_count FROM boiler_d_r WHERE time < to_timestamp_seconds({end}) ORDER BY time");
    let counts = column(&node, &counts)?;
    ensure!(counts == vec!["6.0"; 6], "six whole minutes of six rows each: {counts:?}");
    let rare = in_range("boiler_d_w")?;
    ensure!((5..12).contains(&rare.len()), "one in five passes, not every late row: {rare:?}");
    let again = post(&node, "/api/v1/operators/d/recalc", &range(false))?;
    let is_written = |number: usize| again["operators"][number]["is_written"] != false;
    ensure!(!(0..3).any(is_written), "nothing is left to change: {again}");
    let kept = column(&node, "SELECT count(*) FROM field_d")?;
    ensure!(kept == [foreign.lines().count().to_string()], "what others wrote is theirs: {kept:?}");
    Ok(())
}

#[test]
fn a_recalculation_leaves_alone_what_its_operator_writes_meanwhile() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let node = Node::start(directory.path(), NodeOptions::default())?;
    write(&node, &boiler(0..60))?;
    // One is calculated anew again and again while samples come; the other is left alone.
    for name in ["d", "calm"] {
        let request = json!({
            "name": name, "inputs": {"value": "boiler:temperature"}, "params": {"width": 9.5}, "start": "earliest",
        });
        node.deploy("deadband", request)?;
    }
    for (name, input) in [("r", "boiler_d:temperature"), ("calm_r", "boiler_calm:temperature")] {
        node.deploy("rollup", json!({"name": name, "inputs": {"value": input}, "window": "60s", "start": "earliest"}))?;
    }
    let time = |seconds: i64| ((START_S + seconds) * 1_000_000_000).to_string();
    let range = json!({"start": time(0), "end": time(100_000), "warm_up": "60000000000", "cascade": true});
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (1..60).try_for_each(|part| write(&node, &boiler(part * 60..part * 60 + 60))));
        while !writer.is_finished() {
            let report = post(&node, "/api/v1/operators/d/recalc", &range)?;
            ensure!(report["operators"][1]["operator"] == "r", "{report}");
        }
        writer.join().expect("the writer does not panic")
    })?;
    node.wait_until_settled()?;
    let both = || {
        let of = |table: &str, value: &str| column(&node, &format!("SELECT {value} FROM {table} ORDER BY time"));
        Ok::<_, anyhow::Error>([
            (of("boiler_d", "temperature")?, of("boiler_calm", "temperature")?),
            (of("boiler_d_r", "temperature_count")?, of("boiler_calm_calm_r", "temperature_count")?),
        ])
    };
    let mut last = both()?;
    wait_for("both to agree", || {
        last = both()?;
        Ok(last.iter().all(|(anew, calm)| anew == calm) && last[0].0.len() >= 350 && last[1].0.len() >= 55)
    })
    .with_context(|| format!("{last:?}"))
}

#[test]
fn a_derived_sample_names_its_operator_its_plugin_and_its_input() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let node = Node::start(directory.path(), NodeOptions::default())?;
    let hash = node.client().install(&std::fs::read(plugin_file("deadband")?)?)?;
    let request = json!({
        "name": "d", "plugin": "deadband", "inputs": {"value": "boiler:temperature"}, "params": {"width": 9.5},
        "start": "earliest",
    });
    node.deploy_installed(request)?;
    write(&node, &boiler(0..25))?;
    node.wait_until_settled()?;
    let time = (START_S + 20) * 1_000_000_000;
    let path = format!("/api/v1/lineage?series=boiler_d%3Atemperature%7Bsite%3Dnorth%7D&time={time}");
    let mut lineage = Value::Null;
    wait_for("the sample to be there", || {
        lineage = node.client().get(&path)?.ok()?.json()?;
        Ok(lineage["origins"].as_array().is_some_and(|origins| !origins.is_empty()))
    })?;
    let origin = &lineage["origins"][0];
    ensure!(origin["operator"] == "d" && origin["plugin_hash"] == hash.as_str(), "{lineage}");
    let stamp = time.to_string();
    let has_input = origin["input_rows"].as_array().is_some_and(|rows| {
        rows.iter().any(|row| row["series"] == "boiler:temperature{site=north}" && row["time"] == stamp.as_str())
    });
    ensure!(has_input, "{lineage}");
    let outside = node.client().get("/api/v1/lineage?series=boiler%3Atemperature&time=0")?;
    ensure!(outside.status == 404 && outside.body.contains("written from outside"), "{}", outside.body);
    Ok(())
}

#[test]
fn operators_whose_outputs_would_come_back_are_refused() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let node = Node::start(directory.path(), NodeOptions::default())?;
    let request = |name: &str, input: &str| json!({"name": name, "plugin": "deadband", "inputs": {"value": input}, "params": {"width": 1}});
    node.deploy("deadband", request("a", "boiler*:temperature"))?;
    let json = [("Content-Type", "application/json")];
    let body = request("b", "boiler*:temperature").to_string();
    let refused = node.client().post("/api/v1/operators", &json, body.as_bytes())?;
    ensure!(refused.status == 400 && refused.body.contains("b → a → b"), "{}", refused.body);
    let mut away = request("b", "boiler_a:temperature");
    away["output"] = "filtered".into();
    node.deploy_installed(away)?;
    Ok(())
}
