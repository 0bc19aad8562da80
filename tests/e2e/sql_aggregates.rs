//! The same aggregation as an operator and in a query over the same history: the same bits.

use anyhow::{Result, ensure};
use serde_json::json;
use tidemill_tests::node::{plugin_file, wait_for};
use tidemill_tests::{Node, NodeOptions};

const OUTPUTS: [&str; 6] = ["count", "sum", "mean", "min", "max", "variance"];
/// Seconds of telemetry of each unit.
const SECONDS: i64 = 600;
const START_S: i64 = 1_767_225_600;

/// Samples of two units with fractions that do not add up exactly; every seventh is bad.
fn lines(seconds: impl Iterator<Item = i64>) -> String {
    let line = |second: i64| {
        let (value, quality) =
            ((second * second % 997) as f64 / 7.0, if second % 7 == 0 { 2_147_483_648_u32 } else { 0 });
        let time = START_S + second;
        format!(
            "turbine,unit=T1 power={value},_quality={quality}u {time}\nturbine,unit=T2 power={},_quality={quality}u {time}\n",
            value * 1e7
        )
    };
    seconds.map(line).collect()
}

#[test]
fn an_operator_and_a_query_give_the_same_bits() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let node = Node::start(directory.path(), NodeOptions::default())?;
    let client = node.client();
    let columns: Vec<_> = OUTPUTS.iter().map(|name| format!("rollup_{name}(time, power, quality) AS {name}")).collect();
    let query = format!(
        "SELECT date_bin('1 minute', time) AS t, unit, {} FROM turbine GROUP BY 1, 2 ORDER BY 1, 2",
        columns.join(", ")
    );
    let unknown = client.sql("SELECT rollup_mean(time, 1) FROM samples", &[])?;
    ensure!(unknown.status == 400, "the plugin is not installed yet: {}", unknown.body);

    let request = json!({"name": "r", "inputs": {"value": "turbine:power"}, "window": "60s", "start": "earliest"});
    node.deploy("rollup", request)?;
    // Every tenth second comes late and revises windows that have closed.
    client.post("/api/v2/write?precision=s", &[], lines((0..SECONDS).filter(|s| s % 10 != 3)).as_bytes())?.ok()?;
    client.post("/api/v2/write?precision=s", &[], lines((0..SECONDS).filter(|s| s % 10 == 3)).as_bytes())?.ok()?;

    let columns: Vec<_> = OUTPUTS.iter().map(|name| format!("power_{name} AS {name}")).collect();
    let windows = format!("SELECT time AS t, unit, {} FROM turbine_r ORDER BY 1, 2", columns.join(", "));
    let wanted = client.sql(&query, &[])?.ok()?.body;
    ensure!(wanted.lines().count() == 1 + 2 * SECONDS as usize / 60, "{wanted}");
    let mut last = String::new();
    let same = wait_for("the operator's windows to be those of the query", || {
        let answer = client.sql(&windows, &[])?;
        last = answer.body;
        Ok(answer.status == 200 && last == client.sql(&query, &[])?.ok()?.body)
    });
    ensure!(same.is_ok(), "the operator has\n{last}\nand the query\n{wanted}");
    Ok(())
}

#[test]
fn wrong_parameters_are_refused_in_the_plugins_own_words() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let node = Node::start(directory.path(), NodeOptions { replicas: 1, ..NodeOptions::default() })?;
    let client = node.client();
    client.post("/api/v2/write?precision=s", &[], lines(0..60).as_bytes())?.ok()?;
    client.post("/api/v1/plugins", &[], &std::fs::read(plugin_file("rollup")?)?)?.ok()?;
    for (params, wanted) in [("{\"window\": 60}", "parameter `window` is unknown"), ("{", "are no JSON object")] {
        let answer = client.sql(&format!("SELECT rollup_mean(time, power, '{params}') FROM turbine"), &[])?;
        ensure!(answer.status == 400 && answer.body.contains(wanted), "{}: {}", answer.status, answer.body);
    }
    let listed =
        client.sql("SELECT count(*) AS n FROM information_schema.routines WHERE routine_name LIKE 'rollup%'", &[])?;
    ensure!(listed.body.lines().nth(1) == Some("7"), "{}", listed.body);
    Ok(())
}
