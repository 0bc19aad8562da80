//! The runtime: installed plugins, deployed operators, and the way to change both.
//!
//! Which operators there are stands in the catalog, so that it survives restarts and every node agrees on it; a deploy
//! is a record. [`Runtime::run`] makes the running operators match the catalog.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tidemill_journal::{Catalog, Env, Journal, Retention, Share, TOPIC_SHADOW, TopicConfig};
use tidemill_model::payload::{OperatorDefinition, OperatorState};

use crate::compile::Compiler;
use crate::error::{DeployError, InstallError, RuntimeError};
use crate::guest::{Limits, LogLine, Plugin, World, engine};
use crate::history::History;
use crate::operator::fold::Surroundings;
use crate::operator::layout::Layout;
use crate::operator::spec::{DeployRequest, Spec};
use crate::operator::status::OperatorStatus;
use crate::plugins::{PluginInfo, Plugins};
use crate::shared_plugins;
use crate::supervisor::Supervisor;
use crate::versions::base_name;

/// The directory of reruns.
const RERUNS: &str = "reruns";

/// What the runtime needs to know.
#[derive(Clone, Debug)]
pub struct RuntimeConfig {
    /// Where plugins and checkpoints are kept.
    pub dir: PathBuf,
    /// How often operators write a checkpoint, if writing one takes a tenth of that or less.
    pub checkpoint_every: Duration,
    /// What an operator may ask for at most.
    pub limits: Limits,
    /// How plugins are compiled.
    pub compiler: Compiler,
    /// Tells the holds of this node's operators from those of others on the same journal.
    pub node: String,
}

impl RuntimeConfig {
    /// A checkpoint every second; plugins are compiled in this process; operators may ask for 10 times the default fuel and 1 GiB of memory.
    pub fn new(dir: PathBuf) -> Self {
        let defaults = Limits::default();
        let fuel_per_call = defaults.fuel_per_call.saturating_mul(10);
        let limits =
            Limits { fuel_per_call, memory_bytes: 1 << 30, state_bytes: 1 << 30, log_lines_per_s: 1000, ..defaults };
        Self {
            dir,
            checkpoint_every: Duration::from_secs(1),
            limits,
            compiler: Compiler::Here,
            node: "node".to_owned(),
        }
    }
}

/// Outputs on trial are kept for a week.
fn shadow_retention() -> Retention {
    Retention { age: Some(Duration::from_secs(7 * 24 * 3600)), ..Retention::default() }
}

/// Installed plugins and deployed operators.
pub struct Runtime {
    pub(crate) config: RuntimeConfig,
    pub(crate) plugins: Plugins,
    pub(crate) around: Surroundings,
    pub(crate) supervisor: Mutex<Supervisor>,
    /// Which partitions this node works on.
    pub(crate) share: Share,
    /// Deploys happen one after the other, so that generations grow.
    pub(crate) deploying: tokio::sync::Mutex<()>,
    /// Wakes [`Runtime::run`] for a look at what should run.
    pub(crate) wake: tokio::sync::Notify,
}

impl Runtime {
    /// Opens the runtime. No operator runs before [`Runtime::run`], and then only in the partitions that `share` gives to
    /// this node.
    ///
    /// # Errors
    /// When the directory cannot be used or this machine cannot run Wasm.
    pub async fn open(
        config: RuntimeConfig,
        journal: Arc<dyn Journal>,
        partitions: u32,
        catalog: Arc<Catalog>,
        history: Arc<dyn History>,
        share: Share,
        env: Arc<dyn Env>,
    ) -> Result<Arc<Self>, RuntimeError> {
        shared_plugins::create_topic(&*journal).await?;
        journal
            .create(TopicConfig { retention: shadow_retention(), ..TopicConfig::new(TOPIC_SHADOW, partitions) })
            .await?;
        let plugins = Plugins::open(config.dir.join("plugins"), engine()?, config.compiler.clone(), env.clone())?;
        // What interrupted reruns have left; mostly there is nothing.
        let _ = std::fs::remove_dir_all(config.dir.join(RERUNS));
        let checkpoint_every = config.checkpoint_every;
        let around = Surroundings { journal, catalog, history, env, partitions, checkpoint_every };
        let supervisor = Mutex::new(Supervisor::default());
        let (deploying, wake) = (tokio::sync::Mutex::default(), tokio::sync::Notify::new());
        Ok(Arc::new(Self { config, plugins, around, supervisor, share, deploying, wake }))
    }

    /// Checks, compiles, tries and stores a plugin, and hands it to the other nodes on this journal. Blocks for as long as
    /// compiling takes; call it on a thread of its own.
    ///
    /// # Errors
    /// Why the file is not accepted, and what to do about it.
    pub async fn install(&self, wasm: Bytes) -> Result<PluginInfo, InstallError> {
        let info = self.plugins.install(&wasm)?;
        shared_plugins::offer(&*self.around.journal, &info.hash, wasm).await.map_err(RuntimeError::from)?;
        Ok(info)
    }

    /// Removes a plugin, by hash or the newest of a name, from this node and from what other nodes are offered.
    ///
    /// # Errors
    /// When there is none, or an operator runs it or can be rolled back to it.
    pub async fn uninstall(&self, name_or_hash: &str) -> Result<PluginInfo, DeployError> {
        let _one_at_a_time = self.deploying.lock().await;
        let info = self.find_plugin(name_or_hash)?;
        self.around.catalog.refresh().await?;
        for operator in self.around.catalog.operators() {
            let previous = OperatorDefinition::parse(&operator.previous).map(|previous| previous.plugin_hash);
            let why = match operator.plugin_hash == info.hash {
                true => "runs it",
                false if previous.is_ok_and(|hash| hash == info.hash) => "can be rolled back to it",
                false => continue,
            };
            let (name, hash, operator) = (&info.name, &info.hash, &operator.name);
            return Err(DeployError::invalid(format!(
                "plugin {name} ({hash}) is in use: operator {operator} {why}; remove that first"
            )));
        }
        shared_plugins::withdraw(&*self.around.journal, &info.hash).await?;
        self.plugins.uninstall(&info.hash).map_err(|error| DeployError::invalid(error.to_string()))?;
        Ok(info)
    }

    /// The installed plugins, by name, the newest of a name first.
    pub fn plugins(&self) -> Vec<PluginInfo> {
        self.plugins.list()
    }

    /// The parsed request of a definition, if its plugin is known here.
    pub(crate) fn spec_of(&self, definition: &OperatorDefinition) -> Option<Spec> {
        let request: DeployRequest = serde_json::from_str(&definition.config).ok()?;
        let info = self.plugins.find(&definition.plugin_hash)?;
        let world = if info.world == World::Aggregation.name() { World::Aggregation } else { World::Calculation };
        Spec::new(&request, (&definition.plugin_hash, definition.generation), world, &info.about()).ok()
    }

    /// Runs, pauses or removes an operator, with the first of its stages if it has two. One that has stopped by itself tries again when it is to run.
    ///
    /// # Errors
    /// When there is none of that name.
    pub async fn set_state(&self, name: &str, state: OperatorState) -> Result<(), DeployError> {
        // A promotion relies on what it has paused, and what it puts must not be overwritten by what was read before it.
        let _one_at_a_time = self.deploying.lock().await;
        let definition = self.definition(name).ok_or_else(|| self.no_such_operator(name))?;
        self.check_is_no_first_stage(name)?;
        let both = self.first_stage_of(name).into_iter().chain([definition]);
        let both: Vec<_> = both.map(|definition| OperatorDefinition { state: state as u32, ..definition }).collect();
        let names: Vec<_> = both.iter().map(|definition| definition.name.clone()).collect();
        self.around.catalog.put_operators(both).await?;
        if state == OperatorState::Running {
            names.iter().for_each(|name| self.start_stopped(name));
        }
        Ok(())
    }

    /// What the deployed operators are doing, by name.
    pub fn operators(&self) -> Vec<OperatorStatus> {
        let now_ns = self.around.env.now();
        let supervisor = self.supervisor.lock();
        let definitions = self.around.catalog.operators();
        definitions.iter().map(|definition| self.status(definition, &supervisor, now_ns)).collect()
    }

    /// The newest `limit` lines behind the one of sequence `after` that an operator's plugin has logged, oldest first; `None` if there is no such operator.
    pub fn logs(&self, name: &str, after: u64, limit: usize) -> Option<Vec<LogLine>> {
        self.definition(name)?;
        let supervisor = self.supervisor.lock();
        Some(supervisor.shared(name).map(|shared| shared.logs.newest(after, limit)).unwrap_or_default())
    }

    /// Where an operator's checkpoints go.
    pub(crate) fn operator_dir(&self, name: &str, generation: u64) -> PathBuf {
        self.operators_dir().join(format!("{name}-{generation}"))
    }

    pub(crate) fn operators_dir(&self) -> PathBuf {
        self.config.dir.join("operators")
    }

    /// Where reruns keep what they capture; nothing there outlives a node.
    pub(crate) fn reruns_dir(&self) -> PathBuf {
        self.config.dir.join(RERUNS)
    }

    /// The instances of an operator.
    pub(crate) fn layout_of(&self, definition: &OperatorDefinition) -> Layout {
        // A definition that cannot be read says so when its instances start.
        let merges = self.request_of(definition).is_ok_and(|request| request.merge_partitions);
        Layout { merges, partitions: self.around.partitions }
    }

    /// The plugin and the parsed request of a definition. Compiles: only on an operator's own thread.
    pub(crate) fn load(&self, definition: &OperatorDefinition) -> Result<(Arc<Plugin>, Arc<Spec>), String> {
        let request: DeployRequest = serde_json::from_str(&definition.config)
            .map_err(|error| format!("its definition cannot be read: {error}; deploy it again"))?;
        let hash = &definition.plugin_hash;
        let info = self.plugins.find(hash);
        let info =
            info.ok_or_else(|| format!("plugin {} ({hash}) is not installed on this node", definition.plugin))?;
        let plugin = self.plugins.compiled(hash).map_err(|error| error.to_string())?;
        let spec = Spec::new(&request, (hash, definition.generation), plugin.world(), &info.about());
        Ok((plugin, Arc::new(spec.map_err(|error| error.to_string())?)))
    }

    pub(crate) fn definition(&self, name: &str) -> Option<OperatorDefinition> {
        self.around.catalog.operators().into_iter().find(|definition| definition.name == name)
    }

    pub(crate) fn no_such_operator(&self, name: &str) -> DeployError {
        let names: Vec<_> = self.around.catalog.operators().into_iter().map(|definition| definition.name).collect();
        let reason = match names.as_slice() {
            [] => format!("there is no operator {name:?}; none is deployed"),
            names => format!("there is no operator {name:?}; deployed are: {}", names.join(", ")),
        };
        DeployError::NotFound { reason }
    }

    pub(crate) fn status_of(&self, name: &str) -> Result<OperatorStatus, DeployError> {
        let definition = self.definition(name).ok_or_else(|| self.no_such_operator(name))?;
        Ok(self.status(&definition, &self.supervisor.lock(), self.around.env.now()))
    }

    fn status(&self, definition: &OperatorDefinition, supervisor: &Supervisor, now_ns: i64) -> OperatorStatus {
        let info = self.plugins.find(&definition.plugin_hash);
        let request = self.request_of(definition).ok();
        let is_paused = definition.operator_state() == Some(OperatorState::Paused);
        let mut status = OperatorStatus {
            name: definition.name.clone(),
            shadow_of: definition.shadow.then(|| base_name(&definition.name).to_owned()),
            generation: definition.generation,
            versions: definition.versions.len(),
            can_roll_back: !definition.previous.is_empty(),
            plugin: definition.plugin.clone(),
            hash: definition.plugin_hash.clone(),
            world: info.map_or_else(|| World::Calculation.name().to_owned(), |info| info.world),
            state: if is_paused { "paused" } else { "running" },
            stage: request.as_ref().and_then(|request| request.stage),
            merges_partitions: request.is_some_and(|request| request.merge_partitions),
            waits_for_partition: None,
            lag_records: 0,
            staleness_ms: None,
            falls_off_in_ms: None,
            rows_in: 0,
            rows_out: 0,
            late_rows: 0,
            revised_windows: 0,
            failed_windows: 0,
            windows: Vec::new(),
            errors: 0,
            quarantined_rows: 0,
            last_error: None,
            state_bytes: 0,
            checkpoint_age_ms: None,
            checkpoint_error: None,
        };
        if let Some(shared) = supervisor.shared_of(&definition.name, definition.generation) {
            status.fill(shared, now_ns);
        }
        status
    }
}
