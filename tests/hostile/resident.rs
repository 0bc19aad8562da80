//! What modules that are dear to compile cost the node itself: next to nothing, because a child compiles.

use anyhow::{Context, Result, ensure};

use crate::case::{Case, Fate};
use crate::{classes, run};

/// What a node may take more at any moment while it refuses bombs.
const MORE_MAX_KIB: u64 = 64 << 10;
/// What it may take more for each that it runs: memory of 2 MiB, and images of that.
const MORE_EACH_MAX_KIB: u64 = (3 * 2) << 10;

/// A figure of `/proc/PID/status`, KiB.
fn figure(pid: u32, name: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
    let number = line.trim_start_matches(':').trim().trim_end_matches(" kB");
    number.parse().with_context(|| format!("{name} is {number:?}"))
}

/// Runs cases, and insists that the node's resident memory never exceeds what it was before by more than `more_max_kib`.
fn run_within(cases: &[Case], more_max_kib: u64) -> Result<()> {
    let (mut before, mut pid) = (0, 0);
    let town = run::run_in(cases, |node| {
        pid = node.pid();
        before = figure(pid, "VmRSS")?;
        // From here on VmHWM counts anew.
        Ok(std::fs::write(format!("/proc/{pid}/clear_refs"), "5")?)
    })?;
    let (peak, after) = (figure(pid, "VmHWM")?, figure(pid, "VmRSS")?);
    drop(town);
    eprintln!("{} bombs: {before} KiB before, {peak} KiB at most, {after} KiB after", cases.len());
    ensure!(peak <= before + more_max_kib, "{before} KiB before, {peak} KiB at most");
    Ok(())
}

#[test]
fn bombs_cost_the_child_only() -> Result<()> {
    let cases = classes::bombs::cases();
    let (taken, refused): (Vec<_>, Vec<_>) = cases.into_iter().partition(|case| !matches!(case.fate, Fate::Refused(_)));
    run_within(&refused, MORE_MAX_KIB)?;
    let operators = taken.len() as u64;
    run_within(&taken, MORE_MAX_KIB + operators * MORE_EACH_MAX_KIB)
}
