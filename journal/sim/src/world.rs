//! What is on a disk: for every file its contents, what of them is durable, and the writes that are not; for every
//! directory the same of its names.
//!
//! - A write is pending until its file is synced, a name until its directory is. A rename is atomic.
//! - A file's contents survive under whatever names survive: names point to nodes.
//! - A failed sync leaves the sectors it should have written *stale*: readers see them, no sync writes them, until they
//!   are written again.
//!
//! A clone shares what does not change, so a world can be kept after every I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};
use std::sync::Arc;

use bytes::Bytes;

use crate::{Rng, Survives};

/// What a device writes at once or not at all.
pub(crate) const SECTOR_BYTES: u64 = 512;

/// Everything on a disk at one moment.
#[derive(Clone, Debug)]
pub struct World {
    pub(crate) nodes: BTreeMap<u64, Node>,
    last_node: u64,
    last_change: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum Node {
    File(Arc<FileNode>),
    Dir(Arc<DirNode>),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct FileNode {
    /// What readers see.
    pub(crate) seen: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<(u64, Change)>,
    /// Numbers of sectors that a failed sync left behind.
    stale: BTreeSet<u64>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { at: u64, bytes: Bytes },
    SetSize(u64),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct DirNode {
    pub(crate) names: BTreeMap<String, u64>,
    durable: BTreeMap<String, u64>,
    pending: Vec<(u64, NameChange)>,
}

/// Both names of a rename between directories carry one number: they survive together.
#[derive(Clone, Debug)]
enum NameChange {
    Link { name: String, node: u64 },
    Unlink { name: String },
    Rename { from: String, to: String, node: u64 },
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Link { name, node } => drop(names.insert(name.clone(), *node)),
            Self::Unlink { name } => drop(names.remove(name)),
            Self::Rename { from, to, node } => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
        }
    }
}

const ROOT: u64 = 0;

impl Default for World {
    fn default() -> Self {
        Self { nodes: BTreeMap::from([(ROOT, Node::Dir(Arc::default()))]), last_node: ROOT, last_change: 0 }
    }
}

impl World {
    /// The node at `path`.
    pub(crate) fn find(&self, path: &Path) -> Option<u64> {
        let mut at = ROOT;
        for name in names(path) {
            let Node::Dir(dir) = self.nodes.get(&at)? else { return None };
            at = *dir.names.get(name)?;
        }
        Some(at)
    }

    pub(crate) fn dir(&self, node: u64) -> Option<&DirNode> {
        match self.nodes.get(&node)? {
            Node::Dir(dir) => Some(dir),
            Node::File(_) => None,
        }
    }

    pub(crate) fn file(&self, node: u64) -> Option<&FileNode> {
        match self.nodes.get(&node)? {
            Node::File(file) => Some(file),
            Node::Dir(_) => None,
        }
    }

    fn dir_mut(&mut self, node: u64) -> &mut DirNode {
        match self.nodes.get_mut(&node) {
            Some(Node::Dir(dir)) => Arc::make_mut(dir),
            _ => panic!("node {node} is no directory"),
        }
    }

    fn file_mut(&mut self, node: u64) -> &mut FileNode {
        match self.nodes.get_mut(&node) {
            Some(Node::File(file)) => Arc::make_mut(file),
            _ => panic!("node {node} is no file"),
        }
    }

    fn change(&mut self) -> u64 {
        self.last_change += 1;
        self.last_change
    }

    fn change_name(&mut self, dir: u64, id: u64, change: NameChange) {
        let dir = self.dir_mut(dir);
        change.apply(&mut dir.names);
        dir.pending.push((id, change));
    }

    /// Adds an empty file or directory.
    pub(crate) fn add(&mut self, dir: u64, name: &str, is_dir: bool) -> u64 {
        self.last_node += 1;
        let node = self.last_node;
        self.nodes.insert(node, if is_dir { Node::Dir(Arc::default()) } else { Node::File(Arc::default()) });
        let id = self.change();
        self.change_name(dir, id, NameChange::Link { name: name.to_owned(), node });
        node
    }

    /// Removes a name. Its node stays for those who have it open.
    pub(crate) fn unlink(&mut self, dir: u64, name: &str) {
        let id = self.change();
        self.change_name(dir, id, NameChange::Unlink { name: name.to_owned() });
    }

    pub(crate) fn rename(&mut self, (from_dir, from): (u64, &str), (to_dir, to): (u64, &str)) {
        let node = self.dir_mut(from_dir).names[from];
        let id = self.change();
        let (from, to) = (from.to_owned(), to.to_owned());
        if from_dir == to_dir {
            self.change_name(to_dir, id, NameChange::Rename { from, to, node });
        } else {
            self.change_name(from_dir, id, NameChange::Unlink { name: from });
            self.change_name(to_dir, id, NameChange::Link { name: to, node });
        }
    }

    pub(crate) fn write(&mut self, node: u64, at: u64, bytes: Bytes) {
        let id = self.change();
        let file = self.file_mut(node);
        put(&mut file.seen, at, &bytes);
        if !file.stale.is_empty() {
            sectors(at, bytes.len() as u64).for_each(|sector| {
                file.stale.remove(&sector);
            });
        }
        file.pending.push((id, Change::Write { at, bytes }));
    }

    pub(crate) fn set_size(&mut self, node: u64, bytes: u64) {
        let id = self.change();
        let file = self.file_mut(node);
        file.seen.resize(bytes as usize, 0);
        file.pending.push((id, Change::SetSize(bytes)));
    }

    /// Makes a file's contents durable, but for what is stale.
    pub(crate) fn sync(&mut self, node: u64) {
        let file = self.file_mut(node);
        file.pending.clear();
        if file.stale.is_empty() {
            file.durable.clone_from(&file.seen);
            return;
        }
        let before = std::mem::replace(&mut file.durable, file.seen.clone());
        for sector in &file.stale {
            let range = (sector * SECTOR_BYTES) as usize..((sector + 1) * SECTOR_BYTES) as usize;
            for at in range.start..range.end.min(file.durable.len()) {
                file.durable[at] = before.get(at).copied().unwrap_or(0);
            }
        }
    }

    /// The number of the newest change.
    pub(crate) fn last_change(&self) -> u64 {
        self.last_change
    }

    /// Makes those changes of a file durable that are not newer than `until`.
    pub(crate) fn sync_until(&mut self, node: u64, until: u64) {
        let file = self.file_mut(node);
        let newer = file.pending.partition_point(|(id, _)| *id <= until);
        for (_, change) in file.pending.drain(..newer) {
            match change {
                Change::Write { at, bytes } => put(&mut file.durable, at, &bytes),
                Change::SetSize(bytes) => file.durable.resize(bytes as usize, 0),
            }
        }
    }

    /// What a failed sync does: a part may be written, the rest counts as clean.
    pub(crate) fn fail_sync(&mut self, node: u64, rng: &mut Rng) {
        let file = self.file_mut(node);
        for (_, change) in std::mem::take(&mut file.pending) {
            if let Change::Write { at, bytes } = change {
                let lost = sectors(at, bytes.len() as u64).filter(|_| rng.chance(700));
                file.stale.extend(lost);
            }
        }
        // What is not stale reached the disk.
        self.sync(node);
    }

    /// Makes the names in a directory durable.
    pub(crate) fn sync_dir(&mut self, node: u64) {
        let dir = self.dir_mut(node);
        let ids: BTreeSet<u64> = dir.pending.drain(..).map(|(id, _)| id).collect();
        dir.durable = dir.names.clone();
        for other in self.nodes.values_mut() {
            let Node::Dir(dir) = other else { continue };
            if dir.pending.iter().any(|(id, _)| ids.contains(id)) {
                let dir = Arc::make_mut(dir);
                let (kept, rest) = dir.pending.drain(..).partition(|(id, _)| ids.contains(id));
                dir.pending = rest;
                let kept: Vec<(u64, NameChange)> = kept;
                kept.iter().for_each(|(_, change)| change.apply(&mut dir.durable));
            }
        }
    }

    /// The world after the power was lost and came back.
    #[must_use]
    pub fn after_power_loss(&self, survives: Survives, rng: &mut Rng) -> World {
        let mut after = World::default();
        let prefix = self.draw_prefix(rng);
        let fate =
            &mut Fate { survives, prefix, odds: [120, 500, 880][rng.below(3) as usize], rng, names: BTreeMap::new() };
        self.copy_dir(ROOT, &mut after, ROOT, fate);
        after
    }

    /// The number of a pending change, up to which changes survive where they do so in order.
    fn draw_prefix(&self, rng: &mut Rng) -> u64 {
        let mut ids: Vec<u64> = Vec::new();
        for node in self.nodes.values() {
            match node {
                Node::File(file) => ids.extend(file.pending.iter().map(|(id, _)| *id)),
                Node::Dir(dir) => ids.extend(dir.pending.iter().map(|(id, _)| *id)),
            }
        }
        if ids.is_empty() { 0 } else { ids[rng.below(ids.len() as u64) as usize] }
    }

    fn copy_dir(&self, node: u64, after: &mut World, into: u64, fate: &mut Fate<'_>) {
        let dir = self.dir(node).expect("only directories are copied as such");
        let mut names = dir.durable.clone();
        for (id, change) in &dir.pending {
            if fate.keeps_name(*id) {
                change.apply(&mut names);
            }
        }
        for (name, from) in names {
            match &self.nodes[&from] {
                Node::Dir(_) => {
                    let to = after.add(into, &name, true);
                    self.copy_dir(from, after, to, fate);
                }
                Node::File(file) => {
                    let to = after.add(into, &name, false);
                    let contents = file.after_power_loss(fate);
                    *after.file_mut(to) = FileNode { durable: contents.clone(), seen: contents, ..FileNode::default() };
                }
            }
        }
        after.sync_dir(into);
    }

    /// Whether anything would be lost with the power.
    pub fn has_pending(&self) -> bool {
        self.nodes.values().any(|node| match node {
            Node::File(file) => !file.pending.is_empty() || !file.stale.is_empty(),
            Node::Dir(dir) => !dir.pending.is_empty(),
        })
    }

    /// Bytes that files take that have a name.
    pub(crate) fn used(&self) -> u64 {
        self.files().iter().map(|(_, bytes)| bytes).sum()
    }

    /// Every file with its length, by path.
    pub fn files(&self) -> Vec<(String, u64)> {
        let mut found = Vec::new();
        self.list(ROOT, "", &mut found);
        found
    }

    fn list(&self, node: u64, path: &str, found: &mut Vec<(String, u64)>) {
        for (name, node) in &self.dir(node).expect("only directories are listed").names {
            let path = format!("{path}/{name}");
            match &self.nodes[node] {
                Node::Dir(_) => self.list(*node, &path, found),
                Node::File(file) => found.push((path, file.seen.len() as u64)),
            }
        }
    }

    /// The contents of a file as readers see them.
    ///
    /// # Panics
    /// When there is no such file.
    pub fn contents(&self, path: &str) -> &[u8] {
        let node = self.find(Path::new(path)).and_then(|node| self.file(node));
        &node.unwrap_or_else(|| panic!("there is no file {path}")).seen
    }

    /// Turns one bit over, for readers and for ever.
    ///
    /// # Panics
    /// When there is no such file or it is shorter.
    pub fn flip(&mut self, path: &str, bit: u64) {
        let node = self.find(Path::new(path)).expect("there is such a file");
        let file = self.file_mut(node);
        let (at, mask) = ((bit / 8) as usize, 1 << (bit % 8));
        file.seen[at] ^= mask;
        if let Some(byte) = file.durable.get_mut(at) {
            *byte ^= mask;
        }
    }
}

/// What survives a loss of power.
struct Fate<'a> {
    survives: Survives,
    prefix: u64,
    /// How many sectors of 1000 survive.
    odds: u64,
    rng: &'a mut Rng,
    /// What has been said of names, since some have two halves.
    names: BTreeMap<u64, bool>,
}

impl Fate<'_> {
    fn keeps_name(&mut self, id: u64) -> bool {
        match self.survives {
            Survives::Nothing => false,
            Survives::Everything => true,
            Survives::Prefix | Survives::Sectors => id <= self.prefix,
            Survives::Anything => {
                let (odds, rng) = (self.odds, &mut self.rng);
                *self.names.entry(id).or_insert_with(|| rng.chance(odds))
            }
        }
    }

    fn keeps_sector(&mut self, id: u64) -> bool {
        match self.survives {
            Survives::Nothing => false,
            Survives::Everything => true,
            Survives::Prefix => id < self.prefix || id == self.prefix && self.rng.chance(500),
            Survives::Sectors | Survives::Anything => self.rng.chance(self.odds),
        }
    }
}

impl FileNode {
    fn after_power_loss(&self, fate: &mut Fate<'_>) -> Vec<u8> {
        let mut contents = self.durable.clone();
        for (id, change) in &self.pending {
            match change {
                Change::SetSize(bytes) if fate.keeps_sector(*id) => contents.resize(*bytes as usize, 0),
                Change::SetSize(_) => {}
                Change::Write { at, bytes } => {
                    let end = at + bytes.len() as u64;
                    for sector in sectors(*at, bytes.len() as u64) {
                        let from = (sector * SECTOR_BYTES).max(*at);
                        let to = ((sector + 1) * SECTOR_BYTES).min(end);
                        if fate.keeps_sector(*id) {
                            put(&mut contents, from, &bytes[(from - at) as usize..(to - at) as usize]);
                        }
                    }
                }
            }
        }
        contents
    }
}

/// The sectors that `bytes` bytes at `at` touch.
fn sectors(at: u64, bytes: u64) -> std::ops::Range<u64> {
    at / SECTOR_BYTES..(at + bytes).div_ceil(SECTOR_BYTES)
}

/// Writes `bytes` at `at`, with zeros before them where nothing was.
fn put(contents: &mut Vec<u8>, at: u64, bytes: &[u8]) {
    let (at, end) = (at as usize, at as usize + bytes.len());
    if contents.len() < end {
        contents.resize(end, 0);
    }
    contents[at..end].copy_from_slice(bytes);
}

/// The names on the way to `path`.
pub(crate) fn names(path: &Path) -> impl Iterator<Item = &str> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_str().expect("names are UTF-8 here")),
        _ => None,
    })
}
