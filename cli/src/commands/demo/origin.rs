//! Where the demo's station began: kept in the data directory, so that a restart goes on with the same tide.

use std::path::Path;

use anyhow::Context as _;

use crate::output::say;

const FILE: &str = "demo.json";
/// An older beginning is given up: the simulator has to run through all the time since.
const AGE_MAX_NS: i64 = 24 * 3600 * 1_000_000_000;

/// The beginning that is stored in `data`, if it is not too old; else `start_ns`, which is stored.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn load_or_store(data: &Path, start_ns: i64) -> anyhow::Result<i64> {
    let file = data.join(FILE);
    match load(&file) {
        Some(stored) if stored <= start_ns && start_ns - stored < AGE_MAX_NS => return Ok(stored),
        // A file that says nothing useful is only a convenience lost.
        None if file.exists() => say(format_args!("{} is not readable: the station begins anew", file.display())),
        _ => {}
    }
    let new = data.join(format!("{FILE}.new"));
    let text = serde_json::json!({ "start_ns": start_ns }).to_string();
    std::fs::write(&new, text)
        .and_then(|()| std::fs::rename(&new, &file))
        .with_context(|| format!("write {}", file.display()))?;
    Ok(start_ns)
}

fn load(file: &Path) -> Option<i64> {
    let text = std::fs::read_to_string(file).ok()?;
    serde_json::from_str::<serde_json::Value>(&text).ok()?["start_ns"].as_i64()
}
