//! The table of results.

use serde_json::json;

use super::checks::{Check, Tested, Verdict};
use crate::output::{self, Context, say};
use crate::table::Table;

/// Prints what came of the tests: a table, and under it the failures in full.
pub(super) fn print(context: &Context, native: Option<bool>, tested: &[Tested]) -> anyhow::Result<()> {
    if context.json {
        return print_json(native, tested);
    }
    let header = ["fixture", "check", "result", "of"].map(str::to_owned).to_vec();
    let mut table = Table::new(std::io::stdout().lock(), header, output::has_colour());
    if let Some(passed) = native {
        let cells = ["", "native", if passed { "ok" } else { "FAILED" }, "the project's own tests"];
        table.row(cells.map(str::to_owned).to_vec())?;
    }
    for Tested { fixture, checks, .. } in tested {
        for Check { name, verdict } in checks {
            let (result, of) = match verdict {
                Verdict::Passed(of) => ("ok", of.as_str()),
                Verdict::Blessed => ("blessed", "expected.txt is written: read it before you keep it"),
                Verdict::Failed(_) => ("FAILED", "see below"),
            };
            table.row([fixture.as_str(), *name, result, of].map(str::to_owned).to_vec())?;
        }
    }
    table.finish()?;
    for Tested { fixture, checks, outcome } in tested {
        for Check { name, verdict } in checks {
            if let Verdict::Failed(reason) = verdict {
                say(format_args!("{fixture}, {name}: {reason}"));
            }
        }
        if checks.iter().any(|check| check.verdict.is_failure()) {
            outcome.logs.iter().for_each(|line| say(format_args!("{fixture}, log: {:5}  {}", line.level, line.text)));
        }
    }
    Ok(())
}

fn print_json(native: Option<bool>, tested: &[Tested]) -> anyhow::Result<()> {
    if let Some(passed) = native {
        output::json(&json!({ "check": "native", "passed": passed }))?;
    }
    for Tested { fixture, checks, .. } in tested {
        for Check { name, verdict } in checks {
            let reason = if let Verdict::Failed(reason) = verdict { Some(reason) } else { None };
            let passed = !verdict.is_failure();
            output::json(&json!({ "fixture": fixture, "check": name, "passed": passed, "reason": reason }))?;
        }
    }
    Ok(())
}
