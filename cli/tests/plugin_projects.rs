//! The author's loop without a node: new, build, inspect, test, bench, dev.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn tidemill(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidemill")).args(arguments).current_dir(dir).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[track_caller]
fn succeeds(dir: &Path, arguments: &[&str]) -> String {
    let output = tidemill(dir, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// A new project, built. The directory is dropped with the first value.
fn built(lang: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    succeeds(dir.path(), &["plugin", "new", "--lang", lang, "night-rates"]);
    let project = dir.path().join("night-rates");
    let wasm = succeeds(&project, &["plugin", "build"]);
    assert_eq!(wasm.trim(), "./night-rates.wasm");
    (dir, project)
}

fn check_project(lang: &str) {
    let (_dir, project) = built(lang);
    let report: Value =
        serde_json::from_str(&succeeds(&project, &["plugin", "inspect", "--json", "night-rates.wasm"])).unwrap();
    assert_eq!((&report["name"], &report["contract"]), (&"night-rates".into(), &"0.2".into()));
    assert_eq!((&report["world"], &report["refusals"]), (&"calculation".into(), &serde_json::json!([])));
    assert_eq!(report["outputs"][1], serde_json::json!({ "name": "state", "kind": "text" }));
}

#[test]
fn a_new_plugin_in_rust_builds() {
    check_project("rust");
}

#[test]
fn a_new_plugin_in_c_builds() {
    check_project("c");
}

#[test]
fn every_language_has_a_whole_template() {
    let languages = tidemill_cli::sdk::languages();
    assert!(["c", "cpp", "go", "python", "rust", "zig"].iter().all(|lang| languages.contains(lang)), "{languages:?}");
    for lang in languages {
        let dir = tempfile::tempdir().unwrap();
        let project = dir.path().join("p");
        succeeds(dir.path(), &["plugin", "new", "--lang", lang, "night-rates", "--dir", "p"]);
        let read = |name: &str| std::fs::read_to_string(project.join(name)).unwrap();
        assert!(read("plugin.toml").contains("\"night-rates.wasm\""), "{lang}");
        assert!(project.join("tidemill").is_dir() && project.join("README.md").is_file(), "{lang}");
        for entry in std::fs::read_dir(&project).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            assert!(!name.ends_with(".wasm") && !name.contains("smooth"), "{lang}: {name}");
            if entry.path().is_file() {
                let text = read(&name);
                assert!(!text.contains("smooth") && !text.contains("../tidemill"), "{lang}: {name}");
            }
        }
    }
}

#[test]
fn new_refuses_bad_names_and_full_directories() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["", "Night", "1st", "a--b", "-a", "a/b", "a_b", "tidemill", &"a".repeat(65)] {
        let output = tidemill(dir.path(), &["plugin", "new", "--lang", "c", "--", name]);
        assert_eq!(output.status.code(), Some(2), "{name}: {}", said(&output));
    }
    std::fs::create_dir(dir.path().join("full")).unwrap();
    std::fs::write(dir.path().join("full/mine"), "").unwrap();
    let output = tidemill(dir.path(), &["plugin", "new", "--lang", "c", "full"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(said(&output).contains("--dir"), "{}", said(&output));
    assert_eq!(tidemill(dir.path(), &["plugin", "new", "--lang", "cobol", "x"]).status.code(), Some(2));
}

#[test]
fn a_build_that_fails_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let output = tidemill(dir.path(), &["plugin", "build"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(said(&output).contains("tidemill plugin new"), "{}", said(&output));
    let manifest = |build: &str| format!("name = \"x\"\nlanguage = \"c\"\nbuild = \"{build}\"\nwasm = \"x.wasm\"\n");
    std::fs::write(dir.path().join("plugin.toml"), manifest("echo broken >&2; exit 7")).unwrap();
    let output = tidemill(dir.path(), &["plugin", "build"]);
    assert!(output.status.code() == Some(1) && said(&output).contains("broken"), "{}", said(&output));
    std::fs::write(dir.path().join("plugin.toml"), manifest("true")).unwrap();
    assert!(said(&tidemill(dir.path(), &["plugin", "build"])).contains("has not made"));
}

#[test]
fn inspect_lists_every_reason_against_a_file() {
    let dir = tempfile::tempdir().unwrap();
    // (module (import "env" "time" (func (result i64))) (import "env" "open" (func (result i64))))
    let mut wasm = b"\0asm\x01\0\0\0\x01\x05\x01\x60\0\x01\x7e\x02".to_vec();
    wasm.extend(b"\x17\x02\x03env\x04time\0\0\x03env\x04open\0\0");
    std::fs::write(dir.path().join("x.wasm"), wasm).unwrap();
    let output = tidemill(dir.path(), &["plugin", "inspect", "x.wasm"]);
    assert_eq!(output.status.code(), Some(1));
    for line in ["env.time: NOT GIVEN", "env.open: NOT GIVEN", "0 memories", "neither process", "for 3 reasons"] {
        assert!(said(&output).contains(line), "{line}: {}", said(&output));
    }
    std::fs::write(dir.path().join("x.wasm"), "nonsense").unwrap();
    assert!(said(&tidemill(dir.path(), &["plugin", "inspect", "x.wasm"])).contains("not a valid wasm module"));
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

/// Every check of the template's fixture, and what a wrong expectation and a wrong input say.
fn check_tests(lang: &str) {
    let (_dir, project) = built(lang);
    let passed = succeeds(&project, &["plugin", "test", "--json"]);
    let checks: Vec<Value> = passed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<_> = checks.iter().map(|check| check["check"].as_str().unwrap()).collect();
    assert_eq!(names, ["native", "golden", "again", "crashes", "cut"]);
    assert!(checks.iter().all(|check| check["passed"] == true), "{passed}");

    let expected = project.join("fixtures/silence/expected.txt");
    let good = std::fs::read_to_string(&expected).unwrap();
    let wrong = good.replace("1010.0", "1010.0000000000001");
    assert_ne!(wrong, good);
    write(&expected, &wrong);
    let output = tidemill(&project, &["plugin", "test", "--no-native"]);
    assert_eq!(output.status.code(), Some(1));
    for part in ["golden", "turbine_trial:power{unit=T1} row 2", "1010.0000000000001", "found 1010.0 at", "at 101"] {
        assert!(said(&output).contains(part), "{part}: {}", said(&output));
    }
    succeeds(&project, &["plugin", "test", "--no-native", "--bless"]);
    let blessed = std::fs::read_to_string(&expected).unwrap();
    assert_eq!(blessed, good, "what is expected is what --bless writes");
}

#[test]
fn a_new_plugin_in_rust_passes_its_tests() {
    check_tests("rust");
}

#[test]
fn a_new_plugin_in_c_passes_its_tests() {
    check_tests("c");
}

#[test]
fn a_test_says_what_is_missing_or_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let manifest = "name = \"x\"\nlanguage = \"c\"\nbuild = \"true\"\nwasm = \"x.wasm\"\n";
    write(&dir.path().join("plugin.toml"), manifest);
    write(&dir.path().join("x.wasm"), "");
    let output = tidemill(dir.path(), &["plugin", "test"]);
    assert!(output.status.code() == Some(3) && said(&output).contains("nothing to test"), "{}", said(&output));
    let fixture = dir.path().join("fixtures/one");
    std::fs::create_dir_all(&fixture).unwrap();
    write(&fixture.join("operator.json"), "{}");
    let output = tidemill(dir.path(), &["plugin", "test"]);
    assert!(said(&output).contains("plugin inspect"), "{}", said(&output));
}

#[test]
fn bench_measures_calls_of_every_size() {
    let (_dir, project) = built("c");
    let report: Value = serde_json::from_str(&succeeds(&project, &["plugin", "bench", "--json"])).unwrap();
    let sizes = report["sizes"].as_array().unwrap();
    let rows: Vec<_> = sizes.iter().map(|size| size["rows_per_call"].as_u64().unwrap()).collect();
    assert_eq!(rows, [1, 16, 256, 4096, 65_536]);
    let fuel = |at: usize| sizes[at]["fuel_per_row"].as_f64().unwrap();
    assert!(fuel(4) > 10.0 && fuel(0) > fuel(4), "a call costs something besides its rows: {report}");
    let again: Value = serde_json::from_str(&succeeds(&project, &["plugin", "bench", "--json"])).unwrap();
    assert_eq!(again["sizes"][0]["fuel_per_row"], sizes[0]["fuel_per_row"], "fuel is the same in every run");
    let output = tidemill(&project, &["plugin", "bench", "my-plugin.wasm", "--param", "alpha"]);
    assert!(!output.status.success());
    let output = tidemill(&project, &["plugin", "bench", "--param", "alpha=2"]);
    assert!(said(&output).contains("parameter `alpha` must lie above 0"), "{}", said(&output));
}

#[test]
fn dev_runs_again_after_a_change_and_ends_with_ctrl_c() {
    let (_dir, project) = built("c");
    let mut dev = Command::new(env!("CARGO_BIN_EXE_tidemill"))
        .args(["plugin", "dev"])
        .current_dir(&project)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(dev.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut until = |needle: &str| lines.by_ref().find(|line| line.contains(needle)).unwrap();
    until("turbine:power{unit=T1}");
    let first = until("all checks passed");
    assert!(first.contains("fuel per row") && first.contains("bytes of state"), "{first}");
    let operator = project.join("fixtures/silence/operator.json");
    let text = std::fs::read_to_string(&operator).unwrap();
    write(&operator, "no JSON");
    write(&operator, &text.replace("0.25", "0.5"));
    until("FAILED");
    write(&operator, &text);
    until("all checks passed");
    assert!(Command::new("kill").args(["-INT", &dev.id().to_string()]).status().unwrap().success());
    assert!(dev.wait().unwrap().success());
}
