//! `tidemill import` without a node: what it makes of a file.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::{Command, Output};

use tidemill_cli::commands::import::ImportArgs;
use tidemill_cli::commands::import::convert::{Converted, convert};
use tidemill_cli::commands::import::mapping::Mapping;
use tidemill_cli::commands::import::survey::Survey;

fn file(dir: &Path, content: &str) -> std::path::PathBuf {
    let path = dir.join("pump.csv");
    std::fs::write(&path, content).unwrap();
    path
}

/// The lines that `content` becomes, and why the other rows are bad.
fn lines(content: &str, args: ImportArgs) -> (String, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let survey = Survey::of(&file(dir.path(), content), args.delimiter).unwrap();
    let mapping = Mapping::guess(&survey, &args).unwrap();
    let (mut out, mut bad) = (String::new(), Vec::new());
    for row in &survey.rows {
        if let Err(reason) = convert(&mapping, &survey.header, row, &mut out) {
            bad.push(reason);
        }
    }
    (out, bad)
}

fn check(content: &str, args: ImportArgs, expected: &str) {
    assert_eq!(lines(content, args), (expected.to_owned(), Vec::new()), "{content}");
}

fn texts(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn times_are_found_in_every_format() {
    let expected = "pump value=1.5 1417392000000000000\n";
    for time in [
        "2014-12-01 00:00:00",
        "2014-12-01T01:00:00+01:00",
        "2014-12-01",
        "1417392000",
        "1417392000.0",
        "1417392000000",
        "1417392000000000",
        "1417392000000000000",
    ] {
        check(&format!("timestamp,value\n{time},1.5\n"), ImportArgs::default(), expected);
    }
}

#[test]
fn the_time_column_is_found_by_content_and_by_name() {
    check("value,when\n1,2014-12-01\n", ImportArgs::default(), "pump value=1.0 1417392000000000000\n");
    let two = "made,time,value\n2013-01-01,2014-12-01,1\n";
    let (out, _) = lines(two, ImportArgs { fields: texts(&["value"]), ..ImportArgs::default() });
    assert_eq!(out, "pump value=1.0 1417392000000000000\n");
    let (out, _) =
        lines(two, ImportArgs { time: Some("made".into()), fields: texts(&["value"]), ..ImportArgs::default() });
    assert_eq!(out, "pump value=1.0 1356998400000000000\n");
}

#[test]
fn columns_become_labels_numbers_flags_and_texts() {
    let content = "time;site;flow rate;on;note\n1417392000;north, 1;-1e-3;true;say \"hi\"\n";
    let args = ImportArgs {
        labels: texts(&["site"]),
        label: texts(&["plant=A"]),
        measurement: Some("my pump".into()),
        ..ImportArgs::default()
    };
    let expected =
        "my\\ pump,plant=A,site=north\\,\\ 1 flow\\ rate=-0.001,on=true,note=\"say \\\"hi\\\"\" 1417392000000000000\n";
    check(content, args, expected);
}

#[test]
fn missing_cells_are_left_out_and_empty_rows_skipped() {
    check("time,a,b\n1417392000,,2\n1417392001,NaN,\n", ImportArgs::default(), "pump b=2.0 1417392000000000000\n");
}

#[test]
fn bad_rows_name_their_reason_and_cost_nothing_else() {
    let good = "2014-12-01,1\n".repeat(30);
    let (out, bad) = lines(
        &format!("time,a\n{good}2014-13-01,1\n2014-12-01,x\n2014-12-01\n2014-12-01,inf\n"),
        ImportArgs::default(),
    );
    assert_eq!(out.lines().count(), 30);
    let expected = [
        "\"2014-13-01\" is not a time",
        "a: \"x\" is not a number",
        "1 columns instead of 2",
        "a: \"inf\" is not a number",
    ];
    assert_eq!(bad, expected);
}

#[test]
fn rows_with_equal_time_and_labels_have_equal_keys() {
    let dir = tempfile::tempdir().unwrap();
    let survey =
        Survey::of(&file(dir.path(), "time,site,a\n1417392000,n,1\n1417392000,n,2\n1417392000,s,2\n"), None).unwrap();
    let args = ImportArgs { labels: texts(&["site"]), ..ImportArgs::default() };
    let mapping = Mapping::guess(&survey, &args).unwrap();
    let key = |row| match convert(&mapping, &survey.header, row, &mut String::new()) {
        Ok(Converted::Line { key, .. }) => key,
        other => panic!("{other:?}"),
    };
    let keys: Vec<u64> = survey.rows.iter().map(key).collect();
    assert!(keys[0] == keys[1] && keys[1] != keys[2], "{keys:?}");
}

#[test]
fn mappings_that_make_no_sense_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let survey = |content| Survey::of(&file(dir.path(), content), None).unwrap();
    let reason = |content, args: &ImportArgs| Mapping::guess(&survey(content), args).unwrap_err();
    assert!(reason("a,b\nx,1\n", &ImportArgs::default()).contains("--time"));
    let args = ImportArgs { labels: texts(&["c"]), ..ImportArgs::default() };
    assert!(reason("time,b\n2014-12-01,1\n", &args).contains("there is no column \"c\"; the columns are time, b"));
    let args = ImportArgs { labels: texts(&["b"]), ..ImportArgs::default() };
    assert!(reason("time,b\n2014-12-01,1\n", &args).contains("no column is left"));
}

fn dry_run(content: &[u8]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pump.csv");
    std::fs::write(&path, content).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
    command.arg("import").arg(&path).arg("--dry-run").output().unwrap()
}

#[test]
fn a_dry_run_shows_lines_repeats_and_the_mapping() {
    let output = dry_run(b"timestamp,value\n2014-12-01 00:00:00,1\n2014-12-01 00:00:00,2\n");
    let (out, messages) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{messages}");
    assert_eq!(out, "pump value=1.0 1417392000000000000\npump value=2.0 1417392000000000000\n");
    assert!(messages.contains("time         timestamp (dates, UTC where no zone is given)"), "{messages}");
    assert!(messages.contains("2 of 2 rows would be stored"), "{messages}");
    assert!(messages.contains("1 repeat an earlier time, the later line wins"), "{messages}");
}

#[test]
fn bad_rows_are_reported_with_their_line_and_exit_1() {
    let mut content = b"timestamp,value\n".to_vec();
    content.extend("2014-12-01 00:00:00,1\n".repeat(20).bytes());
    content.extend(b"2014-12-01 00:00:00,x\n\xff,1\n2014-12-02 00:00:00,1\n");
    let output = dry_run(&content);
    let messages = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{messages}");
    assert!(messages.contains("line 22: value: \"x\" is not a number"), "{messages}");
    assert!(messages.contains("line 23: the row is not UTF-8"), "{messages}");
    assert!(messages.contains("21 of 23 rows would be stored"), "{messages}");
}

#[test]
fn files_that_are_no_csv_give_one_clear_error() {
    for content in [&b""[..], b"\n", b"\x00\xff\xfe\n\x01", b"just a text"] {
        let output = dry_run(content);
        let messages = String::from_utf8(output.stderr).unwrap();
        assert!(matches!(output.status.code(), Some(1 | 2)), "{content:?}: {messages}");
        assert!(messages.starts_with("error: ") && messages.contains("pump.csv"), "{content:?}: {messages}");
    }
}
