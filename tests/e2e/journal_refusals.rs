//! Journals that are not there, not meant or not understood: one clear error each, and nothing is written.

use std::net::TcpListener;
use std::path::Path;

use anyhow::{Result, ensure};
use tidemill_tests::tool::Ended;
use tidemill_tests::{Node, NodeOptions, tidemill};

/// A port on which nothing listens: it was free a moment ago.
fn closed_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn serve(data: &Path, more: &[&str]) -> Result<Ended> {
    let data = data.display().to_string();
    tidemill(["serve", "--http", "127.0.0.1:0", "--data", &data].iter().chain(more))
}

/// Files below `directory`, with their content.
fn content(directory: &Path) -> Result<Vec<(std::path::PathBuf, Vec<u8>)>> {
    let (mut found, mut open) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { open.push(path) } else { found.push((path.clone(), std::fs::read(path)?)) }
        }
    }
    found.sort();
    Ok(found)
}

#[test]
fn a_node_refuses_another_journal_than_the_one_it_follows() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let (mine, other) = (directory.path().join("mine"), directory.path().join("other"));
    for data in [&mine, &other] {
        Node::start(data, NodeOptions::default())?.stop()?;
    }
    let before = (content(&mine)?, content(&other)?);
    let foreign = other.join("journal").display().to_string();
    let objects = format!("object://{}", directory.path().join("objects").display());
    let nowhere = directory.path().join("nowhere").display().to_string();
    for journal in [&foreign, &nowhere, &objects] {
        let refused = serve(&mine, &["--journal", journal])?;
        ensure!(refused.code == Some(1) && refused.err.contains(journal.as_str()), "{journal} is named: {refused:?}");
        let way_back = format!("--journal {}", mine.join("journal").display());
        ensure!(refused.err.contains(&way_back), "and the way back: {refused:?}");
    }
    ensure!((content(&mine)?, content(&other)?) == before, "nothing was written");
    ensure!(!Path::new(&nowhere).exists(), "no journal was made");
    Node::start(&mine, NodeOptions::default())?.stop()
}

#[test]
fn a_directory_from_before_there_was_a_choice_belongs_to_the_journal_inside_it() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let data = directory.path().join("data");
    Node::start(&data, NodeOptions::default())?.stop()?;
    std::fs::remove_file(data.join("node"))?;
    let elsewhere = directory.path().join("elsewhere").display().to_string();
    let refused = serve(&data, &["--journal", &elsewhere])?;
    ensure!(refused.code == Some(1) && refused.err.contains("follows the journal"), "{refused:?}");
    Node::start(&data, NodeOptions::default())?.stop()?;
    ensure!(data.join("node").is_file(), "now it is remembered");
    Ok(())
}

#[test]
fn what_is_no_journal_is_refused_at_once() -> Result<()> {
    let directory = tempfile::tempdir()?;
    for (url, expected) in [
        ("ftp://somewhere/journal", "is no kind of journal"),
        ("kafka://", "says no place"),
        ("object:dir", "neither a URL nor a path"),
        ("kafka://me:hunter2@broker:9092", "--journal-settings"),
    ] {
        let refused = serve(&directory.path().join("data"), &["--journal", url])?;
        ensure!(refused.code == Some(2) && refused.err.contains(expected), "{url}: {refused:?}");
        ensure!(!refused.err.contains("hunter2"), "no secret is repeated: {refused:?}");
    }
    ensure!(!directory.path().join("data").exists(), "nothing was written");
    Ok(())
}

#[test]
fn settings_that_nobody_knows_are_named_with_their_line() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("journal.conf");
    let objects = format!("object://{}", directory.path().join("objects").display());
    let embedded = directory.path().join("journal").display().to_string();
    let grpc = format!("grpc://127.0.0.1:{}", closed_port()?);
    let kafka = format!("kafka://127.0.0.1:{}/x", closed_port()?);
    std::fs::write(&file, "# a comment\nno.such.setting = hunter2\n")?;
    let settings = file.display().to_string();
    for journal in [&embedded, &objects, &grpc, &kafka] {
        let data = directory.path().join("data");
        let refused = serve(&data, &["--journal", journal, "--journal-settings", &settings])?;
        let place = format!("{settings}:2: ");
        ensure!(refused.code == Some(1) && refused.err.contains(&place), "{journal}: file and line: {refused:?}");
        ensure!(refused.err.contains("no.such.setting") && !refused.err.contains("hunter2"), "{refused:?}");
        ensure!(!data.join("node").exists(), "nothing was remembered");
    }
    std::fs::write(&file, "segment_bytes")?;
    let refused = serve(&directory.path().join("data"), &["--journal-settings", &settings])?;
    ensure!(refused.err.contains(&format!("{settings}:1: this is not key = value")), "{refused:?}");
    Ok(())
}

#[test]
fn a_journal_that_does_not_answer_is_one_clear_error() -> Result<()> {
    let directory = tempfile::tempdir()?;
    for journal in [format!("grpc://127.0.0.1:{}", closed_port()?), format!("kafka://127.0.0.1:{}/x", closed_port()?)] {
        let data = directory.path().join("data");
        let refused = serve(&data, &["--journal", &journal])?;
        let lines = refused.err.lines().filter(|line| line.starts_with("error:")).count();
        ensure!(refused.code == Some(1) && lines == 1, "one error: {refused:?}");
        ensure!(refused.err.contains("127.0.0.1:"), "it names the place: {refused:?}");
        ensure!(!data.join("node").exists() && !data.join("replicas").exists(), "nothing was written");
    }
    Ok(())
}
