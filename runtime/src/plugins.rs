//! The installed plugins: Wasm files named by their hash, each with what it says of itself beside it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tidemill_journal::Env;
use wasmtime::Engine;
use xxhash_rust::xxh3::xxh3_128;

use crate::error::{InstallError, RuntimeError};
use crate::guest::{About, Instance, Limits, Logs, Plugin, World, inspect};
use crate::operator::checkpoint::replace;

/// An installed plugin.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PluginInfo {
    /// XXH3-128 of the file, lower-case hex.
    pub hash: String,
    /// The plugin's own name.
    pub name: String,
    /// The plugin's own version.
    pub version: String,
    /// `calculation` or `aggregation`.
    pub world: String,
    /// Names of its input ports.
    pub inputs: Vec<String>,
    /// Names of its output ports.
    pub outputs: Vec<String>,
    /// Size of the file.
    pub size_bytes: u64,
    /// When it was installed, ns since the Unix epoch.
    pub installed_ns: i64,
}

impl PluginInfo {
    pub(crate) fn about(&self) -> About {
        About {
            name: self.name.clone(),
            version: self.version.clone(),
            inputs: self.inputs.clone(),
            outputs: self.outputs.clone(),
        }
    }
}

/// The directory of installed plugins, and the compiled ones in memory.
pub(crate) struct Plugins {
    dir: PathBuf,
    engine: Engine,
    env: Arc<dyn Env>,
    installed: Mutex<HashMap<String, PluginInfo>>,
    compiled: Mutex<HashMap<String, Arc<Plugin>>>,
}

impl Plugins {
    /// Reads what is installed. A file without its description is described again; one that is no plugin is left alone.
    pub(crate) fn open(dir: PathBuf, engine: Engine, env: Arc<dyn Env>) -> Result<Self, RuntimeError> {
        let io = |error: std::io::Error| RuntimeError::io("read", &dir, &error);
        std::fs::create_dir_all(&dir).map_err(io)?;
        let entries = std::fs::read_dir(&dir).map_err(io)?;
        let files = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(io)?;
        let (installed, compiled) = (Mutex::default(), Mutex::default());
        let plugins = Self { dir, engine, env, installed, compiled };
        for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "wasm")) {
            plugins.find_out(file);
        }
        Ok(plugins)
    }

    fn find_out(&self, file: &Path) {
        let described = std::fs::read(file.with_extension("json")).ok();
        let described = described.and_then(|json| serde_json::from_slice::<PluginInfo>(&json).ok());
        let has_own_name = |info: &PluginInfo| file.file_stem().is_some_and(|stem| stem == info.hash.as_str());
        if let Some(info) = described.filter(has_own_name) {
            self.installed.lock().insert(info.hash.clone(), info);
            return;
        }
        let again = std::fs::read(file).map_err(|error| error.to_string());
        if let Err(error) = again.and_then(|wasm| self.install(&wasm).map_err(|error| error.to_string())) {
            tracing::warn!(file = %file.display(), error, "file in the plugin directory is not a plugin");
        }
    }

    /// Checks, compiles, tries and stores a plugin. Does nothing if it is there.
    pub(crate) fn install(&self, wasm: &[u8]) -> Result<PluginInfo, InstallError> {
        let hash = format!("{:032x}", xxh3_128(wasm));
        if let Some(info) = self.installed.lock().get(&hash) {
            return Ok(info.clone());
        }
        let inspected = inspect(&self.engine, wasm)?;
        let plugin = Plugin::compile(&self.engine, &inspected)?;
        let mut instance = Instance::new(&plugin, Limits::default(), Arc::new(Logs::default()), self.env.clone())?;
        let about = instance.describe()?;
        check_about(&about, plugin.world())?;
        let info = PluginInfo {
            hash: hash.clone(),
            name: about.name,
            version: about.version,
            world: plugin.world().name().to_owned(),
            inputs: about.inputs,
            outputs: about.outputs,
            size_bytes: wasm.len() as u64,
            installed_ns: self.env.now(),
        };
        replace(&self.dir.join(format!("{hash}.wasm")), &[wasm])?;
        let json = serde_json::to_vec_pretty(&info).expect("a plain struct has a JSON form");
        replace(&self.dir.join(format!("{hash}.json")), &[&json])?;
        self.compiled.lock().insert(hash.clone(), Arc::new(plugin));
        self.installed.lock().insert(hash, info.clone());
        Ok(info)
    }

    /// The installed plugins, by name and then newest first.
    pub(crate) fn list(&self) -> Vec<PluginInfo> {
        let mut all: Vec<_> = self.installed.lock().values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name).then(b.installed_ns.cmp(&a.installed_ns)).then(a.hash.cmp(&b.hash)));
        all
    }

    /// The plugin with this hash, or the newest one with this name.
    pub(crate) fn find(&self, name_or_hash: &str) -> Option<PluginInfo> {
        let by_hash = self.installed.lock().get(name_or_hash).cloned();
        by_hash.or_else(|| self.list().into_iter().find(|info| info.name == name_or_hash))
    }

    /// The compiled plugin.
    ///
    /// # Errors
    /// When its file is missing, was changed, or does not compile any more.
    pub(crate) fn compiled(&self, hash: &str) -> Result<Arc<Plugin>, InstallError> {
        if let Some(plugin) = self.compiled.lock().get(hash) {
            return Ok(plugin.clone());
        }
        let file = self.dir.join(format!("{hash}.wasm"));
        let wasm = std::fs::read(&file).map_err(|error| RuntimeError::io("read", &file, &error))?;
        if format!("{:032x}", xxh3_128(&wasm)) != hash {
            let reason =
                format!("{} is damaged: its content has another hash; install the plugin again", file.display());
            return Err(InstallError::Refused { reason });
        }
        let plugin = Arc::new(Plugin::compile(&self.engine, &inspect(&self.engine, &wasm)?)?);
        self.compiled.lock().insert(hash.to_owned(), plugin.clone());
        Ok(plugin)
    }
}

fn check_about(about: &About, world: World) -> Result<(), InstallError> {
    let refused = |reason: &str| Err(InstallError::Refused { reason: reason.to_owned() });
    let is_unique = |ports: &[String]| ports.iter().enumerate().all(|(i, port)| !ports[..i].contains(port));
    match (about.inputs.len(), about.outputs.len()) {
        _ if about.name.is_empty() => refused("describe returns an empty name"),
        (0, _) => refused("describe names no inputs"),
        (_, 0) => refused("describe names no outputs"),
        (2.., _) if world == World::Aggregation => refused("an aggregation has exactly one input"),
        _ if about.inputs.iter().chain(&about.outputs).any(String::is_empty) => refused("a port has no name"),
        _ if !is_unique(&about.inputs) || !is_unique(&about.outputs) => refused("two ports have the same name"),
        _ => Ok(()),
    }
}
