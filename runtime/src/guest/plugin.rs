//! A compiled plugin: its modules, ready to be put together.

use wasmtime::{Engine, Linker, Module};

use super::blueprint::{Blueprint, World};
use super::granted;
use super::host::Host;
use super::source::{SourceMap, Sources, source_map};
use crate::error::InstallError;
use crate::guest::Inspected;

/// A compiled plugin.
pub struct Plugin {
    pub(super) engine: Engine,
    pub(super) blueprint: Blueprint,
    pub(super) modules: Vec<Module>,
    pub(super) linker: Linker<Host>,
    pub(super) sources: Sources,
}

impl Plugin {
    /// Compiles a plugin that has passed the checks.
    ///
    /// # Errors
    /// When it does not compile.
    pub fn compile(engine: &Engine, inspected: &Inspected) -> Result<Self, InstallError> {
        let not_wasm = |error: wasmtime::Error| InstallError::NotWasm { reason: format!("{error:#}") };
        let modules = inspected.modules.iter().map(|wasm| Module::new(engine, wasm).map_err(not_wasm));
        let modules = modules.collect::<Result<Vec<_>, _>>()?;
        let sources = Sources::at_hand(&modules, inspected.modules.iter().map(|wasm| source_map(wasm)).collect());
        Self::of(engine, inspected.blueprint.clone(), modules, sources)
    }

    /// The machine code of its modules.
    pub(crate) fn serialize(&self) -> Result<Vec<Vec<u8>>, InstallError> {
        let not_wasm = |error: wasmtime::Error| InstallError::NotWasm { reason: format!("{error:#}") };
        self.modules.iter().map(|module| module.serialize().map_err(not_wasm)).collect()
    }

    pub(crate) fn of(
        engine: &Engine,
        blueprint: Blueprint,
        modules: Vec<Module>,
        sources: Sources,
    ) -> Result<Self, InstallError> {
        let mut linker = Linker::new(engine);
        granted::link(&mut linker)?;
        Ok(Self { engine: engine.clone(), blueprint, modules, linker, sources })
    }

    /// What is known of the sources of its modules.
    pub(crate) fn source_maps(&self) -> impl Iterator<Item = Option<&SourceMap>> {
        self.sources.maps()
    }

    pub(crate) fn blueprint(&self) -> &Blueprint {
        &self.blueprint
    }

    /// Its world.
    pub fn world(&self) -> World {
        self.blueprint.world
    }

    /// Whether it can put results of parts of a window together: it exports `combine`.
    pub fn is_combining(&self) -> bool {
        self.blueprint.has("combine")
    }

    /// Whether its state can move: it exports `save` and `load`.
    pub fn is_durable(&self) -> bool {
        self.blueprint.has("save")
    }
}
