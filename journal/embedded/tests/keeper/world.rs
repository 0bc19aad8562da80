//! A disk that is as full as the test says and fails at the call the test names, and a journal on it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tidemill_journal::{Env, Journal, Retention, TopicConfig};
use tidemill_journal_embedded::{
    Disk, EmbeddedConfig, EmbeddedJournal, Entry, Keeping, Lock, Open, Space, Storage, StorageFile,
};

use crate::common::{ManualEnv, TOPIC};

/// What happens at the call that fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// The process is as good as dead: neither that call nor any later one does anything.
    Crash,
    /// The disk is full for that call.
    Full,
}

#[derive(Debug)]
struct State {
    /// Calls that change something, since the fault was set.
    calls: AtomicU64,
    fault: Mutex<Option<(u64, Fault)>>,
    space: Mutex<Option<Space>>,
    /// Whether every write meets a full disk.
    is_full: AtomicBool,
}

#[derive(Clone, Debug)]
pub(crate) struct World(Arc<State>);

impl World {
    pub(crate) fn new() -> Self {
        let (calls, is_full) = (AtomicU64::new(0), AtomicBool::new(false));
        Self(Arc::new(State { calls, fault: Mutex::new(None), space: Mutex::new(None), is_full }))
    }

    /// The `n`th call from now on that changes something fails.
    pub(crate) fn fail_at(&self, n: u64, fault: Fault) {
        self.0.calls.store(0, SeqCst);
        *self.0.fault.lock() = Some((n, fault));
    }

    /// Whether the call that was to fail has come.
    pub(crate) fn has_failed(&self) -> bool {
        self.0.fault.lock().is_some_and(|(n, _)| self.0.calls.load(SeqCst) > n)
    }

    /// Calls that would have changed something.
    pub(crate) fn calls(&self) -> u64 {
        self.0.calls.load(SeqCst)
    }

    pub(crate) fn set_available(&self, available: u64) {
        *self.0.space.lock() = Some(Space { available, total: 100 << 30 });
    }

    pub(crate) fn set_full(&self, is_full: bool) {
        self.0.is_full.store(is_full, SeqCst);
    }

    fn change(&self) -> io::Result<()> {
        let call = self.0.calls.fetch_add(1, SeqCst);
        match *self.0.fault.lock() {
            Some((n, Fault::Crash)) if call >= n => Err(io::Error::other("crashed")),
            Some((n, Fault::Full)) if call == n => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }
}

impl Storage for World {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn StorageFile>> {
        if how == Open::Create {
            self.change()?;
        }
        Ok(Arc::new(WorldFile { inner: Disk.open(path, how)?, world: self.clone() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change()?;
        Disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change()?;
        Disk.remove(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.change()?;
        Disk.create_dir_all(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.change()?;
        Disk.remove_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        Disk.list(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.change()?;
        Disk.sync_dir(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Lock> {
        Disk.lock(path)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        self.0.space.lock().map_or_else(|| Disk.space(path), Ok)
    }
}

#[derive(Debug)]
struct WorldFile {
    inner: Arc<dyn StorageFile>,
    world: World,
}

impl StorageFile for WorldFile {
    fn read_at(&self, at: u64, bytes: usize) -> io::Result<Vec<u8>> {
        self.inner.read_at(at, bytes)
    }

    fn write_at(&self, chunks: &[Bytes], at: u64) -> io::Result<()> {
        self.world.change()?;
        if self.world.0.is_full.load(SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.inner.write_at(chunks, at)
    }

    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.world.change()?;
        self.inner.set_size(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.world.change()?;
        self.inner.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.world.change()?;
        self.inner.sync_all()
    }
}

/// Settings under which the keeper does nothing by itself.
pub(crate) fn idle() -> Keeping {
    Keeping {
        low_bytes: Some(0),
        critical_bytes: Some(0),
        ballast_bytes: 0,
        scrub_every: Duration::ZERO,
        ..Keeping::default()
    }
}

/// A journal with small segments in which records lie close together.
pub(crate) fn open(world: &World, dir: &Path, keeping: Keeping, env: Arc<ManualEnv>) -> Arc<EmbeddedJournal> {
    let config = EmbeddedConfig { segment_bytes: 16 << 10, block_bytes: 8, keeping, ..EmbeddedConfig::new(dir) };
    EmbeddedJournal::open_on(Arc::new(world.clone()), config, env).unwrap()
}

/// Creates the topic of the tests.
pub(crate) async fn create(journal: &EmbeddedJournal, retention: Retention) {
    journal.create(TopicConfig { retention, ..TopicConfig::new(TOPIC, 1) }).await.unwrap();
}

/// Lets time pass in steps until something is so.
pub(crate) async fn until(env: &Arc<ManualEnv>, step: Duration, what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..20_000 {
        if is_so() {
            return;
        }
        env.advance(step);
        env.sleep(step).await;
    }
    panic!("it never came to this: {what}");
}

/// One of the journal's numbers.
pub(crate) fn metric(journal: &EmbeddedJournal, name: &str) -> f64 {
    journal.metrics().iter().find(|metric| metric.name == name).unwrap().value
}
