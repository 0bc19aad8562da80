//! The outside world as a value: clock, randomness, sleeping and spawning.
//!
//! Code takes an [`Env`] instead of asking the operating system, so that a test can put a simulated world in its place.
//! A lint bans the direct calls; [`SystemEnv`] is the one place that makes them, and composition roots create it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::oneshot;

/// Clock, randomness, sleeping and spawning.
pub trait Env: Send + Sync + 'static {
    /// Wall clock: nanoseconds since the Unix epoch, UTC. May jump.
    fn now(&self) -> i64;

    /// A clock that never falls, from an arbitrary zero.
    fn monotonic(&self) -> Duration;

    /// 64 random bits, good enough for ids, not for secrets.
    fn random(&self) -> u64;

    /// Resolves after `duration`.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// Runs a future beside the caller, on threads shared with others: it must not block.
    fn spawn(&self, name: &str, future: BoxFuture<'static, ()>) -> Task;

    /// Runs a future on a thread of its own: it may block and may compute for long.
    fn spawn_thread(&self, name: &str, future: BoxFuture<'static, ()>) -> Task;
}

/// A future that was spawned. Dropping it lets the future run on.
#[derive(Debug)]
pub struct Task(oneshot::Receiver<()>);

impl Task {
    /// Waits until the future has finished; `false` if it panicked.
    pub async fn join(self) -> bool {
        self.0.await.is_ok()
    }
}

/// Makes a future that reports its end, and the [`Task`] that hears of it. For implementations of [`Env`].
pub fn tracked(future: BoxFuture<'static, ()>) -> (impl Future<Output = ()> + Send + 'static, Task) {
    let (done, task) = oneshot::channel();
    let tracked = async move {
        future.await;
        // Nobody may be waiting; that is fine.
        let _ = done.send(());
    };
    (tracked, Task(task))
}

/// Stack of a thread of one's own. Only what is used takes memory, and a deeply nested query uses much.
const THREAD_STACK_BYTES: usize = 16 << 20;

/// The real world, on a tokio runtime.
#[derive(Clone, Debug)]
pub struct SystemEnv {
    runtime: tokio::runtime::Handle,
    started: std::time::Instant,
}

#[expect(clippy::disallowed_methods, reason = "this is the one place where the real world comes in")]
impl SystemEnv {
    /// The world as seen from the current tokio runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { runtime: tokio::runtime::Handle::current(), started: std::time::Instant::now() })
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place where the real world comes in")]
impl Env for SystemEnv {
    fn now(&self) -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX - 1)
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn random(&self) -> u64 {
        use std::hash::{BuildHasher, Hasher};
        // RandomState takes its keys from the operating system once per thread and counts them up from there.
        let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
        hasher.write_i64(self.now());
        hasher.finish()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let _inside = self.runtime.enter();
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn(&self, _name: &str, future: BoxFuture<'static, ()>) -> Task {
        let (future, task) = tracked(future);
        self.runtime.spawn(future);
        task
    }

    fn spawn_thread(&self, name: &str, future: BoxFuture<'static, ()>) -> Task {
        let (future, task) = tracked(future);
        let runtime = self.runtime.clone();
        let thread = std::thread::Builder::new().name(name.to_owned()).stack_size(THREAD_STACK_BYTES);
        thread.spawn(move || runtime.block_on(future)).expect("the system can start a thread");
        task
    }
}
