//! Groups whose series lie in different partitions: merged into one order, or aggregated in two stages.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tidemill_tests::node::wait_for;
use tidemill_tests::{Node, NodeOptions};

use crate::{post, write};

const START_S: i64 = 1_767_225_600;
const UNITS: i64 = 12;

/// Units of two sites, a row of each per second; which partition a unit is in, its name decides.
fn plant(seconds: std::ops::Range<i64>) -> String {
    let line = |second: i64, unit: i64| {
        let (site, value) = (if unit % 3 == 0 { "north" } else { "south" }, (second * 31 + unit * 7) % 101);
        format!("plant,site={site},unit=u{unit} power={value} {}\n", START_S + second)
    };
    seconds.flat_map(|second| (0..UNITS).map(move |unit| line(second, unit))).collect()
}

fn request(name: &str, way: Option<&str>) -> Value {
    let mut request = json!({
        "name": name, "plugin": "rollup", "inputs": {"value": "plant:power"}, "group_by": ["site"], "window": "10s",
        "start": "earliest",
    });
    if let Some(way) = way {
        request[way] = true.into();
    }
    request
}

/// What an operator has put out that does not depend on the order of additions.
fn rows(node: &Node, table: &str) -> Result<Vec<String>> {
    let query = format!("SELECT time, site, count, sum, min, max FROM {table} ORDER BY time, site");
    let answer = node.client().sql(&query, &[])?;
    // Before the first output there is no such table.
    Ok(if answer.status == 200 { answer.body.lines().skip(1).map(str::to_owned).collect() } else { Vec::new() })
}

fn wait_for_both(node: &Node, is_there: impl Fn(&[String]) -> bool) -> Result<Vec<String>> {
    let mut last = (Vec::new(), Vec::new());
    wait_for("merged and staged windows to agree", || {
        last = (rows(node, "plant_merged")?, rows(node, "plant_staged")?);
        Ok(last.0 == last.1 && is_there(&last.0))
    })
    .with_context(|| format!("{last:#?}"))?;
    Ok(last.0)
}

#[test]
fn groups_across_partitions_are_merged_or_aggregated_in_two_stages() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut node = Node::start(directory.path(), NodeOptions { partitions: 4, ..NodeOptions::default() })?;
    write(&node, &plant(0..35))?;
    let json = [("Content-Type", "application/json")];
    node.deploy("rollup", request("merged", Some("merge_partitions")))?;
    let refused = node.client().post("/api/v1/operators", &json, request("apart", None).to_string().as_bytes())?;
    ensure!(refused.status == 400 && refused.body.contains("its groups cross partitions"), "{}", refused.body);
    let mut stage = request("staged", None);
    stage["stage"] = "combine".into();
    let refused = node.client().post("/api/v1/operators", &json, stage.to_string().as_bytes())?;
    ensure!(refused.status == 400 && refused.body.contains("ask for two_stage"), "{}", refused.body);
    node.deploy_installed(request("staged", Some("two_stage")))?;

    let first = wait_for_both(&node, |rows| rows.len() >= 6)?;
    ensure!(first[0].contains("north,40.0,") && first[1].contains("south,80.0,"), "{first:?}");
    // Late for windows that have closed, in one partition of several.
    write(&node, &format!("plant,site=north,unit=u3 power=5000 {}\n", START_S + 12))?;
    wait_for_both(&node, |rows| rows.iter().any(|row| row.ends_with("5000.0")))?;

    node.kill()?;
    node.restart()?;
    write(&node, &plant(35..75))?;
    let all = wait_for_both(&node, |rows| rows.len() >= 14)?;
    ensure!(all[13].contains("south,80.0,"), "{all:?}");

    for operator in ["merged", "staged", "staged-partial"] {
        let proof = post(&node, &format!("/api/v1/operators/{operator}/verify"), &json!({}))?;
        let differ: u64 =
            ["different", "only_first", "only_second"].iter().filter_map(|kind| proof["samples"][*kind].as_u64()).sum();
        ensure!(differ == 0 && proof["samples"]["same"].as_u64() >= Some(60), "{operator}: {proof}");
        let time = |seconds: i64| ((START_S + seconds) * 1_000_000_000).to_string();
        let range =
            json!({"start": time(10), "end": time(60), "warm_up": "60000000000", "preview": true, "cascade": true});
        let preview = post(&node, &format!("/api/v1/operators/{operator}/recalc"), &range)?;
        let samples = &preview["operators"][0]["samples"];
        ensure!(samples["different"] == 0 && samples["only_first"] == 0 && samples["only_second"] == 0, "{preview}");
        ensure!(samples["same"].as_u64() >= Some(60), "{preview}");
        let next = if operator == "staged-partial" { json!("staged") } else { Value::Null };
        ensure!(preview["operators"][1]["operator"] == next, "{preview}");
    }
    let time = (START_S + 10) * 1_000_000_000;
    let path = format!("/api/v1/lineage?series=plant_staged%3Acount%7Bsite%3Dnorth%7D&time={time}");
    let lineage = node.client().get(&path)?.ok()?.json()?;
    ensure!(lineage["origins"].as_array().is_some_and(|origins| origins.len() >= 2), "revised once: {lineage}");

    for operator in ["merged", "staged"] {
        post(&node, &format!("/api/v1/operators/{operator}/shadow"), &json!({}))?;
        wait_for("the shadow to have caught up", || {
            let report = node.client().get(&format!("/api/v1/operators/{operator}/diff"))?.ok()?.json()?;
            Ok(report["samples"]["same"].as_u64() >= Some(80) && report["samples"]["different"] == 0)
        })?;
    }
    let promoted = post(&node, "/api/v1/operators/merged/promote", &json!({}))?;
    ensure!(promoted["versions"] == 1 && promoted["merges_partitions"] == true, "{promoted}");
    write(&node, &plant(75..105))?;
    wait_for_both(&node, |rows| rows.len() >= 20)?;

    // Each stage goes back by itself; the first one's results come again, and the second one's from them.
    for operator in ["staged-partial", "staged"] {
        post(&node, &format!("/api/v1/operators/{operator}/rewind"), &json!({"start": "earliest"}))?;
        wait_for_both(&node, |rows| rows.len() >= 20)?;
    }

    node.client().delete("/api/v1/operators/staged/shadow")?.ok()?;
    node.client().delete("/api/v1/operators/staged")?.ok()?;
    let operators = node.client().get("/api/v1/operators")?.ok()?.body;
    ensure!(!operators.contains("staged"), "both stages are gone: {operators}");
    Ok(())
}

#[test]
fn two_stages_keep_apart_from_those_of_similar_names_and_stay_together() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let node = Node::start(directory.path(), NodeOptions { partitions: 4, ..NodeOptions::default() })?;
    write(&node, &plant(0..85))?;
    // What the first stage of one writes looks like what the other's does: `plant_site_power-partial` ends with `_power-partial`.
    node.deploy("rollup", request("power", Some("two_stage")))?;
    let mut longer = request("site_power", Some("two_stage"));
    longer["window"] = "20s".into();
    node.deploy_installed(longer)?;
    let counts = |table: &str| -> Result<Vec<String>> {
        let answer =
            node.client().sql(&format!("SELECT count FROM {table} WHERE site = 'north' ORDER BY time"), &[])?;
        Ok(if answer.status == 200 { answer.body.lines().skip(1).map(str::to_owned).collect() } else { Vec::new() })
    };
    let mut seen = (Vec::new(), Vec::new());
    wait_for("windows of both", || {
        seen = (counts("plant_power")?, counts("plant_site_power")?);
        Ok(seen.0.len() >= 8 && seen.1.len() >= 4)
    })
    .with_context(|| format!("{seen:?}"))?;
    ensure!(seen.0[..8].iter().all(|count| count == "40.0"), "windows of 10 s: {:?}", seen.0);
    ensure!(seen.1[..4].iter().all(|count| count == "80.0"), "windows of 20 s: {:?}", seen.1);

    let json = [("Content-Type", "application/json")];
    let refuses = |request: &Value, words: &str| -> Result<()> {
        let answer = node.client().post("/api/v1/operators", &json, request.to_string().as_bytes())?;
        ensure!(answer.status == 400 && answer.body.contains(words), "{}", answer.body);
        Ok(())
    };
    refuses(&request("power-partial", Some("merge_partitions")), "power-partial is the first stage of power")?;
    let mut several = request("several", Some("two_stage"));
    several["inputs"] = json!({"value": "p*:power"});
    refuses(&several, "several measurements")?;
    let paused = node.client().post("/api/v1/operators/power-partial/pause", &json, b"")?;
    ensure!(paused.status == 400 && paused.body.contains("first stage of power"), "{}", paused.body);

    // Deployed anew with longer windows, then a window's samples go: what the old ones have left between does not keep it alive.
    let mut longer = request("power", Some("two_stage"));
    longer["window"] = "20s".into();
    node.deploy_installed(longer)?;
    let count = |second: i64| -> Result<Vec<String>> {
        let time = (START_S + second) * 1_000_000_000;
        let query = format!("SELECT count FROM plant_power WHERE site = 'north' AND time = to_timestamp_nanos({time})");
        Ok(node.client().sql(&query, &[])?.ok()?.body.lines().skip(1).map(str::to_owned).collect())
    };
    wait_for("the longer windows", || Ok(count(20)? == ["80.0"] && count(40)? == ["80.0"]))?;
    let range = |seconds: i64| ((START_S + seconds) * 1_000_000_000).to_string();
    post(&node, "/api/v1/delete", &json!({"select": "plant:*", "start": range(20), "end": range(40)}))?;
    wait_for("the window to be gone", || Ok(count(20)?.is_empty() && count(40)? == ["80.0"]))
        .with_context(|| format!("{:?} {:?}", count(20), count(40)))?;

    // Back to one stage: the first one goes with the deploy.
    node.deploy_installed(request("power", Some("merge_partitions")))?;
    let operators = node.client().get("/api/v1/operators")?.ok()?.body;
    ensure!(!operators.contains("\"power-partial\"") && operators.contains("site_power-partial"), "{operators}");
    Ok(())
}
