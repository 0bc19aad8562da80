//! How small history gets, and how fast a replica reads it again.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::ingest::node;
use crate::load::{BODY_LINES, Walk, send};
use crate::report::Figure;

const SECOND_NS: i64 = 1_000_000_000;

/// Bytes on disk per sample of a replica: 1,000 series, 600 s, two decimals, up to 4 ms of jitter.
///
/// # Errors
/// When the node fails.
pub(crate) fn bytes_per_sample() -> Result<Vec<Figure>> {
    const TICKS: usize = 600;
    let directory = tempfile::tempdir()?;
    let mut node = node(&directory, 1)?;
    let client = node.client();
    Walk::new(1_000).ticks(TICKS, SECOND_NS, BODY_LINES, |body| send(&client, body))?;
    node.wait_until_settled()?;
    // A clean stop flushes what is still in memory.
    node.stop()?;
    let bytes = size_of(&directory.path().join("replicas/r1"))?;
    Ok(vec![Figure::with_target("bytes-per-sample", bytes as f64 / (TICKS * 1_000) as f64, "B/sample", 1.3)])
}

fn size_of(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { size_of(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

/// Samples per second of a replica that is rebuilt from the journal.
///
/// # Errors
/// When the node fails.
pub(crate) fn rebuild() -> Result<Vec<Figure>> {
    const TICKS: usize = 20_000;
    let directory = tempfile::tempdir()?;
    let node = node(&directory, 1)?;
    let client = node.client();
    Walk::new(1_000).ticks(TICKS, SECOND_NS, BODY_LINES, |body| send(&client, body))?;
    let digest = node.wait_until_settled()?;
    let begun = now();
    client.post("/api/v1/replicas/r1/rebuild", &[], b"")?.ok()?;
    let again = node.wait_until_settled()?;
    let rate = (TICKS * 1_000) as f64 / begun.elapsed().as_secs_f64();
    if again != digest {
        bail!("the rebuilt replica has digest {again}, before it was {digest}");
    }
    Ok(vec![Figure::with_target("rebuild", rate, "samples/s", 5e6)])
}

#[expect(clippy::disallowed_methods, reason = "a benchmark is a composition root")]
fn now() -> Instant {
    Instant::now()
}
