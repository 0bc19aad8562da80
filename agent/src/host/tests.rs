//! Sampling recorded texts of `/proc`.

use std::fs;
use std::path::Path;

use super::*;

const SECOND_NS: i64 = 1_000_000_000;

const STAT: &str = "cpu  1000 0 500 8000 100 0 20 0 0 0\ncpu0 500 0 250 4000 50 0 10 0 0 0\nintr 1 2 3\nctxt 99\n";
const STAT_LATER: &str = "cpu  1050 10 530 8100 105 0 25 0 0 0\ncpu0 520 5 260 4060 52 0 13 0 0 0\n";
const DISKS: &str =
    "   8       0 sda 100 5 2000 30 200 10 4000 60 0 500 90\n   7       0 loop0 9 0 9 0 0 0 0 0 0 0 0\n";
const DISKS_LATER: &str = "   8       0 sda 110 5 2200 31 240 10 4800 66 0 750 97\n";
const NET: &str = "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n  eth0: 1000 10 1 2 0 0 0 0 2000 20 3 4 0 0 0 0\n";
const NET_LATER: &str = "  eth0:3000 30 1 2 0 0 0 0 2500 25 3 4 0 0 0 0\n";
const MEMORY: &str = "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    250 kB\nCached:           40 kB\nHugePages_Total:       0\n";

fn write(root: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(root.join("net")).unwrap();
    fs::create_dir_all(root.join("self")).unwrap();
    for (name, text) in files {
        fs::write(root.join(name), text).unwrap();
    }
}

fn sample(sampler: &mut HostSampler, now_ns: i64) -> String {
    String::from_utf8(sampler.sample(now_ns)).unwrap()
}

#[test]
fn rates_come_with_the_second_sample() {
    let root = tempfile::tempdir().unwrap();
    let load = ("loadavg", "0.20 0.18 0.12 1/80 11206\n");
    let texts = [
        ("stat", STAT),
        ("diskstats", DISKS),
        ("net/dev", NET),
        ("meminfo", MEMORY),
        load,
        ("uptime", "350735.47 234388.90\n"),
    ];
    write(root.path(), &texts);
    let mut sampler = HostSampler::new(root.path(), "mill 1");
    let first = sample(&mut sampler, 10 * SECOND_NS);
    assert_eq!(
        first,
        "host_load,host=mill\\ 1 load1=0.20,load5=0.18,load15=0.12,processes_runnable=1i,processes=80i,uptime_s=350735 10000000000\n\
         host_memory,host=mill\\ 1 total_bytes=1024000,available_bytes=256000,free_bytes=102400,cached_bytes=40960,used_percent=75.0 10000000000\n"
    );
    write(root.path(), &[("stat", STAT_LATER), ("diskstats", DISKS_LATER), ("net/dev", NET_LATER)]);
    let second = sample(&mut sampler, 12 * SECOND_NS);
    for expected in [
        "host_cpu,host=mill\\ 1,cpu=0 user=25.0,system=10.0,idle=60.0,wait=2.0,irq=3.0,steal=0.0,busy=38.0 12000000000\n",
        "host_cpu,host=mill\\ 1,cpu=total user=30.0,system=15.0,idle=50.0,wait=2.5,irq=2.5,steal=0.0,busy=47.5 12000000000\n",
        "host_disk,host=mill\\ 1,device=sda read_bytes_per_s=51200,write_bytes_per_s=204800,reads_per_s=5.0,writes_per_s=20.0,busy_percent=12.5 12000000000\n",
        "host_network,host=mill\\ 1,interface=eth0 receive_bytes_per_s=1000,transmit_bytes_per_s=250,receive_packets_per_s=10.0,transmit_packets_per_s=2.5,errors=4i,drops=6i 12000000000\n",
    ] {
        assert!(second.contains(expected), "{expected} is not in\n{second}");
    }
    assert!(!second.contains("loop0"));
}

#[test]
fn missing_and_strange_files_cost_only_their_own_lines() {
    let root = tempfile::tempdir().unwrap();
    let mut sampler = HostSampler::new(root.path(), "h");
    assert!(sampler.sample(1).is_empty());
    let strange = [
        ("stat", "cpu\ncpu0 x y\ncpu1 1 2 3\n"),
        ("diskstats", "8 0 sda 1\n\u{fffd}"),
        ("net/dev", "eth0: 1 2\nnonsense"),
        ("meminfo", "MemTotal\n:::\nMemFree: many kB"),
        ("loadavg", "1 2"),
        ("uptime", "5.0"),
        ("self/mounts", "/dev/nowhere\n"),
    ];
    write(root.path(), &strange);
    sampler.sample(2);
    assert_eq!(sample(&mut sampler, 3), "host_load,host=h uptime_s=5 3\n");
}

#[test]
fn counters_that_fall_after_a_restart_give_no_negative_rates() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), &[("diskstats", DISKS_LATER), ("net/dev", NET_LATER), ("stat", STAT_LATER)]);
    let mut sampler = HostSampler::new(root.path(), "h");
    sampler.sample(0);
    write(root.path(), &[("diskstats", DISKS), ("net/dev", NET), ("stat", STAT)]);
    let text = sample(&mut sampler, SECOND_NS);
    assert!(text.contains("receive_bytes_per_s=0,") && text.contains("write_bytes_per_s=0,"), "{text}");
    assert!(!text.contains("host_cpu") && !text.contains("=-"), "{text}");
}

#[test]
fn a_disk_mounted_at_two_places_is_reported_once_and_blanks_are_unescaped() {
    let text = "/dev/sda1 /my\\040disk ext4 rw 0 0\n/dev/sda1 /bind ext4 rw 0 0\nproc /proc proc rw 0 0\n";
    assert_eq!(parse::mounted_disks(text), ["/my disk"]);
}

#[test]
fn this_host_can_be_sampled() {
    let mut sampler = HostSampler::new("/proc", "here");
    assert!(sample(&mut sampler, SECOND_NS).contains("host_memory,host=here total_bytes="));
}
