//! The simulated disk: the file system that [`World`] describes, with the faults of [`Faults`].
//!
//! What changes something counts as an I/O and can be where the power goes. A call that fails by a fault says so with
//! the error that Linux would give.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tidemill_journal_embedded::{Entry, Lock, Open, Space, Storage, StorageFile};

use crate::world::names;
use crate::{Faults, Rng, Survives, Trace, World};

/// A file system in memory. Clones are the same one.
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<State>>);

struct State {
    world: World,
    faults: Faults,
    rng: Rng,
    trace: Trace,
    io_count: u64,
    is_down: bool,
    locked: BTreeSet<PathBuf>,
    /// The world after each I/O, if it is kept.
    kept: Option<Vec<World>>,
    lies: u64,
}

/// How often a sync that lasts lets other threads run.
const TURNS_MAX: u32 = 200;

/// What an I/O is, for the trace.
#[derive(Clone, Copy)]
enum Io {
    Write,
    SetSize,
    Sync,
    Name,
    SyncDir,
}

impl SimDisk {
    /// A disk that holds `world`.
    pub fn new(world: World, faults: Faults, rng: Rng, trace: Trace) -> Self {
        let locked = BTreeSet::new();
        let state = State { world, faults, rng, trace, io_count: 0, is_down: false, locked, kept: None, lies: 0 };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Keeps the world after every I/O from now on.
    pub fn keep_worlds(&self) {
        let mut state = self.0.lock();
        state.kept = Some(vec![state.world.clone()]);
    }

    /// The worlds that were kept: the first is from before the first I/O, number n from after the n-th.
    pub fn take_worlds(&self) -> Vec<World> {
        self.0.lock().kept.take().unwrap_or_default()
    }

    /// The world as it is now.
    pub fn world(&self) -> World {
        self.0.lock().world.clone()
    }

    /// How many I/Os there were.
    pub fn io_count(&self) -> u64 {
        self.0.lock().io_count
    }

    /// How many syncs lied.
    pub fn lies(&self) -> u64 {
        self.0.lock().lies
    }

    /// Whether the power has gone.
    pub fn is_down(&self) -> bool {
        self.0.lock().is_down
    }

    /// Changes the faults from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.0.lock().faults = faults;
    }

    /// Leaves room for so many bytes more; `None`: for as many as anybody likes.
    pub fn set_free(&self, bytes: Option<u64>) {
        let mut state = self.0.lock();
        state.faults.room = bytes.map(|bytes| state.world.used() + bytes);
    }

    /// Lets the power go and come back: what survives, on a disk without faults, which counts its I/Os and lies on.
    #[must_use]
    pub fn power_cycle(&self, survives: Survives) -> Self {
        let mut state = self.0.lock();
        state.is_down = true;
        let mut rng = state.rng.fork();
        let world = state.world.after_power_loss(survives, &mut rng);
        let after = Self::new(world, Faults::default(), rng, state.trace.clone());
        let mut again = after.0.lock();
        (again.io_count, again.lies) = (state.io_count, state.lies);
        drop(again);
        after
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        write!(f, "SimDisk {{ io_count: {}, is_down: {} }}", state.io_count, state.is_down)
    }
}

fn eio() -> io::Error {
    io::Error::from_raw_os_error(5)
}

fn full() -> io::Error {
    ErrorKind::StorageFull.into()
}

fn not_found() -> io::Error {
    ErrorKind::NotFound.into()
}

impl State {
    /// Begins an I/O. An error says that it fails without effect.
    fn begin(&mut self, io: Io, errors: u64) -> io::Result<()> {
        if self.is_down {
            return Err(eio());
        }
        self.io_count += 1;
        self.trace.note(io as u64 + 1000);
        if self.rng.chance(errors) {
            return Err(eio());
        }
        Ok(())
    }

    /// Ends an I/O that has had its effect; fails when the power goes with it.
    fn end(&mut self) -> io::Result<()> {
        if let Some(kept) = &mut self.kept {
            kept.push(self.world.clone());
        }
        if self.faults.crash_at.is_some_and(|at| self.io_count >= at) {
            self.is_down = true;
            return Err(eio());
        }
        Ok(())
    }

    /// Whether the power goes before this I/O has any effect that is not in doubt.
    fn goes_down(&mut self) -> bool {
        self.faults.crash_at.is_some_and(|at| self.io_count >= at)
    }

    fn dir_and_name<'a>(&self, path: &'a Path) -> io::Result<(u64, &'a str)> {
        let dir = path.parent().and_then(|dir| self.world.find(dir)).ok_or_else(not_found)?;
        let name = names(path).last().ok_or(ErrorKind::InvalidInput)?;
        if self.world.dir(dir).is_none() {
            return Err(ErrorKind::NotADirectory.into());
        }
        Ok((dir, name))
    }

    /// How much of a write of `bytes` bytes that ends at `end` of a file of `length` bytes fits.
    fn fits(&self, length: u64, end: u64) -> u64 {
        let Some(room) = self.faults.room else { return u64::MAX };
        let more = end.saturating_sub(length);
        let free = room.saturating_sub(self.world.used());
        end - more.saturating_sub(free)
    }
}

impl Storage for SimDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn StorageFile>> {
        let mut state = self.0.lock();
        if state.is_down {
            return Err(eio());
        }
        let found = state.world.find(path);
        let node = match (how, found) {
            (Open::Create, None) => {
                let (dir, name) = state.dir_and_name(path)?;
                let errors = state.faults.name_errors;
                state.begin(Io::Name, errors)?;
                let node = state.world.add(dir, name, false);
                state.end()?;
                node
            }
            (Open::Create, Some(node)) => {
                state.begin(Io::SetSize, 0)?;
                state.world.set_size(node, 0);
                state.end()?;
                node
            }
            (_, Some(node)) => node,
            (_, None) => return Err(not_found()),
        };
        state.world.file(node).ok_or(ErrorKind::IsADirectory)?;
        Ok(Arc::new(SimFile { disk: self.clone(), node }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.world.find(from).ok_or_else(not_found)?;
        let (from, to) = (state.dir_and_name(from)?, state.dir_and_name(to)?);
        let errors = state.faults.name_errors;
        state.begin(Io::Name, errors)?;
        state.world.rename(from, to);
        state.end()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        let node = state.world.find(path).ok_or_else(not_found)?;
        state.world.file(node).ok_or(ErrorKind::IsADirectory)?;
        let (dir, name) = state.dir_and_name(path)?;
        let errors = state.faults.name_errors;
        state.begin(Io::Name, errors)?;
        state.world.unlink(dir, name);
        state.end()
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        let mut at = state.world.find(Path::new("/")).expect("there is a root");
        for name in names(path) {
            let there = state.world.dir(at).ok_or(ErrorKind::NotADirectory)?.names.get(name).copied();
            at = match there {
                Some(node) => node,
                None => {
                    let errors = state.faults.name_errors;
                    state.begin(Io::Name, errors)?;
                    let node = state.world.add(at, name, true);
                    state.end()?;
                    node
                }
            };
        }
        Ok(())
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        let node = state.world.find(path).ok_or_else(not_found)?;
        state.world.dir(node).ok_or(ErrorKind::NotADirectory)?;
        let (dir, name) = state.dir_and_name(path)?;
        let errors = state.faults.name_errors;
        state.begin(Io::Name, errors)?;
        state.world.unlink(dir, name);
        state.end()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let mut state = self.0.lock();
        let errors = state.faults.read_errors;
        if state.is_down || state.rng.chance(errors) {
            return Err(eio());
        }
        let dir = state.world.find(path).ok_or_else(not_found)?;
        let dir = state.world.dir(dir).ok_or(ErrorKind::NotADirectory)?;
        let is_dir = |node| state.world.dir(node).is_some();
        let mut entries: Vec<_> =
            dir.names.iter().map(|(name, node)| Entry { name: name.clone(), is_dir: is_dir(*node) }).collect();
        // In no order.
        let n = entries.len() as u64;
        (1..n).for_each(|i| entries.swap(i as usize, state.rng.below(i + 1) as usize));
        Ok(entries)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        let node = state.world.find(path).ok_or_else(not_found)?;
        state.world.dir(node).ok_or(ErrorKind::NotADirectory)?;
        let errors = state.faults.name_errors;
        state.begin(Io::SyncDir, errors)?;
        if state.goes_down() {
            return state.end();
        }
        state.world.sync_dir(node);
        state.end()
    }

    fn lock(&self, path: &Path) -> io::Result<Lock> {
        let exists = self.0.lock().world.find(path).is_some();
        if !exists {
            self.open(path, Open::Create)?;
        }
        if !self.0.lock().locked.insert(path.to_owned()) {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Locked { disk: self.clone(), path: path.to_owned() }))
    }

    fn space(&self, _path: &Path) -> io::Result<Space> {
        let state = self.0.lock();
        let total = state.faults.room.unwrap_or(1 << 40);
        Ok(Space { available: total.saturating_sub(state.world.used()), total })
    }
}

struct Locked {
    disk: SimDisk,
    path: PathBuf,
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.disk.0.lock().locked.remove(&self.path);
    }
}

struct SimFile {
    disk: SimDisk,
    node: u64,
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimFile({})", self.node)
    }
}

impl SimFile {
    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        if state.faults.syncs_last {
            drop(state);
            return self.sync_for_a_while();
        }
        state.begin(Io::Sync, 0)?;
        if state.goes_down() {
            return state.end();
        }
        let (errors, lying) = (state.faults.sync_errors, state.faults.lying_syncs);
        if state.rng.chance(errors) {
            let mut rng = state.rng.fork();
            state.world.fail_sync(self.node, &mut rng);
            return Err(eio());
        }
        if state.rng.chance(lying) {
            state.lies += 1;
        } else {
            state.world.sync(self.node);
        }
        state.end()
    }
}

impl SimFile {
    /// A sync beside which other threads go on; it counts as one I/O at its end.
    fn sync_for_a_while(&self) -> io::Result<()> {
        let (until, begun) = {
            let state = self.disk.0.lock();
            (state.world.last_change(), state.io_count)
        };
        for _ in 0..TURNS_MAX {
            std::thread::yield_now();
            if self.disk.io_count() > begun + 1 {
                break;
            }
        }
        let mut state = self.disk.0.lock();
        state.begin(Io::Sync, 0)?;
        state.world.sync_until(self.node, until);
        state.end()
    }
}

impl StorageFile for SimFile {
    fn read_at(&self, at: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let mut state = self.disk.0.lock();
        let errors = state.faults.read_errors;
        if state.is_down || state.rng.chance(errors) {
            return Err(eio());
        }
        let contents = &state.world.file(self.node).ok_or_else(not_found)?.seen;
        let from = (at as usize).min(contents.len());
        let to = from.saturating_add(bytes).min(contents.len());
        Ok(contents[from..to].to_vec())
    }

    fn write_at(&self, chunks: &[Bytes], at: u64) -> io::Result<()> {
        let mut whole = BytesMut::new();
        chunks.iter().for_each(|chunk| whole.extend_from_slice(chunk));
        let mut whole = whole.freeze();
        let mut state = self.disk.0.lock();
        state.begin(Io::Write, 0)?;
        state.trace.note(at);
        state.trace.note_bytes(&whole);
        let mut outcome = Ok(());
        let length = state.world.file(self.node).ok_or_else(not_found)?.seen.len() as u64;
        let fits = state.fits(length, at + whole.len() as u64);
        if fits < at + whole.len() as u64 {
            whole.truncate(fits.saturating_sub(at) as usize);
            outcome = Err(full());
        }
        let errors = state.faults.write_errors;
        if state.rng.chance(errors) {
            let part = state.rng.below(whole.len() as u64 + 1);
            whole.truncate(part as usize);
            outcome = Err(eio());
        }
        state.world.write(self.node, at, whole);
        state.end().and(outcome)
    }

    fn size(&self) -> io::Result<u64> {
        let state = self.disk.0.lock();
        if state.is_down {
            return Err(eio());
        }
        Ok(state.world.file(self.node).ok_or_else(not_found)?.seen.len() as u64)
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        let errors = state.faults.write_errors;
        state.begin(Io::SetSize, errors)?;
        state.world.set_size(self.node, bytes);
        state.end()
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync()
    }
}
