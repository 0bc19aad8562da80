//! A live client that does not read is cut off, costs the others nothing, and may resume.

use std::io::Write;
use std::net::TcpStream;

use anyhow::{Context, Result, ensure};
use tidemill_tests::node::wait_for;
use tidemill_tests::{Node, NodeOptions};

#[test]
fn a_client_that_does_not_read_is_cut_while_writers_go_on() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let node = Node::start(directory.path(), NodeOptions::default())?;
    let client = node.client();
    let address = client.base().strip_prefix("http://").context("an http address")?.to_owned();
    let mut sleeper = TcpStream::connect(&address)?;
    write!(sleeper, "GET /api/v1/live?from=earliest HTTP/1.1\r\nHost: {address}\r\n\r\n")?;
    let subscribers = || -> Result<i64> { Ok(client.status()?["live"]["subscribers"].as_i64().unwrap_or(0)) };
    wait_for("the client to be subscribed", || Ok(subscribers()? == 1))?;
    // More than the sockets' buffers and the outbox hold.
    for i in 0..400 {
        let time = 1_767_225_600_000_000_000_i64 + i * 1_000_000_000;
        let lines: String = (0..3_000).map(|series| format!("m,s=s{series} value={i}.{series} {time}\n")).collect();
        client.write(&lines)?.ok()?;
    }
    wait_for("the client to be cut", || Ok(client.status()?["live"]["cut"].as_i64() == Some(1)))?;
    ensure!(subscribers()? == 0, "nothing is kept for it");
    drop(sleeper);
    Ok(())
}
