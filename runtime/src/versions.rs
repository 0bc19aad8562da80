//! Versions of an operator: a new one runs in the shadow of the present one, is compared with it, takes over at one exact
//! offset, and can be rolled back.
//!
//! ```text
//!   inputs    ──────────────────────────P──────────────────────▶
//!   present   data data data data data ─┤ stopped, kept
//!   shadow         shadow  shadow shadow├ data  data  data  data
//! ```
//!
//! The shadow is an operator of its own, named `NAME~shadow`, whose outputs go to the topic `shadow` under the names that
//! they would have. A promotion does this, and can be repeated when it is interrupted:
//! 1. pause the shadow, at Q;
//! 2. wait until the present version has passed Q, and pause it, at P ≥ Q;
//! 3. write one definition: the shadow's generation under the present name, with P as its cut.
//!
//! Outputs of inputs before P come from the old version and are in the data already; from P on they come from the new
//! one. A rollback is the same in the other direction: the old version goes on from its own checkpoint at P, and what it
//! writes revises what the new one wrote.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tidemill_journal::Cursor;
use tidemill_model::Offset;
use tidemill_model::payload::{OperatorDefinition, OperatorState, OperatorVersion};

use crate::error::DeployError;
use crate::operator::checkpoint::CheckpointFile;
use crate::operator::spec::DeployRequest;
use crate::operator::start::Start;
use crate::operator::status::{InstanceStatus, OperatorStatus};
use crate::runtime::Runtime;

/// What the name of a shadow ends with; names of operators cannot.
const SHADOW: &str = "~shadow";
/// Versions that a definition remembers.
const VERSIONS_MAX: usize = 64;
/// How long a verb waits for operators to stop or to catch up.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The name of the operator that `name` is, or whose shadow it is.
pub(crate) fn base_name(name: &str) -> &str {
    name.strip_suffix(SHADOW).unwrap_or(name)
}

/// The name of an operator's shadow.
pub(crate) fn shadow_name(name: &str) -> String {
    format!("{}{SHADOW}", base_name(name))
}

impl Runtime {
    /// Runs a new version of an operator in the shadow of the present one. What the request leaves out (inputs, grouping,
    /// output, window, lateness) is as in the present version; it starts at the earliest record unless it says otherwise.
    ///
    /// # Errors
    /// What is wrong with the request, and what to do about it.
    pub async fn shadow(self: &std::sync::Arc<Self>, request: ShadowRequest) -> Result<OperatorStatus, DeployError> {
        let _one_at_a_time = self.deploying.lock().await;
        let present = self.required(&request.name)?;
        let full = request.over(&self.request_of(&present)?);
        let mut definition = self.new_definition(full, &[]).await?;
        definition.name = shadow_name(&present.name);
        definition.shadow = true;
        if request.start == Some(Start::State) {
            definition.load_from = present.generation;
            self.check_durable(&definition, &present)?;
            let dir = self.operator_dir(&present.name, present.generation);
            let instances = self.layout_of(&present).instances();
            self.wait_until("the present version has written a checkpoint", || {
                (0..instances).all(|instance| CheckpointFile::new(&dir, instance).is_there())
            })
            .await?;
        }
        self.around.catalog.put_operator(definition).await?;
        self.status_of(&shadow_name(&present.name))
    }

    /// Makes the shadow the present version, at one exact offset of every partition.
    ///
    /// # Errors
    /// When there is no shadow, it has failed, or the present version does not catch up with it.
    pub async fn promote(&self, name: &str) -> Result<OperatorStatus, DeployError> {
        let _one_at_a_time = self.deploying.lock().await;
        let (present, shadow) = (self.required(name)?, self.required(&shadow_name(name))?);
        self.check_owned("promote")?;
        if shadow.generation == present.generation {
            // A promotion was interrupted when only this was left to do.
            self.forget(&shadow).await?;
            return self.status_of(name);
        }
        if let Some(reason) = self.failure_of(&shadow) {
            return Err(DeployError::invalid(format!("the shadow of {name} has failed: {reason}")));
        }
        let promoted = self.take_over(&present, &shadow).await;
        if promoted.is_err() {
            // As it was; whoever repeats the promotion starts anew.
            for definition in [&present, &shadow] {
                self.around.catalog.put_operator(definition.clone()).await?;
            }
        }
        promoted?;
        // Nothing is taken back if this fails: the new version runs already.
        self.forget(&shadow).await?;
        self.status_of(name)
    }

    async fn take_over(&self, present: &OperatorDefinition, shadow: &OperatorDefinition) -> Result<(), DeployError> {
        let until = self.stop(shadow).await?;
        let is_running = present.operator_state() == Some(OperatorState::Running) && self.failure_of(present).is_none();
        if is_running {
            self.wait_until("the present version has caught up with its shadow and has no windows waiting", || {
                let has_reached = |offsets: Vec<Offset>| offsets.iter().zip(&until).all(|(own, until)| own >= until);
                self.offsets_of(present).is_some_and(has_reached) && !self.has_windows_waiting(present)
            })
            .await?;
        }
        let cut = self.stop(present).await?;
        if is_running && (self.stopped_at(present).is_some_and(|end| end != cut) || self.has_windows_waiting(present)) {
            return Err(DeployError::invalid(format!(
                "{} has stopped before its last checkpoint was written or its windows were closed: try again",
                present.name
            )));
        }
        if let Some(partition) = (0..).zip(cut.iter().zip(&until)).find(|(_, (cut, until))| cut < until).map(|(p, _)| p)
        {
            let partition: u32 = partition;
            return Err(DeployError::invalid(format!(
                "the present version of {} is behind its shadow in partition {partition} and does not run: resume it first",
                present.name
            )));
        }
        let new = OperatorDefinition {
            name: present.name.clone(),
            shadow: false,
            state: OperatorState::Running as u32,
            cut_offsets: cut.iter().map(|offset| offset.0).collect(),
            // The cut is of this journal; a place to start at stays one of the journal in which it was said.
            start_journal: match shadow.start_offsets.is_empty() {
                true => self.around.journal.identity().id,
                false => shadow.start_journal,
            },
            previous: OperatorDefinition { previous: bytes::Bytes::new(), ..present.clone() }.to_payload(),
            versions: remembered(present),
            ..shadow.clone()
        };
        Ok(self.around.catalog.put_operator(new).await?)
    }

    /// Goes back to the version before the last promotion: it goes on where it stopped, and what it writes revises what the
    /// present version has written since. Doing it twice goes forward again.
    ///
    /// # Errors
    /// When there is no version to go back to.
    pub async fn roll_back(&self, name: &str) -> Result<OperatorStatus, DeployError> {
        let _one_at_a_time = self.deploying.lock().await;
        let present = self.required(name)?;
        self.check_owned("roll back")?;
        let previous = OperatorDefinition::parse(&present.previous).ok().filter(|previous| previous.generation > 0);
        let previous = previous.ok_or_else(|| {
            DeployError::invalid(format!("operator {name} has no version to go back to: it was not promoted"))
        })?;
        let back = OperatorDefinition {
            state: OperatorState::Running as u32,
            previous: OperatorDefinition { previous: bytes::Bytes::new(), ..present.clone() }.to_payload(),
            versions: remembered(&present),
            ..previous
        };
        // Where the present version stands does not matter: its checkpoint may be what is wrong with it.
        let done = match self.pause(&present).await {
            Ok(()) => self.around.catalog.put_operator(back).await.map_err(DeployError::from),
            Err(error) => Err(error),
        };
        if done.is_err() {
            // As it was.
            self.around.catalog.put_operator(present).await?;
        }
        done?;
        self.status_of(name)
    }

    /// Removes an operator's shadow.
    ///
    /// # Errors
    /// When there is none.
    pub async fn discard_shadow(&self, name: &str) -> Result<(), DeployError> {
        let _one_at_a_time = self.deploying.lock().await;
        let shadow = self.required(&shadow_name(name))?;
        self.forget(&shadow).await
    }

    /// Starts an operator anew somewhere else, with nothing remembered. What it writes again revises what is there.
    ///
    /// # Errors
    /// When there is no such operator or place.
    pub async fn rewind(self: &std::sync::Arc<Self>, name: &str, start: Start) -> Result<OperatorStatus, DeployError> {
        let _one_at_a_time = self.deploying.lock().await;
        let present = self.required(name)?;
        if start == Start::State {
            return Err(DeployError::invalid("rewind to earliest, latest, a time or a position"));
        }
        let request = DeployRequest { start, ..self.request_of(&present)? };
        let config = serde_json::to_string(&request).expect("a deploy request has a JSON form");
        // By its hash: the newest plugin of that name may be another one by now.
        let request = DeployRequest { plugin: present.plugin_hash.clone(), ..request };
        let definition = self.new_definition(request, &[]).await?;
        let definition = OperatorDefinition { config, versions: remembered(&present), ..definition };
        self.around.catalog.put_operator(definition).await?;
        self.status_of(name)
    }

    pub(crate) async fn forget(&self, definition: &OperatorDefinition) -> Result<(), DeployError> {
        let removed = OperatorDefinition { state: OperatorState::Removed as u32, ..definition.clone() };
        Ok(self.around.catalog.put_operator(removed).await?)
    }

    fn required(&self, name: &str) -> Result<OperatorDefinition, DeployError> {
        let missing = || match name.strip_suffix(SHADOW) {
            Some(name) => DeployError::NotFound { reason: format!("operator {name} has no shadow: start one first") },
            None => self.no_such_operator(name),
        };
        self.definition(name).ok_or_else(missing)
    }

    pub(crate) fn request_of(&self, definition: &OperatorDefinition) -> Result<DeployRequest, DeployError> {
        serde_json::from_str(&definition.config).map_err(|error| {
            DeployError::invalid(format!("the definition of {} cannot be read: {error}", definition.name))
        })
    }

    /// Both versions can save and load.
    fn check_durable(&self, new: &OperatorDefinition, old: &OperatorDefinition) -> Result<(), DeployError> {
        for definition in [new, old] {
            let is_durable = self.plugins.find(&definition.plugin_hash).is_some_and(|info| info.durable);
            if !is_durable {
                return Err(DeployError::invalid(format!(
                    "plugin {} ({}) does not export save and load, so state cannot move: start at earliest instead",
                    definition.plugin, definition.plugin_hash
                )));
            }
        }
        Ok(())
    }

    /// This node works on every partition, or it could not tell where an operator has stopped.
    fn check_owned(&self, what: &str) -> Result<(), DeployError> {
        let owned = self.share.assignments().borrow().partitions.len();
        if owned < self.around.partitions as usize {
            return Err(DeployError::invalid(format!(
                "other nodes work on some partitions: to {what}, stop all nodes but one first"
            )));
        }
        Ok(())
    }

    fn failure_of(&self, definition: &OperatorDefinition) -> Option<String> {
        let status = self.status_of(&definition.name).ok()?;
        (status.state == "failed").then(|| status.last_error.unwrap_or_default())
    }

    /// The next offset in every partition.
    pub(crate) fn offsets_of(&self, definition: &OperatorDefinition) -> Option<Vec<Offset>> {
        let supervisor = self.supervisor.lock();
        let shared = supervisor.shared_of(&definition.name, definition.generation)?;
        let progress = |instance: &InstanceStatus| instance.progress.lock().as_ref().map(|progress| progress.offsets());
        let all: Option<Vec<_>> = shared.instances.iter().map(progress).collect();
        Some(all?.concat())
    }

    /// Whether windows of an operator wait for the next records.
    fn has_windows_waiting(&self, definition: &OperatorDefinition) -> bool {
        let supervisor = self.supervisor.lock();
        let shared = supervisor.shared_of(&definition.name, definition.generation);
        shared.is_some_and(|shared| shared.instances.iter().any(|one| one.has_windows_waiting.load(Relaxed)))
    }

    /// Where an operator that has stopped would have read on in every partition.
    fn stopped_at(&self, definition: &OperatorDefinition) -> Option<Vec<Offset>> {
        let supervisor = self.supervisor.lock();
        let shared = supervisor.shared_of(&definition.name, definition.generation)?;
        Some(shared.instances.iter().flat_map(|one| one.stopped_at.lock().clone()).collect())
    }

    /// Waits until an operator has read everything before some offsets, if it runs here.
    pub(crate) async fn reach(&self, definition: &OperatorDefinition, offsets: &[Offset]) -> Result<(), DeployError> {
        self.wait_until("the operator has read what it is calculated from", || {
            let own = self.offsets_of(definition);
            own.is_none_or(|own| own.iter().zip(offsets).all(|(own, offset)| own >= offset))
        })
        .await
    }

    /// Has an operator stand still, and waits until it does; what it has computed is durable then. Only this node remembers that.
    pub(crate) async fn hold(&self, definition: &OperatorDefinition) -> Result<(), DeployError> {
        self.supervisor.lock().hold(&definition.name, true);
        self.wake.notify_one();
        let (name, generation) = (&definition.name, definition.generation);
        self.wait_until("the operator stands still", || {
            self.supervisor.lock().has_stopped(name, generation, OperatorState::Paused)
        })
        .await
    }

    /// Lets an operator go on that was held.
    pub(crate) fn let_go(&self, definition: &OperatorDefinition) {
        self.supervisor.lock().hold(&definition.name, false);
        self.wake.notify_one();
    }

    /// Pauses an operator and waits until it has stopped.
    async fn pause(&self, definition: &OperatorDefinition) -> Result<(), DeployError> {
        let paused = OperatorDefinition { state: OperatorState::Paused as u32, ..definition.clone() };
        self.around.catalog.put_operator(paused).await?;
        let (name, generation) = (&definition.name, definition.generation);
        self.wait_until("the operator has stopped", || {
            self.supervisor.lock().has_stopped(name, generation, OperatorState::Paused)
        })
        .await
    }

    /// Pauses an operator and returns where it stands in every partition once it has stopped.
    async fn stop(&self, definition: &OperatorDefinition) -> Result<Vec<Offset>, DeployError> {
        self.pause(definition).await?;
        self.checkpointed(definition)
    }

    /// Where an operator would read on in every partition.
    pub(crate) fn checkpointed(&self, definition: &OperatorDefinition) -> Result<Vec<Offset>, DeployError> {
        let (name, generation) = (&definition.name, definition.generation);
        let (_, spec) = self.load(definition).map_err(DeployError::invalid)?;
        let dir = self.operator_dir(base_name(name), generation);
        let layout = spec.layout(self.around.partitions);
        let mut offsets = Vec::new();
        for instance in 0..layout.instances() {
            let loaded = CheckpointFile::new(&dir, instance).read(&spec);
            let loaded = loaded.map_err(|error| DeployError::invalid(error.to_string()))?;
            let begin = |partition: u32| definition.start_offsets.get(partition as usize).copied().unwrap_or(0);
            match loaded {
                None => offsets.extend(layout.read_by(instance).map(|partition| Offset(begin(partition)))),
                Some(saved) => {
                    let cursors = Cursor::decode_all(&saved.cursor);
                    let cursors = cursors.map_err(|error| DeployError::invalid(error.to_string()))?;
                    offsets.extend(cursors.iter().map(|cursor| cursor.next));
                }
            }
        }
        Ok(offsets)
    }

    async fn wait_until(&self, what: &str, mut is_so: impl FnMut() -> bool) -> Result<(), DeployError> {
        let until = self.around.env.monotonic() + PATIENCE;
        while !is_so() {
            if self.around.env.monotonic() >= until {
                return Err(DeployError::invalid(format!(
                    "given up waiting until {what}: see its status, and try again"
                )));
            }
            self.around.env.sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}

/// The versions before the one that follows `present`, oldest first.
pub(crate) fn remembered(present: &OperatorDefinition) -> Vec<OperatorVersion> {
    let own = OperatorVersion {
        generation: present.generation,
        plugin_hash: present.plugin_hash.clone(),
        plugin: present.plugin.clone(),
    };
    let mut versions = present.versions.clone();
    versions.retain(|version| version.generation != own.generation);
    versions.push(own);
    let surplus = versions.len().saturating_sub(VERSIONS_MAX);
    versions.drain(..surplus);
    versions
}

/// A new version of an operator, as users write it; what is absent is as in the present version.
#[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShadowRequest {
    /// The operator.
    pub name: String,
    /// Name or hash of an installed plugin; the newest of the present name by default.
    #[serde(default)]
    pub plugin: Option<String>,
    /// Parameters, all of them; absent: the present ones.
    #[serde(default)]
    pub params: Option<serde_json::Map<String, serde_json::Value>>,
    /// Where it begins to read.
    #[serde(default)]
    pub start: Option<Start>,
}

impl ShadowRequest {
    fn over(&self, present: &DeployRequest) -> DeployRequest {
        let start = match &self.start {
            // The state says where.
            Some(Start::State) | None => Start::Earliest,
            Some(start) => start.clone(),
        };
        DeployRequest {
            plugin: self.plugin.clone().unwrap_or_else(|| present.plugin.clone()),
            params: self.params.clone().unwrap_or_else(|| present.params.clone()),
            start,
            ..present.clone()
        }
    }
}
