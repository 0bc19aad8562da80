//! The installed plugins: Wasm files named by their hash, each with what it says of itself beside it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tidemill_journal::Env;
use wasmtime::Engine;
use xxhash_rust::xxh3::xxh3_128;

use crate::compile::{Compiler, artefact};
use crate::error::{InstallError, RuntimeError};
use crate::guest::{About, PLUGIN_BYTES_MAX, Plugin, Port};
use crate::operator::checkpoint::replace;

/// Where machine code goes, in the directory of plugins.
const COMPILED: &str = "compiled";
/// How long an uninstallation waits for an installation.
const UNINSTALL_PATIENCE: Duration = Duration::from_millis(100);

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
    /// The contract that it speaks: `0.2`.
    #[serde(default)]
    pub contract: String,
    /// Its state can move to a new version: it exports `save` and `load`.
    #[serde(default)]
    pub durable: bool,
    /// It can put results of parts of a window together: it exports `combine`.
    #[serde(default)]
    pub combining: bool,
    /// Its input ports.
    pub inputs: Vec<Port>,
    /// Its output ports.
    pub outputs: Vec<Port>,
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

/// The directory of installed plugins, their machine code, and what of it is mapped.
pub(crate) struct Plugins {
    dir: PathBuf,
    engine: Engine,
    /// Part of the names of compiled plugins.
    engine_name: String,
    compiler: Compiler,
    env: Arc<dyn Env>,
    installed: Mutex<HashMap<String, PluginInfo>>,
    compiled: Mutex<HashMap<String, Arc<Plugin>>>,
    /// Several instances of an operator may miss the same plugin at once.
    installing: Mutex<()>,
    /// Compiling takes much memory: one at a time.
    compiling: Mutex<()>,
}

impl Plugins {
    /// Reads what is installed. A file without its description is described again; one that is no plugin is left alone.
    pub(crate) fn open(
        dir: PathBuf,
        engine: Engine,
        compiler: Compiler,
        env: Arc<dyn Env>,
    ) -> Result<Self, RuntimeError> {
        let io = |error: std::io::Error| RuntimeError::io("read", &dir, &error);
        std::fs::create_dir_all(dir.join(COMPILED)).map_err(io)?;
        let entries = std::fs::read_dir(&dir).map_err(io)?;
        let files = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(io)?;
        let (engine_name, installed) = (artefact::engine_name(&engine), Mutex::default());
        let (compiled, installing, compiling) = (Mutex::default(), Mutex::default(), Mutex::default());
        let plugins = Self { dir, engine, engine_name, compiler, env, installed, compiled, installing, compiling };
        for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "wasm")) {
            plugins.find_out(file);
        }
        plugins.clear_away();
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

    /// Deletes machine code of other engines, and what interrupted runs have left.
    fn clear_away(&self) {
        let Ok(entries) = std::fs::read_dir(self.dir.join(COMPILED)) else {
            return;
        };
        for entry in entries.flatten() {
            let is_ours =
                entry.file_name().to_str().is_some_and(|name| name.ends_with(&format!("-{}", self.engine_name)));
            let path = entry.path();
            let delete = if path.is_dir() { std::fs::remove_dir_all } else { std::fs::remove_file };
            if !is_ours && let Err(error) = delete(path.clone()) {
                tracing::warn!(path = %path.display(), %error, "cannot delete an old compiled plugin");
            }
        }
    }

    fn file(&self, hash: &str) -> PathBuf {
        self.dir.join(format!("{hash}.wasm"))
    }

    /// Checks, compiles, tries and stores a plugin. If it is there, only a damaged file is mended.
    pub(crate) fn install(&self, wasm: &[u8]) -> Result<PluginInfo, InstallError> {
        if wasm.len() > PLUGIN_BYTES_MAX {
            return Err(InstallError::TooLarge { bytes: wasm.len(), limit: PLUGIN_BYTES_MAX });
        }
        let hash = format!("{:032x}", xxh3_128(wasm));
        let is_intact = || std::fs::read(self.file(&hash)).is_ok_and(|there| there == wasm);
        let known = || self.installed.lock().get(&hash).cloned();
        // Whoever finds it there does not wait for what others install.
        if let Some(info) = known().filter(|_| is_intact()) {
            return Ok(info);
        }
        let _one_at_a_time = self.installing.lock();
        if let Some(info) = known() {
            if !is_intact() {
                replace(&self.file(&hash), &[wasm])?;
            }
            return Ok(info);
        }
        let candidate = self.dir.join(COMPILED).join(format!("{hash}.candidate"));
        replace(&candidate, &[wasm])?;
        let compiled = self.compile(&hash, &candidate);
        // Only now is it known to be a plugin.
        let _ = std::fs::remove_file(&candidate);
        let (artefact, plugin) = compiled?;
        let info = PluginInfo {
            hash: hash.clone(),
            name: artefact.about.name,
            version: artefact.about.version,
            world: plugin.world().name().to_owned(),
            contract: format!("0.{}", artefact.contract),
            durable: plugin.is_durable(),
            combining: plugin.is_combining(),
            inputs: artefact.about.inputs,
            outputs: artefact.about.outputs,
            size_bytes: wasm.len() as u64,
            installed_ns: self.env.now(),
        };
        replace(&self.file(&hash), &[wasm])?;
        let json = serde_json::to_vec_pretty(&info).expect("a plain struct has a JSON form");
        replace(&self.dir.join(format!("{hash}.json")), &[&json])?;
        self.compiled.lock().insert(hash.clone(), Arc::new(plugin));
        self.installed.lock().insert(hash, info.clone());
        Ok(info)
    }

    /// Deletes a plugin and its machine code. Instances that run keep theirs.
    ///
    /// # Errors
    /// When a file cannot be deleted, or another plugin is being installed.
    pub(crate) fn uninstall(&self, hash: &str) -> Result<(), RuntimeError> {
        let Some(_one_at_a_time) = self.installing.try_lock_for(UNINSTALL_PATIENCE) else {
            let busy = std::io::Error::other("another plugin is being installed: try again");
            return Err(RuntimeError::io("delete", &self.file(hash), &busy));
        };
        self.installed.lock().remove(hash);
        self.compiled.lock().remove(hash);
        let machine_code = self.dir.join(COMPILED).join(format!("{hash}-{}", self.engine_name));
        let files = [self.file(hash), self.dir.join(format!("{hash}.json"))];
        let deleted = files.iter().map(|file| (file, std::fs::remove_file(file)));
        for (path, result) in deleted.chain([(&machine_code, std::fs::remove_dir_all(&machine_code))]) {
            match result {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(RuntimeError::io("delete", path, &error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The machine code of a plugin: what is there, or what the compiler makes of `wasm`.
    fn compile(&self, hash: &str, wasm: &Path) -> Result<(artefact::Artefact, Plugin), InstallError> {
        let dir = self.dir.join(COMPILED).join(format!("{hash}-{}", self.engine_name));
        // Whoever finds it ready does not wait for what others compile.
        if let Some(found) = artefact::read(&self.engine, &dir) {
            return Ok(found);
        }
        let _one_at_a_time = self.compiling.lock();
        if let Some(found) = artefact::read(&self.engine, &dir) {
            return Ok(found);
        }
        if dir.exists() {
            std::fs::remove_dir_all(&dir).map_err(|error| RuntimeError::io("delete", &dir, &error))?;
        }
        self.compiler.run(wasm, &dir, &self.env)?;
        artefact::read(&self.engine, &dir).ok_or_else(|| InstallError::Refused {
            reason: format!("{} cannot be read back: is the disk in order?", dir.display()),
        })
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
        let file = self.file(hash);
        let wasm = std::fs::read(&file).map_err(|error| RuntimeError::io("read", &file, &error))?;
        if format!("{:032x}", xxh3_128(&wasm)) != hash {
            let reason =
                format!("{} is damaged: its content has another hash; install the plugin again", file.display());
            return Err(InstallError::Refused { reason });
        }
        let plugin = Arc::new(self.compile(hash, &file)?.1);
        self.compiled.lock().insert(hash.to_owned(), plugin.clone());
        Ok(plugin)
    }
}
