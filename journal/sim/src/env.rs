//! Time, randomness and threads that follow from a seed.
//!
//! 1. Tasks are polled one after the other on the calling thread; which of those that can go on comes next is drawn.
//! 2. When none can go on, the clock jumps to the next timer. When there is none either, the world is stuck: a panic.
//! 3. [`SimEnv::kill`] drops all tasks where they stand, as the end of a process does.
//!
//! Invariant: the order of wake-ups does not matter, since those that can go on are a set; so randomness inside the
//! libraries that the tasks use (which notifier of several a waiter takes) does not reach the run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tidemill_journal::Env;
use tidemill_journal::env::{Task, tracked};

use crate::{Rng, Trace};

/// The task that [`SimEnv::run`] is called with.
const MAIN: u64 = 0;
/// A run that takes this long by its own clock waits for something that never comes.
const RUN_MAX: Duration = Duration::from_secs(100_000);

/// A world's time, randomness and threads. Tasks hold it and it holds them: [`SimEnv::kill`] it in the end.
pub struct SimEnv {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    ready: Arc<Ready>,
    trace: Trace,
}

struct State {
    rng: Rng,
    clock: Duration,
    /// Wall clock at zero of the other, ns.
    wall: i64,
    last: u64,
    /// A task that is being polled has no future here.
    tasks: BTreeMap<u64, Option<BoxFuture<'static, ()>>>,
    timers: BTreeMap<(Duration, u64), Waker>,
}

#[derive(Default)]
struct Ready(Mutex<BTreeSet<u64>>);

struct TaskWaker {
    id: u64,
    ready: Arc<Ready>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.ready.0.lock().insert(self.id);
    }
}

/// The run was ended from outside before its future was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stopped;

impl SimEnv {
    /// A world without tasks, at 2026-01-01.
    pub fn new(rng: Rng, trace: Trace) -> Arc<Self> {
        let wall = 1_767_225_600_000_000_000;
        let (tasks, timers) = (BTreeMap::new(), BTreeMap::new());
        let state = Mutex::new(State { rng, clock: Duration::ZERO, wall, last: MAIN, tasks, timers });
        Arc::new(Self { shared: Arc::new(Shared { state, ready: Arc::default(), trace }) })
    }

    /// Runs tasks until `main` is done, or until `stop` says so after a step.
    ///
    /// # Errors
    /// [`Stopped`].
    ///
    /// # Panics
    /// When nothing can happen any more, or nothing has come of a day of waiting.
    pub fn run<T>(&self, main: impl Future<Output = T>, mut stop: impl FnMut() -> bool) -> Result<T, Stopped> {
        let mut main = pin!(main);
        self.shared.ready.0.lock().insert(MAIN);
        let until = self.shared.state.lock().clock + RUN_MAX;
        loop {
            if stop() {
                return Err(Stopped);
            }
            let Some(id) = self.next_ready() else {
                self.wait_for_a_timer(until);
                continue;
            };
            self.shared.trace.note(id);
            let waker = Waker::from(Arc::new(TaskWaker { id, ready: self.shared.ready.clone() }));
            let mut context = Context::from_waker(&waker);
            if id != MAIN {
                self.poll(id, &mut context);
            } else if let Poll::Ready(value) = main.as_mut().poll(&mut context) {
                return Ok(value);
            }
        }
    }

    /// Drops all tasks.
    pub fn kill(&self) {
        let tasks = std::mem::take(&mut self.shared.state.lock().tasks);
        drop(tasks);
        self.shared.state.lock().timers.clear();
        self.shared.ready.0.lock().clear();
    }

    /// Moves the wall clock, which may jump, and not the other.
    pub fn jump(&self, by_ns: i64) {
        let mut state = self.shared.state.lock();
        state.wall = state.wall.saturating_add(by_ns);
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.shared.state.lock().clock += by;
        self.shared.fire();
    }

    fn next_ready(&self) -> Option<u64> {
        let mut ready = self.shared.ready.0.lock();
        let n = match ready.len() {
            0 => return None,
            1 => 0,
            some => self.shared.state.lock().rng.below(some as u64),
        };
        let id = *ready.iter().nth(n as usize)?;
        ready.remove(&id);
        Some(id)
    }

    fn poll(&self, id: u64, context: &mut Context<'_>) {
        let future = self.shared.state.lock().tasks.get_mut(&id).and_then(Option::take);
        let Some(mut future) = future else { return };
        let is_done = future.as_mut().poll(context).is_ready();
        let mut state = self.shared.state.lock();
        if is_done {
            state.tasks.remove(&id);
            drop(state);
        } else if let Some(slot) = state.tasks.get_mut(&id) {
            *slot = Some(future);
        }
    }

    fn wait_for_a_timer(&self, until: Duration) {
        let mut state = self.shared.state.lock();
        let due = state.timers.keys().next().map(|(due, _)| *due);
        let due = due.expect("the world is stuck: every task waits for another");
        assert!(due < until, "the world is stuck: timers go off and nothing comes of it");
        state.clock = state.clock.max(due);
        drop(state);
        self.shared.fire();
    }
}

impl Shared {
    /// Wakes those whose time has come.
    fn fire(&self) {
        loop {
            let mut state = self.state.lock();
            let Some((&(due, id), _)) = state.timers.first_key_value() else { return };
            if due > state.clock {
                return;
            }
            let waker = state.timers.remove(&(due, id)).expect("it was there a line ago");
            drop(state);
            waker.wake();
        }
    }
}

impl fmt::Debug for SimEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.state.lock();
        write!(f, "SimEnv {{ clock: {:?}, tasks: {} }}", state.clock, state.tasks.len())
    }
}

struct Sleep {
    shared: Arc<Shared>,
    due: Duration,
    id: u64,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.shared.state.lock();
        if state.clock >= self.due {
            return Poll::Ready(());
        }
        state.timers.insert((self.due, self.id), context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.shared.state.lock().timers.remove(&(self.due, self.id));
    }
}

impl Env for SimEnv {
    fn now(&self) -> i64 {
        let state = self.shared.state.lock();
        state.wall.saturating_add(state.clock.as_nanos() as i64)
    }

    fn monotonic(&self) -> Duration {
        self.shared.state.lock().clock
    }

    fn random(&self) -> u64 {
        self.shared.state.lock().rng.next()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let mut state = self.shared.state.lock();
        state.last += 1;
        let (due, id) = (state.clock.saturating_add(duration), state.last);
        drop(state);
        Box::pin(Sleep { shared: self.shared.clone(), due, id })
    }

    fn spawn(&self, _name: &str, future: BoxFuture<'static, ()>) -> Task {
        let (future, task) = tracked(future);
        let mut state = self.shared.state.lock();
        state.last += 1;
        let id = state.last;
        state.tasks.insert(id, Some(Box::pin(future)));
        drop(state);
        self.shared.ready.0.lock().insert(id);
        task
    }

    fn spawn_thread(&self, name: &str, future: BoxFuture<'static, ()>) -> Task {
        self.spawn(name, future)
    }
}
