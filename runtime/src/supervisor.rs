//! Makes the running operators match the catalog and the node's share of the partitions: starts, pauses, stops and clears
//! away.
//!
//! A partition that comes from another node is taken up at this node's own checkpoint, or from where the operator starts:
//! what the other one has appended already is computed again and dropped by every follower.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release},
};
use std::time::Duration;

use tidemill_journal::env::Task;
use tidemill_journal::{ApplyError, Cursor, Follower, TOPIC_DATA, TopicPartition};
use tidemill_model::payload::{OperatorDefinition, OperatorState};
use tidemill_model::{JournalIdentity, Offset};
use tokio::sync::watch;

use crate::operator::calculation::GuestFactory;
use crate::operator::checkpoint::CheckpointFile;
use crate::operator::fold::OperatorFold;
use crate::operator::inputs::of_journal;
use crate::operator::layout::{Begin, Layout};
use crate::operator::status::Shared;
use crate::runtime::Runtime;
use crate::shared_plugins;
use crate::versions::base_name;

/// How long the supervisor sleeps when the catalog is quiet.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Pause before an operator that could not start is tried again.
const START_PAUSE: Duration = Duration::from_secs(1);

/// The operators that this node knows of.
#[derive(Default)]
pub(crate) struct Supervisor {
    operators: BTreeMap<String, Entry>,
    /// Those to be started again where they have stopped by themselves.
    again: BTreeSet<String>,
    /// Those that stand still for a moment, whatever their definitions say.
    held: BTreeSet<String>,
    /// Instances that were told to stop. One in an endless call takes its time; nobody waits for it but its successor.
    leaving: Vec<Leaving>,
}

/// An instance that was told to stop.
struct Leaving {
    name: String,
    generation: u64,
    instance: u32,
    is_gone: Arc<AtomicBool>,
}

struct Entry {
    generation: u64,
    state: Option<OperatorState>,
    layout: Layout,
    shared: Arc<Shared>,
    running: Vec<Running>,
}

/// The thread of one instance of an operator. It may have ended by a failure.
struct Running {
    generation: u64,
    stop: watch::Sender<bool>,
    task: Task,
    shared: Arc<Shared>,
    instance: u32,
}

impl Supervisor {
    /// What the operator of this name shares.
    pub(crate) fn shared(&self, name: &str) -> Option<&Arc<Shared>> {
        self.operators.get(name).map(|entry| &entry.shared)
    }

    /// The same, if it is of this generation.
    pub(crate) fn shared_of(&self, name: &str, generation: u64) -> Option<&Arc<Shared>> {
        self.operators.get(name).filter(|entry| entry.generation == generation).map(|entry| &entry.shared)
    }

    /// Whether no thread of the operator runs, as its definition in `state` demands.
    pub(crate) fn has_stopped(&self, name: &str, generation: u64, state: OperatorState) -> bool {
        let is_idle = self.operators.get(name).is_some_and(|entry| {
            entry.generation == generation && entry.state == Some(state) && entry.running.is_empty()
        });
        is_idle && !self.leaving.iter().any(|leaving| leaving.name == name && leaving.generation == generation)
    }

    /// Whether this node has anything to do with the operator.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.operators.contains_key(name)
    }

    /// The state that an operator is to be in.
    fn wanted_state(&self, definition: &OperatorDefinition) -> Option<OperatorState> {
        match definition.operator_state() {
            Some(OperatorState::Running) if self.held.contains(&definition.name) => Some(OperatorState::Paused),
            state => state,
        }
    }

    /// Has an operator stand still, or go on.
    pub(crate) fn hold(&mut self, name: &str, holds: bool) {
        if holds {
            self.held.insert(name.to_owned())
        } else {
            self.held.remove(name)
        };
    }

    /// Whether an instance of this operator is still about to stop.
    fn is_leaving(&self, name: &str) -> bool {
        self.leaving.iter().any(|leaving| leaving.name == name)
    }

    /// Takes out the threads of an operator that have stopped by themselves.
    fn take_stopped(&mut self, name: &str) -> Vec<(String, Running)> {
        let Some(entry) = self.operators.get_mut(name) else {
            return Vec::new();
        };
        let has_failed = entry.shared.failure.lock().take().is_some();
        let shared = entry.shared.clone();
        let is_stopped = |part: &mut Running| match &*shared.instances[part.instance as usize].progress.lock() {
            Some(progress) => progress.is_stopped(),
            None => has_failed,
        };
        entry.running.extract_if(.., is_stopped).map(|running| (name.to_owned(), running)).collect()
    }

    /// Takes out the threads of operators that are not to run as they do, and those in partitions that others own now.
    fn take_outdated(&mut self, wanted: &[OperatorDefinition], owned: &[u32]) -> Vec<(String, Running)> {
        let mut outdated = Vec::new();
        let states: BTreeMap<_, _> = wanted.iter().map(|one| (one.name.clone(), self.wanted_state(one))).collect();
        for (name, entry) in &mut self.operators {
            let definition = wanted.iter().find(|definition| &definition.name == name);
            let is_current = definition
                .is_some_and(|definition| definition.generation == entry.generation && states[name] == entry.state);
            let layout = entry.layout;
            let taken = entry.running.extract_if(.., |part| !is_current || !layout.is_here(part.instance, owned));
            outdated.extend(taken.map(|running| (name.clone(), running)));
        }
        outdated
    }
}

/// Outputs of a partition's inputs before this were on trial. Offsets of another journal, of which this one is a copy, mean
/// nothing here.
pub(crate) fn cut_of(definition: &OperatorDefinition, partition: u32, journal: JournalIdentity) -> Offset {
    let is_of_this = definition.start_journal == journal.id;
    let cut = definition.cut_offsets.get(partition as usize).filter(|_| is_of_this);
    Offset(cut.copied().unwrap_or(0))
}

/// Where an instance starts when it has no checkpoint.
///
/// # Errors
/// When that was said of another journal, of which this one is a copy.
fn begin(definition: &OperatorDefinition, reads: Range<u32>, journal: JournalIdentity) -> Result<Begin, String> {
    let begin_in = |partition: u32| {
        let at = |values: &[u64]| values.get(partition as usize).copied();
        match (at(&definition.start_offsets), at(&definition.start_ordinals)) {
            (Some(_), Some(_)) if definition.start_journal != journal.id => {
                Err("it was deployed to start at a place in another journal: deploy it again".to_owned())
            }
            (Some(offset), Some(ordinal)) => Ok(Cursor::at(Offset(offset), ordinal)),
            _ => Ok(Cursor::default()),
        }
    };
    let cut_in =
        |partition: u32| if definition.shadow { Offset(u64::MAX) } else { cut_of(definition, partition, journal) };
    Ok(Begin { cursors: reads.clone().map(begin_in).collect::<Result<_, _>>()?, cuts: reads.map(cut_in).collect() })
}

/// Names of the directories with the checkpoints that a definition needs: its own, those of the version that it can be
/// rolled back to, and those that it starts with.
fn checkpoint_dirs(definition: &OperatorDefinition) -> Vec<String> {
    let name = base_name(&definition.name);
    let previous = OperatorDefinition::parse(&definition.previous).map_or(0, |previous| previous.generation);
    let generations = [definition.generation, previous, definition.load_from];
    generations.into_iter().filter(|number| *number > 0).map(|number| format!("{name}-{number}")).collect()
}

impl Runtime {
    /// Runs the operators that the catalog names until `stop` turns true; then stops them, each with a last checkpoint.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let (mut news, mut share) = (self.around.catalog.watch(), self.share.assignments());
        while !*stop.borrow_and_update() {
            let owned = share.borrow_and_update().partitions.clone();
            self.reconcile(&owned);
            tokio::select! {
                changed = stop.changed() => if changed.is_err() { break },
                changed = news.changed() => if changed.is_err() { break },
                changed = share.changed() => if changed.is_err() { break },
                () = self.wake.notified() => {}
                () = self.around.env.sleep(LOOK_EVERY) => {}
            }
        }
        {
            let mut supervisor = self.supervisor.lock();
            let all = supervisor.operators.iter_mut();
            let all = all.flat_map(|(name, entry)| entry.running.drain(..).map(|running| (name.clone(), running)));
            let all = all.collect();
            self.send_away(&mut supervisor, all);
        }
        while !self.supervisor.lock().leaving.iter().all(|leaving| leaving.is_gone.load(Acquire)) {
            self.wake.notified().await;
        }
        self.supervisor.lock().leaving.clear();
        self.clear_away();
    }

    /// Has instances stop, each with a last checkpoint.
    fn send_away(self: &Arc<Self>, supervisor: &mut Supervisor, instances: Vec<(String, Running)>) {
        for (name, Running { generation, stop, task, shared, instance }) in instances {
            stop.send_replace(true);
            let is_gone = Arc::new(AtomicBool::new(false));
            supervisor.leaving.push(Leaving { name, generation, instance, is_gone: is_gone.clone() });
            let runtime = self.clone();
            let wait = async move {
                task.join().await;
                *shared.instances[instance as usize].progress.lock() = None;
                is_gone.store(true, Release);
                runtime.wake.notify_one();
            };
            drop(self.around.env.spawn("operator-leaves", Box::pin(wait)));
        }
    }

    /// Starts an operator again in the partitions where it has stopped by itself.
    pub(crate) fn start_stopped(&self, name: &str) {
        // Only `reconcile` takes threads out and starts new ones, or two of them could work on one checkpoint.
        self.supervisor.lock().again.insert(name.to_owned());
        self.wake.notify_one();
    }

    fn reconcile(self: &Arc<Self>, owned: &[u32]) {
        let wanted = self.around.catalog.operators();
        {
            let mut supervisor = self.supervisor.lock();
            let mut outdated = supervisor.take_outdated(&wanted, owned);
            for name in std::mem::take(&mut supervisor.again) {
                outdated.extend(supervisor.take_stopped(&name));
            }
            self.send_away(&mut supervisor, outdated);
            supervisor.leaving.retain(|leaving| !leaving.is_gone.load(Acquire));
            let is_wanted = |name: &str| wanted.iter().any(|definition| definition.name == name);
            // What is still about to stop may yet place a hold.
            let is_over = |name: &&String| !is_wanted(name) && !supervisor.is_leaving(name);
            let over: Vec<_> = supervisor.operators.keys().filter(is_over).cloned().collect();
            for name in over {
                supervisor.operators.remove(&name);
                self.release(&name);
            }
            for definition in &wanted {
                self.match_one(&mut supervisor, definition, owned);
            }
        }
        self.clear_away();
    }

    fn match_one(self: &Arc<Self>, supervisor: &mut Supervisor, definition: &OperatorDefinition, owned: &[u32]) {
        let state = supervisor.wanted_state(definition);
        let name = definition.name.clone();
        let new = || {
            let layout = self.layout_of(definition);
            let shared = Shared::new(layout.instances());
            Entry { generation: definition.generation, state: None, layout, shared, running: Vec::new() }
        };
        let generation = definition.generation;
        // A shadow and what it was promoted to are one generation, with one checkpoint.
        let is_of_this =
            |other: &&Leaving| (base_name(&other.name), other.generation) == (base_name(&name), generation);
        let of_this = supervisor.leaving.iter().filter(is_of_this);
        let leaving: Vec<_> = of_this.map(|other| other.instance).collect();
        let entry = supervisor.operators.entry(name).or_insert_with(new);
        if entry.generation != definition.generation {
            *entry = new();
        }
        if entry.state != state {
            entry.state = state;
            *entry.shared.failure.lock() = None;
        }
        if state == Some(OperatorState::Running) {
            // Two of them must not work on one checkpoint; it is started once the other has gone.
            let is_new = |instance: &u32| {
                entry.running.iter().all(|part| part.instance != *instance) && !leaving.contains(instance)
            };
            let here = (0..entry.layout.instances()).filter(|instance| entry.layout.is_here(*instance, owned));
            let new: Vec<_> = here.filter(is_new).collect();
            entry.running.extend(new.into_iter().map(|instance| self.start(definition, instance, &entry.shared)));
        }
    }

    fn start(self: &Arc<Self>, definition: &OperatorDefinition, instance: u32, shared: &Arc<Shared>) -> Running {
        let (stop, stopped) = watch::channel(false);
        let generation = definition.generation;
        let (runtime, definition, shared) = (self.clone(), definition.clone(), shared.clone());
        let (name, sharing) = (format!("op-{}-{instance}", definition.name), shared.clone());
        tracing::info!(operator = definition.name, generation = definition.generation, instance, "operator started");
        let run = async move {
            if let Err(reason) = runtime.follow(&definition, instance, &sharing, stopped).await {
                sharing.fail(&definition.name, reason);
            }
        };
        let task = self.around.env.spawn_thread(&name, Box::pin(run));
        Running { generation, stop, task, shared, instance }
    }

    /// One instance of an operator, on its own thread, until it is stopped. While the journal is away it is tried again.
    async fn follow(
        &self,
        definition: &OperatorDefinition,
        instance: u32,
        shared: &Arc<Shared>,
        mut stopped: watch::Receiver<bool>,
    ) -> Result<(), String> {
        let (fold, cursors, reads) = loop {
            match self.open_instance(definition, instance, shared).await {
                Ok(opened) => break opened,
                Err(ApplyError::Retry(reason)) => {
                    tracing::warn!(operator = definition.name, instance, reason, "operator cannot start yet");
                    *shared.last_error.lock() = Some(reason);
                }
                Err(error) => return Err(error.to_string()),
            }
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => return Ok(()),
                () = self.around.env.sleep(START_PAUSE) => {}
            }
        };
        let name = format!("operator {}", definition.name);
        let (journal, env) = (self.around.journal.clone(), self.around.env.clone());
        let merges = reads.len() > 1;
        let follower = Follower::new(&name, TOPIC_DATA, reads.collect(), cursors, fold, journal, env)
            .holding_as(&self.holder(&definition.name));
        let follower = if merges { follower.merging() } else { follower };
        let (progress, status) = (follower.progress(), &shared.instances[instance as usize]);
        *status.progress.lock() = Some(progress.clone());
        follower.run(stopped).await;
        *status.stopped_at.lock() = progress.offsets();
        Ok(())
    }

    /// The fold of an instance, with the cursors and partitions that it reads on from.
    async fn open_instance(
        &self,
        definition: &OperatorDefinition,
        instance: u32,
        shared: &Arc<Shared>,
    ) -> Result<(OperatorFold, Vec<Cursor>, Range<u32>), ApplyError> {
        self.fetch(&definition.plugin_hash).await?;
        let (plugin, spec) = self.load(definition).map_err(ApplyError::Halt)?;
        let dir = self.operator_dir(&spec.name, definition.generation);
        let checkpoints = CheckpointFile::new(&dir, instance);
        let around = &self.around;
        let reads = spec.layout(around.partitions).read_by(instance);
        let begin = begin(definition, reads.clone(), around.journal.identity()).map_err(ApplyError::Halt)?;
        let opened = OperatorFold::open(around, (plugin, spec.clone()), instance, checkpoints, shared.clone(), begin);
        let (mut fold, mut cursors) = opened?;
        if definition.load_from > 0 && fold.is_fresh() {
            let present = self.definition(base_name(&definition.name));
            let present = present.filter(|present| present.generation == definition.load_from);
            let present = present
                .ok_or_else(|| ApplyError::Halt("the version whose state it was to start with is gone".into()))?;
            let (plugin, old) = self.load(&present).map_err(ApplyError::Halt)?;
            let logs = shared.logs.clone();
            let from = GuestFactory { plugin, spec: old, logs, env: around.env.clone() };
            let dir = self.operator_dir(&spec.name, definition.load_from);
            cursors = fold.inherit(&from, &CheckpointFile::new(&dir, instance))?;
        }
        Ok((fold, cursors, reads))
    }

    /// Installs a plugin that another node has offered, if it is missing here.
    async fn fetch(&self, hash: &str) -> Result<(), ApplyError> {
        if self.plugins.find(hash).is_some() {
            return Ok(());
        }
        let found = shared_plugins::find(&*self.around.journal, hash).await.map_err(of_journal)?;
        if let Some(wasm) = found {
            let info = self.plugins.install(&wasm).map_err(|error| ApplyError::Halt(error.to_string()))?;
            tracing::info!(plugin = info.name, hash, "plugin taken over from another node");
        }
        Ok(())
    }

    /// The name of an operator's holds.
    fn holder(&self, operator: &str) -> String {
        format!("{}/operator/{operator}", self.config.node)
    }

    /// Lets the journal forget what an operator that is gone has not read.
    fn release(&self, operator: &str) {
        for partition in 0..self.around.partitions {
            self.around.journal.hold(&TopicPartition::new(TOPIC_DATA, partition), &self.holder(operator), None);
        }
    }

    /// Deletes the checkpoints of operators that are gone.
    fn clear_away(&self) {
        // A deploy writes first checkpoints before the catalog knows of them.
        let Ok(_no_deploy) = self.deploying.try_lock() else {
            return;
        };
        let deployed = self.around.catalog.operators();
        let mut keep: BTreeSet<_> = deployed.iter().flat_map(checkpoint_dirs).collect();
        let dir_of = |leaving: &Leaving| format!("{}-{}", base_name(&leaving.name), leaving.generation);
        keep.extend(self.supervisor.lock().leaving.iter().map(dir_of));
        let Ok(entries) = std::fs::read_dir(self.operators_dir()) else {
            return;
        };
        for entry in entries.flatten() {
            let is_kept = entry.file_name().to_str().is_some_and(|name| keep.contains(name));
            if is_kept {
                continue;
            }
            match std::fs::remove_dir_all(entry.path()) {
                Ok(()) => tracing::info!(dir = %entry.path().display(), "checkpoints of a removed operator deleted"),
                Err(error) => tracing::warn!(dir = %entry.path().display(), %error, "cannot delete old checkpoints"),
            }
        }
    }
}
