//! Feeds a node from a source that runs in this process: the simulated station, or this host's telemetry.
//!
//! Both repeat a request with the same producer and sequence until the node has answered it, so nothing is lost and
//! nothing is stored twice while the node is away. They differ in what waits meanwhile: the station simply makes its
//! ticks later, with the times they should have had; the host's samples wait in a bounded queue.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidemill_agent::{HostSampler, Station, StationConfig};

use crate::client::{Client, ClientError};
use crate::clock::{now_ns, pause, start_thread};
use crate::deliver::{Request, deliver};
use crate::output::say;
use crate::stop::Stop;

/// Forever, as far as anybody waits.
const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);
/// Host samples that wait while the node is away, one a second; then the oldest are dropped, and that is said.
const HOST_QUEUE_MAX: usize = 3600;
/// How often the host is sampled.
const HOST_EVERY: Duration = Duration::from_secs(1);
/// Longest nap before looking whether to stop.
const NAP: Duration = Duration::from_millis(100);

/// Where a feed goes.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The node.
    pub client: Client,
    /// Under which name.
    pub producer: String,
}

impl Destination {
    fn send(&self, sequence: u64, body: &[u8], stop: &Stop) -> Result<(), ClientError> {
        let identity = Some((self.producer.as_str(), sequence));
        let request = Request { body, precision: "ns", identity, ..Request::default() };
        let receipt = deliver(&self.client, &request, FOREVER, &|| stop.is_set())?;
        if let Some(bad) = receipt.bad.first() {
            say(format_args!(
                "{} lines were refused, the first because {}: {}",
                receipt.bad.len(),
                bad.reason,
                bad.text
            ));
        }
        Ok(())
    }
}

/// How fast ticks are made.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Pace {
    /// This many times faster than the clock; 1 is live.
    Times(f64),
    /// As fast as the node takes them.
    Max,
}

/// What a station feed does beside sending.
#[derive(Clone, Debug)]
pub struct StationFeed {
    /// What is simulated.
    pub config: StationConfig,
    /// How fast.
    pub pace: Pace,
    /// Ticks before this time are made but not sent.
    pub send_from_ns: i64,
    /// Ticks from this time on are not made.
    pub end_ns: i64,
    /// Ticks per request. Part of a repeatable feed: the same ticks must share a request again.
    pub ticks_per_request: u32,
}

/// What has been sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Ticks.
    pub ticks: u64,
    /// Samples in them.
    pub samples: u64,
}

/// Sends a station's ticks until its end or until it is stopped. A tick's sequence is its number since 1970, so that a
/// feed that is started again goes on where it stopped.
///
/// # Errors
/// When the configuration makes no sense or the node refuses.
pub fn feed_station(to: &Destination, feed: &StationFeed, stop: &Stop) -> anyhow::Result<Sent> {
    let step_ns = i64::try_from(feed.config.step.as_nanos()).unwrap_or(i64::MAX);
    let mut station = Station::new(feed.config.clone())?;
    let (started_ns, mut sent, mut lines, mut waiting) = (now_ns(), Sent::default(), Vec::new(), Sent::default());
    while station.next_time_ns() < feed.end_ns && !stop.is_set() {
        if station.next_time_ns() >= feed.send_from_ns
            && !wait_until_due(feed, station.next_time_ns(), started_ns, stop)
        {
            break;
        }
        let tick = station.next_tick(&mut lines);
        if tick.time_ns < feed.send_from_ns {
            lines.clear();
            continue;
        }
        waiting.ticks += 1;
        waiting.samples += u64::from(tick.samples);
        if waiting.ticks == u64::from(feed.ticks_per_request) || station.next_time_ns() >= feed.end_ns {
            to.send(sequence(tick.time_ns, step_ns), &lines, stop)?;
            lines.clear();
            let Sent { ticks, samples } = std::mem::take(&mut waiting);
            sent = Sent { ticks: sent.ticks + ticks, samples: sent.samples + samples };
        }
    }
    Ok(sent)
}

fn sequence(time_ns: i64, step_ns: i64) -> u64 {
    u64::try_from(time_ns / step_ns).unwrap_or(0)
}

/// Waits until the tick's time has come; `false` when it is stopped before.
fn wait_until_due(feed: &StationFeed, time_ns: i64, started_ns: i64, stop: &Stop) -> bool {
    let Pace::Times(factor) = feed.pace else {
        return true;
    };
    // Live ticks follow the wall clock; faster ones follow it from where they started.
    let ahead_ns = |now: i64| match factor {
        1.0 => time_ns.saturating_sub(now),
        factor => ((time_ns - feed.config.start_ns) as f64 / factor) as i64 - (now - started_ns),
    };
    loop {
        let ahead = ahead_ns(now_ns());
        if ahead <= 0 || stop.is_set() {
            return !stop.is_set();
        }
        pause(NAP.min(Duration::from_nanos(ahead.unsigned_abs())));
    }
}

type Queue = Arc<Mutex<VecDeque<(u64, Vec<u8>)>>>;

/// Sends this host's telemetry once a second until it is stopped.
///
/// # Errors
/// When the node refuses.
pub fn feed_host(to: &Destination, hostname: &str, stop: &Stop) -> anyhow::Result<u64> {
    let queue = Queue::default();
    let (filled, sampler, stopped) = (queue.clone(), HostSampler::new("/proc", hostname), stop.clone());
    let sampling = start_thread(move || sample_host(sampler, &filled, &stopped));
    let mut sent = 0;
    let result = loop {
        let front = queue.lock().unwrap_or_else(PoisonError::into_inner).front().cloned();
        match front {
            Some((sequence, body)) => {
                if let Err(error) = to.send(sequence, &body, stop) {
                    break Err(error);
                }
                sent += 1;
                let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
                // It may have been dropped meanwhile, and another one be at the front.
                if queue.front().is_some_and(|(front, _)| *front == sequence) {
                    queue.pop_front();
                }
            }
            None if stop.is_set() => break Ok(sent),
            None => pause(NAP),
        }
    };
    stop.set();
    let _ = sampling.join();
    Ok(result?)
}

fn sample_host(mut sampler: HostSampler, queue: &Queue, stop: &Stop) {
    let every_ns = i64::try_from(HOST_EVERY.as_nanos()).unwrap_or(i64::MAX);
    let (mut due_ns, mut sequence, mut dropped) = (now_ns(), 0, 0_u64);
    while !stop.is_set() {
        let now = now_ns();
        if now < due_ns {
            pause(NAP.min(Duration::from_nanos(due_ns.abs_diff(now))));
            continue;
        }
        // After a clock that jumped or a machine that slept, go on from now.
        due_ns = if now - due_ns > every_ns { now + every_ns } else { due_ns + every_ns };
        sequence += 1;
        let body = sampler.sample(now);
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push_back((sequence, body));
        if queue.len() > HOST_QUEUE_MAX {
            queue.pop_front();
            dropped += 1;
            if dropped.is_power_of_two() {
                say(format_args!("the node is away for too long: {dropped} of the oldest host samples are dropped"));
            }
        }
    }
}

/// This machine's name.
pub fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "localhost".to_owned() } else { name.trim().to_owned() }
}
