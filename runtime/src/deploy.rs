//! Deploying: a request is checked, tried out, and becomes a definition in the catalog.

use std::sync::Arc;

use tidemill_journal::{ReadLimits, TOPIC_DATA, TopicPartition};
use tidemill_model::Offset;
use tidemill_model::payload::{OperatorDefinition, OperatorState};
use tokio::sync::oneshot;

use crate::error::DeployError;
use crate::guest::{Instance, Limits, Logs, World};
use crate::operator::homes::Homes;
use crate::operator::spec::{DeployRequest, Spec};
use crate::operator::stage::{self, Stage, combined_name, partial_name};
use crate::operator::start::Start;
use crate::operator::status::OperatorStatus;
use crate::plugins::PluginInfo;
use crate::runtime::Runtime;
use crate::versions::{remembered, shadow_name};

impl Runtime {
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
        if request.stage.is_some() || request.partial_of.is_some() {
            return Err(DeployError::invalid("the node says which stage is which: ask for two_stage"));
        }
        self.check_is_no_first_stage(&name)?;
        let obsolete = if request.two_stage { None } else { self.first_stage_of(&name) };
        let mut definitions = Vec::new();
        for request in self.stages(request)? {
            let mut definition = self.new_definition(request, &definitions).await?;
            self.check_spread(&definition)?;
            if let Some(present) = self.definition(&definition.name) {
                definition.versions = remembered(&present);
            }
            definitions.push(definition);
        }
        definitions.extend(obsolete.map(|first| OperatorDefinition { state: OperatorState::Removed as u32, ..first }));
        self.around.catalog.put_operators(definitions).await?;
        self.status_of(&name)
    }

    /// The operators that a request stands for: itself, or its two stages.
    fn stages(&self, request: DeployRequest) -> Result<Vec<DeployRequest>, DeployError> {
        if !request.two_stage {
            return Ok(vec![request]);
        }
        let info = self.find_plugin(&request.plugin)?;
        if !info.combining {
            return Err(DeployError::invalid(format!(
                "two stages: plugin {} ({}) does not export combine: merge_partitions instead",
                info.name, info.hash
            )));
        }
        let (first, second) = stage::split(&request, &info.outputs)?;
        let is_other = |definition: &OperatorDefinition| {
            self.request_of(definition).is_ok_and(|request| request.stage != Some(Stage::Partial))
        };
        if self.definition(&first.name).is_some_and(|definition| is_other(&definition)) {
            return Err(DeployError::invalid(format!(
                "two stages: there is an operator {} already, which is the name of the first: remove it, or choose another name",
                first.name
            )));
        }
        Ok(vec![first, second])
    }

    /// The first stage of the operator of this name, if it has one.
    pub(crate) fn first_stage_of(&self, name: &str) -> Option<OperatorDefinition> {
        let stage_of = |definition: &OperatorDefinition| self.request_of(definition).ok()?.stage;
        let second = self.definition(name)?;
        let first = self.definition(&partial_name(name))?;
        (stage_of(&second) == Some(Stage::Combine) && stage_of(&first) == Some(Stage::Partial)).then_some(first)
    }

    /// Refuses a change to the first of an operator's stages alone: they come and go together.
    pub(crate) fn check_is_no_first_stage(&self, name: &str) -> Result<(), DeployError> {
        let second = combined_name(name);
        match self.first_stage_of(second).is_some_and(|first| first.name == name) {
            true => Err(DeployError::invalid(format!("{name} is the first stage of {second}: name that instead"))),
            false => Ok(()),
        }
    }

    /// A definition of a new generation, checked and tried out. `others` are about to be deployed too.
    pub(crate) async fn new_definition(
        self: &Arc<Self>,
        request: DeployRequest,
        others: &[OperatorDefinition],
    ) -> Result<OperatorDefinition, DeployError> {
        let info = self.find_plugin(&request.plugin)?;
        self.check_ceiling(&request.limits)?;
        if request.stage == Some(Stage::Combine) && !info.combining {
            return Err(DeployError::invalid(format!(
                "{} has two stages, and plugin {} ({}) does not export combine",
                request.name, info.name, info.hash
            )));
        }
        // Never the number of an operator that was removed: followers would drop the new one's outputs as repetitions.
        let now_ms = u64::try_from(self.around.env.now() / 1_000_000).unwrap_or(0);
        let taken = [self.definition(&request.name), self.definition(&shadow_name(&request.name))];
        let generation = taken.iter().flatten().fold(now_ms, |number, old| number.max(old.generation + 1));
        self.try_out(info.hash.clone(), generation, request.clone()).await?;
        self.check_cycles(&info, &request, others)?;
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
    fn check_cycles(
        &self,
        info: &PluginInfo,
        request: &DeployRequest,
        others: &[OperatorDefinition],
    ) -> Result<(), DeployError> {
        let world = if info.world == World::Aggregation.name() { World::Aggregation } else { World::Calculation };
        let new = Spec::new(request, (&info.hash, 0), world, &info.about())?;
        let definitions = self.around.catalog.operators();
        let is_replaced = |other: &OperatorDefinition| others.iter().any(|new| new.name == other.name);
        let present = definitions.iter().filter(|other| !is_replaced(other));
        let others = present.chain(others).filter(|other| !other.shadow && other.name != request.name);
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

    pub(crate) fn find_plugin(&self, name_or_hash: &str) -> Result<PluginInfo, DeployError> {
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

    /// Refuses an operator whose groups have series in several partitions, when each partition would be calculated by itself.
    fn check_spread(&self, definition: &OperatorDefinition) -> Result<(), DeployError> {
        let Some(spec) = self.spec_of(definition) else {
            return Ok(());
        };
        let mut homes = Homes::of(&spec, self.around.partitions);
        let stray = homes.as_mut().and_then(|homes| homes.refresh(&spec, &self.around.catalog));
        stray.map_or(Ok(()), |stray| Err(DeployError::invalid(stray.to_string())))
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

    /// The ordinal of the first record from `offset` on, whether it is there or will come.
    pub(crate) async fn ordinal_at(&self, at: &TopicPartition, offset: Offset) -> Result<u64, DeployError> {
        let bounds = self.around.journal.bounds(at).await?;
        match offset < bounds.durable {
            true => Ok(self.first_from(at, offset.max(bounds.start)).await?.1),
            false => Ok(bounds.records),
        }
    }

    /// Offset and ordinal of the first record from `offset` on; there is one.
    async fn first_from(&self, at: &TopicPartition, offset: Offset) -> Result<(Offset, u64), DeployError> {
        let batch = self.around.journal.read(at, offset, ReadLimits { bytes: 1, ..ReadLimits::default() }).await?;
        let record =
            batch.records.first().ok_or_else(|| DeployError::invalid("the record to start at is not there"))?;
        Ok((record.offset, record.ordinal))
    }
}
