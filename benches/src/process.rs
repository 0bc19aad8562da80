//! What the operating system has accounted to a process.

use std::time::Duration;

use anyhow::{Context, Result};

/// Clock ticks per second in `/proc`, which Linux fixes for user space.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time, user and system, of all threads of a process since its start. Resolution 10 ms.
///
/// # Errors
/// When the process is gone.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the name in parentheses, which may hold spaces; utime and stime are the 14th and 15th.
    let (_, rest) = stat.rsplit_once(')').context("/proc/PID/stat has a name in parentheses")?;
    let fields: Vec<_> = rest.split_whitespace().collect();
    let ticks = |at: usize| -> Result<u64> { Ok(fields.get(at).context("/proc/PID/stat has 15 fields")?.parse()?) };
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 1_000 / TICKS_PER_SECOND))
}

/// Runs `work` and returns the CPU time that the process spent meanwhile.
///
/// # Errors
/// The work's own.
pub(crate) fn cpu_of(pid: u32, work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let before = cpu_time(pid)?;
    work()?;
    Ok(cpu_time(pid)? - before)
}

/// Bytes of memory that a process has.
///
/// # Errors
/// When the process is gone.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("/proc/PID/status has VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024)
}
