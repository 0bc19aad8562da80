//! The runtime: installed plugins, deployed operators, and the way to change both.
//!
//! Which operators there are stands in the catalog, so that it survives restarts and every node agrees on it; a deploy
//! is a record. [`Runtime::run`] makes the running operators match the catalog.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tidemill_journal::{
    Catalog, Env, Journal, ReadLimits, Retention, Share, TOPIC_DATA, TOPIC_SHADOW, TopicConfig, TopicPartition,
};
use tidemill_model::Offset;
use tidemill_model::payload::{OperatorDefinition, OperatorState};
use tokio::sync::oneshot;

use crate::compile::Compiler;
use crate::error::{DeployError, InstallError, RuntimeError};
use crate::guest::{Instance, Limits, LogLine, Logs, Plugin, World, engine};
use crate::history::History;
use crate::operator::fold::Surroundings;
use crate::operator::layout::Layout;
use crate::operator::spec::{DeployRequest, Spec};
use crate::operator::start::Start;
use crate::operator::status::OperatorStatus;
use crate::plugins::{PluginInfo, Plugins};
use crate::shared_plugins;
use crate::supervisor::Supervisor;
use crate::versions::{base_name, remembered, shadow_name};

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
        let name = request.name.clone();
        if request.start == Start::State {
            return Err(DeployError::invalid("only a shadow can start with the state of the present version"));
        }
        let mut definition = self.new_definition(request).await?;
        if let Some(present) = self.definition(&name) {
            definition.versions = remembered(&present);
        }
        self.around.catalog.put_operator(definition).await?;
        self.status_of(&name)
    }

    /// A definition of a new generation, checked and tried out.
    pub(crate) async fn new_definition(
        self: &Arc<Self>,
        request: DeployRequest,
    ) -> Result<OperatorDefinition, DeployError> {
        let info = self.find_plugin(&request.plugin)?;
        self.check_ceiling(&request.limits)?;
        // Never the number of an operator that was removed: followers would drop the new one's outputs as repetitions.
        let now_ms = u64::try_from(self.around.env.now() / 1_000_000).unwrap_or(0);
        let taken = [self.definition(&request.name), self.definition(&shadow_name(&request.name))];
        let generation = taken.iter().flatten().fold(now_ms, |number, old| number.max(old.generation + 1));
        self.try_out(info.hash.clone(), generation, request.clone()).await?;
        self.check_cycles(&info, &request)?;
        let begin = self.begin(&request.start).await?;
        let config = serde_json::to_string(&request).expect("a deploy request has a JSON form");
        Ok(OperatorDefinition {
            name: request.name,
            plugin_hash: info.hash,
            config,
            state: OperatorState::Running as u32,
            generation,
            plugin: info.name,
            start_offsets: begin.iter().map(|(offset, _)| offset.0).collect(),
            start_ordinals: begin.iter().map(|(_, ordinal)| *ordinal).collect(),
            start_journal: self.around.journal.identity().id,
            ..OperatorDefinition::default()
        })
    }

    /// Refuses an operator whose outputs would come back to its inputs through others.
    fn check_cycles(&self, info: &PluginInfo, request: &DeployRequest) -> Result<(), DeployError> {
        let world = if info.world == World::Aggregation.name() { World::Aggregation } else { World::Calculation };
        let new = Spec::new(request, (&info.hash, 0), world, &info.about())?;
        let definitions = self.around.catalog.operators();
        let others = definitions.iter().filter(|other| !other.shadow && other.name != request.name);
        let others: Vec<_> = others.filter_map(|other| self.spec_of(other)).collect();
        // From the new operator along its outputs; `way[i]` came after `from`.
        let mut way: Vec<(&Spec, Option<usize>)> = Vec::new();
        let mut open = vec![(&new, None)];
        while let Some((spec, from)) = open.pop() {
            for next in others.iter().filter(|next| spec.feeds(next)) {
                if way.iter().any(|(seen, _)| seen.name == next.name) {
                    continue;
                }
                way.push((next, from));
                if next.feeds(&new) {
                    let mut names = vec![new.name.as_str(), next.name.as_str()];
                    let mut back = from;
                    while let Some((spec, before)) = back.and_then(|index: usize| way.get(index)) {
                        names.insert(1, &spec.name);
                        back = *before;
                    }
                    names.push(&new.name);
                    let circle = names.join(" → ");
                    return Err(DeployError::invalid(format!(
                        "its outputs would come back to it: {circle}; narrow the inputs of one of them"
                    )));
                }
                open.push((next, Some(way.len() - 1)));
            }
        }
        Ok(())
    }

    /// The parsed request of a definition, if its plugin is known here.
    pub(crate) fn spec_of(&self, definition: &OperatorDefinition) -> Option<Spec> {
        let request: DeployRequest = serde_json::from_str(&definition.config).ok()?;
        let info = self.plugins.find(&definition.plugin_hash)?;
        let world = if info.world == World::Aggregation.name() { World::Aggregation } else { World::Calculation };
        Spec::new(&request, (&definition.plugin_hash, definition.generation), world, &info.about()).ok()
    }

    /// Runs, pauses or removes an operator. One that has stopped by itself tries again when it is to run.
    ///
    /// # Errors
    /// When there is none of that name.
    pub async fn set_state(&self, name: &str, state: OperatorState) -> Result<(), DeployError> {
        // A promotion relies on what it has paused, and what it puts must not be overwritten by what was read before it.
        let _one_at_a_time = self.deploying.lock().await;
        let definition = self.definition(name).ok_or_else(|| self.no_such_operator(name))?;
        let definition = OperatorDefinition { state: state as u32, ..definition };
        self.around.catalog.put_operator(definition).await?;
        if state == OperatorState::Running {
            self.start_stopped(name);
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
        let request: Option<DeployRequest> = serde_json::from_str(&definition.config).ok();
        Layout { merges: request.is_some_and(|request| request.merge_partitions), partitions: self.around.partitions }
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

    /// Where an operator begins: offset and ordinal of each partition; nothing for the journal's beginning.
    async fn begin(&self, start: &Start) -> Result<Vec<(Offset, u64)>, DeployError> {
        if let Start::Position(position) = start
            && (position.journal != self.around.journal.identity()
                || position.offsets.len() != self.around.partitions as usize)
        {
            return Err(DeployError::invalid("the position to start at is of another journal"));
        }
        if matches!(start, Start::Earliest | Start::State) {
            return Ok(Vec::new());
        }
        let mut places = Vec::with_capacity(self.around.partitions as usize);
        for partition in 0..self.around.partitions {
            let at = TopicPartition::new(TOPIC_DATA, partition);
            let bounds = self.around.journal.bounds(&at).await?;
            let offset = match start {
                Start::Time(time) => self.around.journal.find(&at, *time).await?,
                Start::Position(position) => position.offsets[partition as usize].clamp(bounds.start, bounds.durable),
                _ => bounds.durable,
            };
            places.push(match offset < bounds.durable {
                true => self.first_from(&at, offset).await?,
                false => (bounds.durable, bounds.records),
            });
        }
        Ok(places)
    }

    /// Offset and ordinal of the first record from `offset` on; there is one.
    async fn first_from(&self, at: &TopicPartition, offset: Offset) -> Result<(Offset, u64), DeployError> {
        let batch = self.around.journal.read(at, offset, ReadLimits { bytes: 1, ..ReadLimits::default() }).await?;
        let record =
            batch.records.first().ok_or_else(|| DeployError::invalid("the record to start at is not there"))?;
        Ok((record.offset, record.ordinal))
    }

    pub(crate) fn status_of(&self, name: &str) -> Result<OperatorStatus, DeployError> {
        let definition = self.definition(name).ok_or_else(|| self.no_such_operator(name))?;
        Ok(self.status(&definition, &self.supervisor.lock(), self.around.env.now()))
    }

    fn status(&self, definition: &OperatorDefinition, supervisor: &Supervisor, now_ns: i64) -> OperatorStatus {
        let info = self.plugins.find(&definition.plugin_hash);
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
            merges_partitions: self.layout_of(definition).merges,
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
