//! `tidemill plugin inspect`: what is in a .wasm file, and every reason why a node would refuse it. Needs no node.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};
use tidemill_journal::SystemEnv;
use tidemill_runtime::guest::{Kind, Port, Survey, survey};
use tidemill_runtime::{Tried, try_out};

use crate::exit::{Exit, ended};
use crate::output::{self, Context};

/// Options of `tidemill plugin inspect`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidemill plugin inspect my-plugin.wasm
  tidemill plugin inspect --json my-plugin.wasm | jq .refusals

Works for files that a node refuses too, and then ends with exit code 1.")]
pub struct InspectArgs {
    /// The file
    pub file: PathBuf,
}

/// Shows what is in the file.
///
/// # Errors
/// When it cannot be read, or a node would refuse it.
pub fn run(context: &Context, args: &InspectArgs) -> anyhow::Result<()> {
    let wasm = std::fs::read(&args.file).with_context(|| format!("read {}", args.file.display()))?;
    let report = report(&args.file, &wasm)?;
    if context.json {
        output::json(&report)?;
    } else {
        print(&report)?;
    }
    match report["refusals"].as_array().map_or(0, Vec::len) {
        0 => Ok(()),
        1 => Err(ended(Exit::Failure, "a node refuses this file")),
        count => Err(ended(Exit::Failure, format!("a node refuses this file, for {count} reasons"))),
    }
}

fn report(file: &Path, wasm: &[u8]) -> anyhow::Result<Value> {
    let survey = survey(wasm);
    let mut report = facts(file, &survey);
    let mut refusals: Vec<String> = survey.refusals.iter().map(ToString::to_string).collect();
    if let Ok(inspected) = survey.into_inspected() {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let _inside = runtime.enter();
        match try_out(&inspected, SystemEnv::new()) {
            Ok(tried) => add_answers(&mut report, &tried),
            Err(error) => refusals.push(error.to_string()),
        }
    }
    report["refusals"] = json!(refusals);
    Ok(report)
}

fn facts(file: &Path, survey: &Survey) -> Value {
    let modules = survey.modules.iter().map(|module| {
        json!({
            "bytes": module.bytes,
            "functions": module.functions,
            "memory_bytes": module.memory.map(|(initial, _)| initial),
            "memory_bytes_max": module.memory.and_then(|(_, most)| most),
            "mutable_globals": module.mutable_globals,
            "has_names": module.has_names,
            "has_lines": module.has_lines,
        })
    });
    let imports = survey.imports.iter();
    let imports = imports.map(|i| json!({ "module": i.module, "name": i.name, "granted": i.is_granted }));
    json!({
        "file": file,
        "packaging": if survey.is_component { "component" } else { "module" },
        "bytes": survey.bytes,
        "world": survey.world.map(|world| world.name()),
        "modules": modules.collect::<Vec<_>>(),
        "imports": imports.collect::<Vec<_>>(),
        "exports": survey.exports,
    })
}

/// What only a running plugin tells.
fn add_answers(report: &mut Value, tried: &Tried) {
    let ports = |ports: &[Port]| {
        let kind = |port: &Port| if port.kind == Kind::Text { "text" } else { "number" };
        ports.iter().map(|port| json!({ "name": port.name, "kind": kind(port) })).collect::<Vec<_>>()
    };
    report["name"] = json!(tried.about.name);
    report["version"] = json!(tried.about.version);
    report["contract"] = json!(format!("0.{}", tried.contract));
    report["inputs"] = json!(ports(&tried.about.inputs));
    report["outputs"] = json!(ports(&tried.about.outputs));
    report["durable"] = json!(tried.plugin.is_durable());
    report["combining"] = json!(tried.plugin.is_combining());
}

fn print(report: &Value) -> std::io::Result<()> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let line = |name: &str, value: String| output::line(format!("{name:<12} {value}"));
    let list = |name: &str| report[name].as_array().cloned().unwrap_or_default();
    line("file", text(&report["file"]))?;
    line("size", format!("{} bytes", number(&report["bytes"])))?;
    line("packaging", text(&report["packaging"]))?;
    if report["name"].is_string() {
        line("plugin", format!("{} {}", text(&report["name"]), text(&report["version"])))?;
        line("contract", text(&report["contract"]))?;
    }
    line("world", report["world"].as_str().unwrap_or("unknown").to_owned())?;
    for direction in ["inputs", "outputs"] {
        for port in list(direction) {
            let name = direction.trim_end_matches('s');
            line(name, format!("{} ({})", text(&port["name"]), text(&port["kind"])))?;
        }
    }
    for module in list("modules") {
        line("module", module_line(&module))?;
    }
    for import in list("imports") {
        let mark = if import["granted"] == true { "given" } else { "NOT GIVEN" };
        line("import", format!("{}.{}: {mark}", text(&import["module"]), text(&import["name"])))?;
    }
    line("exports", list("exports").iter().map(text).collect::<Vec<_>>().join(" "))?;
    let refusals = list("refusals");
    let state = match (refusals.is_empty(), report["durable"] == true) {
        (false, _) => "no: see below",
        (true, true) => "yes; save and load also move it to other versions",
        (true, false) => "yes: memory and globals; no save and load, so another version starts without it",
    };
    line(
        "checkpoint",
        if report["world"] == "aggregation" && refusals.is_empty() {
            let stages = if report["combining"] == true { "; combine lets it run in two stages" } else { "" };
            format!("not needed: an aggregation has no state{stages}")
        } else {
            state.to_owned()
        },
    )?;
    refusals.iter().try_for_each(|refusal| line("refused", text(refusal)))
}

fn module_line(module: &Value) -> String {
    let mut parts = vec![format!("{} bytes", number(&module["bytes"])), format!("{} functions", module["functions"])];
    if module["memory_bytes"].is_u64() {
        let most = module["memory_bytes_max"].as_u64();
        let most = most.map_or_else(String::new, |most| format!(", at most {}", output::thousands(most)));
        parts.push(format!("memory {}{most}", number(&module["memory_bytes"])));
    }
    parts.push(format!("{} mutable globals", module["mutable_globals"]));
    parts.push(match (module["has_names"] == true, module["has_lines"] == true) {
        (_, true) => "source lines for traps".to_owned(),
        (true, false) => "names of functions for traps".to_owned(),
        (false, false) => "neither names of functions nor source lines for traps".to_owned(),
    });
    parts.join(", ")
}

fn number(value: &Value) -> String {
    output::thousands(value.as_u64().unwrap_or(0))
}
