//! Telemetry of this host from `/proc`, as line protocol: processors, load, memory, disks, network, file systems.
//!
//! | measurement | labels | fields |
//! |---|---|---|
//! | `host_cpu` | `host`, `cpu` (`total`, `0`, …) | `user`, `system`, `idle`, `wait`, `irq`, `steal`, `busy`: % |
//! | `host_load` | `host` | `load1`, `load5`, `load15`, `processes_runnable`, `processes`, `uptime_s` |
//! | `host_memory` | `host` | `total_bytes`, `available_bytes`, `free_bytes`, `cached_bytes`, `dirty_bytes`, `swap_free_bytes`, `used_percent` |
//! | `host_disk` | `host`, `device` | `read_bytes_per_s`, `write_bytes_per_s`, `reads_per_s`, `writes_per_s`, `busy_percent` |
//! | `host_network` | `host`, `interface` | `receive_bytes_per_s`, `transmit_bytes_per_s`, `receive_packets_per_s`, `transmit_packets_per_s`, `errors`, `drops` |
//! | `host_filesystem` | `host`, `path` | `total_bytes`, `free_bytes`, `used_percent` |
//!
//! Rates need two samples, so the first one only primes them. A file that is missing or looks unlike what is expected
//! costs its own lines and nothing else: containers and other kernels show less.

mod parse;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use parse::{CpuTimes, DiskCounters, NetworkCounters};

use crate::line::{Line, push_label};

/// Size of a sector in `/proc/diskstats`, whatever the device's own (kernel documentation, iostats).
const SECTOR_BYTES: f64 = 512.0;

/// What must be remembered to turn counters into rates.
#[derive(Debug, Default)]
struct Before {
    time_ns: i64,
    cpus: HashMap<String, CpuTimes>,
    disks: HashMap<String, DiskCounters>,
    interfaces: HashMap<String, NetworkCounters>,
}

/// Samples one host.
#[derive(Debug)]
pub struct HostSampler {
    proc_root: PathBuf,
    hostname: String,
    before: Option<Before>,
}

impl HostSampler {
    /// Reads below `proc_root` (`/proc`); `hostname` becomes the label `host`.
    pub fn new(proc_root: impl Into<PathBuf>, hostname: impl Into<String>) -> Self {
        Self { proc_root: proc_root.into(), hostname: hostname.into(), before: None }
    }

    /// Line protocol for `now_ns`. The first call gives only what is not a rate.
    pub fn sample(&mut self, now_ns: i64) -> Vec<u8> {
        let now = Before {
            time_ns: now_ns,
            cpus: parse::cpu_times(&self.read("stat")),
            disks: parse::disk_counters(&self.read("diskstats")),
            interfaces: parse::network_counters(&self.read("net/dev")),
        };
        let mut out = Vec::new();
        if let Some(before) = self.before.take() {
            self.write_cpus(&mut out, &before, &now);
            self.write_disks(&mut out, &before, &now);
            self.write_interfaces(&mut out, &before, &now);
        }
        self.write_load(&mut out, now_ns);
        self.write_memory(&mut out, now_ns);
        self.write_file_systems(&mut out, now_ns);
        self.before = Some(now);
        out
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.proc_root.join(name)).unwrap_or_default()
    }

    fn head(&self, measurement: &str, label: Option<(&str, &str)>) -> Vec<u8> {
        let mut head = measurement.as_bytes().to_vec();
        push_label(&mut head, "host", &self.hostname);
        if let Some((name, value)) = label {
            push_label(&mut head, name, value);
        }
        head
    }

    fn write_cpus(&self, out: &mut Vec<u8>, before: &Before, now: &Before) {
        for (cpu, times) in sorted(&now.cpus) {
            let Some(delta) = before.cpus.get(cpu).and_then(|earlier| times.since(earlier)) else { continue };
            let mut line = Line::begin(out, &self.head("host_cpu", Some(("cpu", cpu))));
            for (name, percent) in delta.percentages() {
                line.float(name, percent, 1);
            }
            line.end(now.time_ns);
        }
    }

    fn write_disks(&self, out: &mut Vec<u8>, before: &Before, now: &Before) {
        let Some(seconds) = seconds_between(before, now) else { return };
        for (device, disk) in sorted(&now.disks) {
            let Some(earlier) = before.disks.get(device) else { continue };
            let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
            let mut line = Line::begin(out, &self.head("host_disk", Some(("device", device))));
            line.float("read_bytes_per_s", rate(disk.sectors_read, earlier.sectors_read) * SECTOR_BYTES, 0);
            line.float("write_bytes_per_s", rate(disk.sectors_written, earlier.sectors_written) * SECTOR_BYTES, 0);
            line.float("reads_per_s", rate(disk.reads, earlier.reads), 1);
            line.float("writes_per_s", rate(disk.writes, earlier.writes), 1);
            line.float("busy_percent", (rate(disk.busy_ms, earlier.busy_ms) / 10.0).min(100.0), 1);
            line.end(now.time_ns);
        }
    }

    fn write_interfaces(&self, out: &mut Vec<u8>, before: &Before, now: &Before) {
        let Some(seconds) = seconds_between(before, now) else { return };
        for (interface, network) in sorted(&now.interfaces) {
            let Some(earlier) = before.interfaces.get(interface) else { continue };
            let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
            let mut line = Line::begin(out, &self.head("host_network", Some(("interface", interface))));
            line.float("receive_bytes_per_s", rate(network.received_bytes, earlier.received_bytes), 0);
            line.float("transmit_bytes_per_s", rate(network.sent_bytes, earlier.sent_bytes), 0);
            line.float("receive_packets_per_s", rate(network.received_packets, earlier.received_packets), 1);
            line.float("transmit_packets_per_s", rate(network.sent_packets, earlier.sent_packets), 1);
            line.integer("errors", network.errors.min(i64::MAX as u64) as i64);
            line.integer("drops", network.drops.min(i64::MAX as u64) as i64);
            line.end(now.time_ns);
        }
    }

    fn write_load(&self, out: &mut Vec<u8>, now_ns: i64) {
        let mut line = Line::begin(out, &self.head("host_load", None));
        if let Some(load) = parse::load(&self.read("loadavg")) {
            line.float("load1", load.minutes[0], 2);
            line.float("load5", load.minutes[1], 2);
            line.float("load15", load.minutes[2], 2);
            line.integer("processes_runnable", load.runnable);
            line.integer("processes", load.processes);
        }
        if let Some(uptime_s) = parse::first_number(&self.read("uptime")) {
            line.float("uptime_s", uptime_s, 0);
        }
        line.end(now_ns);
    }

    fn write_memory(&self, out: &mut Vec<u8>, now_ns: i64) {
        let memory = parse::memory_bytes(&self.read("meminfo"));
        let mut line = Line::begin(out, &self.head("host_memory", None));
        for (source, name) in [
            ("MemTotal", "total_bytes"),
            ("MemAvailable", "available_bytes"),
            ("MemFree", "free_bytes"),
            ("Cached", "cached_bytes"),
            ("Dirty", "dirty_bytes"),
            ("SwapFree", "swap_free_bytes"),
        ] {
            if let Some(bytes) = memory.get(source) {
                line.float(name, *bytes, 0);
            }
        }
        if let (Some(total), Some(available)) = (memory.get("MemTotal"), memory.get("MemAvailable")) {
            line.float("used_percent", percent(total - available, *total), 1);
        }
        line.end(now_ns);
    }

    fn write_file_systems(&self, out: &mut Vec<u8>, now_ns: i64) {
        for path in parse::mounted_disks(&self.read("self/mounts")) {
            let Ok(stat) = rustix::fs::statvfs(Path::new(&path)) else { continue };
            let block_bytes = stat.f_frsize as f64;
            let (total, free) = (stat.f_blocks as f64 * block_bytes, stat.f_bavail as f64 * block_bytes);
            let mut line = Line::begin(out, &self.head("host_filesystem", Some(("path", &path))));
            line.float("total_bytes", total, 0);
            line.float("free_bytes", free, 0);
            line.float("used_percent", percent(total - free, total), 1);
            line.end(now_ns);
        }
    }
}

fn seconds_between(before: &Before, now: &Before) -> Option<f64> {
    let elapsed_ns = now.time_ns.saturating_sub(before.time_ns);
    (elapsed_ns > 0).then(|| elapsed_ns as f64 / 1e9)
}

fn percent(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { (100.0 * part / whole).clamp(0.0, 100.0) } else { 0.0 }
}

fn sorted<V>(map: &HashMap<String, V>) -> Vec<(&String, &V)> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_unstable_by_key(|(name, _)| *name);
    entries
}
