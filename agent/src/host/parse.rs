//! Parsers of the files in `/proc` (proc(5)). Each takes the whole text and gives what it understands of it.

use std::collections::{BTreeSet, HashMap};

/// Processor time by mode, in clock ticks since boot.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CpuTimes {
    /// user, nice, system, idle, iowait, irq, softirq, steal.
    modes: [u64; 8],
}

impl CpuTimes {
    /// Time spent since `earlier`; none when nothing passed or a counter fell (a hot-plugged processor).
    pub(super) fn since(&self, earlier: &CpuTimes) -> Option<CpuTimes> {
        let mut modes = [0; 8];
        for ((delta, now), before) in modes.iter_mut().zip(self.modes).zip(earlier.modes) {
            // The kernel's idle and wait counters may fall by a few ticks: proc(5) says so.
            *delta = now.saturating_sub(before);
        }
        (modes.iter().sum::<u64>() > 0).then_some(CpuTimes { modes })
    }

    /// Shares of the whole, %.
    pub(super) fn percentages(&self) -> [(&'static str, f64); 7] {
        let [user, nice, system, idle, wait, irq, softirq, steal] = self.modes.map(|ticks| ticks as f64);
        let whole = self.modes.iter().sum::<u64>() as f64;
        [
            ("user", user + nice),
            ("system", system),
            ("idle", idle),
            ("wait", wait),
            ("irq", irq + softirq),
            ("steal", steal),
            ("busy", whole - idle - wait),
        ]
        .map(|(name, ticks)| (name, 100.0 * ticks / whole))
    }
}

/// `stat`: the lines `cpu` (named `total`) and `cpu0`, `cpu1`, ….
pub(super) fn cpu_times(text: &str) -> HashMap<String, CpuTimes> {
    text.lines()
        .filter_map(|line| {
            let (name, rest) = line.strip_prefix("cpu")?.split_once(' ')?;
            let mut numbers = rest.split_whitespace().map_while(|word| word.parse::<u64>().ok());
            // Old kernels have fewer modes; user, nice, system and idle are always there.
            let mut modes = [0; 8];
            for (at, mode) in modes.iter_mut().enumerate() {
                match numbers.next() {
                    Some(ticks) => *mode = ticks,
                    None if at < 4 => return None,
                    None => break,
                }
            }
            Some((if name.is_empty() { "total" } else { name }.to_owned(), CpuTimes { modes }))
        })
        .collect()
}

/// Counters of one disk since boot.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DiskCounters {
    pub(super) reads: u64,
    pub(super) sectors_read: u64,
    pub(super) writes: u64,
    pub(super) sectors_written: u64,
    pub(super) busy_ms: u64,
}

/// `diskstats`: devices that ever did anything, without loop and RAM devices.
pub(super) fn disk_counters(text: &str) -> HashMap<String, DiskCounters> {
    text.lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let name = *words.get(2)?;
            let number = |at: usize| words.get(at)?.parse::<u64>().ok();
            let counters = DiskCounters {
                reads: number(3)?,
                sectors_read: number(5)?,
                writes: number(7)?,
                sectors_written: number(9)?,
                busy_ms: number(12)?,
            };
            let is_real = !name.starts_with("loop") && !name.starts_with("ram") && counters.reads + counters.writes > 0;
            is_real.then(|| (name.to_owned(), counters))
        })
        .collect()
}

/// Counters of one network interface since boot.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NetworkCounters {
    pub(super) received_bytes: u64,
    pub(super) received_packets: u64,
    pub(super) sent_bytes: u64,
    pub(super) sent_packets: u64,
    pub(super) errors: u64,
    pub(super) drops: u64,
}

/// `net/dev`: two lines of headings, then one line per interface.
pub(super) fn network_counters(text: &str) -> HashMap<String, NetworkCounters> {
    text.lines()
        .filter_map(|line| {
            let (name, rest) = line.split_once(':')?;
            let numbers: Vec<u64> = rest.split_whitespace().map_while(|word| word.parse().ok()).collect();
            let [
                received_bytes,
                received_packets,
                errors_in,
                drops_in,
                _,
                _,
                _,
                _,
                sent_bytes,
                sent_packets,
                errors_out,
                drops_out,
                ..,
            ] = numbers[..]
            else {
                return None;
            };
            let errors = errors_in.saturating_add(errors_out);
            let drops = drops_in.saturating_add(drops_out);
            let counters =
                NetworkCounters { received_bytes, received_packets, sent_bytes, sent_packets, errors, drops };
            Some((name.trim().to_owned(), counters))
        })
        .collect()
}

/// `loadavg`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Load {
    /// Over 1, 5 and 15 minutes.
    pub(super) minutes: [f64; 3],
    pub(super) runnable: i64,
    pub(super) processes: i64,
}

/// `loadavg`: `0.20 0.18 0.12 1/80 11206`.
pub(super) fn load(text: &str) -> Option<Load> {
    let mut words = text.split_whitespace();
    let mut minute = || words.next()?.parse::<f64>().ok();
    let minutes = [minute()?, minute()?, minute()?];
    let (runnable, processes) = words.next()?.split_once('/')?;
    Some(Load { minutes, runnable: runnable.parse().ok()?, processes: processes.parse().ok()? })
}

/// The first word as a number: `uptime`.
pub(super) fn first_number(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

/// `meminfo`: name to bytes; the kernel's kB are KiB.
pub(super) fn memory_bytes(text: &str) -> HashMap<String, f64> {
    text.lines()
        .filter_map(|line| {
            let (name, rest) = line.split_once(':')?;
            Some((name.trim().to_owned(), first_number(rest)? * 1024.0))
        })
        .collect()
}

/// `self/mounts`: where block devices are mounted, each device once, at its first place.
pub(super) fn mounted_disks(text: &str) -> Vec<String> {
    let mut devices = BTreeSet::new();
    text.lines()
        .filter_map(|line| {
            let (device, rest) = line.split_once(' ')?;
            let (path, _) = rest.split_once(' ')?;
            (device.starts_with("/dev/") && devices.insert(device)).then(|| unescape(path))
        })
        .collect()
}

/// Blanks in paths are written as octal escapes.
fn unescape(path: &str) -> String {
    path.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
}
