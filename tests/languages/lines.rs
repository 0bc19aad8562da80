//! A plugin that fails says in which line of its source, in every language: in the trap, or in what its SDK logs of it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tidemill_tests::node::binary;

/// The value in the fixture of `tidemill plugin new` that the plugins are made to fail on: one row has it.
const VALUE: &str = "5000";

/// How the plugin of a language is made to fail.
struct Mistake {
    language: &'static str,
    file: &'static str,
    /// The line of the template after which it stands.
    after: &'static str,
    line: &'static str,
    /// How the line is named, `N` being its number.
    named: &'static str,
}

/// JavaScript goes the way of TypeScript, but for the types.
const MISTAKES: [Mistake; 8] = [
    Mistake {
        language: "rust",
        file: "src/lib.rs",
        after: "let series = self.series.of(row.group);",
        line: "series.level += (row.value != 5000.0).then_some(0.0).unwrap();",
        named: "(src/lib.rs:N)",
    },
    Mistake {
        language: "c",
        file: "smooth.c",
        after: "series *s = TM_GROUP(series, &plugin.groups, row.group);",
        line: "if (row.value == 5000) tm_fail(\"five thousand\");",
        named: "(smooth.c:N)",
    },
    Mistake {
        language: "cpp",
        file: "smooth.cpp",
        after: "Series& s = groups[row.group];",
        line: "if (row.value == 5000) __builtin_trap();",
        named: "(smooth.cpp:N)",
    },
    Mistake {
        language: "zig",
        file: "smooth.zig",
        after: "const s = self.groups.of(row.group);",
        line: "s.level /= @floatFromInt(@divExact(@as(i64, 7), @as(i64, if (row.value == 5000) 0 else 7)));",
        named: "(smooth.zig:N)",
    },
    Mistake {
        language: "go",
        file: "plugin.go",
        after: "s := p.series.Of(row.Group)",
        line: "if row.Value == 5000 { s = nil }; s.level += 0",
        named: "plugin.go:N",
    },
    Mistake {
        language: "ts",
        file: "smooth.ts",
        after: "const value = values[i];",
        line: "(value === 5000 ? (null as unknown as typeof state) : state).level += 0;",
        named: "smooth.ts:N",
    },
    Mistake {
        language: "python",
        file: "plugin.py",
        after: "state = self.groups[group]",
        line: "assert value != 5000",
        named: "plugin.py:N",
    },
    Mistake {
        language: "assemblyscript",
        file: "plugin.ts",
        after: "const series = this.series.of(rows.group);",
        line: "assert(rows.value != 5000);",
        named: "plugin.ts:N",
    },
];

/// Makes the mistake in a new project, builds it and runs its fixtures.
fn check(mistake: &Mistake) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let project = dir.path().join("smooth");
    run(dir.path(), &["plugin", "new", "--lang", mistake.language, "smooth"])?;
    let file = project.join(mistake.file);
    let (mut number, mut text) = (0, String::new());
    for (line, before) in (1..).zip(fs::read_to_string(&file)?.lines()) {
        text.push_str(before);
        text.push('\n');
        if before.trim() == mistake.after {
            let indent = &before[..before.len() - before.trim_start().len()];
            text.push_str(&format!("{indent}{}\n", mistake.line));
            number = line + 1;
        }
    }
    ensure!(number > 0, "{} is not in {}", mistake.after, mistake.file);
    fs::write(&file, text)?;
    run(&project, &["plugin", "build"])?;
    let said = run(&project, &["plugin", "test", "--no-native"]);
    let said = format!("{:#}", said.err().context("the test of a plugin that fails passes")?);
    let named = mistake.named.replace('N', &number.to_string());
    ensure!(said.contains(&named), "{named} is not named: {said}");
    for part in ["turbine:power{unit=T1}", &format!(" = {VALUE}"), "record at 104"] {
        ensure!(said.contains(part), "{part} is not named: {said}");
    }
    Ok(())
}

fn run(dir: &Path, arguments: &[&str]) -> Result<()> {
    let output = Command::new(binary()?).args(arguments).current_dir(dir).output()?;
    let said = [output.stdout, output.stderr].concat();
    ensure!(output.status.success(), "tidemill {}: {}", arguments.join(" "), String::from_utf8_lossy(&said));
    Ok(())
}

fn check_each(languages: &[&str]) -> Result<()> {
    let mistakes = MISTAKES.iter().filter(|mistake| languages.contains(&mistake.language));
    mistakes.into_iter().try_for_each(|mistake| check(mistake).with_context(|| format!("in {}", mistake.language)))
}

#[test]
fn a_failure_names_the_line_of_its_source_in_languages_that_are_compiled() -> Result<()> {
    check_each(&["assemblyscript", "c", "cpp", "go", "rust", "zig"])
}

#[test]
fn a_failure_names_the_line_of_its_source_in_typescript() -> Result<()> {
    check_each(&["ts"])
}

#[test]
fn a_failure_names_the_line_of_its_source_in_python() -> Result<()> {
    check_each(&["python"])
}
