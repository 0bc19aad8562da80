//! The keeper: one thread that looks after what has been written. Nobody waits for it.
//!
//! 1. Every [`TICK`], and when a segment was sealed or the disk was found full, it tends: it looks at the room there is,
//!    gives the ballast up or makes some of it, drops what retention does not keep, and remembers holds (holds.rs).
//! 2. Between that it compacts the partition that has changed most (compact.rs), or reads one sealed segment again
//!    (scrub.rs), at a bounded rate, and tends meanwhile.
//!
//! Invariants: it never touches the last segment; nothing it fails at stops anybody; it has ended before the lock on the
//! directory is let go.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use tidemill_journal::{Env, JournalError, TopicPartition};

use crate::appender::{Partition, Queue};
use crate::compact::{Compacted, Plan, WORTH_PERCENT, compact};
use crate::holds::{GRACE, Memory, Remembered};
use crate::keeping::Keeping;
use crate::scrub::{Debt, Pace, SLICE, scrub_segment};
use crate::space::{Ballast, Level, Limits};
use crate::storage::{Lock, Storage};

/// How often room is looked at.
const TICK: Duration = Duration::from_secs(1);
/// How often retention is looked at.
const RETAIN_EVERY: Duration = Duration::from_secs(10);
/// How often holds are written down, if they have changed.
const REMEMBER_EVERY: Duration = Duration::from_secs(10);
/// How often they are written down for the sake of those who are silent.
const REMEMBER_ALWAYS: Duration = Duration::from_secs(3600);
/// The ballast is for journals that live, not for those that are opened for a moment; and this is when it is tried again.
const BALLAST_AFTER: Duration = Duration::from_secs(60);
/// How often the same complaint is logged.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);
/// How often compaction looks for work, and when it is tried again after it failed.
const COMPACT_EVERY: Duration = Duration::from_secs(60);
/// How often tombstones are looked for where nothing was written.
const TOMBSTONES_EVERY: Duration = Duration::from_secs(86_400);
/// A partition is compacted when at least this share of its sealed segments is new.
const DIRTY_PERCENT: u64 = 25;

/// Puts back what was remembered when the journal was last open.
pub(crate) fn restore(
    storage: &dyn Storage,
    dir: &std::path::Path,
    queue: &Queue,
    env: &dyn Env,
) -> Result<(), JournalError> {
    let (shared, clock) = (&queue.keeping, env.monotonic());
    let memory = match Memory::load(storage, dir) {
        Err(JournalError::Corrupt { file, at, reason, .. }) => {
            tracing::warn!(file, at, reason, "holds are not known; retention drops nothing for a day");
            Memory { grace: GRACE, ..Memory::default() }
        }
        loaded => loaded?,
    };
    let until = if memory.grace.is_zero() { Duration::ZERO } else { clock + memory.grace };
    shared.grace_until.store(u64::try_from(until.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    shared.scrub_began.store(memory.scrub_began.unwrap_or(0), Relaxed);
    shared.scrub_ended.store(memory.scrub_ended.unwrap_or(0), Relaxed);
    let of: BTreeMap<_, _> = memory.partitions.iter().map(|p| (&p.at, p)).collect();
    for partition in queue.partitions.read().iter() {
        let Some(remembered) = of.get(&partition.log.place.at) else { continue };
        partition.care.holds.lock().restore(&remembered.holds, clock);
        partition.care.scrubbed.store(remembered.scrubbed, Relaxed);
        partition.care.compacted.store(remembered.compacted, Relaxed);
        if remembered.start == partition.log.start() {
            partition.log.set_kept_since(remembered.kept_since);
        }
    }
    Ok(())
}

/// Drops what no topic's retention keeps. Holds count unless the disk is full, and not even then is more dropped than
/// retention allows.
pub(crate) fn retain(queue: &Queue, env: &dyn Env, config: &Keeping) {
    let (shared, clock) = (&queue.keeping, env.monotonic());
    let is_critical = shared.pressure.level() == Level::Critical;
    let in_grace = u64::try_from(clock.as_nanos()).unwrap_or(u64::MAX) < shared.grace_until.load(Relaxed);
    for partition in queue.partitions.read().iter() {
        let place = &partition.log.place;
        for follower in partition.care.holds.lock().expire(clock, config.hold_silence) {
            shared.kept.expired_holds.fetch_add(1, Relaxed);
            tracing::warn!(follower, topic = place.at.topic, "a follower was not heard of for long; its hold is gone");
        }
        let held = match (is_critical, in_grace) {
            (true, _) => u64::MAX,
            (false, true) => 0,
            (false, false) => partition.care.holds.lock().needed(),
        };
        let durable = partition.published.borrow().durable;
        match partition.log.retain(*partition.retention.read(), held, durable, env.now()) {
            Ok(0) => continue,
            Ok(dropped) => {
                shared.kept.dropped_segments.fetch_add(dropped, Relaxed);
                shared.is_changed.store(true, Relaxed);
            }
            Err(error) => tracing::warn!(%error, "retention could not drop a segment"),
        }
        let start = partition.log.start();
        for follower in partition.care.holds.lock().hurt_by(start) {
            shared.kept.overridden_holds.fetch_add(1, Relaxed);
            let (topic, partition) = (&place.at.topic, place.at.partition);
            tracing::warn!(follower, topic, partition, start, "the disk is full: records went that a follower held");
        }
    }
}

/// Compacts a partition.
pub(crate) async fn compact_partition(
    queue: &Queue,
    env: &dyn Env,
    partition: &Partition,
    worth_percent: u64,
    pace: &mut dyn Pace,
) -> Result<Compacted, JournalError> {
    let _one_at_a_time = partition.care.compacting.lock().await;
    let durable = partition.published.borrow().durable;
    let held = partition.care.holds.lock().needed();
    let plan = Plan { durable, now: env.now(), held, worth_percent };
    let outcome = compact(&partition.log, plan, pace).await;
    partition.recent.forget();
    let outcome = outcome?;
    queue.keeping.count(outcome.done);
    for damage in outcome.damage {
        queue.keeping.report(&damage.file.clone(), vec![damage]);
    }
    if let Some(until) = outcome.until {
        partition.care.compacted.store(until, Relaxed);
    }
    Ok(outcome.done)
}

/// The thread.
pub(crate) struct Keeper {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) dir: PathBuf,
    pub(crate) queue: Arc<Queue>,
    pub(crate) env: Arc<dyn Env>,
    pub(crate) config: Keeping,
    /// Keeps other processes out.
    pub(crate) lock: Arc<Lock>,
}

impl Keeper {
    /// Runs until the journal is closed.
    pub(crate) async fn run(self) {
        let Keeper { storage, dir, queue, env, config, lock } = self;
        let clock = env.monotonic();
        let mut tending = Tending {
            ballast: Ballast::find(storage.clone(), &dir),
            began: clock,
            looked: None,
            retained: None,
            remembered: clock,
            compaction_due: clock + COMPACT_EVERY,
            ballast_due: clock + BALLAST_AFTER,
            complained: None,
            has_news: false,
            rate: 0,
            debt: Debt::default(),
            storage,
            dir,
            queue,
            env,
            config,
        };
        while !tending.is_closing() {
            tending.tend();
            let is_busy = tending.work().await || tending.is_growing();
            tending.rest(if is_busy { SLICE } else { TICK }).await;
        }
        tending.remember();
        drop(lock);
    }
}

/// The keeper at work.
struct Tending {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    queue: Arc<Queue>,
    env: Arc<dyn Env>,
    config: Keeping,
    ballast: Ballast,
    began: Duration,
    looked: Option<Duration>,
    retained: Option<Duration>,
    remembered: Duration,
    compaction_due: Duration,
    ballast_due: Duration,
    complained: Option<Duration>,
    /// A segment was sealed, or the journal is to be closed.
    has_news: bool,
    /// Bytes per second that the job at hand may use.
    rate: u64,
    debt: Debt,
}

impl Pace for Tending {
    fn spend(&mut self, bytes: u64) -> BoxFuture<'_, bool> {
        async move {
            if let Some(pause) = self.debt.add(bytes, self.rate) {
                self.rest(pause).await;
                self.tend();
            }
            !self.is_closing()
        }
        .boxed()
    }
}

impl Tending {
    fn is_closing(&self) -> bool {
        self.queue.is_closing()
    }

    /// Sleeps, unless there is news.
    async fn rest(&mut self, pause: Duration) {
        let sleep = self.env.sleep(pause);
        tokio::select! {
            () = sleep => {}
            () = self.queue.keeper_news.notified() => self.has_news = true,
        }
    }

    /// Step 1 of the module's description: short, and never fails.
    fn tend(&mut self) {
        let clock = self.env.monotonic();
        let is_due = |last: Option<Duration>, every| last.is_none_or(|last| clock.saturating_sub(last) >= every);
        let mut is_pressing = std::mem::take(&mut self.has_news);
        if is_due(self.looked, TICK) || self.queue.keeping.pressure.is_full_news() {
            self.looked = Some(clock);
            is_pressing |= self.look(clock) == Level::Critical;
        }
        if is_pressing || is_due(self.retained, RETAIN_EVERY) {
            self.retained = Some(clock);
            retain(&self.queue, &*self.env, &self.config);
        }
        if self.is_growing() {
            self.grow(clock);
        }
        let since = clock.saturating_sub(self.remembered);
        if since >= REMEMBER_ALWAYS || (since >= REMEMBER_EVERY && self.has_changed()) {
            self.remembered = clock;
            self.remember();
        }
    }

    /// Looks at the room there is.
    fn look(&mut self, clock: Duration) -> Level {
        let space = match self.storage.space(&self.dir) {
            Ok(space) => space,
            Err(error) => {
                self.complain(clock, |dir| tracing::warn!(dir, %error, "how much room there is cannot be told"));
                return self.queue.keeping.pressure.level();
            }
        };
        let limits = Limits::of(self.config.low_bytes, self.config.critical_bytes, space.total);
        self.ballast.aim(self.config.ballast_bytes, space.total);
        let lacks = if self.ballast_due > clock && self.ballast.have() == 0 { 0 } else { self.ballast.lacks() };
        let (before, now) = self.queue.keeping.pressure.update(&self.dir, space, lacks, limits);
        if now == Level::Critical && self.ballast.have() > 0 {
            self.ballast.give_up();
            // It counts as taken from now on, and is made again when there is room.
            self.ballast_due = clock;
        }
        self.queue.keeping.kept.ballast_bytes.store(self.ballast.have(), Relaxed);
        let available = space.available;
        if before != now && now == Level::Enough {
            tracing::info!(available, "there is room on the disk again");
        } else if now != Level::Enough {
            let Limits { low, critical } = limits;
            self.complain(clock, |dir| match now {
                Level::Critical => {
                    tracing::error!(dir, available, critical, "the disk is full: appends are refused; make room");
                }
                _ => tracing::warn!(dir, available, low, "the disk is nearly full: appends are slowed down"),
            });
        }
        now
    }

    /// Logs, unless something was logged just now.
    fn complain(&mut self, clock: Duration, log: impl FnOnce(&str)) {
        if self.complained.is_none_or(|last| clock.saturating_sub(last) >= COMPLAIN_EVERY) {
            self.complained = Some(clock);
            log(&self.dir.display().to_string());
        }
    }

    /// Whether some of the ballast is to be made now.
    fn is_growing(&self) -> bool {
        self.ballast.lacks() > 0
            && self.queue.keeping.pressure.level() == Level::Enough
            && self.env.monotonic() >= self.ballast_due
    }

    fn grow(&mut self, clock: Duration) {
        if let Err(error) = self.ballast.grow() {
            self.ballast_due = clock + BALLAST_AFTER;
            self.complain(clock, |dir| tracing::warn!(dir, %error, "no ballast"));
        }
        self.queue.keeping.kept.ballast_bytes.store(self.ballast.have(), Relaxed);
    }

    /// Whether something is to be written down.
    fn has_changed(&self) -> bool {
        // Every partition is asked, so that none stays changed.
        let partitions = self.queue.partitions.read();
        let changed = partitions.iter().filter(|partition| partition.care.holds.lock().take_changed()).count();
        self.queue.keeping.is_changed.swap(false, Relaxed) || changed > 0
    }

    /// Writes down what must be known after a restart.
    fn remember(&mut self) {
        let (shared, clock) = (&self.queue.keeping, self.env.monotonic());
        let time = |ns: &AtomicI64| Some(ns.load(Relaxed)).filter(|ns| *ns != 0);
        let memory = Memory {
            scrub_began: time(&shared.scrub_began),
            scrub_ended: time(&shared.scrub_ended),
            grace: Duration::from_nanos(shared.grace_until.load(Relaxed)).saturating_sub(clock),
            partitions: self.queue.partitions.read().iter().map(|p| remembered(p, clock)).collect(),
        };
        if let Err(error) = memory.store(&*self.storage, &self.dir) {
            self.queue.keeping.is_changed.store(true, Relaxed);
            self.complain(clock, |_| tracing::warn!(%error, "holds are not written down"));
        }
    }

    /// Does some of the long work; returns whether there is more.
    async fn work(&mut self) -> bool {
        let clock = self.env.monotonic();
        if self.queue.poison_reason().is_some() || self.queue.keeping.pressure.level() == Level::Critical {
            return false;
        }
        if clock >= self.compaction_due {
            self.compaction_due = clock + COMPACT_EVERY;
            if let Some(partition) = self.dirtiest(clock) {
                self.rate = self.config.compact_rate;
                *partition.care.looked.lock() = Some(clock);
                let (queue, env) = (self.queue.clone(), self.env.clone());
                match compact_partition(&queue, &*env, &partition, WORTH_PERCENT, self).await {
                    Ok(_) => self.compaction_due = clock,
                    Err(error) => tracing::warn!(%error, "a partition could not be compacted"),
                }
                return true;
            }
        }
        self.scrub().await
    }

    /// The compacted partition with the largest share of new segments, if that is worth it.
    fn dirtiest(&self, clock: Duration) -> Option<Arc<Partition>> {
        let partitions = self.queue.partitions.read();
        let dirt = |partition: &Arc<Partition>| {
            let sealed = partition.log.sealed(partition.published.borrow().durable);
            let compacted = partition.care.compacted.load(Relaxed);
            let new = sealed.iter().filter(|index| **index >= compacted).count() as u64;
            let looked = partition.care.looked.lock().unwrap_or(self.began);
            let is_old = clock.saturating_sub(looked) >= TOMBSTONES_EVERY;
            let share = (new * 100).checked_div(sealed.len() as u64)?;
            (share >= DIRTY_PERCENT || is_old).then_some(share)
        };
        let compacted = partitions.iter().filter(|partition| partition.retention.read().compacted);
        compacted
            .filter_map(|partition| Some((dirt(partition)?, partition)))
            .max_by_key(|(s, _)| *s)
            .map(|(_, p)| p.clone())
    }

    /// Reads the next segment of this pass again; returns whether there are more.
    async fn scrub(&mut self) -> bool {
        if self.config.scrub_every.is_zero() || !self.has_pass() {
            return false;
        }
        let queue = self.queue.clone();
        let shared = &queue.keeping;
        let Some((partition, index)) = self.next_to_scrub() else {
            let (began, now) = (shared.scrub_began.swap(0, Relaxed), self.env.now());
            shared.scrub_ended.store(now, Relaxed);
            let files: Vec<_> = shared.damage.lock().iter().map(|damage| damage.file.clone()).collect();
            let gone = |file: &String| {
                let path = std::path::Path::new(file);
                self.storage
                    .open(path, crate::storage::Open::Read)
                    .is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound)
            };
            files.iter().filter(|file| gone(file)).for_each(|file| shared.report(file, Vec::new()));
            let seconds = now.saturating_sub(began) / 1_000_000_000;
            tracing::info!(seconds, damaged = shared.damage.lock().len(), "every sealed segment was read again");
            self.remember();
            return false;
        };
        self.rate = self.config.scrub_rate;
        let found = scrub_segment(&partition.log.place, index, self).await;
        if found.is_cut_short && self.is_closing() {
            return false;
        }
        let path = crate::segment::segment_path(&partition.log.place.dir, index).display().to_string();
        shared.kept.scrubbed_segments.fetch_add(u64::from(!found.is_cut_short), Relaxed);
        shared.kept.scrubbed_bytes.fetch_add(found.bytes, Relaxed);
        shared.report(&path, found.damage);
        partition.care.scrubbed.store(index + 1, Relaxed);
        true
    }

    /// Whether a pass is under way, or begins now.
    fn has_pass(&self) -> bool {
        let shared = &self.queue.keeping;
        if shared.scrub_began.load(Relaxed) != 0 {
            return true;
        }
        let (now, ended) = (self.env.now(), shared.scrub_ended.load(Relaxed));
        let every = i64::try_from(self.config.scrub_every.as_nanos()).unwrap_or(i64::MAX);
        let is_due = ended == 0 || now.saturating_sub(ended) >= every || now < ended;
        let partitions = self.queue.partitions.read();
        let has_some = || partitions.iter().any(|p| !p.log.sealed(p.published.borrow().durable).is_empty());
        if !is_due || !has_some() {
            return false;
        }
        partitions.iter().for_each(|partition| partition.care.scrubbed.store(0, Relaxed));
        shared.scrub_began.store(now, Relaxed);
        true
    }

    fn next_to_scrub(&self) -> Option<(Arc<Partition>, u64)> {
        self.queue.partitions.read().iter().find_map(|partition| {
            let done = partition.care.scrubbed.load(Relaxed);
            let sealed = partition.log.sealed(partition.published.borrow().durable);
            Some((partition.clone(), sealed.into_iter().find(|index| *index >= done)?))
        })
    }
}

fn remembered(partition: &Partition, clock: Duration) -> Remembered {
    let at: &TopicPartition = &partition.log.place.at;
    Remembered {
        at: at.clone(),
        start: partition.log.start(),
        kept_since: partition.log.kept_since(),
        scrubbed: partition.care.scrubbed.load(Relaxed),
        compacted: partition.care.compacted.load(Relaxed),
        holds: partition.care.holds.lock().list(at, clock),
    }
}
