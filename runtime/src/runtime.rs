//! The runtime: installed plugins, deployed operators, and the way to change both.
//!
//! Which operators there are stands in the catalog, so that it survives restarts and every node agrees on it; a deploy
//! is a record. [`Runtime::run`] makes the running operators match the catalog.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tidemill_journal::{Catalog, Env, Journal, Share, TOPIC_DATA, TopicPartition};
use tidemill_model::Offset;
use tidemill_model::payload::{OperatorDefinition, OperatorState};
use tokio::sync::oneshot;

use crate::compile::Compiler;
use crate::error::{DeployError, InstallError, RuntimeError};
use crate::guest::{Instance, Limits, LogLine, Logs, Plugin, World, engine};
use crate::history::History;
use crate::operator::fold::Surroundings;
use crate::operator::spec::{DeployRequest, Spec, Start};
use crate::operator::status::OperatorStatus;
use crate::plugins::{PluginInfo, Plugins};
use crate::shared_plugins;
use crate::supervisor::Supervisor;

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
        let plugins = Plugins::open(config.dir.join("plugins"), engine()?, config.compiler.clone(), env.clone())?;
        let checkpoint_every = config.checkpoint_every;
        let around = Surroundings { journal, catalog, history, env, partitions, checkpoint_every };
        let supervisor = Mutex::new(Supervisor::default());
        Ok(Arc::new(Self { config, plugins, around, supervisor, share, deploying: tokio::sync::Mutex::default() }))
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

    /// The installed plugins, by name, the newest of a name first.
    pub fn plugins(&self) -> Vec<PluginInfo> {
        self.plugins.list()
    }

    /// Deploys a plugin as an operator, or replaces the operator of that name: it starts from nothing then.
    ///
    /// # Errors
    /// What is wrong with the request, and what to do about it.
    pub async fn deploy(self: &Arc<Self>, request: DeployRequest) -> Result<OperatorStatus, DeployError> {
        let _one_at_a_time = self.deploying.lock().await;
        let info = self.find_plugin(&request.plugin)?;
        self.check_ceiling(&request.limits)?;
        let name = request.name.clone();
        // Never the number of an operator that was removed: followers would drop the new one's outputs as repetitions.
        let now_ms = u64::try_from(self.around.env.now() / 1_000_000).unwrap_or(0);
        let generation = self.definition(&name).map_or(now_ms, |old| now_ms.max(old.generation + 1));
        self.try_out(info.hash.clone(), generation, request.clone()).await?;
        let begin = match request.start {
            Start::Latest => self.latest().await?,
            _ => Vec::new(),
        };
        let config = serde_json::to_string(&request).expect("a deploy request has a JSON form");
        let state = OperatorState::Running as u32;
        let definition = OperatorDefinition {
            name: name.clone(),
            plugin_hash: info.hash,
            config,
            state,
            generation,
            plugin: info.name,
            start_offsets: begin.iter().map(|(offset, _)| offset.0).collect(),
            start_ordinals: begin.iter().map(|(_, ordinal)| *ordinal).collect(),
            start_journal: self.around.journal.identity().id,
        };
        self.around.catalog.put_operator(definition).await?;
        self.status_of(&name)
    }

    /// Runs, pauses or removes an operator.
    ///
    /// # Errors
    /// When there is none of that name.
    pub async fn set_state(&self, name: &str, state: OperatorState) -> Result<(), DeployError> {
        let definition = self.definition(name).ok_or_else(|| self.no_such_operator(name))?;
        let definition = OperatorDefinition { state: state as u32, ..definition };
        Ok(self.around.catalog.put_operator(definition).await?)
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

    fn definition(&self, name: &str) -> Option<OperatorDefinition> {
        self.around.catalog.operators().into_iter().find(|definition| definition.name == name)
    }

    fn no_such_operator(&self, name: &str) -> DeployError {
        let names: Vec<_> = self.around.catalog.operators().into_iter().map(|definition| definition.name).collect();
        let reason = match names.as_slice() {
            [] => format!("there is no operator {name:?}; none is deployed"),
            names => format!("there is no operator {name:?}; deployed are: {}", names.join(", ")),
        };
        DeployError::NotFound { reason }
    }

    fn find_plugin(&self, name_or_hash: &str) -> Result<PluginInfo, DeployError> {
        self.plugins.find(name_or_hash).ok_or_else(|| {
            let mut names: Vec<_> = self.plugins.list().into_iter().map(|info| info.name).collect();
            names.dedup();
            let there = if names.is_empty() {
                "none is installed".into()
            } else {
                format!("installed are: {}", names.join(", "))
            };
            DeployError::NotFound { reason: format!("there is no plugin {name_or_hash:?}; {there}") }
        })
    }

    fn check_ceiling(&self, asked: &Limits) -> Result<(), DeployError> {
        let pairs = asked.by_name().into_iter().zip(self.config.limits.by_name());
        match pairs.into_iter().find(|((_, asked), (_, most))| asked > most) {
            None => Ok(()),
            Some(((name, asked), (_, most))) => {
                Err(DeployError::invalid(format!("limit {name} is {asked}, this node allows at most {most}")))
            }
        }
    }

    /// Parses the request and lets a guest see its parameters, on a thread of its own.
    async fn try_out(
        self: &Arc<Self>,
        hash: String,
        generation: u64,
        request: DeployRequest,
    ) -> Result<(), DeployError> {
        let (answer, result) = oneshot::channel();
        let runtime = self.clone();
        let attempt = async move {
            // Nobody may be waiting any more; that is fine.
            let _ = answer.send(runtime.try_out_here(&hash, generation, &request));
        };
        drop(self.around.env.spawn_thread("deploy", Box::pin(attempt)));
        result.await.unwrap_or_else(|_| Err(DeployError::invalid("the plugin could not be tried out")))
    }

    fn try_out_here(&self, hash: &str, generation: u64, request: &DeployRequest) -> Result<(), DeployError> {
        let info = self.find_plugin(hash)?;
        let plugin = self.plugins.compiled(hash).map_err(|error| DeployError::invalid(error.to_string()))?;
        let spec = Spec::new(request, (hash, generation), plugin.world(), &info.about())?;
        let mut trial = Instance::new(&plugin, spec.limits, Arc::new(Logs::default()), self.around.env.clone())?;
        Ok(trial.configure(&spec.params)?)
    }

    /// The journal's present end: offset and ordinal of each partition.
    async fn latest(&self) -> Result<Vec<(Offset, u64)>, DeployError> {
        let mut ends = Vec::with_capacity(self.around.partitions as usize);
        for partition in 0..self.around.partitions {
            let bounds = self.around.journal.bounds(&TopicPartition::new(TOPIC_DATA, partition)).await?;
            ends.push((bounds.durable, bounds.records));
        }
        Ok(ends)
    }

    fn status_of(&self, name: &str) -> Result<OperatorStatus, DeployError> {
        let definition = self.definition(name).ok_or_else(|| self.no_such_operator(name))?;
        Ok(self.status(&definition, &self.supervisor.lock(), self.around.env.now()))
    }

    fn status(&self, definition: &OperatorDefinition, supervisor: &Supervisor, now_ns: i64) -> OperatorStatus {
        let info = self.plugins.find(&definition.plugin_hash);
        let is_paused = definition.operator_state() == Some(OperatorState::Paused);
        let mut status = OperatorStatus {
            name: definition.name.clone(),
            plugin: definition.plugin.clone(),
            hash: definition.plugin_hash.clone(),
            world: info.map_or_else(|| World::Calculation.name().to_owned(), |info| info.world),
            state: if is_paused { "paused" } else { "running" },
            lag_records: 0,
            staleness_ms: None,
            falls_off_in_ms: None,
            rows_in: 0,
            rows_out: 0,
            late_rows: 0,
            revised_windows: 0,
            errors: 0,
            last_error: None,
            state_bytes: 0,
            checkpoint_age_ms: None,
        };
        if let Some(shared) = supervisor.shared_of(&definition.name, definition.generation) {
            status.fill(shared, now_ns);
        }
        status
    }
}
