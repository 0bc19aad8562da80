//! Trials of plugins on this machine: a place for each, and the fixtures of a project.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::{Value, json};
use tidemill_journal::{Env, SystemEnv};
use tidemill_journal_embedded::{EmbeddedConfig, EmbeddedJournal, Sync};
use tidemill_runtime::DeployRequest;
use tidemill_runtime::trial::{Conditions, Fixture, Outcome, Place, Subject, run};
use tokio::runtime::Runtime;

use crate::fixture::read;

/// Files in memory, where there are some: a trial syncs each checkpoint.
const MEMORY_DIR: &str = "/dev/shm";
/// Bytes of a segment of a trial's journal.
const SEGMENT_BYTES: u64 = 32 << 20;
/// Name of the operator in a trial, unless the fixture says otherwise.
const OPERATOR: &str = "trial";

/// A directory with a fixture.
#[derive(Debug)]
pub struct FixtureDir {
    /// Its name.
    pub name: String,
    dir: PathBuf,
}

impl FixtureDir {
    /// The fixtures in a directory, by name; none if it is not there.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn all(parent: &Path) -> anyhow::Result<Vec<Self>> {
        if !parent.is_dir() {
            return Ok(Vec::new());
        }
        let mut all = Vec::new();
        for entry in std::fs::read_dir(parent).with_context(|| format!("read {}", parent.display()))? {
            let dir = entry?.path();
            if dir.join("operator.json").is_file() {
                let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
                all.push(Self { name, dir });
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// What the operator is deployed with.
    ///
    /// # Errors
    /// When the file is not understood.
    pub fn request(&self) -> anyhow::Result<DeployRequest> {
        let path = self.dir.join("operator.json");
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let parsed = serde_json::from_str(&text).and_then(|mut request: Value| {
            if let Some(request) = request.as_object_mut() {
                request.entry("name").or_insert(json!(OPERATOR));
                request.entry("plugin").or_insert(json!(OPERATOR));
            }
            serde_json::from_value(request)
        });
        parsed.with_context(|| format!("{} is not what a deploy takes", path.display()))
    }

    /// The input.
    ///
    /// # Errors
    /// When the file is missing or wrong.
    pub fn input(&self) -> anyhow::Result<Fixture> {
        let path = self.dir.join("input.txt");
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        read(&text).with_context(|| path.display().to_string())
    }

    /// Where the expected outputs stand.
    pub fn expected_path(&self) -> PathBuf {
        self.dir.join("expected.txt")
    }

    /// The expected outputs; `None` if nothing has been said about them yet.
    ///
    /// # Errors
    /// When the file is wrong.
    pub fn expected(&self) -> anyhow::Result<Option<Fixture>> {
        let path = self.expected_path();
        match std::fs::read_to_string(&path) {
            Ok(text) => read(&text).map(Some).with_context(|| path.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
        }
    }
}

/// Where trials take place.
pub struct Arena {
    runtime: Runtime,
    env: Arc<dyn Env>,
}

impl Arena {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn new() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let env = runtime.block_on(async { SystemEnv::new() });
        Ok(Self { runtime, env })
    }

    /// The world.
    pub fn env(&self) -> Arc<dyn Env> {
        self.env.clone()
    }

    /// Checks and compiles a plugin.
    ///
    /// # Errors
    /// When the file cannot be read, or a node would refuse it.
    pub fn subject(&self, wasm: &Path) -> anyhow::Result<Subject> {
        let bytes = std::fs::read(wasm).with_context(|| format!("read {}", wasm.display()))?;
        let refused = || format!("a node would refuse {}: see `tidemill plugin inspect`", wasm.display());
        Subject::new(&bytes, self.env()).with_context(refused)
    }

    /// One trial, in a place of its own.
    ///
    /// # Errors
    /// When the request does not fit the plugin, or the operator stops.
    pub fn trial(
        &self,
        subject: &Subject,
        request: &DeployRequest,
        fixture: &Fixture,
        conditions: Conditions,
    ) -> anyhow::Result<Outcome> {
        let memory = Path::new(MEMORY_DIR);
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let dir = dir.context("make a directory for the trial")?;
        let config = EmbeddedConfig {
            segment_bytes: SEGMENT_BYTES,
            sync: Sync::Never,
            ..EmbeddedConfig::new(dir.path().join("journal"))
        };
        let checkpoints = dir.path().join("operator");
        let outcome = self.runtime.block_on(async {
            let journal = EmbeddedJournal::open(config, self.env())?;
            let place = Place { journal, dir: &checkpoints, env: self.env() };
            anyhow::Ok(run(subject, request, fixture, conditions, place).await?)
        });
        outcome.context("the trial could not be made")
    }
}
