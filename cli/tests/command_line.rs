//! The command line: what it accepts, and how it says no.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic, and makes its own threads")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output};

use clap::{CommandFactory, Parser};
use tidemill_cli::args::{Cli, Command as Parsed};
use tidemill_cli::commands::plugin::PluginCommand;
use tidemill_cli::commands::plugin::deploy::request;
use tidemill_cli::commands::station::parse_rate;
use tidemill_cli::feed::Pace;

fn tidemill(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidemill")).args(arguments).env_remove("TIDEMILL_SERVER").output().unwrap()
}

fn error_of(output: &Output) -> String {
    assert!(output.stdout.is_empty(), "nothing but data on standard output");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A port on which nothing listens: it was free a moment ago.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn the_declarations_are_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn options_of_every_command_may_stand_anywhere() {
    for line in [
        "tidemill --server http://x:1 --json series",
        "tidemill series --json --server http://x:1",
        "tidemill plugin list --json --server http://x:1",
    ] {
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        assert_eq!((cli.global.server.as_str(), cli.global.json), ("http://x:1", true), "{line}");
    }
}

#[test]
fn wrong_command_lines_exit_with_2() {
    for line in [
        "",
        "nonsense",
        "station --rate fast",
        "delete * --start yesterday --end now",
        "write --producer p",
        "serve --replicas 17",
        "plugin deploy x --plugin rollup --dry-run",
        "plugin deploy x --plugin rollup --input v=a --input v=b --dry-run",
        "plugin deploy x --plugin rollup --input v=a --param p=1 --param p=2 --dry-run",
        "plugin deploy x --plugin rollup --input v=a --merge-partitions --two-stage --dry-run",
        "plugin deploy x --plugin rollup --input v=a --on-error ignore --dry-run",
    ] {
        let output = tidemill(&line.split_whitespace().collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(2), "{line}: {}", error_of(&output));
    }
}

#[test]
fn a_node_that_is_away_is_named_with_the_next_command() {
    let url = format!("http://127.0.0.1:{}", closed_port());
    for command in [&["sql", "SELECT 1"][..], &["series"], &["tail"], &["replica", "status"], &["plugin", "list"]] {
        let output = tidemill(&[command, &["--server", &url]].concat());
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        assert!(error.contains(&format!("no node answers at {url}: connection refused")), "{error}");
        assert!(error.contains("start one with `tidemill serve`"), "{error}");
    }
}

#[test]
fn an_address_that_others_reach_is_refused() {
    let output = tidemill(&["serve", "--http", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(error_of(&output).contains("--insecure"), "{}", error_of(&output));
}

#[test]
fn a_missing_journal_is_not_found() {
    let dir = tempfile::tempdir().unwrap();
    let output = tidemill(&["journal", "topics", "--data", dir.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3));
    assert!(error_of(&output).contains("there is no journal in"), "{}", error_of(&output));
}

#[test]
fn every_shell_gets_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = tidemill(&["completions", shell]);
        assert!(output.status.success() && output.stdout.len() > 1000, "{shell}");
    }
}

/// Answers one request with these bytes.
fn answer_once(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
    });
    url
}

#[test]
fn what_the_node_answers_chooses_the_exit_code() {
    let check = |answer, code, text: &str| {
        let output = tidemill(&["sql", "SELECT 1", "--server", &answer_once(answer)]);
        assert_eq!(output.status.code(), Some(code), "{answer}");
        assert!(error_of(&output).contains(text), "{}", error_of(&output));
    };
    let body = "{\"code\":\"invalid\",\"message\":\"no table named x\"}";
    assert_eq!(body.len(), 47);
    check(
        "HTTP/1.1 400 Bad Request\r\ncontent-length: 47\r\n\r\n{\"code\":\"invalid\",\"message\":\"no table named x\"}",
        1,
        "error: no table named x",
    );
    check("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", 3, "HTTP status 404");
    check("HTTP/1.1 503 Busy\r\nretry-after: 2\r\ncontent-length: 0\r\n\r\n", 4, "HTTP status 503");
}

#[test]
fn a_deploy_becomes_the_request_that_the_node_takes() {
    let line = "tidemill plugin deploy p1m --plugin rollup --input value=turbine:power{unit=T1} --window 60s \
                --group-by station,unit --param width=0.5 --param note=high";
    let Parsed::Plugin(PluginCommand::Deploy(args)) = Cli::try_parse_from(line.split_whitespace()).unwrap().command
    else {
        panic!("not a deploy");
    };
    let expected = r#"{"group_by":["station","unit"],"inputs":{"value":"turbine:power{unit=T1}"},"name":"p1m","params":{"note":"high","width":0.5},"plugin":"rollup","window":"60s"}"#;
    assert_eq!(request(&args).unwrap().to_string(), expected);
    let line = "tidemill plugin deploy s --plugin rollup --input value=power --group-by site --two-stage --on-error halt \
                --checkpoint-every 500ms --limit output_rows=9";
    let Parsed::Plugin(PluginCommand::Deploy(args)) = Cli::try_parse_from(line.split_whitespace()).unwrap().command
    else {
        panic!("not a deploy");
    };
    let expected = r#"{"checkpoint_every":"500ms","group_by":["site"],"inputs":{"value":"power"},"limits":{"output_rows":9},"name":"s","on_error":"halt","params":{},"plugin":"rollup","two_stage":true}"#;
    assert_eq!(request(&args).unwrap().to_string(), expected);
}

#[test]
fn rates_are_live_max_or_a_factor() {
    assert_eq!(parse_rate("live"), Ok(Pace::Times(1.0)));
    assert_eq!(parse_rate("2.5x"), Ok(Pace::Times(2.5)));
    assert_eq!(parse_rate("max"), Ok(Pace::Max));
    assert!(parse_rate("0x").is_err() && parse_rate("10").is_err());
}
