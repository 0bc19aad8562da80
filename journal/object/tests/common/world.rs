//! The clock, the tasks, and the processes they belong to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::future::BoxFuture;
use tidemill_journal::Env;
use tidemill_journal::env::{Task, tracked};

/// The process that no test kills: the network.
pub(crate) const NETWORK: u64 = 0;

struct Ready {
    is_ready: AtomicBool,
}

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.is_ready.store(true, SeqCst);
    }
}

struct Running {
    process: u64,
    ready: Arc<Ready>,
    /// Absent while it is polled.
    future: Option<BoxFuture<'static, ()>>,
}

#[derive(Default)]
struct State {
    now: Duration,
    random: u64,
    next_id: u64,
    tasks: BTreeMap<u64, Running>,
    timers: BTreeMap<(Duration, u64), Waker>,
    paused: BTreeMap<u64, Duration>,
    dead: BTreeSet<u64>,
}

/// The world.
#[derive(Clone, Default)]
pub(crate) struct World(Arc<Mutex<State>>);

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let world = Self::default();
        world.0.lock().unwrap().random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        world
    }

    /// The next random number (xorshift64*).
    pub(crate) fn random(&self) -> u64 {
        let mut state = self.0.lock().unwrap();
        let mut x = state.random;
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        state.random = x;
        x.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&self, n: u64) -> u64 {
        (self.random() >> 11) % n.max(1)
    }

    /// Whether something happens that does so in `percent` of cases.
    pub(crate) fn chance(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn now(&self) -> Duration {
        self.0.lock().unwrap().now
    }

    /// The world as `process` sees it.
    pub(crate) fn process(&self, process: u64) -> Arc<ProcessEnv> {
        Arc::new(ProcessEnv { world: self.clone(), process })
    }

    /// Ends a process between two of its steps: nothing of it runs any more, not even destructors' tasks.
    pub(crate) fn kill(&self, process: u64) {
        let gone: Vec<_> = {
            let mut state = self.0.lock().unwrap();
            state.dead.insert(process);
            let ids: Vec<_> =
                state.tasks.iter().filter(|(_, task)| task.process == process).map(|(id, _)| *id).collect();
            ids.iter().map(|id| state.tasks.remove(id)).collect()
        };
        drop(gone);
    }

    /// Nothing of a process runs for so long.
    pub(crate) fn pause(&self, process: u64, length: Duration) {
        let mut state = self.0.lock().unwrap();
        let until = state.now + length;
        state.paused.insert(process, until);
    }

    fn spawn(&self, process: u64, future: BoxFuture<'static, ()>) {
        let mut state = self.0.lock().unwrap();
        if state.dead.contains(&process) {
            return;
        }
        state.next_id += 1;
        let (id, ready) = (state.next_id, Arc::new(Ready { is_ready: AtomicBool::new(true) }));
        state.tasks.insert(id, Running { process, ready, future: Some(future) });
    }

    pub(crate) fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let (world, mut due) = (self.clone(), None);
        Box::pin(std::future::poll_fn(move |context| {
            let mut state = world.0.lock().unwrap();
            let at = *due.get_or_insert(state.now + duration);
            if state.now >= at {
                return Poll::Ready(());
            }
            state.next_id += 1;
            let key = (at, state.next_id);
            state.timers.insert(key, context.waker().clone());
            Poll::Pending
        }))
    }

    /// Runs everything until `main` is done.
    ///
    /// # Panics
    /// When nothing can go on any more, or when the simulated hours run out.
    pub(crate) fn run(&self, main: BoxFuture<'static, ()>) {
        let done = Arc::new(AtomicBool::new(false));
        let is_done = done.clone();
        self.spawn(
            NETWORK,
            Box::pin(async move {
                main.await;
                is_done.store(true, SeqCst);
            }),
        );
        while !done.load(SeqCst) {
            match self.pick() {
                Some((id, ready, future)) => self.step(id, &ready, future),
                None => self.leap(),
            }
        }
        let tasks = std::mem::take(&mut self.0.lock().unwrap().tasks);
        drop(tasks);
    }

    /// One of the tasks that can go on.
    fn pick(&self) -> Option<(u64, Arc<Ready>, BoxFuture<'static, ()>)> {
        let lucky = self.random() as usize;
        let mut state = self.0.lock().unwrap();
        let now = state.now;
        state.paused.retain(|_, until| *until > now);
        let can = |task: &Running| task.ready.is_ready.load(SeqCst) && !state.paused.contains_key(&task.process);
        let able: Vec<_> = state.tasks.iter().filter(|(_, task)| can(task)).map(|(id, _)| *id).collect();
        let id = *able.get(lucky % able.len().max(1))?;
        let task = state.tasks.get_mut(&id)?;
        task.ready.is_ready.store(false, SeqCst);
        Some((id, task.ready.clone(), task.future.take()?))
    }

    fn step(&self, id: u64, ready: &Arc<Ready>, mut future: BoxFuture<'static, ()>) {
        let waker = Waker::from(ready.clone());
        let is_over = future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        let rest = {
            let mut state = self.0.lock().unwrap();
            match state.tasks.get_mut(&id) {
                Some(task) if !is_over => {
                    task.future = Some(future);
                    None
                }
                _ => Some((state.tasks.remove(&id), future)),
            }
        };
        drop(rest);
    }

    /// To the next moment at which something happens.
    fn leap(&self) {
        let mut state = self.0.lock().unwrap();
        let timer = state.timers.first_key_value().map(|((at, _), _)| *at);
        let resume = state.paused.values().min().copied();
        let next = timer.into_iter().chain(resume).min().expect("the simulation is stuck: nothing is left to wait for");
        assert!(next < Duration::from_secs(48 * 3600), "the simulation does not come to an end");
        state.now = state.now.max(next);
        let later = state.timers.split_off(&(next, u64::MAX));
        let due = std::mem::replace(&mut state.timers, later);
        drop(state);
        due.into_values().for_each(Waker::wake);
    }
}

/// The world as one process sees it.
pub(crate) struct ProcessEnv {
    world: World,
    process: u64,
}

impl ProcessEnv {
    pub(crate) fn go(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.world.spawn(self.process, Box::pin(future));
    }
}

impl Env for ProcessEnv {
    /// Processes' wall clocks differ by up to a minute.
    fn now(&self) -> i64 {
        let skew = (self.process % 7) * 10_000_000_000;
        1_700_000_000_000_000_000 + skew as i64 + self.world.now().as_nanos() as i64
    }

    fn monotonic(&self) -> Duration {
        self.world.now()
    }

    fn random(&self) -> u64 {
        self.world.random()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.world.sleep(duration)
    }

    fn spawn(&self, _name: &str, future: BoxFuture<'static, ()>) -> Task {
        let (future, task) = tracked(future);
        self.world.spawn(self.process, Box::pin(future));
        task
    }

    fn spawn_thread(&self, name: &str, future: BoxFuture<'static, ()>) -> Task {
        self.spawn(name, future)
    }
}
