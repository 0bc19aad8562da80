//! Makes the running operators match the catalog: starts, pauses, stops and clears away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tidemill_journal::env::Task;
use tidemill_journal::{Follower, TOPIC_DATA, TopicPartition};
use tidemill_model::payload::{OperatorDefinition, OperatorState};
use tokio::sync::watch;

use crate::operator::checkpoint::CheckpointFile;
use crate::operator::fold::OperatorFold;
use crate::operator::status::Shared;
use crate::runtime::Runtime;

/// How long the supervisor sleeps when the catalog is quiet.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The operators that this node knows of.
#[derive(Default)]
pub(crate) struct Supervisor {
    operators: BTreeMap<String, Entry>,
}

struct Entry {
    generation: u64,
    state: Option<OperatorState>,
    shared: Arc<Shared>,
    running: Option<Running>,
}

/// The threads of an operator, one per partition.
struct Running {
    stop: watch::Sender<bool>,
    tasks: Vec<Task>,
}

impl Running {
    async fn stop(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            task.join().await;
        }
    }
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

    /// Takes out the threads of operators that are not to run as they do.
    fn take_outdated(&mut self, wanted: &[OperatorDefinition]) -> Vec<Running> {
        let mut outdated = Vec::new();
        for (name, entry) in &mut self.operators {
            let definition = wanted.iter().find(|definition| &definition.name == name);
            let is_current = definition.is_some_and(|definition| {
                definition.generation == entry.generation && definition.operator_state() == entry.state
            });
            if !is_current {
                outdated.extend(entry.running.take());
            }
        }
        outdated
    }
}

impl Runtime {
    /// Runs the operators that the catalog names until `stop` turns true; then stops them, each with a last checkpoint.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut news = self.around.catalog.watch();
        while !*stop.borrow_and_update() {
            self.reconcile().await;
            tokio::select! {
                changed = stop.changed() => if changed.is_err() { break },
                changed = news.changed() => if changed.is_err() { break },
                () = self.around.env.sleep(LOOK_EVERY) => {}
            }
        }
        let running: Vec<_> = {
            let mut supervisor = self.supervisor.lock();
            supervisor.operators.values_mut().filter_map(|entry| entry.running.take()).collect()
        };
        running.iter().for_each(|running| {
            running.stop.send_replace(true);
        });
        for running in running {
            running.stop().await;
        }
        self.clear_away();
    }

    async fn reconcile(self: &Arc<Self>) {
        let wanted = self.around.catalog.operators();
        let outdated = self.supervisor.lock().take_outdated(&wanted);
        for running in outdated {
            running.stop().await;
        }
        {
            let mut supervisor = self.supervisor.lock();
            let is_wanted = |name: &str| wanted.iter().any(|definition| definition.name == name);
            supervisor.operators.keys().filter(|name| !is_wanted(name)).for_each(|name| self.release(name));
            supervisor.operators.retain(|name, _| is_wanted(name));
            for definition in &wanted {
                self.match_one(&mut supervisor, definition);
            }
        }
        self.clear_away();
    }

    fn match_one(self: &Arc<Self>, supervisor: &mut Supervisor, definition: &OperatorDefinition) {
        let state = definition.operator_state();
        let name = definition.name.clone();
        let new = || Entry {
            generation: definition.generation,
            state: None,
            shared: Shared::new(self.around.partitions),
            running: None,
        };
        let entry = supervisor.operators.entry(name).or_insert_with(new);
        if entry.generation != definition.generation {
            *entry = new();
        }
        if entry.state == state {
            return;
        }
        entry.state = state;
        if state == Some(OperatorState::Running) {
            *entry.shared.failure.lock() = None;
            entry.running = Some(self.start(definition, &entry.shared));
        }
    }

    fn start(self: &Arc<Self>, definition: &OperatorDefinition, shared: &Arc<Shared>) -> Running {
        let (stop, stopped) = watch::channel(false);
        let start_one = |partition| {
            let (runtime, definition) = (self.clone(), definition.clone());
            let (shared, stopped) = (shared.clone(), stopped.clone());
            let name = format!("op-{}-{partition}", definition.name);
            let run = async move {
                if let Err(reason) = runtime.follow(&definition, partition, &shared, stopped).await {
                    shared.fail(&definition.name, reason);
                }
            };
            self.around.env.spawn_thread(&name, Box::pin(run))
        };
        let tasks = (0..self.around.partitions).map(start_one).collect();
        tracing::info!(operator = definition.name, generation = definition.generation, "operator started");
        Running { stop, tasks }
    }

    /// One operator in one partition, on its own thread, until it is stopped.
    async fn follow(
        &self,
        definition: &OperatorDefinition,
        partition: u32,
        shared: &Arc<Shared>,
        stopped: watch::Receiver<bool>,
    ) -> Result<(), String> {
        let (plugin, spec) = self.load(definition)?;
        let dir = self.operator_dir(&definition.name, definition.generation);
        let checkpoints = CheckpointFile::new(&dir, partition);
        let (fold, cursor) = OperatorFold::open(&self.around, (plugin, spec), partition, checkpoints, shared.clone())?;
        let name = format!("operator {}", definition.name);
        let (journal, env) = (self.around.journal.clone(), self.around.env.clone());
        let follower = Follower::new(&name, TOPIC_DATA, vec![partition], vec![cursor], fold, journal, env)
            .holding_as(&self.holder(&definition.name));
        *shared.partitions[partition as usize].progress.lock() = Some(follower.progress());
        follower.run(stopped).await;
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
        let keep: BTreeSet<_> =
            deployed.iter().map(|definition| format!("{}-{}", definition.name, definition.generation)).collect();
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
