//! The commands against a real node, one after the other as a person would use them.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// A node in a process of its own; dropping it kills it.
struct Node {
    process: Child,
    url: String,
    data: TempDir,
}

impl Node {
    fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_tidemill"))
            .args(["serve", "--http", "127.0.0.1:0", "--data"])
            .arg(data.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("http://127.0.0.1:"), "the node did not start: {url:?}");
        Self { process, url: url.trim().to_owned(), data }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
        command.args(arguments).env("TIDEMILL_SERVER", &self.url);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Standard output of a command that succeeds.
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn write(&self, lines: &str, options: &[&str]) -> Output {
        let mut command = self.command(&[&["write"], options].concat());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// The answer once a replica has applied `position`.
    fn sql_at(&self, position: &str, question: &str) -> String {
        for _ in 0..1000 {
            let output = self.run(&["sql", question, "--format", "csv", "--at-least", position]);
            match output.status.code() {
                Some(0) => return String::from_utf8(output.stdout).unwrap(),
                Some(4) => continue,
                _ => panic!("{question}: {}", String::from_utf8_lossy(&output.stderr)),
            }
        }
        panic!("no replica has reached {position}");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn position_of(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap().trim().to_owned()
}

#[test]
fn what_is_written_can_be_asked_listed_followed_and_deleted() {
    let node = Node::start();
    let written = node.write("room,floor=2 temperature=21.5 1000\nroom,floor=2 temperature=22.5 2000\n", &[]);
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let position = position_of(&written);
    assert_eq!(node.sql_at(&position, "SELECT count(*) AS n, avg(temperature) AS t FROM room"), "n,t\r\n2,22.0\r\n");

    let series = node.ok(&["series", "room", "--json"]);
    assert!(series.contains("\"room:temperature{floor=2}\"") && series.lines().count() == 1, "{series}");
    let told = node.ok(&["tail", "room", "--from", "earliest", "--limit", "2", "--json"]);
    let values: Vec<serde_json::Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&values[0]["value"], &values[1]["value"]), (&21.5.into(), &22.5.into()), "{told}");

    let refused = node.run(&["delete", "room", "--start", "0", "--end", "1500"]);
    assert_eq!(refused.status.code(), Some(4), "without --yes and without a terminal nothing is deleted");
    let deleted = node.ok(&["delete", "room", "--start", "0", "--end", "1500", "--yes", "--json"]);
    let deleted: serde_json::Value = serde_json::from_str(&deleted).unwrap();
    let position = deleted["position"].as_str().unwrap_or(&position).to_owned();
    assert_eq!(node.sql_at(&position, "SELECT count(*) AS n FROM room"), "n\r\n1\r\n");
}

#[test]
fn bad_lines_are_named_and_good_ones_stored() {
    let node = Node::start();
    let output = node.write("room temperature=1 1\nnonsense\nroom temperature=2 2\n", &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["lines"], &report["bad"][0]["line"]), (&3.into(), &2.into()), "{report}");
    let position = report["position"].as_str().unwrap();
    assert_eq!(node.sql_at(position, "SELECT count(*) AS n FROM room"), "n\r\n2\r\n");
}

fn csv(path: &Path) {
    let row = |i: usize| format!("2026-01-01 00:{:02}:{:02},{}.5,{}\n", i / 60 % 60, i % 60, i, i % 7);
    let rows: String = (0..12_000).map(row).collect();
    std::fs::write(path, format!("timestamp,pressure,flow\n{rows}")).unwrap();
}

#[test]
fn importing_a_file_twice_stores_it_once() {
    let node = Node::start();
    let file = node.data.path().join("pump.csv");
    csv(&file);
    let import = || {
        let report = node.ok(&["import", file.to_str().unwrap(), "--json", "--label", "site=north"]);
        serde_json::from_str::<serde_json::Value>(&report).unwrap()
    };
    let report = import();
    assert_eq!((&report["stored"], &report["repeated"]), (&12_000.into(), &8_400.into()), "{report}");
    let question = "SELECT count(*) AS n, max(pressure) AS p, count(flow) AS f FROM pump WHERE site = 'north'";
    let expected = "n,p,f\r\n3600,11999.5,3600\r\n";
    assert_eq!(node.sql_at(report["position"].as_str().unwrap(), question), expected);

    let topics = node.ok(&["journal", "topics", "--json", "--data", node.data.path().to_str().unwrap()]);
    assert!(topics.contains("\"topic\":\"data\""), "{topics}");
    let again = import();
    assert_eq!(again["stored"], 12_000);
    assert_eq!(node.sql_at(again["position"].as_str().unwrap_or_default(), question), expected);
}

#[test]
fn the_journal_is_read_while_the_node_runs() {
    let node = Node::start();
    let written = node.write("room temperature=1 1\n", &["--producer", "me", "--sequence", "7"]);
    assert!(written.status.success());
    let data = node.data.path().to_str().unwrap();
    let catalog = node.ok(&["journal", "inspect", "--topic", "catalog", "--data", data]);
    assert!(catalog.contains("room:temperature (float)"), "{catalog}");
    let records = node.ok(&["journal", "inspect", "--json", "--limit", "1000", "--data", data]);
    assert!(
        records.contains(&format!("\"sequence\":{}", 7 << 16 | 0xffff)) && records.contains("1 samples of 1 series"),
        "{records}"
    );
    let report = node.ok(&["journal", "verify", "--json", "--data", data]);
    assert!(report.contains("\"damage\":[]"), "{report}");
}

#[test]
fn a_slice_of_the_journal_becomes_a_fixture() {
    let node = Node::start();
    let lines =
        "room,floor=2 temperature=0.1,humidity=50 1000\nroom,floor=2 temperature=22.5,_quality=2147483648u 2000\n";
    assert!(node.write(lines, &[]).status.success());
    assert!(node.write("hall temperature=1 1000\n", &[]).status.success());
    assert!(node.write("room,floor=2 temperature=23 1500\n", &[]).status.success());
    let (data, url) = (node.data.path().to_str().unwrap(), node.url.as_str());
    let out = node.data.path().join("fixtures");
    let input = ["--input", "value=room:temperature", "--from", "-1h"];
    let rows_of = |name: &str, place: &[&str]| {
        let dir = out.join(name);
        let options = ["--out", dir.to_str().unwrap(), "--param", "alpha=0.5"];
        node.ok(&[&["plugin", "record"], &input[..], &options, place].concat());
        let operator: serde_json::Value =
            serde_json::from_slice(&std::fs::read(dir.join("operator.json")).unwrap()).unwrap();
        assert_eq!(operator["inputs"], serde_json::json!({ "value": "room:temperature" }));
        assert_eq!(operator["params"], serde_json::json!({ "alpha": 0.5 }));
        let text = std::fs::read_to_string(dir.join("input.txt")).unwrap();
        assert!(text.contains("\nseries 0 float room:temperature{floor=2}\n"), "{text}");
        let fixture = tidemill_cli::fixture::read(&text).unwrap();
        fixture.rows().map(|(offset, row)| (offset, row.time, row.value.as_f64(), row.quality.0)).collect::<Vec<_>>()
    };
    let rows = rows_of("by-node", &["--node", url]);
    let plain: Vec<_> = rows.iter().map(|(_, time, value, quality)| (*time, value.unwrap(), *quality)).collect();
    assert_eq!(plain, [(1000, 0.1, 0), (2000, 22.5, 0x8000_0000), (1500, 23.0, 0)]);
    assert!(rows[0].0 == rows[1].0 && rows[1].0 < rows[2].0, "two records: {rows:?}");
    assert_eq!(rows_of("by-files", &["--data", data]), rows);

    let refused = |options: &[&str]| {
        let output = node.run(&[&["plugin", "record", "--data", data], options].concat());
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let there = out.join("by-node");
    let (code, said) = refused(&[&input[..], &["--out", there.to_str().unwrap()]].concat());
    assert!(code == Some(4) && said.contains("holds a fixture already"), "{said}");
    let (code, said) = refused(&["--input", "value=attic", "--from", "-1h", "--out", "nowhere"]);
    assert!(code == Some(3) && said.contains("no rows"), "{said}");
    let (code, said) = refused(&[&input[..], &["--out", "nowhere", "--max-rows", "2"]].concat());
    assert!(code == Some(4) && said.contains("--max-rows"), "{said}");
    assert!(!Path::new("nowhere").exists());
}

#[test]
fn a_new_plugin_goes_live_and_its_log_is_followed() {
    let node = Node::start();
    let dir = node.data.path().join("my-plugin");
    let project = dir.to_str().unwrap();
    node.ok(&["plugin", "new", "--lang", "c", "my-plugin", "--dir", project]);
    let source = dir.join("my-plugin.c");
    let code = std::fs::read_to_string(&source).unwrap();
    let begin = "plugin.alpha = tm_number(params, \"alpha\");";
    let logging = format!("{begin}\n    tm_log(TM_INFORMATION, TM_TEXT(\"hello from C\"));");
    std::fs::write(&source, code.replacen(begin, &logging, 1)).unwrap();
    let wasm = node.ok(&["plugin", "build", project]);
    node.ok(&["plugin", "add", wasm.trim()]);
    let input = ["--plugin", "my-plugin", "--input", "value=room:temperature", "--param", "alpha=0.5"];
    node.ok(&[&["plugin", "deploy", "calm"], &input[..]].concat());
    let listed = node.ok(&["plugin", "list"]);
    assert!(listed.contains("value state") && listed.contains("calm"), "{listed}");

    let mut logs = node.command(&["plugin", "logs", "-f", "calm"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(logs.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.ends_with("info   hello from C\n"), "{line}");
    assert!(Command::new("kill").args(["-INT", &logs.id().to_string()]).status().unwrap().success());
    assert!(logs.wait().unwrap().success());
}

#[test]
fn a_simulated_station_is_written_once_however_often_it_runs() {
    let node = Node::start();
    let run = || {
        node.ok(&["station", "--rate", "max", "--start", "2026-01-01", "--duration", "100s", "--units", "2", "--json"])
    };
    let first = run();
    assert!(first.contains("\"ticks\":100"), "{first}");
    let position = position_of(&node.write("mark x=1 1\n", &[]));
    let question = "SELECT count(*) AS n, sum(value) AS s FROM samples WHERE measurement = 'turbine'";
    let answer = node.sql_at(&position, question);
    run();
    let position = position_of(&node.write("mark x=2 2\n", &[]));
    assert_eq!(node.sql_at(&position, question), answer);
}

#[test]
fn sigterm_drains_and_exits_with_0() {
    let mut node = Node::start();
    assert!(node.write("room temperature=1 1\n", &[]).status.success());
    let told = Command::new("kill").arg(node.process.id().to_string()).status().unwrap();
    assert!(told.success());
    assert!(node.process.wait().unwrap().success());
}
