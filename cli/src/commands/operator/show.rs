//! What comparisons, recalculations and lineages look like to people. Scripts get the node's JSON as it is.

use serde_json::Value;

use crate::commands::series::{self, text};
use crate::exit::{Exit, ended};
use crate::output::{self, Context, say, thousands};
use crate::table::Table;

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn differences(samples: &Value) -> u64 {
    ["different", "only_first", "only_second"].iter().map(|name| count(&samples[*name])).sum()
}

/// Prints how two sets of samples, called `first` and `second`, differ.
fn comparison(samples: &Value, first: &str, second: &str) -> anyhow::Result<()> {
    let number = |name: &str| thousands(count(&samples[name]));
    output::line(format!("same       {}", number("same")))?;
    output::line(format!("different  {} (at most {})", number("different"), text(&samples["largest_distance"])))?;
    output::line(format!("only {first}: {}, only {second}: {}", number("only_first"), number("only_second")))?;
    let examples = samples["examples"].as_array().cloned().unwrap_or_default();
    if examples.is_empty() {
        return Ok(());
    }
    output::line("")?;
    let header = ["series", "time", first, second].map(str::to_owned).to_vec();
    let mut table = Table::new(std::io::stdout().lock(), header, output::has_colour());
    for example in &examples {
        let value = |name: &str| example[name].as_str().unwrap_or("-").to_owned();
        table.row(vec![text(&example["series"]), series::time(&example["time"]), value("first"), value("second")])?;
    }
    table.finish()?;
    Ok(())
}

/// Prints what `diff` has found.
pub(super) fn diff(context: &Context, report: &Value) -> anyhow::Result<()> {
    if context.json {
        return Ok(output::json(report)?);
    }
    for (name, status) in [("present", &report["present"]), ("shadow", &report["shadow"])] {
        let cell = |name: &str| text(&status[name]);
        let (plugin, hash, state, lag) = (cell("plugin"), cell("hash"), cell("state"), cell("lag_records"));
        output::line(format!(
            "{name:8} {plugin} {hash}, {state}, lag {lag}, {} rows out, {} bytes of state",
            cell("rows_out"),
            cell("state_bytes")
        ))?;
    }
    output::line("")?;
    comparison(&report["samples"], "present", "shadow")
}

/// Prints what `verify` has found; differences are a failure.
pub(super) fn verify(context: &Context, name: &str, report: &Value) -> anyhow::Result<()> {
    if context.json {
        output::json(report)?;
    } else {
        output::line(format!("{} records applied again", thousands(count(&report["records"]))))?;
        comparison(&report["samples"], "journal", "again")?;
        if let Some(error) = report["error"].as_str() {
            say(format_args!("newest error: {error}"));
        }
    }
    match differences(&report["samples"]) {
        0 => Ok(()),
        found => Err(ended(Exit::Failure, format!("{found} outputs of {name} are not what its inputs give"))),
    }
}

/// Prints what `recalc` has changed.
pub(super) fn recalc(context: &Context, answer: &Value) -> anyhow::Result<()> {
    if context.json {
        return Ok(output::json(answer)?);
    }
    for report in answer["operators"].as_array().into_iter().flatten() {
        let (name, rows) = (text(&report["operator"]), thousands(count(&report["rows"])));
        let done = match (differences(&report["samples"]), report["is_written"].as_bool()) {
            (0, _) => "nothing changes",
            (_, Some(true)) => "written",
            _ => "not written (preview)",
        };
        output::line(format!("operator {name}: {rows} input rows, {done}"))?;
        comparison(&report["samples"], "before", "now")?;
        if let Some(error) = report["error"].as_str() {
            say(format_args!("newest error: {error}"));
        }
    }
    Ok(())
}

/// Prints where a sample comes from.
pub(super) fn lineage(context: &Context, lineage: &Value) -> anyhow::Result<()> {
    if context.json {
        return Ok(output::json(lineage)?);
    }
    let origins = lineage["origins"].as_array().cloned().unwrap_or_default();
    let (key, time) = (text(&lineage["series"]), series::time(&lineage["time"]));
    if origins.is_empty() {
        return Err(ended(Exit::NotFound, format!("the journal holds no sample of {key} at {time}")));
    }
    output::line(format!("{key} at {time}"))?;
    for origin in &origins {
        let cell = |name: &str| text(&origin[name]);
        let place = |name: &str| format!("partition {}, offset {}", text(&origin[name][0]), text(&origin[name][1]));
        output::line(format!("\n{} written at {}", cell("value"), place("written_at")))?;
        output::line(format!("  by     operator {}, generation {}", cell("operator"), cell("generation")))?;
        output::line(format!("  plugin {} {}", cell("plugin"), cell("plugin_hash")))?;
        output::line(format!("  input  {}", place("input_at")))?;
        for row in origin["input_rows"].as_array().into_iter().flatten() {
            output::line(format!(
                "         {} {} {}",
                text(&row["series"]),
                series::time(&row["time"]),
                text(&row["value"])
            ))?;
        }
    }
    Ok(())
}
